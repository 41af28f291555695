from experiments.models import PriceExperiment


class UnknownExperiment(Exception):
    """There is no price experiment of that code."""


def experiment_by_code(code: str) -> PriceExperiment:
    """Return a price experiment with its channel. Raises UnknownExperiment, which names the cure."""
    found = PriceExperiment.objects.select_related("channel", "category").filter(code=code).first()
    if found is None:
        raise UnknownExperiment(f"No price experiment {code!r}: GET /api/v1/experiments, or the admin, lists them.")
    return found
