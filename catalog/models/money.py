"""Column types for money: prices and costs keep four decimals, so that a unit cost may be a fraction of a penny."""

from typing import Any

from django.db import models


class MoneyField(models.DecimalField):
    """An amount in the currency of the row's channel, numeric(14, 4)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", 14)
        kwargs.setdefault("decimal_places", 4)
        super().__init__(*args, **kwargs)
