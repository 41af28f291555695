from collections.abc import Mapping
from typing import Any


def pairs_words(result: Mapping[str, Any]) -> str:
    """Say in a sentence what a training job of kind `cross` found."""
    large, small = result["too_large"], result["too_small"]
    words = (
        f"of {result['pairs_tried']:,} pairs in {_categories(result['categories'])} "
        f"{result['pairs_kept']:,} are supported by the sales"
    )
    if result["strongest"]:
        demand, price, mean, sd = result["strongest"][0]
        words += f", the strongest {demand} in the price of {price}: {mean:+.2f} ± {sd:.2f}"
    left_out = [f"{_categories(count)} too {size}" for count, size in ((large, "large"), (small, "small")) if count]
    return f"{words}; left out: {' and '.join(left_out)}" if left_out else words


def _categories(count: int) -> str:
    return f"{count:,} {'category' if count == 1 else 'categories'}"
