"""What people did in the admin: nobody changes it here, and the database would refuse."""

from http import HTTPStatus

from django.contrib import admin
from unfold.decorators import display

from catalog.admin.base import AutocompleteFilter, ReadOnlyAdmin
from catalog.admin.formatting import NOTHING, moment
from catalog.models import AdminAction

STATUS_COLOURS = {"done": "success", "refused": "danger", "failed": "danger", "not finished": "warning"}


@admin.register(AdminAction)
class AdminActionAdmin(ReadOnlyAdmin):
    list_display = ("at_column", "user_column", "what_column", "path", "rows_figure", "status_column")
    list_display_links = ("at_column",)
    list_select_related = ("user",)
    list_filter = (("user", AutocompleteFilter), "at")
    list_filter_submit = True
    search_fields = ("path__startswith",)
    search_help_text = "Beginning of a page's path, such as /admin/catalog/listing/"

    @display(description="When")
    def at_column(self, action: AdminAction) -> str:
        return moment(action.at)

    @display(description="Who")
    def user_column(self, action: AdminAction) -> str:
        return action.user.get_username() if action.user else "not logged in"

    @display(description="What")
    def what_column(self, action: AdminAction) -> str:
        words = {"_save": "save", "_continue": "save", "_addanother": "save", "post": ""}
        return words.get(action.action, action.action.strip("_").replace("_", " ")) or action.method.lower()

    @display(description="Rows")
    def rows_figure(self, action: AdminAction) -> str:
        return str(len(action.selected)) if action.selected else NOTHING

    @display(description="Outcome", label=STATUS_COLOURS)
    def status_column(self, action: AdminAction) -> str:
        return outcome_of(action.status)


def outcome_of(status: int | None) -> str:
    """Say in a word what a status means. A form that is shown again with its errors is a plain 200."""
    if status is None:
        return "not finished"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "failed"
    if status >= HTTPStatus.BAD_REQUEST:
        return "refused"
    return "done" if status >= HTTPStatus.MULTIPLE_CHOICES else "shown again"
