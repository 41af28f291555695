"""The version of the demand model that a command is told of."""

from argparse import ArgumentParser

from django.core.management.base import CommandError

from optimizer.models import ElasticityFit


def add_model_argument(parser: ArgumentParser) -> None:
    parser.add_argument("model", type=int, help="the number of the fit: 3 for elasticity-3")


def required_model(number: int) -> ElasticityFit:
    """Return a version by its number, or raise CommandError with the cure."""
    fit = ElasticityFit.objects.select_related("channel").filter(pk=number).first()
    if fit is None:
        raise CommandError(f"no model elasticity-{number}: the admin lists those that there are", returncode=2)
    return fit
