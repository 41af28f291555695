"""API keys: issued here, shown once, revoked here. The digest is nobody's business."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from catalog.admin.base import PricingModelAdmin
from catalog.admin.formatting import moment
from catalog.models import ApiKey
from catalog.models.access import Scope
from catalog.services.api_keys import revoke_api_keys


class ApiKeyForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        label="It may",
        initial=[Scope.PRICES_READ.value],
        error_messages={"required": "Choose what this key may do: without a scope it could do nothing."},
    )

    class Meta:
        model = ApiKey
        fields = ("name", "scopes", "owner")
        help_texts = {"name": "Whose key it is, such as storefront or erp-export."}


@admin.register(ApiKey)
class ApiKeyAdmin(PricingModelAdmin):
    form = ApiKeyForm
    list_display = ("name", "prefix_column", "scopes_column", "created_column", "state_column")
    actions = ("revoke_keys",)
    actions_submit_line = ("revoke_key",)

    def get_fieldsets(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        if obj is None:
            description = "The key itself is shown once, on the next page. Only its digest is stored."
            return ((None, {"fields": ("name", "scopes", "owner"), "description": description}),)
        return (
            (None, {"fields": ("name", "owner", "prefix_column", "scopes_column", "created_column", "state_text")}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        return ("owner", "prefix_column", "scopes_column", "created_column", "state_text") if obj else ()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is not None:  # what a key may do is fixed when it is issued
            kwargs["form"] = forms.ModelForm
        return super().get_form(request, obj, change, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a revoked key stays, so that the records of its calls keep their owner

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}  # the key is shown next
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: forms.ModelForm, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        issued, text = ApiKey.issue(name=obj.name, scopes=form.cleaned_data["scopes"], owner=obj.owner)
        obj.__dict__.update(issued.__dict__)
        request.issued_key_text = text  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        """Answer with the key itself, not with a redirect: it is kept in no session and no cookie."""
        response = TemplateResponse(
            request,
            "catalog/admin/api_key_issued.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": "API key issued",
                "api_key": obj,
                "key_text": request.issued_key_text,  # type: ignore[attr-defined]
            },
        )
        add_never_cache_headers(response)
        return response

    @admin.action(description="Revoke the selected keys", permissions=["change"])
    def revoke_keys(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        open_keys = list(queryset.filter(revoked_at__isnull=True))
        revoke_api_keys(keys=open_keys, now=timezone.now())
        for key in open_keys:
            self.log_change(request, key, "Revoked.")
        self.message_user(request, f"{len(open_keys)} revoked: they open nothing from now on.", messages.SUCCESS)

    @action(description="Revoke this key", permissions=["revoke"], icon="key_off")
    def revoke_key(self, request: HttpRequest, obj: ApiKey) -> None:
        revoke_api_keys(keys=[obj], now=timezone.now())
        self.message_user(request, f"{obj} is revoked: it opens nothing from now on.", messages.SUCCESS)

    def has_revoke_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Unfold asks with a key where it shows the button, and without one where the button was pressed."""
        may_change = self.has_change_permission(request)
        return may_change and (object_id is None or ApiKey.objects.filter(pk=object_id, revoked_at=None).exists())

    @display(description="Begins with")
    def prefix_column(self, key: ApiKey) -> str:
        return f"{key.prefix}…"

    @display(description="May")
    def scopes_column(self, key: ApiKey) -> str:
        words = dict(Scope.choices)
        return "; ".join(str(words.get(scope, scope)) for scope in key.scopes)

    @display(description="Issued")
    def created_column(self, key: ApiKey) -> str:
        return moment(key.created_at)

    @display(description="State", label={"in use": "success", "revoked": "danger"})
    def state_column(self, key: ApiKey) -> str:
        return "revoked" if key.revoked_at else "in use"

    @admin.display(description="State")
    def state_text(self, key: ApiKey) -> str:
        return f"revoked on {moment(key.revoked_at)}" if key.revoked_at else "in use"
