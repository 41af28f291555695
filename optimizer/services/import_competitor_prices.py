"""Take in competitors' offers from a file: find their products, keep the good rows. Only commands load this file."""

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from django.db import transaction

from catalog.models import Channel, Listing
from catalog.services.competitor_offers import SeenOffer, record_offers
from optimizer.engine.rivals import Named, match_offers
from optimizer.offer_file import COLUMNS, REJECTED, OfferRow, RejectsFileError, RowRejected, read_offer, read_texts

BY_SKU = "sku"
NOT_SOLD = "no such product: the channel has no SKU {}; import its sales first, or correct it"
GIVEN_TWICE = "given twice: row {} has another price of this moment"
KNOWN_OTHERWISE = "known otherwise: {} is stored of this moment, and history is not rewritten"


@dataclass
class FileRow:
    """One row of the file and what became of it: an offer that is new or was known, or the reason why it is neither."""

    number: int
    texts: Mapping[str, str]
    read: OfferRow | None = None
    listing_id: int | None = None
    by: str = ""
    reason: str = ""
    is_new: bool = False

    @property
    def offer(self) -> SeenOffer | None:
        if self.read is None or self.listing_id is None or self.reason:
            return None
        return SeenOffer(self.listing_id, self.read.competitor, self.read.price, self.read.observed_at)


@dataclass(frozen=True)
class OffersImported:
    """All rows of a file in their order."""

    rows: list[FileRow] = field(default_factory=list)

    @property
    def kept(self) -> list[FileRow]:
        """Rows that are in the history now, new or known before."""
        return [row for row in self.rows if not row.reason]

    @property
    def rejected(self) -> list[FileRow]:
        return [row for row in self.rows if row.reason]

    def matched_by(self) -> dict[str, int]:
        """Return how many rows were kept by `sku`, `gtin` and `name`."""
        counts = Counter(row.by for row in self.kept)
        return {by: counts[by] for by in (BY_SKU, "gtin", "name")}

    def rejected_by_reason(self) -> dict[str, int]:
        """Return how many rows were rejected by reason, without its details, the most frequent first."""
        return dict(Counter(row.reason.split(":")[0] for row in self.rejected).most_common())

    def write_rejected(self, path: Path) -> None:
        """Write the rejected rows as a file: the columns that came, then row and reason.

        Raises:
            RejectsFileError: it cannot be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow([*COLUMNS, *REJECTED])
                for row in self.rejected:
                    writer.writerow([*(row.texts.get(name, "") for name in COLUMNS), row.number, row.reason])
        except OSError as error:
            cure = "nothing was stored; give with --rejects a file that can be written"
            raise RejectsFileError(f"{path}: {error.strerror}: {cure}.") from error


def import_competitor_prices(*, channel: Channel, path: Path, rejects: Path, now: datetime) -> OffersImported:
    """Store the good rows of a file and write the others to `rejects`; the same rows again change nothing.

    A row is of the product that its SKU names; without one the GTIN decides, then the name.

    Raises:
        OfferFileError: the file cannot be read; nothing was written.
        RejectsFileError: rejected rows cannot be written; nothing was stored.
    """
    rows = [FileRow(number, texts) for number, texts in read_texts(path)]
    for row in rows:
        try:
            row.read = read_offer(row.texts, channel=channel, now=now)
        except RowRejected as error:
            row.reason = str(error)
    _find_products(channel, [row for row in rows if row.read is not None])
    _reject_contradictions(rows)
    return _keep(OffersImported(rows), rejects)


@transaction.atomic
def _keep(imported: OffersImported, rejects: Path) -> OffersImported:
    """Store and write in one transaction, which ends after the writing: what is rejected is never lost."""
    offers = dict.fromkeys(row.offer for row in imported.rows if row.offer is not None)
    recorded = record_offers(offers=list(offers))
    for row in imported.rows:
        if (offer := row.offer) is None:
            continue
        row.is_new = offer.key in recorded.new
        recorded.new.discard(offer.key)  # the same row once more is not new
        if offer.key in recorded.other_price:
            row.reason = KNOWN_OTHERWISE.format(f"{recorded.other_price[offer.key].normalize():f}")
    if imported.rejected:
        imported.write_rejected(rejects)
    return imported


def _find_products(channel: Channel, rows: list[FileRow]) -> None:
    listings = list(
        Listing.objects.filter(channel=channel)
        .order_by("product__sku")
        .values_list("pk", "product__sku", "product__name", "product__gtin")
    )
    of_sku = {sku: pk for pk, sku, _, _ in listings}
    unnamed = []
    for row in rows:
        assert row.read is not None
        if not row.read.sku:
            unnamed.append(row)
        elif row.read.sku in of_sku:
            row.listing_id, row.by = of_sku[row.read.sku], BY_SKU
        else:
            row.reason = NOT_SOLD.format(row.read.sku[:64])
    # A rival offers the same thing day after day: each is looked for once.
    asked = {Named(row.read.name, row.read.gtin): None for row in unnamed if row.read is not None}
    ours = [Named(name, gtin) for _, _, name, gtin in listings]
    found = dict(zip(asked, match_offers(list(asked), ours), strict=True))
    for row in unnamed:
        assert row.read is not None
        match = found[Named(row.read.name, row.read.gtin)]
        row.by, row.reason = match.by, match.reason
        row.listing_id = None if match.product is None else listings[match.product][0]


def _reject_contradictions(rows: list[FileRow]) -> None:
    """Of two rows with different prices of one moment the first counts."""
    first: dict[tuple[int, str, datetime], FileRow] = {}
    for row in rows:
        if (offer := row.offer) is None:
            continue
        known = first.setdefault(offer.key, row)
        assert known.offer is not None
        if known.offer.price != offer.price:
            row.reason = GIVEN_TWICE.format(known.number)
