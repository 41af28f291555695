from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console

from optimizer.models import HorizonPolicy
from optimizer.policy_table import show_gate, show_scores
from optimizer.policy_words import policy_words, release_words
from optimizer.services.open_training import MOST_SEED
from optimizer.services.release_policy import judge_policy

MOST_PROBLEMS = 2_000


class Command(BaseCommand):
    help = (
        "Compare a trained policy with simple ones and the exact optimum, on other problems than it was trained and"
        " judged on; and say what its gate finds, in simulation and beside markdown plans, which is recorded."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("policy", type=int, help="the number of the policy: 3 for dqn-3")
        parser.add_argument("--problems", type=int, default=200, help=f"how many, {MOST_PROBLEMS:,} at most")
        parser.add_argument("--seed", type=int, default=1, help="other problems for another seed")

    def handle(self, *args: Any, **options: Any) -> None:
        # Imported here: `manage.py help` loads every command and need not load torch.
        from optimizer.services.learn_policy import policy_scores

        policy = HorizonPolicy.objects.filter(pk=options["policy"]).first()
        if policy is None:
            raise CommandError(f"no policy dqn-{options['policy']}: the admin lists those that there are", returncode=2)
        if not 1 <= options["problems"] <= MOST_PROBLEMS:
            raise CommandError(f"--problems: {options['problems']}; give 1 to {MOST_PROBLEMS:,}", returncode=2)
        if not 0 <= options["seed"] <= MOST_SEED:
            raise CommandError(f"--seed: {options['seed']}; give 0 to {MOST_SEED:,}", returncode=2)
        with Console(stderr=True).status("solve problems exactly, and compare"):
            scores = policy_scores(policy=policy, problems=options["problems"], seed=options["seed"])
        console = Console()
        show_scores(console, scores)
        console.print(policy_words(policy), highlight=False)
        show_gate(console, judge_policy(policy_id=policy.pk, now=timezone.now()).gate)
        console.print(release_words(policy), highlight=False)
