"""Where the numbers are crunched: CUDA, Apple's MPS, or the processor."""

import logging
from dataclasses import dataclass
from functools import cache

import torch

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ComputeDevice:
    """Hold a device and the precision of its search.

    Args:
        search: where interior optima are searched.
        search_dtype: float64, or float32 where the device has no float64 (MPS).
        final: where candidates are evaluated, always in float64: the same device, or the processor for MPS.
    """

    search: torch.device
    search_dtype: torch.dtype
    final: torch.device

    @property
    def is_exact(self) -> bool:
        """Return whether the search itself runs in float64."""
        return self.search_dtype == torch.float64


def available_devices() -> tuple[str, ...]:
    """Return the names of every device found, the fastest first; the last is always `cpu`."""
    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return (*cuda, *mps, "cpu")


@cache
def _say_once(chosen: str, asked: str) -> None:
    """Log a choice once a process: a run asks for the device with every chunk."""
    logger.info("pricing engine computes on %s (asked for %s)", chosen, asked)


def resolve_device(name: str = "auto") -> ComputeDevice:
    """Find the device to compute on, and log the choice.

    Args:
        name: `auto` (CUDA, else MPS, else the processor), `cpu`, `cuda`, `cuda:N` or `mps`.

    Returns:
        The device; on MPS, which has no float64, the search runs in float32 and the decision in float64 on the
        processor.

    Raises:
        ValueError: no such device here; use one of those that the message lists, or `auto`.
    """
    found = available_devices()
    chosen = found[0] if name == "auto" else {"cuda": "cuda:0"}.get(name, name)
    if chosen not in found:
        raise ValueError(f"device {name!r} is not available; use 'auto' or one of: {', '.join(found)}")
    device = torch.device(chosen)
    _say_once(chosen, name)
    if device.type == "mps":
        return ComputeDevice(device, torch.float32, torch.device("cpu"))
    return ComputeDevice(device, torch.float64, device)
