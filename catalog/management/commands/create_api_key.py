from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from catalog.models import ApiKey
from catalog.models.access import Scope


class Command(BaseCommand):
    help = "Issue an API key and print it once; only its digest is stored."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="whose key it is, such as storefront")
        parser.add_argument(
            "--scope", action="append", choices=Scope.values, help="what it may do; repeat it (default: prices:read)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        _, text = ApiKey.issue(name=options["name"], scopes=options["scope"] or [Scope.PRICES_READ.value])
        self.stdout.write(text)
