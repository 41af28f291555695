"""Draft an experiment: what is asked, checked field by field, and stored whole or not at all."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from catalog.arms import SHARES
from experiments.models import ExperimentArm, ExperimentLayer, GuardrailMetric, PriceExperiment
from experiments.services.lifecycle import Status, locked_experiment

Method = PriceExperiment.Method
USUAL_LAYER = "prices"


@transaction.atomic
def draft_experiment(
    *,
    fields: Mapping[str, Any],
    layer: str,
    arms: Sequence[Mapping[str, Any]],
    guardrails: Sequence[Mapping[str, Any]],
    by: str,
    now: datetime,
) -> PriceExperiment:
    """Store a draft with its arms in the given order, the control first, and its guardrail metrics.

    Args:
        fields: of `PriceExperiment`, without its layer. Where no method is named, alpha is spent up to the horizon;
            without a horizon it is read always valid.
        layer: name of the layer; made where the channel has none of that name.
        arms: fields of each `ExperimentArm`, without position.
        guardrails: fields of each `GuardrailMetric`.

    Raises:
        ValidationError: by field, with the cure; of arms and guardrails under those names.
    """
    require_arms(arms)
    row, _ = ExperimentLayer.objects.get_or_create(channel=fields["channel"], name=layer)
    usual = Method.SPENDING if fields.get("horizon_days") else Method.ALWAYS_VALID
    experiment = PriceExperiment(**{"method": usual} | dict(fields), layer=row, created_at=now, created_by=by)
    experiment.full_clean()
    experiment.save()
    _store("arms", [ExperimentArm(experiment=experiment, position=at, **arm) for at, arm in enumerate(arms)])
    _store("guardrails", [GuardrailMetric(experiment=experiment, **guardrail) for guardrail in guardrails])
    return experiment


@transaction.atomic
def save_draft(*, experiment: PriceExperiment, by: str, now: datetime) -> None:
    """Store a draft that a form has checked: in the layer `prices` where it names none, its old plan forgotten.

    Raises:
        WrongState: it is no draft any more.
    """
    if experiment.pk is not None:
        locked_experiment(experiment.pk, Status.DRAFT)
    else:
        experiment.created_at, experiment.created_by = now, by
    if experiment.layer_id is None:
        experiment.layer, _ = ExperimentLayer.objects.get_or_create(channel=experiment.channel, name=USUAL_LAYER)
    experiment.plan = None
    experiment.save()


def require_arms(arms: Sequence[Mapping[str, Any]]) -> None:
    """Raise a ValidationError where arms are none: shares that do not sum, or a control that is not first."""
    if len(arms) < 2:
        raise ValidationError({"arms": "Give two or more: the control first."})
    total = sum(arm["share"] for arm in arms)
    if total != SHARES:
        raise ValidationError({"arms": f"Their shares sum to {total:,} basis points: make it 10,000."})
    if arms[0].get("price_change"):
        raise ValidationError({"arms": "The first one is the control: it changes no price."})
    if not all(arm.get("price_change") for arm in arms[1:]):
        raise ValidationError({"arms": "An arm beside the control changes no price: give it a change."})


def _store(name: str, rows: Sequence[ExperimentArm] | Sequence[GuardrailMetric]) -> None:
    for row in rows:
        try:
            row.full_clean()
        except ValidationError as error:
            raise ValidationError({name: error.messages}) from error
        row.save()
