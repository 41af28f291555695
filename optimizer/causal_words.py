from collections.abc import Sequence


def interval_words(ends: Sequence[float | None]) -> str:
    """Say an interval as stored with a training job: None is an end that is infinite."""
    low, high = ends
    return f"{'−∞' if low is None else format(low, '.2f')} to {'∞' if high is None else format(high, '.2f')}"
