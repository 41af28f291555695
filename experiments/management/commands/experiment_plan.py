import getpass
import json
import tomllib
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError as ModelValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rest_framework.exceptions import ValidationError
from rich.console import Console

from catalog.api.problems import problem_errors
from experiments.api.experiment_serializers import ExperimentRequestSerializer
from experiments.models import PriceExperiment
from experiments.plan_tables import plan_tables
from experiments.selectors.experiment_by_code import UnknownExperiment, experiment_by_code
from experiments.services.draft_experiment import draft_experiment
from experiments.services.lifecycle import CannotRun, WrongState
from experiments.services.plan_experiment import plan_experiment
from experiments.services.start_experiment import submit_experiment

HALVES = (5_000, 5_000)
OPTIONS = {
    "name": "name",
    "hypothesis": "hypothesis",
    "channel": "channel",
    "category": "category",
    "layer": "layer",
    "design": "design",
    "matching": "matching",
    "metric": "metric",
    "method": "method",
    "horizon_days": "days",
    "minimum_effect": "effect",
    "slot_seconds": "slot_seconds",
    "washout_seconds": "washout_seconds",
}


class Command(BaseCommand):
    help = (
        "Plan a price experiment: units an arm, what is refused, power, days, interference. Of a draft that exists, by"
        " its code; of a new one from a file (JSON or TOML, with the fields of POST /api/v1/experiments) or from"
        " options. Nothing is served; --submit registers the plan."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("code", nargs="?", help="code of a draft, or of the new one that the options describe")
        parser.add_argument("--file", type=Path, help="a new draft: *.json or *.toml")
        parser.add_argument("--change", help="a new draft with one arm at this change of price: -0.05 is 5 %% cheaper")
        parser.add_argument("--name", help="default: the code")
        parser.add_argument("--hypothesis", help="what is expected, and why")
        parser.add_argument("--channel", default=settings.DEFAULT_CHANNEL, help="channel code")
        parser.add_argument("--category", help="only listings of this category (its code)")
        parser.add_argument("--layer", help="default: prices")
        parser.add_argument("--design", choices=PriceExperiment.Design.values)
        parser.add_argument("--matching", choices=PriceExperiment.Matching.values)
        parser.add_argument("--metric", choices=PriceExperiment.Metric.values)
        parser.add_argument("--method", choices=PriceExperiment.Method.values)
        parser.add_argument("--days", help="horizon")
        parser.add_argument("--effect", default="0.05", help="smallest effect worth finding, a fraction")
        parser.add_argument("--slot-seconds", help="of a switchback")
        parser.add_argument("--washout-seconds", help="of a switchback")
        parser.add_argument("--submit", action="store_true", help="register the plan, where it has no faults")

    def handle(self, *args: Any, **options: Any) -> None:
        now, by = timezone.now(), f"command, {getpass.getuser()}"
        try:
            row = self._draft(options, by) or experiment_by_code(options["code"] or "")
            row = plan_experiment(experiment=row.pk, now=now)
            Console().print(plan_tables(row))
            if options["submit"]:
                submit_experiment(experiment=row.pk, by=by, now=now)
                self.stdout.write(f"{row.code} is in review: manage.py experiment_start {row.code}")
        except ValidationError as error:
            words = "; ".join(
                f"{each['pointer'].lstrip('#/')}: {each['detail']}" for each in problem_errors(error, "#")
            )
            raise CommandError(words, returncode=2) from error
        except ModelValidationError as error:
            words = "; ".join(f"{name}: {' '.join(said)}" for name, said in error.message_dict.items())
            raise CommandError(words.replace("__all__: ", ""), returncode=2) from error
        except (UnknownExperiment, WrongState, CannotRun) as error:
            raise CommandError(str(error), returncode=2) from error

    def _draft(self, options: dict[str, Any], by: str) -> PriceExperiment | None:
        """Store a new draft; None where one that exists is asked for."""
        asked = _of_file(options["file"]) if options["file"] else _of_options(options)
        if asked is None:
            return None
        body = ExperimentRequestSerializer(data=asked)
        body.is_valid(raise_exception=True)
        fields = dict(body.validated_data)
        arms, guardrails, layer = fields.pop("arms"), fields.pop("guardrails", []), fields.pop("layer")
        return draft_experiment(fields=fields, layer=layer, arms=arms, guardrails=guardrails, by=by, now=timezone.now())


def _of_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text()
        asked = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"--file: {path} cannot be read: give a file of text", returncode=2) from error
    except ValueError as error:
        raise CommandError(f"--file: {path} is no {path.suffix[1:] or 'JSON'}: {error}", returncode=2) from error
    if not isinstance(asked, dict):
        raise CommandError(f"--file: {path}: give one experiment, a table of fields", returncode=2)
    return asked


def _of_options(options: dict[str, Any]) -> dict[str, Any] | None:
    if not options["code"]:
        raise CommandError("give the code of a draft, --file, or a code with --change", returncode=2)
    if options["change"] is None:
        return None
    said = {field: options[name] for field, name in OPTIONS.items() if options[name] is not None}
    treatment = "cheaper" if options["change"].startswith("-") else "dearer"
    arms = [
        {"name": "control", "share": HALVES[0]},
        {"name": treatment, "share": HALVES[1], "price_change": options["change"]},
    ]
    code = options["code"]
    return {"code": code, "name": code, "hypothesis": f"Prices {options['change']} of today's.", "arms": arms} | said
