"""Kill switches: what is stopped, who stopped it and why; stop and let go."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.text import capfirst
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from catalog.admin.base import ReadOnlyAdmin
from catalog.admin.cells import sentence
from catalog.admin.explanation import scope_words
from catalog.admin.formatting import NOTHING, moment
from catalog.models import KillSwitch
from catalog.selectors.kill_switches import kill_switches
from catalog.services.kill_switches import flip_kill_switch, lift_kill_switch

THROUGH = "admin"


def stopped_words(switch: KillSwitch) -> str:
    """Say what a switch stops: "Everything", "Channel web"."""
    return "Everything" if switch.scope == "global" else capfirst(scope_words(switch.scope))


class FlipForm(forms.ModelForm):
    confirmed = forms.BooleanField(
        label="Stop automatic prices now",
        widget=UnfoldBooleanWidget(),
        help_text="From the moment that you save, nothing automatic is published there. The prices in force stay.",
        error_messages={"required": "Tick this to confirm."},
    )

    class Meta:
        model = KillSwitch
        fields = ("channel", "category", "model", "reason")
        widgets = {"model": UnfoldAdminTextInputWidget, "reason": UnfoldAdminTextareaWidget(attrs={"rows": 2})}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        chosen = [name for name in ("channel", "category", "model") if cleaned.get(name)]
        if len(chosen) > 1:
            for name in chosen:
                self.add_error(name, "Choose one of channel, category and model; leave the others empty.")
        return cleaned


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("on", "on"), ("lifted", "lifted")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(lifted_at__isnull=self.value() == "on") if self.value() else queryset


@admin.register(KillSwitch)
class KillSwitchAdmin(ReadOnlyAdmin):
    form = FlipForm
    list_before_template = "catalog/admin/kill_switches.html"
    list_display = ("scope_column", "state_column", "reason_column", "flipped_column", "lifted_column")
    list_select_related = ("channel", "category", "flipped_by", "lifted_by")
    list_filter = (StateFilter,)
    autocomplete_fields = ("channel", "category")

    def name_of(self, row: KillSwitch) -> str:
        return stopped_words(row)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("catalog.add_killswitch")

    def get_fieldsets(self, request: HttpRequest, obj: KillSwitch | None = None) -> Any:
        if obj is None:
            description = "Leave all three empty to stop everything. People's own prices and rollbacks always pass."
            return (
                ("What to stop", {"fields": ("channel", "category", "model"), "description": description}),
                (None, {"fields": ("reason", "confirmed")}),
            )
        return ((None, {"fields": ("scope_column", "state_column", "reason", "flipped_column", "lifted_column")}),)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is not None:
            kwargs["form"] = forms.ModelForm
        return super().get_form(request, obj, change, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: KillSwitch | None = None) -> tuple[str, ...]:
        return ("scope_column", "state_column", "reason", "flipped_column", "lifted_column") if obj else ()

    def get_urls(self) -> list[Any]:
        lift = path("<int:switch_id>/lift/", self.admin_site.admin_view(self.lift_view), name="catalog_killswitch_lift")
        return [lift, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        on = [(stopped_words(row), row, moment(row.flipped_at)) for row in kill_switches(on=True)[:50]]
        context = {"switches_on": on, "may_flip": self.has_add_permission(request)}
        return super().changelist_view(request, context | (extra_context or {}))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: KillSwitch, form: forms.ModelForm, change: bool) -> None:
        switch, is_new = flip_kill_switch(
            channel=obj.channel,
            category=obj.category,
            model=obj.model,
            reason=obj.reason,
            by=request.user,  # type: ignore[arg-type]  # a logged-in person
            through=THROUGH,
            now=timezone.now(),
        )
        obj.__dict__.update(switch.__dict__)
        if not is_new:
            self.message_user(request, "It was on already: nothing changed.", messages.WARNING)

    def response_add(self, request: HttpRequest, obj: KillSwitch, post_url_continue: str | None = None) -> HttpResponse:
        words = f"{stopped_words(obj)}: nothing automatic is published from now on."
        self.message_user(request, words, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:catalog_killswitch_changelist"))

    def lift_view(self, request: HttpRequest, switch_id: int) -> HttpResponse:
        """Ask once more, then let automatic prices pass again."""
        switch = get_object_or_404(kill_switches(), pk=switch_id)
        if not self.has_add_permission(request):
            return HttpResponse("You may not lift kill switches.", status=403)
        if request.method == "POST":
            lift_kill_switch(
                switch_id=switch_id,
                by=request.user,  # type: ignore[arg-type]
                through=THROUGH,
                reason=request.POST.get("reason", "")[:300],
                now=timezone.now(),
            )
            self.message_user(request, f"{stopped_words(switch)}: automatic prices pass again.", messages.SUCCESS)
            return HttpResponseRedirect(reverse("admin:catalog_killswitch_changelist"))
        return TemplateResponse(
            request,
            "catalog/admin/lift_kill_switch.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": "Let automatic prices pass again",
                "switch": switch,
                "stopped": stopped_words(switch),
                "since": moment(switch.flipped_at),
            },
        )

    @display(description="Stopped")
    def scope_column(self, switch: KillSwitch) -> str:
        return stopped_words(switch)

    @display(description="State", label={"on": "danger", "lifted": "success"})
    def state_column(self, switch: KillSwitch) -> str:
        return "on" if switch.is_on else "lifted"

    @display(description="Why")
    def reason_column(self, switch: KillSwitch) -> str:
        return sentence(switch.reason)

    @display(description="Flipped")
    def flipped_column(self, switch: KillSwitch) -> str:
        who = switch.flipped_by.get_username() if switch.flipped_by else switch.flipped_through
        return f"{moment(switch.flipped_at)} by {who}"

    @display(description="Lifted")
    def lifted_column(self, switch: KillSwitch) -> str:
        if switch.lifted_at is None:
            return NOTHING
        who = switch.lifted_by.get_username() if switch.lifted_by else switch.lifted_through
        return f"{moment(switch.lifted_at)} by {who}" + (f": {switch.lift_reason}" if switch.lift_reason else "")
