"""Which arm of an experiment a price request sees: a hash of what is randomised, so that every process draws the same.

Pure. Units are SKUs, regions or time slots, never visitors.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

SHARES = 10_000
WEEK_SECONDS = 604_800
REGION_PATTERN = "[A-Za-z0-9_.-]{1,64}"


def drawn_arm(salt: str, unit: str, shares: Sequence[int]) -> int:
    """Return the index of the arm that a unit belongs to.

    ``u = SHA-256(salt:unit)`` read as a number in [0, 1); the arm is the one in whose share of 10,000 ``u`` falls.

    Args:
        shares: (arm,) basis points, > 0, summing to 10,000.
    """
    digest = hashlib.sha256(f"{salt}:{unit}".encode()).digest()
    point = int.from_bytes(digest[:8]) * SHARES >> 64
    return bisect_right(list(accumulate(shares)), point)


def slot_arm(salt: str, slot: int, slot_seconds: int, shares: Sequence[int]) -> int:
    """Return the index of the arm of a time slot.

    Where all k shares are equal (to a basis point) and slots divide a week, rounds of k weeks are balanced: every slot
    of the week, such as Monday 8 to 9, has each arm once, in an order drawn by hash. Otherwise a slot is drawn alone.

    Args:
        slot: Unix time over ``slot_seconds``.
        shares: (arm,) basis points, > 0, summing to 10,000.
    """
    if WEEK_SECONDS % slot_seconds or max(shares) - min(shares) > 1:
        return drawn_arm(salt, str(slot), shares)
    week, of_week = divmod(slot, WEEK_SECONDS // slot_seconds)
    a_round, turn = divmod(week, len(shares))
    hashes = [hashlib.sha256(f"{salt}:{a_round}:{of_week}:{arm}".encode()).digest() for arm in range(len(shares))]
    return sorted(range(len(shares)), key=hashes.__getitem__)[turn]


def answer_for(record: Mapping[str, Any], *, region: str | None, unix_time: float) -> dict[str, Any]:
    """Return what is served for a record: its price, or the price of the arm that is drawn.

    The control (the first arm) is served where a region is randomised and the request names none. ``slot_ends`` is
    the Unix time at which another arm may be drawn, or the prior price changes with time alone; None: never. An arm's
    price is nobody's announced reduction.
    """
    prior_price_until = record["prior_price_until"]
    answer = {**record, "experiment": None, "arm": None, "slot_ends": prior_price_until}
    del answer["prior_price_until"]
    experiment = record["experiment"]
    if experiment is None:
        return answer
    arms = experiment["arms"]
    index, slot_ends = _draw(experiment, f"{record['channel']}:{record['sku']}", region, unix_time)
    arm = arms[index]
    return answer | {
        "price": arm["price"],
        "source": "experiment",
        "binding_rule": None,
        "experiment": experiment["code"],
        "arm": arm["arm"],
        "slot_ends": min((end for end in (slot_ends, prior_price_until) if end is not None), default=None),
        "prior_price_window": None,
        "reduction_may_be_announced": None if record["reduction_may_be_announced"] is None else False,
        "reduction_percent": None,
    }


def _draw(experiment: Mapping[str, Any], listing: str, region: str | None, unix_time: float) -> tuple[int, int | None]:
    shares = [arm["share"] for arm in experiment["arms"]]
    if experiment["unit"] == "sku":
        return drawn_arm(experiment["salt"], listing, shares), None
    if experiment["unit"] == "region":
        return (0 if region is None else drawn_arm(experiment["salt"], region, shares)), None
    slot = int(unix_time // experiment["slot_seconds"])
    return slot_arm(experiment["salt"], slot, experiment["slot_seconds"], shares), (slot + 1) * experiment[
        "slot_seconds"
    ]
