"""Write a version of the demand model to a file for use elsewhere. Only commands load this file."""

import json
from pathlib import Path
from typing import Final

import numpy as np
from safetensors.numpy import save

from catalog.reading import read_tuples
from catalog.whole_file import whole_file
from optimizer.models import ElasticityEstimate, ElasticityFit

NUMBERS: Final = (
    "mean", "sd", "reference_price", "base_demand", "log_demand_sd", "weeks", "log_price_sd", "residual_sd", "r2",
    "shrinkage", "informed",
)  # fmt: skip


def export_model(*, fit: ElasticityFit, path: Path) -> int:
    """Write a model's posterior to a safetensors file; return how many SKUs it holds.

    A float64 tensor (sku,) each for the fields of `optimizer.models.ElasticityEstimate`. The metadata are JSON:
    ``skus`` in the order of the tensors, and what the registry knows of the model. The file comes into being whole or
    not at all.

    Raises:
        OSError: it cannot be written.
    """
    rows = read_tuples(
        ElasticityEstimate.objects.filter(fit=fit).order_by("listing_id").values_list("listing__product__sku", *NUMBERS)
    )
    columns = {name: np.array([row[1 + place] for row in rows], dtype=np.float64) for place, name in enumerate(NUMBERS)}
    of_model = {
        "model": str(fit),
        "channel": fit.channel.code,
        "currency": fit.channel.currency,
        "method": fit.method,
        "config": fit.config,
        "data_from": str(fit.data_from),
        "data_to": str(fit.data_to),
        "created_at": fit.created_at.isoformat(),
        "fingerprint": fit.fingerprint,
        "diagnostics": fit.diagnostics,
        "verdict": fit.verdict,
        "skus": [row[0] for row in rows],
    }
    with whole_file(path) as beside:
        beside.write_bytes(save(columns, metadata={name: json.dumps(value) for name, value in of_model.items()}))
    return len(rows)
