import numpy as np
import pytest

from experiments.stats.off_policy import OffPolicySums

ARMS = np.array([8.0, 10.0, 12.0])
RATES = np.array([0.5, 0.35, 0.2])
LOGGED = np.array([0.2, 0.5, 0.3])
TARGET = np.array([0.7, 0.2, 0.1])
TRUTH = float(TARGET @ (ARMS * RATES))


def sums_of(rng, number, *, model, logged=LOGGED, target=TARGET, believed=None):
    arm = rng.choice(3, size=number, p=logged)
    reward = np.where(rng.random(number) < RATES[arm], ARMS[arm], 0.0)
    sums = OffPolicySums()
    sums.add(
        reward=reward,
        propensity=(logged if believed is None else believed)[arm],
        target=target[arm],
        modelled=model[arm],
        direct=np.full(number, target @ model),
        number=np.ones(number),
    )
    return sums


def columns(*rows):
    names = ("reward", "propensity", "target", "modelled", "direct", "number")
    return dict(zip(names, np.array(rows, dtype=float).T, strict=True))


def test_a_case_worked_out_by_hand():
    sums = OffPolicySums()
    sums.add(**columns((10, 0.5, 1.0, 6, 7, 1), (0, 0.5, 0.0, 2, 7, 1), (8, 0.25, 0.5, 4, 5, 2)))
    result = sums.result()
    # weights 2, 0, 2, 2
    assert result.ips.value == pytest.approx((20 + 0 + 16 + 16) / 4)
    assert result.snips.value == pytest.approx(52 / 6)
    assert result.doubly_robust.value == pytest.approx(((7 + 2 * 4) + 7 + 2 * (5 + 2 * 4)) / 4)
    assert result.logged.value == pytest.approx(26 / 4)
    assert (result.decisions, result.effective_decisions, result.largest_weight) == (4, 3.0, 2.0)
    gains = np.array([20, 0, 16, 16])
    half = 1.959963984540054 * gains.std(ddof=1) / 2
    assert (result.ips.low, result.ips.high) == pytest.approx((13 - half, 13 + half))


def test_how_the_log_is_cut_into_batches_makes_no_difference():
    rng = np.random.default_rng(0)
    rows = np.column_stack(
        [rng.random(500) * 10, rng.uniform(0.1, 1, 500), rng.random(500), rng.random((500, 2)), np.ones(500)]
    )
    whole, parts = OffPolicySums(), OffPolicySums()
    whole.add(**columns(*rows))
    for part in np.array_split(rows, 7):
        parts.add(**columns(*part))
    assert np.allclose(whole.sums, parts.sums, rtol=1e-12) and whole.count == parts.count


@pytest.mark.parametrize("model", [ARMS * RATES, np.zeros(3), np.array([9.0, 1.0, 5.0])])
def test_the_intervals_cover_the_truth_at_their_rate_whatever_the_model(model):
    rng = np.random.default_rng(1)
    covered = {"ips": 0, "snips": 0, "doubly_robust": 0}
    for _ in range(1_000):
        result = sums_of(rng, 400, model=model).result()
        for name in covered:
            estimate = getattr(result, name)
            covered[name] += estimate.low <= TRUTH <= estimate.high
    # 95 % of a thousand, within four standard deviations
    assert all(922 <= count <= 978 for count in covered.values()), covered


def test_doubly_robust_is_right_with_wrong_propensities_where_the_model_is_right():
    rng = np.random.default_rng(2)
    result = sums_of(rng, 200_000, model=ARMS * RATES, believed=np.array([0.6, 0.2, 0.2])).result()
    assert abs(result.doubly_robust.value - TRUTH) < 0.03 < abs(result.ips.value - TRUTH)


def test_a_good_model_makes_it_sharper():
    rng = np.random.default_rng(3)
    result = sums_of(rng, 5_000, model=ARMS * RATES).result()
    assert result.doubly_robust.high - result.doubly_robust.low < 0.9 * (result.ips.high - result.ips.low)


def test_little_overlap_is_said():
    rng = np.random.default_rng(4)
    logged = np.array([0.01, 0.5, 0.49])
    assert not sums_of(rng, 1_000, model=np.zeros(3), logged=logged, target=np.array([1.0, 0, 0])).result().has_overlap
    assert sums_of(rng, 1_000, model=np.zeros(3)).result().has_overlap


@pytest.mark.parametrize(
    ("row", "why"),
    [((1, 0, 0.5, 0, 0, 1), "propensity"), ((1, 0.5, 1.5, 0, 0, 1), "target"), ((1, 1.5, 0.5, 0, 0, 1), "propensity")],
)
def test_what_is_no_probability_is_refused(row, why):
    with pytest.raises(ValueError, match=why):
        OffPolicySums().add(**columns(row))


def test_nothing_to_evaluate_from_is_an_error_with_a_cure():
    with pytest.raises(ValueError, match="choose a longer period"):
        OffPolicySums().result()
    never = OffPolicySums()
    never.add(**columns((1, 0.5, 0, 0, 0, 1)))
    with pytest.raises(ValueError, match="drawn none"):
        never.result()
