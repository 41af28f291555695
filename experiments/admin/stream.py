"""What the stream could not use, and how far it was read."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import display

from catalog.admin.base import ReadOnlyAdmin
from catalog.admin.formatting import NOTHING, moment, number
from experiments.models import DeadLetter, StreamOffset
from experiments.services.dead_letters import replay_dead_letters

SHOWN_BYTES = 20_000


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnlyAdmin):
    list_display = ("failed_column", "reason", "topic", "partition", "offset", "replayed_column")
    list_filter = ("reason",)
    ordering = ("-failed_at",)
    actions = ("send_once_more",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "failed_column",
                    "reason",
                    "detail",
                    "topic",
                    "partition",
                    "offset",
                    "payload_text",
                    "replayed_column",
                )
            },
        ),
    )
    readonly_fields = ("failed_column", "payload_text", "replayed_column")

    @admin.action(description="Send once more to their topic", permissions=["replay"])
    def send_once_more(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> None:
        sent = replay_dead_letters(letter_ids=list(letters.values_list("pk", flat=True)), now=timezone.now())
        words = f"{number(len(sent))} wait in the outbox for relay_outbox; letters sent before stay as they are."
        self.message_user(request, words, messages.SUCCESS if sent else messages.WARNING)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("experiments.change_deadletter")

    @display(description="Sent once more")
    def replayed_column(self, letter: DeadLetter) -> str:
        return moment(letter.replayed_at) if letter.replayed_at else NOTHING

    @display(description="Failed")
    def failed_column(self, letter: DeadLetter) -> str:
        return moment(letter.failed_at)

    @admin.display(description="Message as it came")
    def payload_text(self, letter: DeadLetter) -> str:
        return bytes(letter.payload)[:SHOWN_BYTES].decode(errors="replace")


@admin.register(StreamOffset)
class StreamOffsetAdmin(ReadOnlyAdmin):
    list_display = ("topic", "partition", "offset_figure", "lost_figure", "updated_column")
    ordering = ("topic", "partition")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    @display(description="Next message")
    def offset_figure(self, offset: StreamOffset) -> str:
        return number(offset.next_offset)

    @display(description="Lost")
    def lost_figure(self, offset: StreamOffset) -> str:
        return number(offset.lost)

    @display(description="Updated")
    def updated_column(self, offset: StreamOffset) -> str:
        return moment(offset.updated_at)
