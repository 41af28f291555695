"""What comes between a run's last chunk and its closing. Only workers and commands load this file."""

import uuid
from datetime import datetime

from optimizer.services.solve_portfolio import solve_portfolio
from optimizer.services.solve_price_groups import solve_price_groups


def solve_together(*, run_id: uuid.UUID, now: datetime) -> None:
    """Give related products their joint prices, then choose all prices for the run's goals; what is done stays."""
    solve_price_groups(run_id=run_id, now=now)
    solve_portfolio(run_id=run_id, now=now)
