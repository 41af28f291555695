"""A forecaster as bytes: safetensors with a version, and nothing that is executed when read."""

import json
from dataclasses import asdict
from typing import Final

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save

from .boosting import BoostedQuantiles, boosting_is_installed
from .calibration import Calibration
from .config import ForecasterConfig
from .forecaster import Forecaster
from .network import ForecastNetwork
from .windows import CHANNELS

VERSION: Final = 2


def to_bytes(made: Forecaster) -> bytes:
    """Return the forecaster as safetensors."""
    tensors = {f"network.{name}": value.cpu().numpy() for name, value in made.network.state_dict().items()}
    tensors["calibration.quantiles"] = made.calibration.quantiles
    tensors["calibration.intervals"] = made.calibration.intervals
    for index, text in enumerate(made.boosting.to_texts() if made.boosting else ()):
        tensors[f"boosting.{index}"] = np.frombuffer(text.encode(), np.uint8)
    about = {
        "version": VERSION,
        "config": asdict(made.config),
        "step_days": made.step_days,
        "calendar": made.calendar,
        "winners": made.winners,
        "scores": made.scores,
    }
    tensors["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    return save({name: np.ascontiguousarray(value) for name, value in tensors.items()})


def from_bytes(artefact: bytes) -> Forecaster:
    """Return the forecaster that `to_bytes` wrote; without the extra `forecast` it has no LightGBM to be judged by.

    Raises:
        ValueError: no such bytes, or another version; train anew.
    """
    try:
        tensors = load(artefact)
        about = json.loads(tensors["about"].tobytes())
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError("artefact: these bytes are no forecaster; train one") from error
    if about.get("version") != VERSION:
        raise ValueError(f"artefact: version {about.get('version')}, this release reads {VERSION}; train it anew")
    config = ForecasterConfig(**about["config"] | {"levels": tuple(about["config"]["levels"])})
    state = {name.removeprefix("network."): value for name, value in tensors.items() if name.startswith("network.")}
    network = ForecastNetwork(config, CHANNELS + len(about["calendar"]), len(state["centre"]))
    network.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in state.items()})
    texts = [
        tensors[f"boosting.{i}"].tobytes().decode() for i in range(len(config.levels)) if f"boosting.{i}" in tensors
    ]
    return Forecaster(
        config,
        about["step_days"],
        tuple(about["calendar"]),
        network,
        BoostedQuantiles.from_texts(texts) if texts and boosting_is_installed() else None,
        tuple(about["winners"]),
        Calibration(config.levels, tensors["calibration.quantiles"], tensors["calibration.intervals"]),
        about["scores"],
    )
