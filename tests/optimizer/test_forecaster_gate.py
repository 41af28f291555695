"""The gate of forecasters: every rule of it, at its edge."""

import pytest

from optimizer.forecaster_gate import RULES, gate_verdict


def rows(*, served=0.4, coverage=0.8, ranked=None, boosting=0.4, naive=0.5, segments=()):
    def row(segment, method, wql, demand=1_000.0, coverage=0.8, ranked=None):
        ranks = coverage if ranked is None else ranked
        score = {"segment": segment, "method": method, "wql": wql, "coverage": coverage, "randomised": ranks}
        return score | {"demand": demand}

    found = [
        row("all", "served", served, coverage=coverage, ranked=ranked), row("all", "transformer", 0.1),
        row("all", "seasonal_naive", naive), row("all", "lightgbm", boosting),
    ]  # fmt: skip
    for name, demand, own, best in segments:
        found += [row(name, "served", own, demand), row(name, "lightgbm", best, demand)]
    return found


def test_even_with_the_best_baseline_passes_and_the_words_say_with_which():
    verdict = gate_verdict(rows(served=0.4079))
    assert verdict.passes and not verdict.refused_for and verdict.beside_best == pytest.approx(0.01975)
    assert verdict.words.startswith("its loss of 0.408 is 2.0 % above that of LightGBM")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"served": 0.409}, "at most 2 % above it is let pass"),
        ({"naive": 0.3}, "at most 2 % above it is let pass"),
        ({"coverage": 0.74}, "75 to 85 % must lie in the intervals"),
        ({"coverage": 0.86}, "75 to 85 % must lie in the intervals"),
        ({"coverage": 0.95, "ranked": 0.86}, "75 to 85 % must lie in the intervals"),
        ({"coverage": 0.74, "ranked": 0.8}, "75 to 85 % must lie in the intervals"),
        ({"segments": [("lumpy", 10.0, 0.63, 0.6)]}, "on lumpy products it is 5.0 % above LightGBM"),
    ],
)
def test_each_rule_refuses_alone(given, reason):
    verdict = gate_verdict(rows(**given))
    assert not verdict.passes and verdict.refused_for == [reason] and verdict.words.endswith(reason)


def test_kinds_with_too_few_units_are_not_judged_by_themselves():
    assert gate_verdict(rows(segments=[("lumpy", 9.9, 0.9, 0.6)])).passes


def test_many_steps_without_a_sale_may_lie_in_the_intervals_where_ranks_are_calibrated():
    verdict = gate_verdict(rows(coverage=0.93, ranked=0.81))
    assert verdict.passes and "93.0 % of the held-out steps lay in its 80 % intervals, 81.0 %" in verdict.words


def test_the_live_one_is_let_be_better_by_as_much_and_no_more():
    assert gate_verdict(rows(), loss_of_live=0.3922, live="forecaster-1").passes
    verdict = gate_verdict(rows(), loss_of_live=0.392, live="forecaster-1")
    assert not verdict.passes and "2.0 % above that of forecaster-1, which was live" in verdict.words


def test_scores_without_a_baseline_are_no_ground_to_judge_on():
    with pytest.raises(ValueError, match="no score of served or of seasonal_naive"):
        gate_verdict(rows()[:2])


def test_the_rules_are_stated_with_their_numbers():
    assert "at most 2 % above" in RULES and "75 to 85 %" in RULES and "at least 1 % of the units" in RULES
