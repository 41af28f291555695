"""Work that is too small for several threads."""

from collections.abc import Iterator
from contextlib import contextmanager

import numba
from threadpoolctl import threadpool_limits


@contextmanager
def one_thread() -> Iterator[None]:
    """Have torch and Numba compute on this thread alone.

    Use it for work of less than a second: threads that meet every millisecond gain little where cores are free, and
    wait a time slice each where others use them. A hierarchical fit of the demo's sales (51,000 rows, 2 cores) took 0.1
    to 0.2 s either way with free cores; beside two busy processes 0.3 s on one thread, 3.5 s on two.
    """
    threads = numba.get_num_threads()
    with threadpool_limits(1, "openmp"):
        numba.set_num_threads(1)
        try:
            yield
        finally:
            numba.set_num_threads(threads)
