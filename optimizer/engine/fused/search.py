"""Run the kernel on a CUDA device, through CuPy, and make sure of it before it is trusted."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from catalog.guardrails import EndingTable

from ..devices import ComputeDevice
from ..pricing_arrays import PricingInputs
from .source import CODES_OUT, OBJECTIVES, TICKS_OUT, kernel_source, real_columns, whole_columns

logger = logging.getLogger(__name__)

THREADS_IN_BLOCK: Final = 256
CHECKED_ROWS: Final = 2_048

Decisions = dict[str, NDArray[Any]]
"""`TICKS_OUT`, (sku,) int64, and `CODES_OUT`, (sku,) int8, by name."""


@dataclass(slots=True)
class FusedSearch:
    """Hold the compiled kernel of one device, and for which objectives it decided as the arrays do.

    Args:
        cupy: the module.
        device: number of the CUDA device.
        kernel: the compiled function.
        trusted: objective to the answer of the one comparison.
    """

    cupy: ModuleType
    device: int
    kernel: Any
    trusted: dict[str, bool] = field(default_factory=dict)

    @classmethod
    def compile(cls, device: int) -> "FusedSearch | None":
        """Compile the kernel for a device; None, and a line in the log, where CuPy is missing or cannot."""
        try:
            import cupy

            with cupy.cuda.Device(device):
                # Without --fmad=false the compiler would round otherwise than PyTorch does.
                module = cupy.RawModule(code=kernel_source(), options=("--std=c++17", "--fmad=false"))
                return cls(cupy, device, module.get_function("best_prices"))
        except ImportError:
            logger.info("CuPy is not installed: the search runs as array operations (extra cuda12 or cuda13)")
        except Exception:
            logger.exception("the kernel cannot be compiled here: the search runs as array operations")
        return None

    def decide(self, inputs: PricingInputs, objective: str, table: EndingTable) -> Decisions:
        """Choose the best admissible price of every SKU.

        Args:
            inputs: (sku,) SKUs.
            objective: one of `OBJECTIVES`.
            table: of the SKUs' price endings.

        Returns:
            Decisions; where `is_left` is 1 the price is not the best yet.

        Raises:
            torch.OutOfMemoryError: the device's memory is too small for so many SKUs.
        """
        cupy = self.cupy
        try:
            with cupy.cuda.Device(self.device):
                return self._decide(inputs, objective, table)
        except cupy.cuda.memory.OutOfMemoryError as error:
            cupy.get_default_memory_pool().free_all_blocks()
            raise torch.OutOfMemoryError(str(error)) from error

    def _decide(self, inputs: PricingInputs, objective: str, table: EndingTable) -> Decisions:
        cupy, rows = self.cupy, len(inputs)
        found = {name: cupy.empty(rows, dtype=np.int64) for name in TICKS_OUT}
        found |= {name: cupy.empty(rows, dtype=np.int8) for name in CODES_OUT}
        whole = [cupy.asarray(column) for column in whole_columns(inputs)]
        real = [cupy.asarray(column) for column in real_columns(inputs)]
        endings = [cupy.asarray(array) for array in (inputs.guardrails.ending_set, table.up, table.down)]
        outputs = [self._addresses([found[name] for name in names]) for names in (TICKS_OUT, CODES_OUT)]
        arguments = (
            self._addresses(whole),
            self._addresses(real),
            *endings,
            np.int64(table.modulus),
            *outputs,
            np.int32(OBJECTIVES[objective]),
            np.int64(rows),
        )
        self.kernel((-(-rows // THREADS_IN_BLOCK),), (THREADS_IN_BLOCK,), arguments)
        return {name: array.get() for name, array in found.items()}

    def _addresses(self, arrays: Sequence[Any]) -> Any:
        return self.cupy.asarray(np.array([array.data.ptr for array in arrays], dtype=np.uint64))

    def is_trusted(
        self, inputs: PricingInputs, objective: str, table: EndingTable, by_arrays: Callable[[PricingInputs], Decisions]
    ) -> bool:
        """Compare once an objective with what the arrays decide for the first SKUs; if they differ, never use it."""
        if objective not in self.trusted:
            some = inputs.rows(slice(0, CHECKED_ROWS))
            kernel, arrays = self.decide(some, objective, table), by_arrays(some)
            here = kernel["is_left"] == 0
            differ = [name for name in arrays if not np.array_equal(kernel[name][here], arrays[name][here])]
            self.trusted[objective] = not differ
            if differ:
                logger.error("the kernel decides otherwise than the arrays (%s): it is not used", ", ".join(differ))
        return self.trusted[objective]


_COMPILED: Final[dict[int, FusedSearch | None]] = {}


def fused_search(device: ComputeDevice, objective: str) -> FusedSearch | None:
    """Return the kernel of a device, compiled once a process; None where the arrays have to do it."""
    if device.search.type != "cuda" or objective not in OBJECTIVES:
        return None
    number = device.search.index or 0
    if number not in _COMPILED:
        _COMPILED[number] = FusedSearch.compile(number)
    return _COMPILED[number]
