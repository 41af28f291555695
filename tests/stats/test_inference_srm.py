import numpy as np
import pytest

from experiments.stats.inference import check_sample_ratio
from experiments.stats.inference.srm import chi_square_p_value, log_e_values


def daily_counts(rng, runs, shares, days=60, visitors=500):
    return rng.multinomial(visitors, shares, (runs, days)).cumsum(1)


def test_a_daily_check_does_not_cry_wolf_and_a_chi_square_does():
    shares = [0.5, 0.3, 0.2]
    counts = daily_counts(np.random.default_rng(21), 1500, shares)
    assert (log_e_values(counts, shares).max(1) > -np.log(0.05)).mean() <= 0.05
    assert (chi_square_p_value(counts, shares) < 0.05).any(1).mean() > 0.25


def test_a_mismatch_of_two_percent_is_found():
    counts = daily_counts(np.random.default_rng(22), 200, [0.52, 0.48], visitors=1000)
    found = [check_sample_ratio(run, [0.5, 0.5]).mismatch for run in counts]
    assert np.mean(found) > 0.95


def test_evidence_once_found_stays():
    looks = [[600, 400], [1600, 1500], [10_100, 10_000]]
    assert check_sample_ratio(looks[:1], [0.5, 0.5], weight=100).p_value < 0.01
    assert check_sample_ratio(looks, [0.5, 0.5], weight=100).mismatch
    assert check_sample_ratio(looks, [0.5, 0.5]).chi_square_p_value > 0.4


def test_evidence_is_the_predictive_probability_unit_by_unit():
    shares, weight = np.array([0.6, 0.4]), 10.0
    seen, log_evidence = np.zeros(2), 0.0
    for arm in (0, 1, 1, 0, 1):
        log_evidence += np.log((weight * shares[arm] + seen[arm]) / (weight + seen.sum()) / shares[arm])
        seen[arm] += 1
    assert log_e_values(seen, shares, weight) == pytest.approx(log_evidence)


def test_nothing_counted_is_no_mismatch():
    result = check_sample_ratio([0, 0], [0.5, 0.5])
    assert (result.p_value, result.mismatch) == (1.0, False)


@pytest.mark.parametrize(
    ("counts", "shares", "field"),
    [([1, 2], [0.5, 0.6], "expected_shares:"), ([1, 2, 3], [0.5, 0.5], "counts:"), ([-1, 2], [0.5, 0.5], "counts:")],
)
def test_bad_counts_are_refused_by_name(counts, shares, field):
    with pytest.raises(ValueError, match=field):
        check_sample_ratio(counts, shares)
