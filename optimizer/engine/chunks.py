"""Work through many rows in chunks that fit the device's memory."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import torch

logger = logging.getLogger(__name__)

SMALLEST_CHUNK: Final = 1_024
"""Below this, running out of memory is not the chunk's fault, and a second thread is not worth its start."""

_TORCH_THREADS = threading.Lock()


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


def run_side_by_side(total: int, size: int, run: Callable[[slice], None]) -> None:
    """Call `run` on slices of `total` rows, one thread a slice, on as many threads as PyTorch has.

    Use it on the processor. PyTorch's own threads meet after every operation, and when other processes want the same
    cores all wait for the slowest: a million SKUs took 12 to 50 s on two busy cores, and 2 to 5 s this way.

    Args:
        total: number of rows, ≥ 0.
        size: most rows in a slice, ≥ 1.
        run: called once with each slice, from several threads.

    Raises:
        ValueError: `size` is below 1; give at least one row.
    """
    if size < 1:
        raise ValueError(f"batch_size: got {size}; give at least 1")
    if total <= SMALLEST_CHUNK:
        run_in_chunks(total, size, run)
        return
    with _TORCH_THREADS:
        threads = torch.get_num_threads()
        step = min(size, -(-total // threads))
        torch.set_num_threads(1)
        try:
            with ThreadPoolExecutor(threads) as pool:
                slices = [slice(first, min(first + step, total)) for first in range(0, total, step)]
                list(pool.map(run, slices))
        finally:
            torch.set_num_threads(threads)
