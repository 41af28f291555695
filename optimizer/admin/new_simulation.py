"""The form that opens a simulation."""

from decimal import Decimal
from functools import partial
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from catalog.admin.policies import PercentField
from catalog.models import Category, Channel
from optimizer.assumptions import GUARDRAIL_BOUNDS, Assumptions, CostChange, InvalidAssumptions
from optimizer.models import OptimizationRun, Simulation
from optimizer.services.open_run import CannotOptimize
from optimizer.services.open_simulation import MAX_NAME, open_simulation
from optimizer.tasks import enqueue_chunks

AS_IN_POLICIES = "Empty: as the guardrail policies say."


class SimulationForm(forms.Form):
    name = forms.CharField(max_length=MAX_NAME, widget=UnfoldAdminTextInputWidget())
    channel = forms.ModelChoiceField(Channel.objects, widget=UnfoldAdminSelectWidget())
    objective = forms.ChoiceField(choices=OptimizationRun.Objective.choices, widget=UnfoldAdminSelectWidget())
    min_margin = PercentField(label="Minimum margin", lowest=0, highest=95, help_text=AS_IN_POLICIES)
    max_change = PercentField(label="Maximum change", lowest=0, highest=100, help_text=AS_IN_POLICIES)
    competitor_min = PercentField(
        label="Distance to competitors, at least", lowest=-99, highest=1000, help_text=AS_IN_POLICIES
    )
    competitor_max = PercentField(
        label="Distance to competitors, at most", lowest=-99, highest=1000, help_text=AS_IN_POLICIES
    )
    cost_change = PercentField(
        label="Costs change by", lowest=-99, highest=1000, help_text="Of the products below. Empty: costs as they are."
    )
    categories = forms.ModelMultipleChoiceField(
        Category.objects,
        to_field_name="code",
        required=False,
        widget=UnfoldAdminSelectMultipleWidget(),
        help_text="Only these. None chosen and no SKU named: the whole channel.",
    )
    skus = forms.CharField(
        label="SKUs",
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="Only these, one a line or with commas between them.",
    )

    def open_simulation(self, author: User) -> Simulation | None:
        """Open what the valid form asks for and send it to the workers; None where the form now says what is wrong."""
        try:
            simulation = open_simulation(
                name=self.cleaned_data["name"],
                channel=self.cleaned_data["channel"],
                objective=self.cleaned_data["objective"],
                assumptions=self._assumptions(),
                author=author,
                now=timezone.now(),
            )
        except InvalidAssumptions as error:
            field = next((name for name in reversed(error.path) if name in self.fields), None)
            self.add_error(field or "cost_change", error.message)
            return None
        except CannotOptimize as error:
            self.add_error("channel", str(error))
            return None
        # Robust: where the queue is away the run is open all the same, and the beat sends what is missing.
        transaction.on_commit(partial(enqueue_chunks, simulation.run_id), robust=True)
        return simulation

    def _assumptions(self) -> Assumptions:
        body: dict[str, Any] = self.cleaned_data
        change: Decimal | None = body["cost_change"]
        return Assumptions(
            guardrails={name: body[name] for name in GUARDRAIL_BOUNDS if body[name] is not None},
            cost_changes=() if change is None else (CostChange(change),),
            categories=tuple(category.code for category in body["categories"]),
            skus=tuple(dict.fromkeys(body["skus"].replace(",", " ").split())),
        )
