"""Keep automatic prices from coming into force under a kill switch, also under one flipped while they were under way.

A publish may take minutes, a flip must not wait for it. So the switches are read twice: at the beginning, which refuses
what they cover, and by a deferred trigger as the last thing before the commit. Only that last check holds a shared lock
against the flip's exclusive one: a flip waits for a commit in flight, never for a batch, and once it has returned no
automatic price commits that it covers.
"""

from collections.abc import Iterable

from django.db import IntegrityError, connection

from catalog.selectors.kill_switches import switches_on
from catalog.selectors.listing_rows import PricedListing

FLIP_LOCK = 7_203_850_211  # the migration's trigger takes the same one, shared
CHECK_NAME = "kill_switch"
REFUSAL = "kill_switch"

CHECK_AT_COMMIT_SQL = "INSERT INTO catalog_automatic_batch (channel_id, categories, models) VALUES (%s, %s, %s)"


Decision = tuple[PricedListing, Iterable[str]]
"""A listing, and who decided its price: a source and a model."""


def killed_listings(*, channel_id: int, decisions: Iterable[Decision]) -> dict[int, str]:
    """Return the refusal of each listing that a switch covers."""
    switches = switches_on()
    if not switches:
        return {}
    return {
        row.pk: REFUSAL
        for row, models in decisions
        if switches.covers(channel_id=channel_id, category_id=row.product.category_id, models=models)
    }


def check_switches_at_commit(*, channel_id: int, decisions: Iterable[Decision]) -> None:
    """Have the database look at the switches again when this transaction commits.

    The commit then fails with an IntegrityError, of which `is_kill_switch` is true, where one was flipped meanwhile.
    """
    categories: set[int | None] = set()
    models: set[str] = set()
    for row, deciders in decisions:
        categories.add(row.product.category_id)
        models.update(deciders)
    if not models:
        return
    categories.discard(None)
    with connection.cursor() as cursor:
        cursor.execute(CHECK_AT_COMMIT_SQL, [channel_id, sorted(categories), sorted(models)])


def is_kill_switch(error: IntegrityError) -> bool:
    """Tell whether a transaction was undone because a kill switch was flipped while it ran."""
    return getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) == CHECK_NAME
