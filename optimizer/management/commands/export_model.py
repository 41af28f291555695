from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from optimizer.model_argument import add_model_argument, required_model


class Command(BaseCommand):
    help = "Write a version of the demand model to a safetensors file: the posterior of every SKU, and how it was made."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_model_argument(parser)
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        # Imported here: `manage.py help` loads every command and need not load numpy.
        from optimizer.services.export_model import export_model

        fit = required_model(options["model"])
        try:
            skus = export_model(fit=fit, path=options["file"])
        except OSError as error:
            raise CommandError(f"{options['file']}: {error}: give a file that can be written", returncode=2) from error
        self.stdout.write(f"{fit}: {skus:,} SKUs written to {options['file']}")
