"""Every case once; `python -m tests.optimizer.run_drill --kills 90` is the long drill."""

from tests.optimizer.run_drill import CASES, RunDrill


def test_a_run_that_is_killed_anywhere_ends_like_an_undisturbed_one(tmp_path):
    drill = RunDrill(tmp_path, seed=1)
    drill.run(kills=len(CASES))
    assert set(drill.killed) == set(CASES)
