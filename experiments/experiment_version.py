"""Which version of an experiment somebody looked at: an ETag that changes with anything of it."""

import hashlib
import json

from django.core.serializers.json import DjangoJSONEncoder
from django.forms.models import model_to_dict

from experiments.models import PriceExperiment


def version_of(experiment: PriceExperiment) -> str:
    """Return a digest of the experiment, its arms and its guardrail metrics as they are stored."""
    own = {field.attname: getattr(experiment, field.attname) for field in experiment._meta.concrete_fields}
    parts = [model_to_dict(part) for part in (*experiment.arms.order_by("pk"), *experiment.guardrails.order_by("pk"))]
    text = json.dumps([own, parts], cls=DjangoJSONEncoder, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
