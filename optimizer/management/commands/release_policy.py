from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console

from catalog.arguments import a_user
from optimizer.policy_words import release_words
from optimizer.services.release_policy import PolicyStaysOut, release_policy


class Command(BaseCommand):
    help = (
        "Release a policy over a horizon that passes its gate: it may price where the exact programme cannot."
        " Repeatable."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("policy", type=int, help="the number of the policy: 3 for dqn-3")
        parser.add_argument("--author", type=a_user, help="user name of the person who decided it")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            policy = release_policy(policy_id=options["policy"], author=options["author"], now=timezone.now())
        except PolicyStaysOut as error:
            raise CommandError(str(error), returncode=2) from error
        Console(soft_wrap=True).print(release_words(policy), highlight=False)
