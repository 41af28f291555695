"""A read-out as a page: for the admin, and as one file that needs nothing else."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from django.http import HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone

from catalog.admin.charts import Chart
from catalog.admin.formatting import MINUS, NOTHING, moment, money, number, percent
from catalog.models import Channel
from experiments.admin.readout_charts import sequence_chart
from experiments.models import PriceExperiment, ReadoutEntry
from experiments.selectors.arm_moments import Metric
from experiments.selectors.readouts import ArmReadout, ExperimentReadout
from experiments.stats.inference import Readout

Design = PriceExperiment.Design
MONEY = (Metric.PROFIT, Metric.REVENUE, Metric.REVENUE_PER_ORDER)
UNIT_WORDS = {
    Design.SKU: "a SKU and day",
    Design.CATEGORY: "a category and day",
    Design.REGION: "a region and day",
    Design.SWITCHBACK: "a time slot",
    Design.VISITOR: "a visitor",
}
COMPARISON_HEADERS = [
    "Arm",
    "Metric",
    "Control",
    "Arm's own",
    "Difference",
    "Relative, with interval",
    "Better with",
    "p",
]
ARM_HEADERS = ["Arm", "Price", "Planned share", "Units", "Seen share", "Exposures", "Total"]
GUARDRAIL_HEADERS = ["Arm", "Guardrail", "Change", "Surely worse by", "Says"]
ENTRY_HEADERS = ["Day", "What was said", "Read"]
ENTRIES = 60


def page_of(found: ExperimentReadout, entries: Sequence[ReadoutEntry]) -> dict[str, Any]:
    """Return what both templates show: words and rows, nothing to compute."""
    return {
        "experiment": found.experiment,
        "sentence": found.sentence,
        "tone": TONES.get(found.decision, "plain"),
        "facts": _facts(found),
        "warnings": _warnings(found),
        "charts": [chart for each in found.arms if (chart := _chart(found, each))],
        "comparison_headers": COMPARISON_HEADERS,
        "comparison_rows": [row for each in found.arms for row in _comparison_rows(found, each)],
        "arm_headers": ARM_HEADERS,
        "arm_rows": _arm_rows(found),
        "guardrail_headers": GUARDRAIL_HEADERS,
        "guardrail_rows": _guardrail_rows(found),
        "checks": [*_checks(found), *_band_words(found)],
        "entry_headers": ENTRY_HEADERS,
        "entry_rows": [[moment(each.day), each.sentence, moment(each.read_at)] for each in entries],
    }


def entries_of(experiment: PriceExperiment) -> list[ReadoutEntry]:
    """Return what was said on the last days, the newest first."""
    return list(experiment.readouts.order_by("-day")[:ENTRIES])


def readout_html(found: ExperimentReadout) -> str:
    """Return a read-out as one HTML file, with its style and charts in it."""
    context = page_of(found, entries_of(found.experiment)) | {"read_at": moment(found.at)}
    return render_to_string("experiments/readout_file.html", context)


def as_file(experiment: PriceExperiment, page: str) -> HttpResponse:
    """Answer a read-out as a download."""
    name = f"readout-{experiment.code}-{timezone.localdate():%Y-%m-%d}.html"
    return HttpResponse(page, headers={"Content-Disposition": f'attachment; filename="{name}"'})


TONES = {"benefit": "good", "harm": "bad", "guardrail": "bad", "srm": "bad"}


def metric_words(metric: str) -> str:
    """Return a metric's name without its explanation."""
    return Metric(metric).label.split(":")[0]


def amount_label(metric: str, channel: Channel, *, signed: bool = False) -> Callable[[float], str]:
    """Return how amounts of a metric are written."""

    def label(value: float) -> str:
        if not math.isfinite(value):
            return NOTHING
        if metric == Metric.CONVERSION:
            return percent(value, decimals=2, signed=signed)
        plain = money(abs(value), channel) if metric in MONEY else number(abs(value), decimals=2)
        return f"{MINUS if value < 0 else '+' if signed and value > 0 else ''}{plain}"

    return label


def _facts(found: ExperimentReadout) -> str:
    experiment = found.experiment
    parts = [f"{experiment.get_status_display().capitalize()}"]
    if found.until:
        of = f" of {experiment.horizon_days}" if experiment.horizon_days else ""
        parts.append(f"day {found.day}{of}, whole days until {moment(found.until)}")
    parts += [
        f"{metric_words(experiment.metric)} {UNIT_WORDS[Design(experiment.design)]}",
        experiment.get_method_display().split(":")[0],
        f"alpha {percent(experiment.alpha)}",
    ]
    return " · ".join(parts)


def _warnings(found: ExperimentReadout) -> list[str]:
    warnings = []
    if found.crossovers:
        warnings.append(
            f"{number(found.crossovers)} events named another arm than their unit has, and were not counted: "
            "see that the storefront keeps every unit in its arm."
        )
    if found.without_cost:
        warnings.append(
            f"{number(found.without_cost)} units hold a listing without a cost, and are not read, nor are their "
            "partners in a pair: give the cost, and they count again from the start."
        )
    if found.days_not_served:
        warnings.append(
            f"{number(found.days_not_served)} days of a listing had a person's price or a kill switch before its arm: "
            "they count for the arm all the same, so that an effect looks smaller than it is."
        )
    if found.leading and not found.leading.primary.valid_when_peeked:
        warnings.append("This way of reading keeps its error rate only where it is looked at once, at the horizon.")
    if found.experiment.stop_reason:
        warnings.append(f"Stopped by {found.experiment.stopped_by}: {found.experiment.stop_reason}")
    return warnings


def _chart(found: ExperimentReadout, each: ArmReadout) -> Chart | None:
    experiment = found.experiment
    title = f"{each.arm.name} less control: {metric_words(experiment.metric)} {UNIT_WORDS[Design(experiment.design)]}"
    return sequence_chart(each, title, amount_label(experiment.metric, experiment.channel, signed=True))


def _comparison_rows(found: ExperimentReadout, each: ArmReadout) -> list[list[str]]:
    rows = []
    for metric, readout in each.by_metric.items():
        plain, signed = (amount_label(metric, found.experiment.channel, signed=sign) for sign in (False, True))
        rows.append(
            [
                each.arm.name,
                metric_words(metric) + (" (primary)" if readout is each.primary else ""),
                plain(readout.control_mean),
                plain(readout.treatment_mean),
                signed(readout.effect),
                relative_words(readout),
                percent(readout.probability_to_beat),
                _p_words(each.corrected.get(metric)),
            ]
        )
    return rows


def relative_words(readout: Readout) -> str:
    """Return the relative effect with its interval."""
    if not math.isfinite(readout.relative_effect):
        return NOTHING
    if not math.isfinite(readout.relative_low + readout.relative_high):
        return f"{percent(readout.relative_effect, signed=True)} (no interval yet)"
    low, high = (percent(end, signed=True) for end in (readout.relative_low, readout.relative_high))
    return f"{percent(readout.relative_effect, signed=True)} ({low} to {high})"


def _p_words(p: float | None) -> str:
    if p is None:
        return NOTHING
    return "below 0.001" if p < 0.001 else f"{p:.3f}"


def _arm_rows(found: ExperimentReadout) -> list[list[str]]:
    units = sum(sums.count for sums in found.totals.values())
    label = amount_label(found.experiment.metric, found.experiment.channel)
    rows = []
    for arm in found.all_arms:
        sums = found.totals.get(arm.pk)
        rows.append(
            [
                arm.name,
                "as it is" if arm.position == 0 else percent(arm.price_change, signed=True),
                percent(arm.share / 10_000),
                number(sums.count if sums else 0),
                percent(sums.count / units) if sums and units else NOTHING,
                number(sums.exposures if sums else 0),
                _total(found, float(sums.moments.sum_y), label) if sums else NOTHING,
            ]
        )
    return rows


def _total(found: ExperimentReadout, total: float, label: Callable[[float], str]) -> str:
    return number(total) if found.experiment.metric == Metric.CONVERSION else label(total)


def _guardrail_rows(found: ExperimentReadout) -> list[list[str]]:
    rows = []
    for each in found.arms:
        for rail in each.primary.guardrails:
            harm, least = (rail.harm[-1], rail.least_harm[-1]) if rail.harm else (math.nan, math.nan)
            rows.append(
                [
                    each.arm.name,
                    rail.name,
                    percent(-harm, signed=True) if math.isfinite(harm) else NOTHING,
                    percent(max(least, 0.0)) if math.isfinite(least) else NOTHING,
                    "breached: it stops the experiment" if rail.breached else "within what is tolerated",
                ]
            )
    return rows


def _checks(found: ExperimentReadout) -> list[str]:
    """Return what else one should know, in sentences: shares of the arms, variance, and what a naive test would say."""
    if found.leading is None:
        return []
    primary = found.leading.primary
    checks = []
    if primary.srm is not None:
        verdict = "do not hold" if primary.srm.mismatch else "hold"
        checks.append(f"The arms {verdict} the shares that were planned (p = {_p_words(primary.srm.p_value)}).")
    if primary.variance_reduction > 0.005:
        by = "Matched pairs and" if found.experiment.matching == "pairs" else "CUPED:"
        checks.append(
            f"{by} the days before the start took {percent(primary.variance_reduction, decimals=0)} of the variance "
            f"away: as if it had run {1 / max(1 - primary.variance_reduction, 0.01):.1f} times as long."
        )
    checks.append(_naive_words(primary))
    return checks


def _band_words(found: ExperimentReadout) -> list[str]:
    """Say what the chart's band is."""
    if found.leading is None:
        return []
    level = percent(1 - found.experiment.alpha)
    if found.leading.primary.valid_when_peeked:
        band = f"holds the true difference on all days at once in {level} of experiments"
    elif found.experiment.method == PriceExperiment.Method.BAYESIAN:
        band = f"holds the true difference with a probability of {level}, by the prior of the plan"
    else:
        band = f"holds the true difference in {level} of experiments, on the day of the horizon"
    return [f"The band in the chart {band}; the dashed line is no difference."]


def _naive_words(primary: Readout) -> str:
    naive = primary.naive
    if naive.ever_significant and primary.decision in ("benefit", "harm"):
        day = naive.first_significant_day
        return f"A naive test that is looked at daily would have called it on day {day}, right or wrong."
    if naive.ever_significant:
        now = "and still does" if naive.significant else "and takes it back by now"
        return (
            f"A naive test that is looked at daily would have called it on day {naive.first_significant_day}, {now} "
            f"(p = {_p_words(naive.p_value)} today): it forgets how often it was asked."
        )
    return f"A naive test would not have called it on any day either (p = {_p_words(naive.p_value)} today)."
