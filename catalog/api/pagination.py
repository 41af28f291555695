from rest_framework.pagination import CursorPagination


class ByPrimaryKey(CursorPagination):
    """Pages in primary-key order; ``next`` is null on the last one, so that nothing is cut off silently."""

    ordering = "pk"
    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1000


class NewestVersionFirst(ByPrimaryKey):
    ordering = "-version"
