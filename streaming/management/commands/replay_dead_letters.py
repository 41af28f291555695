from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from catalog.arguments import a_moment
from experiments.selectors.dead_letters import waiting_letters
from experiments.services.dead_letters import replay_dead_letters
from streaming.topics import CONSUMED


class Command(BaseCommand):
    help = "Send dead letters once more, after what made them fail was mended. Repeatable: each is sent once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("ids", nargs="*", type=int, help="of letters, as their page names them; else by the rest:")
        parser.add_argument("--reason", help="such as unknown_listing")
        parser.add_argument("--topic", choices=[str(topic) for topic in CONSUMED])
        parser.add_argument("--since", type=a_moment, help="only letters of this moment and after")
        parser.add_argument("--dry-run", action="store_true", help="count, and send nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = {name: options[name] for name in ("reason", "topic", "since")}
        if not options["ids"] and not any(chosen.values()):
            raise CommandError("say which: give ids, --reason, --topic or --since", returncode=2)
        letters = waiting_letters(**chosen)
        if options["ids"]:
            letters = letters.filter(pk__in=options["ids"])
        found = dict(letters.values_list("pk", "reason"))
        by_reason = ", ".join(f"{reason} {count:,}" for reason, count in sorted(Counter(found.values()).items()))
        if options["dry_run"]:
            self.stdout.write(f"{len(found):,} would be sent once more{': ' if found else ''}{by_reason}")
            return
        sent = replay_dead_letters(letter_ids=list(found), now=timezone.now())
        self.stdout.write(
            f"{len(sent):,} wait in the outbox for run_bandit to send them{': ' if sent else ''}{by_reason}"
        )
