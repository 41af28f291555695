"""Judge a policy over a horizon by its gate, and release it. Web processes load it: it must not lead to the engine."""

from dataclasses import asdict
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from optimizer.models import HorizonPolicy
from optimizer.policy_gate import policy_checks
from optimizer.selectors.policy_shadow import shadow_of


class PolicyStaysOut(ValueError):
    """The policy was not released; the message says which rules it breaks, with the numbers."""


@transaction.atomic
def judge_policy(*, policy_id: int, now: datetime) -> HorizonPolicy:
    """Judge a policy by `optimizer.policy_gate` and store what was found; one that does not pass is released no longer.

    Raises:
        PolicyStaysOut: no such policy.
    """
    policy = HorizonPolicy.objects.select_for_update(no_key=True).defer("artefact").filter(pk=policy_id).first()
    if policy is None:
        raise PolicyStaysOut(f"no policy dqn-{policy_id}: the admin lists those that there are")
    checks = policy_checks(policy.scores, shadow_of(policy))
    passes = all(check.passes for check in checks)
    policy.gate = {"at": now.isoformat(), "passes": passes, "checks": [asdict(check) for check in checks]}
    if not passes:
        policy.released_at = policy.released_by = None
    policy.save(update_fields=["gate", "released_at", "released_by"])
    return policy


@transaction.atomic
def release_policy(*, policy_id: int, author: User | None, now: datetime) -> HorizonPolicy:
    """Release a policy that passes its gate now, once: it may price where the exact programme cannot be solved.

    Markdown plans that it can be solved for go on being served by it: it cannot be beaten there.

    Raises:
        PolicyStaysOut: no such policy, or a rule of the gate is broken.
    """
    policy = judge_policy(policy_id=policy_id, now=now)
    if policy.released_at is not None:
        return policy
    broken = [f"{check['rule']}: {check['found']}" for check in policy.gate["checks"] if not check["passes"]]
    if broken:
        raise PolicyStaysOut(f"{policy} is not released: {'; '.join(broken)}")
    policy.released_at, policy.released_by = now, author
    policy.save(update_fields=["released_at", "released_by"])
    return policy
