"""Read experiments out: one of 100 million exposures from its sums by day, SKU pairs and time slots from their units.

Units and days are drawn in Postgres, the sums are built by the code that keeps them, and the read-out is timed as the
API makes it, the first one in the process too. Beside it: the sums worked out anew from the units' rows, as without
them every read-out would have to. Both must agree to the last digit. Then the rate at which exposures are counted. Run:
``.venv/bin/python -m pricing_site.embedded exec --ephemeral -- .venv/bin/python -m benchmarks.experiment_readout``
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import django
from rich.console import Console
from rich.table import Table

STARTED = datetime(2026, 1, 5, tzinfo=UTC)
DAYS = 56
VISITORS, EXPOSURES_EACH = 1_000_000, 100
PAIRS = 2_500
READINGS = 5

VISITORS_SQL = """
INSERT INTO experiments_unitstate (experiment_id, unit, arm_id, covariate)
SELECT %(experiment)s, 'v' || n, (%(arms)s::bigint[])[1 + n %% %(count)s], round((random() * 10)::numeric, 2)
  FROM generate_series(1, %(units)s) n;
INSERT INTO experiments_unitday (experiment_id, unit, day, exposures, orders, units, revenue, profit)
SELECT %(experiment)s, 'v' || n, %(first)s::date + (n / %(count)s %% %(days)s), %(each)s, bought, 2 * bought,
       round(amount, 2), round(amount / 3, 4)
  FROM generate_series(1, %(units)s) n
 CROSS JOIN LATERAL (SELECT (random() < 0.03)::int AS bought WHERE n > 0) luck
 CROSS JOIN LATERAL (SELECT (bought * exp(2 + random() * 2))::numeric AS amount) spent;
"""
SLOTS_SQL = """
INSERT INTO experiments_unitstate (experiment_id, unit, arm_id)
SELECT %(experiment)s, slot, (%(arms)s::bigint[])[1 + slot %% 2] FROM generate_series(%(from)s::bigint, %(to)s) slot;
INSERT INTO experiments_unitday (experiment_id, unit, day, exposures, orders, units, revenue, profit)
SELECT %(experiment)s, slot, %(first)s::date + ((slot - %(from)s) / 24)::int, 9, 0, sold, sold * 10, sold * 4
  FROM generate_series(%(from)s::bigint, %(to)s) slot
 CROSS JOIN LATERAL (SELECT (random() * 20 + slot %% 24)::int AS sold) luck;
"""
SALES_SQL = """
INSERT INTO catalog_dailysales (listing_id, day, units, revenue)
SELECT listing, %(first)s::date + at, sold, sold * 10
  FROM generate_series(%(from)s::bigint, %(to)s) listing CROSS JOIN generate_series(-28, %(days)s - 1) at
 CROSS JOIN LATERAL (SELECT (random() * 20 + listing %% 97)::int AS sold WHERE at > -99) luck WHERE sold > 0
"""


def make_experiment(code: str, design: str, arms: int, **fields: Any) -> Any:
    from catalog.models import Channel
    from experiments.models import ExperimentArm, ExperimentLayer, GuardrailMetric, PriceExperiment

    channel, _ = Channel.objects.get_or_create(
        code="bench", defaults={"name": "Bench", "currency": "GBP", "country": "GB"}
    )
    layer, _ = ExperimentLayer.objects.get_or_create(channel=channel, name="bench")
    defaults = {
        "name": code, "hypothesis": "None.", "metric": "revenue", "method": "spending", "horizon_days": 2 * DAYS,
        "minimum_effect": Decimal("0.02"), "created_at": STARTED, "created_by": "benchmark", "matching": "none",
    }  # fmt: skip
    experiment = PriceExperiment.objects.create(
        code=code, channel=channel, layer=layer, design=design, **defaults | fields
    )
    share = 10_000 // arms
    for at in range(arms):
        ExperimentArm.objects.create(
            experiment=experiment, position=at, name=f"arm-{at}", price_change=Decimal("-0.01") * at,
            share=10_000 - share * (arms - 1) if at == 0 else share,
        )  # fmt: skip
    for metric in ("profit", "conversion"):
        GuardrailMetric.objects.create(experiment=experiment, metric=metric, tolerated_loss=Decimal("0.5"))
    return experiment


def begin(experiment: Any) -> None:
    type(experiment).objects.filter(pk=experiment.pk).update(status="running", started_at=STARTED, plan={})
    experiment.refresh_from_db()


def store(experiment: Any, statement: str, **fields: Any) -> None:
    from django.db import connection

    from experiments.services.arm_days import recompute_arm_days

    arms = list(experiment.arms.order_by("position").values_list("pk", flat=True))
    query = {"experiment": experiment.pk, "arms": arms, "count": len(arms), "first": STARTED.date(), "days": DAYS}
    with connection.cursor() as cursor:
        for part in statement.strip().rstrip(";").split(";\n"):
            cursor.execute(part, query | fields)
        cursor.execute("ANALYZE experiments_unitday, experiments_unitstate")
    recompute_arm_days(experiment=experiment)


def seconds_of(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def readings(experiment: Any) -> tuple[float, float, float, Any]:
    """Return the seconds of the first reading, the median of the next ones, that of their processor time, and what was
    found."""
    from experiments.selectors.readout_figures import figures_of
    from experiments.selectors.readouts import readout_for

    at = STARTED + timedelta(days=DAYS, hours=1)
    times, busy = [], []
    for _ in range(1 + READINGS):
        began = time.process_time()
        taken, found = seconds_of(lambda: figures_of(readout_for(experiment=experiment, at=at)))
        times.append(taken)
        busy.append(time.process_time() - began)
    return times[0], statistics.median(times[1:]), statistics.median(busy[1:]), found


def of_visitors(visitors: int, arms: int) -> Any:
    experiment = make_experiment(f"visitors-{arms}", "visitor", arms, discloses_personalisation=True, disclosure="Yes.")
    begin(experiment)
    store(experiment, VISITORS_SQL, units=visitors, each=EXPOSURES_EACH)
    return experiment


def of_pairs(pairs: int) -> Any:
    from django.db import connection

    from catalog.models import Listing, Product
    from experiments.models import ExperimentUnit
    from experiments.services.refresh_experiment_facts import refresh_experiment_facts

    experiment = make_experiment("pairs", "sku", 2, matching="pairs")
    products = Product.objects.bulk_create(Product(sku=f"B{at}", name=f"B{at}") for at in range(2 * pairs))
    listings = Listing.objects.bulk_create(
        Listing(product=product, channel=experiment.channel, list_price=10, unit_cost=6) for product in products
    )
    first = listings[0].pk
    arms = list(experiment.arms.order_by("position"))
    ExperimentUnit.objects.bulk_create(
        ExperimentUnit(experiment=experiment, listing=row, arm=arms[at % 2], block=at // 2, cluster=row.pk)
        for at, row in enumerate(listings)
    )
    begin(experiment)
    bounds = {"from": first, "to": first + 2 * pairs - 1, "first": STARTED.date(), "days": DAYS}
    with connection.cursor() as cursor:
        cursor.execute(SALES_SQL, bounds)
        cursor.execute("ANALYZE catalog_dailysales")
    now = STARTED + timedelta(days=DAYS, hours=1)
    for words in ("first", "without news"):
        taken, done = seconds_of(lambda: refresh_experiment_facts(experiment=experiment, now=now))
        print(f"Sales of {2 * pairs:,} SKUs and {DAYS} days, {words}: {taken:.1f} s, {done.changed:,} units written.")
    return experiment


def of_slots() -> Any:
    experiment = make_experiment("slots", "switchback", 2, slot_seconds=3_600, washout_seconds=600)
    begin(experiment)
    first = int(STARTED.timestamp() // 3_600)
    store(experiment, SLOTS_SQL, **{"from": first, "to": first + 24 * DAYS - 1})
    return experiment


def events_a_second(number: int) -> float:
    from experiments.models import ExperimentEvent
    from experiments.services.record_experiment_events import UnitEvent, record_experiment_events

    experiment = make_experiment("events", "visitor", 2, discloses_personalisation=True, disclosure="Yes.")
    begin(experiment)
    events = [
        UnitEvent(
            ExperimentEvent.Kind.EXPOSURE, f"e{at}", f"v{at // 3}", f"arm-{at // 3 % 2}",
            STARTED + timedelta(minutes=at // 10), exposures=1,
        )
        for at in range(number)
    ]  # fmt: skip
    now = STARTED + timedelta(days=365)
    began = time.perf_counter()
    for start in range(0, number, 5_000):
        report = record_experiment_events(experiment=experiment, events=events[start : start + 5_000], now=now)
        assert report.counts["counted"] == len(report.verdicts)
    return number / (time.perf_counter() - began)


def check(experiment: Any) -> float:
    """Return the seconds to work the sums out anew; they must be those that are kept."""
    from experiments.models import ArmDay
    from experiments.selectors.arm_moments import SUMS, arm_day_changes

    taken, changes = seconds_of(lambda: arm_day_changes(experiment))
    kept = {
        (row.arm_id, row.metric, row.day): tuple(getattr(row, name) for name in SUMS)
        for row in ArmDay.objects.filter(arm__experiment=experiment)
    }
    assert kept == changes, "the sums that are kept are not those of the units"
    return taken


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--visitors", type=int, default=VISITORS)
    options.add_argument("--pairs", type=int, default=PAIRS)
    options.add_argument("--events", type=int, default=100_000)
    arguments = options.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pricing_site.settings")
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    table = Table(
        "experiment", "exposures", "units", "read-out, first", "then", "processor", "without kept sums", "ratio"
    )
    for arms in (2, 4):
        experiment = of_visitors(arguments.visitors, arms)
        first, later, busy, found = readings(experiment)
        anew = check(experiment)
        exposures = sum(arm["exposures"] for arm in found["arms"])
        table.add_row(
            f"visitors, {arms} arms, {DAYS} days", f"{exposures:,}", f"{arguments.visitors:,}", f"{first:.2f} s",
            f"{later:.2f} s", f"{busy:.2f} s", f"{anew:.1f} s", f"{anew / later:.0f}×",
        )  # fmt: skip
        assert busy < 1, f"a read-out of {exposures:,} exposures took {busy:.2f} s"
    for experiment, name in ((of_pairs(arguments.pairs), "SKU pairs"), (of_slots(), "hourly slots")):
        first, later, busy, found = readings(experiment)
        assert found["comparisons"], found["sentence"]
        units = sum(arm["units"] for arm in found["arms"])
        row = (f"{name}, {DAYS} days", "", f"{units:,}", f"{first:.2f} s", f"{later:.2f} s", f"{busy:.2f} s", "", "")
        table.add_row(*row)
    Console(width=130).print(table)
    print(f"{events_a_second(arguments.events):,.0f} exposures a second are counted, in batches of 5,000.")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")


if __name__ == "__main__":
    main()
