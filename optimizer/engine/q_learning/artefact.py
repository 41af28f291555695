"""A trained network as bytes: safetensors, with how it was made beside the weights."""

import json
from dataclasses import asdict
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from optimizer.engine.horizon import ACTIONS, STEP, ProblemRanges

from .config import DqnConfig
from .network import QNetwork
from .sight import FEATURES

VERSION: Final = 1
"""Of what the numbers mean: raise it when features, actions or the unit of values change."""


def to_bytes(network: QNetwork, config: DqnConfig) -> bytes:
    """Return a safetensors file: weights, and as metadata the version, features, actions, configuration and seed."""
    weights = {name: weight.detach().cpu().contiguous() for name, weight in network.state_dict().items()}
    return save(weights, {"policy": json.dumps(_about(config), sort_keys=True)})


def from_bytes(data: bytes) -> tuple[QNetwork, DqnConfig]:
    """Return the network, on the processor, and the configuration that it was trained by.

    Raises:
        ValueError: this is no such file, or one of another version, other features or other actions.
    """
    try:
        weights = load(data)
        length = int.from_bytes(data[:8], "little")
        about = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["policy"])
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"policy: not a file of a trained policy ({error}); train one and store it again") from error
    for name, wanted in _meaning().items():
        if about.get(name) != wanted:
            raise ValueError(f"{name}: the policy has {about.get(name)}, this program {wanted}; train it again")
    config = _config(about)
    with torch.device("meta"):  # sizes that the file only claims take no memory
        network = QNetwork(len(FEATURES), config.hidden)
    try:
        network.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise ValueError("policy: its weights are not those of its configuration; train it again") from error
    if not all(weight.dtype == torch.float32 and bool(weight.isfinite().all()) for weight in weights.values()):
        raise ValueError("policy: a weight is not a finite float32; train it again")
    return network, config


def _about(config: DqnConfig) -> dict[str, Any]:
    return _meaning() | {"seed": config.seed, "config": asdict(config)}


def _meaning() -> dict[str, Any]:
    """Return what must be the same for the weights to mean the same."""
    return {"version": VERSION, "features": list(FEATURES), "actions": ACTIONS.tolist(), "step": STEP}


def _config(about: dict[str, Any]) -> DqnConfig:
    """Return the configuration, whose tuples JSON has made lists.

    Raises:
        ValueError: there is none, or it has other fields.
    """
    try:
        values: dict[str, Any] = _tuples(about["config"])
        return DqnConfig(**values | {"ranges": ProblemRanges(**_tuples(values["ranges"]))})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"config: not that of this program ({error}); train the policy again") from error


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
