import re
from typing import Any

from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request


class ByPrimaryKey(CursorPagination):
    """Pages in primary-key order; ``next`` is null on the last one, so that nothing is cut off silently."""

    ordering = "pk"
    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1000

    def decode_cursor(self, request: Request) -> Any:
        """Return the cursor; one that we did not write names no whole number, and is not found."""
        cursor = super().decode_cursor(request)
        if cursor and cursor.position is not None and not re.fullmatch(r"[0-9]{1,18}", str(cursor.position)):
            raise NotFound(self.invalid_cursor_message)
        return cursor


class NewestVersionFirst(ByPrimaryKey):
    ordering = "-version"
