import numba
import pytest
from threadpoolctl import threadpool_info

from optimizer.engine.threads import one_thread


def openmp() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"]


def test_within_it_there_is_one_thread_and_afterwards_as_many_as_before():
    before = numba.get_num_threads(), openmp()
    with pytest.raises(RuntimeError, match="stopped"), one_thread():
        assert numba.get_num_threads() == 1 and set(openmp()) == {1}
        raise RuntimeError("stopped")
    assert (numba.get_num_threads(), openmp()) == before
