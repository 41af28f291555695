"""One hash over the last row of every listing. Kept elsewhere, it proves later that what was there then still is."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime

from django.db import connection, transaction

HEADS_PER_PAGE = 20_000

# No INSERT is under way while this lock is held, so every row up to the highest key is there for good. It is let go
# at once; a publish that lasts longer than the timeout makes the anchor fail rather than everybody wait behind it.
LAST_ROW_SQL = """
SET LOCAL lock_timeout = '5s';
LOCK TABLE catalog_pricechange IN SHARE MODE;
SELECT coalesce(max(id), 0) FROM catalog_pricechange
"""
HEADS_SQL = """
SELECT listing.id, head.version, head.row_hash
  FROM (SELECT id FROM catalog_listing WHERE id > %(after)s ORDER BY id LIMIT %(limit)s) listing
  LEFT JOIN LATERAL (
        SELECT version, row_hash FROM catalog_pricechange
         WHERE listing_id = listing.id AND id <= %(last_row)s ORDER BY version DESC LIMIT 1
  ) head ON true
 ORDER BY listing.id
"""


@dataclass(frozen=True)
class LedgerAnchor:
    """``digest``: SHA-256, in hexadecimal digits, over the lines ``listing:version:row hash`` of all listings that have
    rows up to ``last_row``, in the order of the listings; ``heads``: their number."""

    taken_at: str
    last_row: int
    heads: int
    digest: str

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "LedgerAnchor":
        """Raises ValueError where the text is no anchor."""
        try:
            content = json.loads(text)
            anchor = cls(**content)
            datetime.fromisoformat(anchor.taken_at)
        except (TypeError, ValueError) as error:
            raise ValueError("this is no anchor of the ledger: give a file that check_ledger --anchor wrote") from error
        if not isinstance(anchor.last_row, int) or not isinstance(anchor.digest, str):
            raise ValueError("this is no anchor of the ledger: give a file that check_ledger --anchor wrote")
        return anchor


def ledger_anchor(*, now: datetime) -> LedgerAnchor:
    """Return the anchor of all rows that are committed at present. Waits up to 5 s for publishes that are under way.

    Raises:
        django.db.OperationalError: a publish took longer than that; take the anchor again.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        statements = LAST_ROW_SQL.split(";\n")
        for statement in statements:
            cursor.execute(statement)
        (last_row,) = cursor.fetchone()
    heads, digest = _digest_up_to(last_row)
    return LedgerAnchor(now.isoformat(), last_row, heads, digest)


def anchor_holds(anchor: LedgerAnchor) -> bool:
    """Tell whether the rows that were there at the anchor's time give its digest. Check the chains as well: only they
    lead from a listing's last row to those before it."""
    return _digest_up_to(anchor.last_row) == (anchor.heads, anchor.digest)


def _digest_up_to(last_row: int) -> tuple[int, str]:
    digest = hashlib.sha256()
    heads = after = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(HEADS_SQL, {"after": after, "limit": HEADS_PER_PAGE, "last_row": last_row})
            page = cursor.fetchall()
        if not page:
            return heads, digest.hexdigest()
        for listing, version, row_hash in page:
            if version is not None:
                heads += 1
                digest.update(f"{listing}:{version}:{bytes(row_hash).hex()}\n".encode())
        after = page[-1][0]
