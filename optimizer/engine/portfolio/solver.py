"""HiGHS, set up for small programmes inside a loop."""

from highspy import Highs


def quiet_solver() -> Highs:
    """Return a solver that prints nothing and keeps to one thread: its programmes are small, and the cores busy."""
    solver = Highs()
    for option, setting in {"output_flag": False, "threads": 1}.items():
        solver.setOptionValue(option, setting)
    return solver
