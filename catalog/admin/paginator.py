"""Pages without count(*): on a million rows a count costs more than the page it is for."""

from typing import Any

from django.core.paginator import EmptyPage, Page, Paginator
from django.db import connection
from django.utils.functional import cached_property

ASSUMED_COUNT = 10**12  # Django asks only whether a page can exist; ours ends where the rows end
EXACT_UP_TO = 10_000
# Rows before a page are read to be skipped: page 15,000 of a million took 1.8 s, page 2,000 half a second.
DEEPEST_PAGE = 2_000


class OpenEndedPage(Page):
    """A page that knows whether another follows, because one row more than it shows was read."""

    def __init__(self, object_list: Any, number: int, paginator: Paginator, *, more: bool) -> None:
        super().__init__(object_list, number, paginator)
        self.more = more

    def has_next(self) -> bool:
        return self.more and not self.is_deepest

    @property
    def is_deepest(self) -> bool:
        return bool(self.number >= DEEPEST_PAGE)


class OpenEndedPaginator(Paginator):
    """Previous and next only. The template name is unfold's hook for a pager of one's own."""

    template_name = "catalog/admin/pager.html"
    shown: OpenEndedPage | None = None

    @cached_property
    def count(self) -> int:
        return ASSUMED_COUNT

    def page(self, number: Any) -> OpenEndedPage:
        number = self.validate_number(number)
        if number > DEEPEST_PAGE:
            raise EmptyPage(f"Pages end at {DEEPEST_PAGE}: search or filter.")
        first = (number - 1) * self.per_page
        rows = list(self.object_list[first : first + self.per_page + 1])
        more = len(rows) > self.per_page
        self.shown = OpenEndedPage(rows[: self.per_page], number, self, more=more)
        return self.shown


# Of a partitioned table only its partitions are analysed by themselves.
ESTIMATE_SQL = """
SELECT sum(greatest(reltuples, 0))::bigint
  FROM pg_class JOIN pg_partition_tree(to_regclass(%s)) part ON part.relid = pg_class.oid
 WHERE part.isleaf
"""


def approximate_count(table: str) -> tuple[int | None, bool]:
    """Return a table's rows and whether they are the planner's estimate: exact while few, None before an ANALYZE."""
    with connection.cursor() as cursor:
        quoted = connection.ops.quote_name(table)
        cursor.execute(f"SELECT count(*) FROM (SELECT 1 FROM {quoted} LIMIT {EXACT_UP_TO}) few")  # noqa: S608
        few = cursor.fetchone()[0]
        if few < EXACT_UP_TO:
            return few, False
        cursor.execute(ESTIMATE_SQL, [quoted])
        estimate = cursor.fetchone()[0] or 0
    return (estimate if estimate >= EXACT_UP_TO else None), True
