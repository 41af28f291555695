"""Lists that `?channel=` narrows down."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from catalog.selectors.channels import UnknownChannel, channel_by_code


def of_asked_channel(request: Request, found: QuerySet[Any]) -> QuerySet[Any]:
    """Return the rows of the channel that the request names, or all where it names none; 400 where it is unknown."""
    code = request.query_params.get("channel")
    try:
        return found.filter(channel=channel_by_code(code)) if code else found
    except UnknownChannel as error:
        raise ValidationError({"channel": [str(error)]}) from error
