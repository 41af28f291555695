from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from optimizer.models import ElasticityFit


class Command(BaseCommand):
    help = "Write a version of the demand model to a safetensors file: the posterior of every SKU, and how it was made."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", type=int, help="its number: 7 for elasticity-7")
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        # Imported here: `manage.py help` loads every command and need not load numpy.
        from optimizer.services.export_model import export_model

        fit = ElasticityFit.objects.select_related("channel").filter(pk=options["model"]).first()
        if fit is None:
            raise CommandError(
                f"no model elasticity-{options['model']}: the admin lists those that there are", returncode=2
            )
        try:
            skus = export_model(fit=fit, path=options["file"])
        except OSError as error:
            raise CommandError(f"{options['file']}: {error}: give a file that can be written", returncode=2) from error
        self.stdout.write(f"{fit}: {skus:,} SKUs written to {options['file']}")
