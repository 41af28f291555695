import json
import os
import signal
import sys
from typing import Any

import numpy as np
from django.core.management.base import BaseCommand
from threadpoolctl import threadpool_limits

from streaming.background import OwnChores

NICE = 10


class Command(BaseCommand):
    help = "Plan what contexts choose from: started by run_bandit, a line of JSON on the input for each time."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # nobody hears the answer: run_bandit was killed, so end too
        os.nice(NICE)  # decisions come first
        chores = OwnChores(np.random.default_rng())
        # Policies multiply small matrices: a second thread of the linear algebra library only waits for the first.
        with threadpool_limits(1):
            for line in sys.stdin:
                chosen = json.loads(line)
                chores.do(chosen["contexts"], chosen["listings"])
                print("done", flush=True)
        chores.close()
