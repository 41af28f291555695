import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pricing_site.settings")

django_application = get_asgi_application()

from catalog.gateway.application import GatewayApplication  # noqa: E402  (needs Django's apps)
from catalog.gateway.protocol import GatewayProtocol as GatewayProtocol  # noqa: E402

application = GatewayApplication(django_application)  # type: ignore[arg-type]  # dict for MutableMapping
