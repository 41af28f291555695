import numpy as np

from catalog.guardrails import MISSING, GuardrailBatch, Guardrails
from optimizer.engine import PricingInputs, optimize_ticks


def _candidates(mean: list[float], objective: str = "profit", sd: float = 0.0) -> list[int]:
    size = len(mean)
    inputs = PricingInputs(
        current_ticks=np.full(size, 1000),
        cost_units=np.full(size, 50_000),
        demand=np.full(size, 10.0),
        elasticity_mean=np.array(mean),
        elasticity_sd=np.full(size, sd),
        guardrails=GuardrailBatch.uniform(Guardrails(), size),
    )
    return optimize_ticks(inputs, objective).candidate_ticks.tolist()


def test_without_uncertainty_the_candidate_is_the_markup_rule():
    # c·e/(1 + e) with c = 5.00
    assert _candidates([-2.0, -3.0, -6.0]) == [1000, 750, 600]


def test_an_elasticity_of_minus_one_or_above_has_no_candidate():
    assert _candidates([-1.0, -0.5]) == [MISSING, MISSING]


def test_revenue_and_market_share_have_no_candidate():
    assert _candidates([-2.0], "revenue") == [MISSING]
    assert _candidates([-2.0], "market_share") == [MISSING]


def test_uncertainty_moves_the_candidate_away_from_the_price_in_force():
    # E[Q] grows by exp(s²x²/2) on both sides of the price in force, 10.00.
    assert _candidates([-1.8], sd=0.3) > _candidates([-1.8]) > [1000]
    assert _candidates([-3.0], sd=0.3) < _candidates([-3.0]) < [1000]
