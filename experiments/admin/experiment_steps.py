"""The steps of a price experiment's life as buttons: plan, submit, start, stop, decide."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from catalog.admin.formatting import number
from catalog.plain_words import refusal_words
from experiments.models import PriceExperiment
from experiments.services.decide_experiment import Promotion, decide_experiment, promote_arm
from experiments.services.plan_experiment import plan_experiment
from experiments.services.start_experiment import start_experiment, submit_experiment, withdraw_experiment
from experiments.services.stop_experiment import stop_experiment

Status = PriceExperiment.Status
Decision = PriceExperiment.Decision


@dataclass(frozen=True)
class Step:
    """A button: from which states, what it is called, what is asked before, and what it does."""

    states: tuple[Status, ...]
    button: str
    question: str
    words: str
    colour: str
    take: Callable[[HttpRequest, PriceExperiment, str], str]
    needs_reason: bool = False


def who(request: HttpRequest) -> str:
    return request.user.get_username()


def _plan(request: HttpRequest, row: PriceExperiment, reason: str) -> str:
    found = plan_experiment(experiment=row.pk, now=timezone.now()).plan or {}
    return f"Planned: {number(found['listings'])} listings. Nothing is served."


def _submit(request: HttpRequest, row: PriceExperiment, reason: str) -> str:
    submit_experiment(experiment=row.pk, by=who(request), now=timezone.now())
    return "The plan is registered: it cannot change any more."


def _start(request: HttpRequest, row: PriceExperiment, reason: str) -> str:
    person: Any = request.user  # logged in: it is a User
    started = start_experiment(experiment=row.pk, by=who(request), person=person, now=timezone.now())
    return f"It runs: {number((started.plan or {})['listings'])} listings are served through their arms."


def _stop(request: HttpRequest, row: PriceExperiment, reason: str) -> str:
    stop_experiment(experiment=row.pk, by=who(request), reason=reason, now=timezone.now())
    return "It is stopped: the prices in force are served again."


def _withdraw(request: HttpRequest, row: PriceExperiment, reason: str) -> str:
    withdraw_experiment(experiment=row.pk, by=who(request), reason=reason, now=timezone.now())
    return "It is withdrawn."


def _keep(request: HttpRequest, row: PriceExperiment, reason: str) -> str:
    decide_experiment(experiment=row.pk, decision=Decision.KEPT, by=who(request), now=timezone.now())
    return "Decided: the prices in force stay."


def _leave_open(request: HttpRequest, row: PriceExperiment, reason: str) -> str:
    decide_experiment(experiment=row.pk, decision=Decision.INCONCLUSIVE, by=who(request), now=timezone.now())
    return "Decided: it could not be said."


def promote(request: HttpRequest, row: PriceExperiment, arm: str) -> str:
    person: Any = request.user
    return _promotion_words(promote_arm(experiment=row.pk, arm=arm, by=who(request), person=person, now=timezone.now()))


def _promotion_words(done: Promotion) -> str:
    report = done.report
    words = [f"{number(len(report.published))} prices published"]
    if report.already_published:
        words.append(f"{number(len(report.already_published))} were before")
    if report.waiting:
        words.append(f"{number(len(report.waiting))} wait for a second person")
    counted = Counter(report.refused.values()).most_common()
    words += [f"{number(count)} refused: {refusal_words(reason)}" for reason, count in counted]
    return "; ".join(words) + "."


GREEN, RED, GREY = "#15803d", "#b91c1c", "#4b5563"
STEPS = {
    "plan": Step((Status.DRAFT,), "Plan", "", "", GREY, _plan),
    "submit": Step(
        (Status.DRAFT,),
        "Submit for review",
        "Register this plan?",
        "From then on neither the plan nor its arms and guardrail metrics can change.",
        GREEN,
        _submit,
    ),
    "start": Step(
        (Status.REVIEW,),
        "Start",
        "Start it now?",
        "Units are drawn anew as of now, and served through their arms at once, each checked by the publish gate.",
        GREEN,
        _start,
    ),
    "stop": Step(
        (Status.RUNNING,),
        "Stop",
        "Stop it now?",
        "The prices in force are served again at once. It cannot be started again.",
        RED,
        _stop,
        needs_reason=True,
    ),
    "keep": Step((Status.STOPPED,), "Keep the prices", "Keep the prices in force?", "No price moves.", GREY, _keep),
    "leave_open": Step((Status.STOPPED,), "Inconclusive", "Leave it undecided?", "No price moves.", GREY, _leave_open),
    "withdraw": Step(
        (Status.DRAFT, Status.REVIEW),
        "Withdraw",
        "Give it up?",
        "It is kept, and never starts.",
        RED,
        _withdraw,
        needs_reason=True,
    ),
}
