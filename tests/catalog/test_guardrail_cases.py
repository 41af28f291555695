"""A smaller run of `benchmarks/guardrail_cases.py`, and proof that its checks can fail."""

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from benchmarks import guardrail_cases
from benchmarks.guardrail_cases import check_cases, check_sample, random_cases, run
from catalog.guardrails import MISSING, RELATIONS, Rule, clamp_batch


def test_two_hundred_thousand_random_cases_keep_every_hard_rule_and_name_every_clamp():
    decided, _ = run(cases=200_000, chunk=50_000, sample=1_000, seed=7, console=Console(quiet=True))
    assert decided.sum() == 200_000
    assert all(decided[rule] > 0 for rule in Rule if rule not in {Rule.STOCK_LIMIT, *RELATIONS})  # those bind elsewhere


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda clamped: {"price": np.where(clamped.price == MISSING, MISSING, 1)}, "breaks a hard rule"),
        (lambda clamped: {"price": np.where(clamped.price == MISSING, MISSING, 9_999_999)}, "breaks a hard rule"),
        (lambda clamped: {"rule": np.full_like(clamped.rule, Rule.OWN_OPTIMUM)}, "moved without a name"),
        (lambda clamped: {"rule": np.full_like(clamped.rule, Rule.MAP)}, "named without a move"),
        (lambda clamped: {"price": np.full_like(clamped.price, 500)}, "priced without a cost"),
    ],
)
def test_a_wrong_clamp_is_found(monkeypatch, damage, complaint):
    def wrong(*case):
        clamped = clamp_batch(*case)
        return replace(clamped, **damage(clamped))

    monkeypatch.setattr(guardrail_cases, "clamp_batch", wrong)
    with pytest.raises(AssertionError, match=complaint):
        check_cases(*random_cases(5_000, np.random.default_rng(3)))


def test_a_batch_that_differs_from_the_scalar_clamp_is_found():
    case = random_cases(500, np.random.default_rng(3))
    clamped = clamp_batch(*case)
    check_sample(case, clamped, np.arange(500))
    with pytest.raises(AssertionError, match="scalar"):
        check_sample(case, replace(clamped, price=clamped.price + 1), np.arange(500))
