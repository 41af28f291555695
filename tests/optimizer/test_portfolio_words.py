import pytest

from optimizer.models import OptimizationRun
from optimizer.selectors.portfolios import certificate_words, goal_words


@pytest.mark.parametrize(
    ("gap", "said"),
    [(0.0, "0.0001 %"), (0.000344, "0.035 %"), (0.0001, "0.011 %"), (0.02, "2.1 %"), (5e-8, "0.0001 %")],
)
def test_the_gap_is_said_rounded_up(gap, said):
    run = OptimizationRun(objective="profit", portfolio={"gap": gap, "options": 21_000, "skus": 1_000, "goals": []})
    assert certificate_words(run) == (
        f"Of 21,000 admissible prices for 1,000 products, no choice that meets the goals brings more than {said} more"
        " profit."
    )


def test_a_run_without_goals_and_one_whose_goals_could_not_be_met_say_nothing():
    assert certificate_words(OptimizationRun()) == "" and goal_words(OptimizationRun()) == []
    assert certificate_words(OptimizationRun(portfolio={"unmet": "the goals cannot be met"})) == ""


def test_what_prices_do_to_other_products_is_said_after_how_good_the_choice_is():
    found = {"gap": 0.0, "options": 42, "skus": 2, "goals": [], "cross": {"words": "What 2 prices do is counted."}}
    words = certificate_words(OptimizationRun(objective="revenue", portfolio=found))
    assert words.endswith("0.0001 % more revenue. What 2 prices do is counted.")
