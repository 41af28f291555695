from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from catalog.models import ApiKey

UNKNOWN_KEY = "This API key is unknown or revoked: issue one with `manage.py create_api_key`."


class ApiKeyAuthentication(BaseAuthentication):
    """``Authorization: Bearer pk_…``: one indexed look-up of the key's SHA-256 digest."""

    challenge = 'Bearer realm="pricing"'

    def authenticate(self, request: Request) -> tuple[None, ApiKey] | None:
        kind, _, text = get_authorization_header(request).partition(b" ")
        if kind.lower() != b"bearer":
            return None
        key = (
            ApiKey.objects.select_related("owner")
            .filter(digest=ApiKey.digest_of(text.decode("latin-1").strip()), revoked_at=None)
            .first()
        )
        if key is None:
            raise AuthenticationFailed(UNKNOWN_KEY)
        return None, key

    def authenticate_header(self, request: Request) -> str:
        return self.challenge


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """Describes the key in the OpenAPI document."""

    target_class = ApiKeyAuthentication
    name = "apiKey"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An API key from `manage.py create_api_key`."}
