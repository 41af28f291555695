from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from catalog.models import ApiKey
from catalog.models.access import Scope


class Command(BaseCommand):
    help = "Issue an API key and print it once; only its digest is stored."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="whose key it is, such as storefront")
        parser.add_argument(
            "--scope", action="append", choices=Scope.values, help="what it may do; repeat it (default: prices:read)"
        )

        parser.add_argument("--owner", help="user name of the person for whom it acts; needed to approve prices")

    def handle(self, *args: Any, **options: Any) -> None:
        owner = None
        if options["owner"]:
            owner = User.objects.filter(username=options["owner"], is_active=True).first()
            if owner is None:
                raise CommandError(f"--owner: no active user {options['owner']!r}", returncode=2)
        _, text = ApiKey.issue(name=options["name"], scopes=options["scope"] or [Scope.PRICES_READ.value], owner=owner)
        self.stdout.write(text)
