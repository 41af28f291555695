"""Work through many rows in chunks that fit the device's memory."""

import logging
from collections.abc import Callable
from typing import Final

import torch

logger = logging.getLogger(__name__)

SMALLEST_CHUNK: Final = 1_024
"""Below this, running out of memory is not the chunk's fault."""


def run_in_chunks(total: int, size: int, run: Callable[[slice], None]) -> int:
    """Call `run` on consecutive slices of `total` rows; when the device runs out of memory, halve the slices and go on.

    Args:
        total: number of rows, ≥ 0.
        size: rows in a slice, ≥ 1.
        run: called with each slice; may be called again for rows of a slice that ran out of memory.

    Returns:
        The size of a slice that was used at the end.

    Raises:
        torch.OutOfMemoryError: even `SMALLEST_CHUNK` rows do not fit; free the device's memory or use the processor.
        ValueError: `size` is below 1; give at least one row.
    """
    if size < 1:
        raise ValueError(f"batch_size: got {size}; give at least 1")
    first = 0
    while first < total:
        try:
            run(slice(first, min(first + size, total)))
        except torch.OutOfMemoryError:
            if size <= SMALLEST_CHUNK:
                raise
            size = max(size // 2, SMALLEST_CHUNK)
            logger.warning("out of device memory: going on with chunks of %s rows", size)
            torch.cuda.empty_cache()
        else:
            first += size
    return size
