"""Tell the gate which listings a markdown plan prices; the plans themselves live on a floor above."""

from datetime import datetime

from catalog.models import Listing


def mark_markdown(*, listing_id: int, until: datetime | None) -> None:
    """Have the gate refuse other automatic prices of a listing; with ``until`` None let them pass again.

    The mark stays until it is taken away, also past its time: whoever ends the plan does that in the same transaction.
    """
    Listing.objects.filter(pk=listing_id).update(markdown_until=until)
