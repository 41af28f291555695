"""Close a run in the test's own process and transaction: what workers and `optimize_prices` do part by part."""

import uuid
from datetime import datetime

from optimizer.models import OptimizationRun
from optimizer.services.decide_run import decide_run
from optimizer.services.publish_run import parts_left, publish_run


def close_run(*, run_id: uuid.UUID, now: datetime) -> OptimizationRun:
    """Decide on a run whose chunks are all done and publish all its parts; else return it as it is."""
    run = decide_run(run_id=run_id, now=now)
    return publish_run(run_id=run_id, parts=parts_left(run), now=now) if run.is_publishing else run
