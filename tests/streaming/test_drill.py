"""A short drill; `python -m tests.streaming.drill --kills 50` is the long one."""

from tests.streaming.drill import VICTIMS, Drill


def test_killed_under_load_the_bandit_learns_exactly_what_happened(tmp_path):
    drill = Drill(tmp_path, seed=1)
    drill.run(kills=len(VICTIMS) + 1)
    assert sum(drill.killed.values()) == len(VICTIMS) + 1
    assert len(drill.market.events) > 500
    print(drill.report)
