"""Price experiments: drafted here, and taken from step to step."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from unfold.admin import TabularInline
from unfold.decorators import display

from catalog.admin.base import PLAIN_DECIMALS
from catalog.admin.cells import admin_url, sentence
from catalog.admin.formatting import NOTHING, moment, number, percent
from experiments.admin.experiment_steps import GREEN, STEPS, Step, promote, who
from experiments.admin.plan_panel import plan_panel
from experiments.admin.readout import ReadoutPages
from experiments.models import ExperimentArm, GuardrailMetric, PriceExperiment
from experiments.selectors.price_experiments import price_experiments
from experiments.services.draft_experiment import require_arms, save_draft
from experiments.services.lifecycle import CannotRun, NeedsSecondPerson, WrongState

Status = PriceExperiment.Status
Decision = PriceExperiment.Decision

STATUS_COLOURS = {
    Status.DRAFT.label: "default",
    Status.REVIEW.label: "warning",
    Status.RUNNING.label: "success",
    Status.STOPPED.label: "info",
    Status.DECIDED.label: "primary",
    Status.WITHDRAWN.label: "default",
}
PERMISSION = "experiments.change_priceexperiment"
FIRST_ARMS = [
    {"position": 0, "name": "control", "share": 5_000, "price_change": 0},
    {"position": 1, "name": "dearer", "share": 5_000, "price_change": "0.05"},
]


class ArmFormSet(forms.BaseInlineFormSet):
    def clean(self) -> None:
        super().clean()
        rows = [form.cleaned_data for form in self.forms if getattr(form, "cleaned_data", None)]
        kept = sorted((row for row in rows if not row.get("DELETE")), key=lambda row: row.get("position") or 0)
        if all({"position", "name", "share"} <= row.keys() for row in kept):
            try:
                require_arms(kept)
            except forms.ValidationError as error:
                raise forms.ValidationError(error.messages) from error
            if [row["position"] for row in kept] != list(range(len(kept))):
                raise forms.ValidationError("Number the arms 0, 1, 2 …: 0 is the control.")


class ArmInline(TabularInline):
    model = ExperimentArm
    formset = ArmFormSet
    formfield_overrides = PLAIN_DECIMALS
    fields = ("position", "name", "share", "price_change")
    tab = False

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        return 0 if obj else len(FIRST_ARMS)


class GuardrailInline(TabularInline):
    model = GuardrailMetric
    formfield_overrides = PLAIN_DECIMALS
    extra = 0
    tab = False


class ExperimentForm(forms.ModelForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "layer" in self.fields:
            self.fields["layer"].required = False
            self.fields["layer"].help_text = "Empty: the channel's layer “prices”."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        layer, channel = cleaned.get("layer"), cleaned.get("channel")
        if layer and channel and layer.channel_id != channel.pk:
            self.add_error("layer", "This layer is of another channel: choose one of the experiment's.")
        return cleaned


@admin.register(PriceExperiment)
class PriceExperimentAdmin(ReadoutPages):
    form = ExperimentForm
    change_form_outer_before_template = "experiments/admin/experiment_panel.html"
    list_display = ("name", "status_column", "channel", "design", "arms_column", "metric", "when_column", "end_column")
    list_filter = ("status", "design", "channel")
    list_select_related = ("channel", "promoted_arm")
    autocomplete_fields = ("channel", "category")
    inlines = (ArmInline, GuardrailInline)
    fieldsets = (
        ("What is tried", {"fields": ("name", "code", "hypothesis", ("channel", "category"))}),
        (
            "What is randomised",
            {
                "fields": (
                    ("design", "matching"),
                    ("slot_seconds", "washout_seconds"),
                    "layer",
                    ("first_bucket", "buckets"),
                )
            },
        ),
        (
            "How it is read",
            {
                "fields": (
                    ("metric", "minimum_effect"),
                    ("method", "spending"),
                    ("horizon_days", "power"),
                    "alpha",
                    ("cuped_days", "winsor_quantile"),
                )
            },
        ),
        (
            "Disclosure",
            {"classes": ("collapse",), "fields": ("discloses_personalisation", "disclosure")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return price_experiments()

    def has_change_permission(self, request: HttpRequest, obj: PriceExperiment | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.status == Status.DRAFT)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # it is withdrawn, and kept

    def get_formset_kwargs(self, request: HttpRequest, obj: Any, inline: Any, prefix: str) -> dict[str, Any]:
        kwargs = super().get_formset_kwargs(request, obj, inline, prefix)
        if isinstance(inline, ArmInline) and request.method == "GET" and obj.pk is None:
            kwargs["initial"] = FIRST_ARMS
        return kwargs

    def save_model(self, request: HttpRequest, obj: PriceExperiment, form: Any, change: bool) -> None:
        save_draft(experiment=obj, by=who(request), now=timezone.now())

    def get_urls(self) -> list[Any]:
        steps = [
            path(f"<int:pk>/{name}/", self.admin_site.admin_view(self.step_view), {"name": name}, f"{STEP_URL}{name}")
            for name in STEPS
        ]
        promote = path(
            "<int:pk>/promote/<slug:arm>/",
            self.admin_site.admin_view(self.promote_view),
            name=f"{STEP_URL}promote",
        )
        return [*steps, promote, *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = kwargs.get("obj")
        if row is not None:
            context["panel"] = self.panel(request, row)
        return super().render_change_form(request, context, *args, **kwargs)

    def panel(self, request: HttpRequest, row: PriceExperiment) -> dict[str, Any]:
        open_to = row.status if request.user.has_perm(PERMISSION) else None
        buttons = [
            (name, step.button, admin_url(f"{STEP_URL}{name}", row.pk), step.colour, not step.question)
            for name, step in STEPS.items()
            if open_to in step.states
        ]
        promotions = [
            (
                f"promote-{arm.name}",
                f"Promote {arm.name}",
                admin_url(f"{STEP_URL}promote", row.pk, arm.name),
                GREEN,
                False,
            )
            for arm in row.arms.all()
            if arm.position and open_to == Status.STOPPED
        ]
        return {
            "status": row.get_status_display(),
            "colour": STATUS_COLOURS[row.get_status_display()],
            "history": _history(row),
            "buttons": promotions + buttons,
            "units_url": f"{admin_url(UNITS)}?experiment__id__exact={row.pk}" if row.started_at else "",
            "readout_url": admin_url("experiments_priceexperiment_readout", row.pk) if row.started_at else "",
            **plan_panel(row),
        }

    def step_view(self, request: HttpRequest, pk: int, name: str) -> HttpResponse:
        """Ask once more, then take the step; a plan is worked out without asking."""
        row, step = self._experiment(request, pk), STEPS[name]
        if request.method == "POST":
            reason = request.POST.get("reason", "").strip()[:300]
            if step.needs_reason and not reason:
                messages.error(request, "Say why: whoever looks at it later must know.")
                return self._ask(request, row, step.question, step.words, step)
            return self._take(request, row, lambda: step.take(request, row, reason))
        if not step.question:
            return HttpResponseRedirect(admin_url("experiments_priceexperiment_change", pk))
        return self._ask(request, row, step.question, step.words, step)

    def promote_view(self, request: HttpRequest, pk: int, arm: str) -> HttpResponse:
        """Ask once more, then make the arm's prices the prices in force."""
        row = self._experiment(request, pk)
        if arm not in {each.name for each in row.arms.all() if each.position}:
            raise Http404
        if request.method == "POST":
            return self._take(request, row, lambda: promote(request, row, arm))
        units = number(row.units.count())
        words = f"Its prices become the prices in force of {units} listings, through the publish gate."
        step = Step((Status.STOPPED,), f"Promote {arm}", "", "", GREEN, promote)
        return self._ask(request, row, f"Promote {arm}?", words, step)

    def _take(self, request: HttpRequest, row: PriceExperiment, take: Callable[[], str]) -> HttpResponse:
        try:
            messages.success(request, take())
        except (WrongState, CannotRun, NeedsSecondPerson) as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(admin_url("experiments_priceexperiment_change", row.pk))

    def _ask(self, request: HttpRequest, row: PriceExperiment, question: str, words: str, step: Step) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": question,
            "original": row,
            "words": words,
            "step": step,
            "back_url": admin_url("experiments_priceexperiment_change", row.pk),
        }
        return TemplateResponse(request, "experiments/admin/experiment_step.html", context)

    def _experiment(self, request: HttpRequest, pk: int) -> PriceExperiment:
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        row = price_experiments().filter(pk=pk).first()
        if row is None:
            raise Http404
        return row

    @display(description="Status", label=STATUS_COLOURS)
    def status_column(self, row: PriceExperiment) -> str:
        return row.get_status_display()

    @display(description="Arms")
    def arms_column(self, row: PriceExperiment) -> str:
        return ", ".join(f"{arm.name} {percent(arm.price_change, signed=True)}" for arm in row.arms.all()) or NOTHING

    @display(description="Started")
    def when_column(self, row: PriceExperiment) -> str:
        return moment(row.started_at)

    @display(description="What came of it")
    def end_column(self, row: PriceExperiment) -> str:
        if row.decision == Decision.PROMOTED and row.promoted_arm:
            return f"{row.promoted_arm.name} promoted"
        return sentence(row.get_decision_display() or row.stop_reason or NOTHING)


STEP_URL = "experiments_priceexperiment_"
UNITS = "experiments_experimentunit_changelist"


def _history(row: PriceExperiment) -> list[list[str]]:
    """Return who did what when."""
    ended = "Withdrawn" if row.status == Status.WITHDRAWN else "Stopped"
    decided = f"Decided: {row.get_decision_display()}" + (f" ({row.promoted_arm.name})" if row.promoted_arm else "")
    steps = [
        ("Drafted", row.created_at, row.created_by, ""),
        ("Submitted", row.submitted_at, row.submitted_by, ""),
        ("Started", row.started_at, row.started_by, ""),
        (ended, row.stopped_at, row.stopped_by, row.stop_reason),
        (decided, row.decided_at, row.decided_by, ""),
    ]
    return [[words, moment(at), by, why] for words, at, by, why in steps if at]
