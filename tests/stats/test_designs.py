"""Designs: who gets which arm. Closed forms, balance, and a shop with substitutes in which the truth is known."""

from collections import Counter

import numpy as np
import pytest

from catalog.arms import WEEK_SECONDS, drawn_arm, slot_arm
from experiments.stats.designs.blocks import arms_in_blocks
from experiments.stats.designs.clusters import draw_clusters
from experiments.stats.designs.hashing import buckets, hashed_arms, points, uniformity_p_value
from experiments.stats.designs.interference import Substitutes, interference, same_category_pairs
from experiments.stats.designs.matched_pairs import matched_sets, standardised_differences
from experiments.stats.designs.regions import region_shares
from experiments.stats.designs.strata import quantile_strata
from experiments.stats.designs.switchback import schedule
from experiments.stats.inference.estimates import paired_difference
from experiments.stats.inference.moments import Moments

HALVES = (5_000, 5_000)


def names(count):
    return [f"SKU-{number}" for number in range(count)]


def test_buckets_are_uniform_and_never_change():
    drawn = buckets("layer", names(20_000))
    assert (drawn.min(), drawn.max()) >= (0, 0) and drawn.max() < 10_000
    assert uniformity_p_value(np.bincount(drawn // 500, minlength=20), np.ones(20)) > 0.001
    assert buckets("layer", ["SKU-0", "SKU-1"]).tolist() == drawn[:2].tolist()


def test_two_layers_put_units_into_independent_buckets():
    one, other = (buckets(salt, names(20_000)) // 2_500 for salt in ("a", "b"))
    cells = np.bincount(one * 4 + other, minlength=16)
    assert uniformity_p_value(cells, np.ones(16)) > 0.001


def test_a_crooked_draw_is_seen():
    assert uniformity_p_value([5_300, 4_700], [1, 1]) < 1e-6
    with pytest.raises(ValueError, match="counts: got 4 units; give at least five"):
        uniformity_p_value([2, 2], [1, 1])


def test_arms_by_hash_alone_are_those_that_the_storefront_draws():
    shares = (7_000, 2_000, 1_000)
    assert hashed_arms("s", names(50), shares).tolist() == [drawn_arm("s", name, shares) for name in names(50)]


def test_a_block_of_as_many_units_as_arms_has_each_arm_once():
    block = np.repeat(np.arange(300), 3)
    arms = arms_in_blocks("s", names(900), block, (3_333, 3_333, 3_334)).reshape(300, 3)
    assert (np.sort(arms, axis=1) == [0, 1, 2]).all()
    firsts = np.bincount(arms[:, 0], minlength=3)
    assert uniformity_p_value(firsts, np.ones(3)) > 0.001


def test_large_blocks_have_their_shares_to_within_one_unit_and_chances_are_the_shares():
    shares = (6_000, 3_000, 1_000)
    arms = arms_in_blocks("s", names(1_003), np.zeros(1_003), shares)
    assert np.abs(np.bincount(arms) - 1_003 * np.array(shares) / 10_000).max() < 1
    alone = [arms_in_blocks(f"salt-{n}", ["A"], [0], shares)[0] for n in range(4_000)]
    assert uniformity_p_value(np.bincount(alone, minlength=3), shares) > 0.001


def test_a_unit_without_a_block_takes_no_part():
    assert arms_in_blocks("s", ["A", "B", "C"], [-1, 0, 0], HALVES)[0] == -1
    with pytest.raises(ValueError, match="units: a name repeats"):
        arms_in_blocks("s", ["A", "A"], [0, 0], HALVES)


def test_pairs_are_the_most_alike_and_the_odd_one_is_left_out():
    levels = np.array([10.0, 1.0, 10.1, 5.0, 1.1, 5.2, 0.1])
    sets = matched_sets(np.c_[levels, np.zeros(7)])
    assert [sets[0] == sets[2], sets[1] == sets[4], sets[3] == sets[5], sets[6]] == [True, True, True, -1]


def test_pairs_look_at_all_covariates():
    # Two groups of one level, apart in trend: pairs stay within a trend.
    level = np.tile([1.0, 1.001], 40)
    trend = np.repeat([-1.0, 1.0], 40)
    sets = matched_sets(np.c_[level, trend])
    for number in range(sets.max() + 1):
        assert len(set(trend[sets == number])) == 1


def test_pairs_make_arms_nearly_alike_where_chance_leaves_them_apart():
    rng = np.random.default_rng(1)
    covariates = np.c_[rng.normal(size=(400, 2)), rng.normal(size=400)]
    paired = arms_in_blocks("s", names(400), matched_sets(covariates), HALVES)
    gaps = standardised_differences(covariates, paired, 1)
    chance = [
        np.abs(standardised_differences(covariates, hashed_arms(f"salt-{n}", names(400), HALVES), 1)).max()
        for n in range(50)
    ]
    assert np.abs(gaps).max() < 0.05 < np.median(chance)


def test_strata_are_quantiles_within_groups():
    values, group = np.arange(16.0), np.repeat([0, 1], 8)
    strata = quantile_strata(values, within=group, classes=4)
    assert strata.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7]


def test_a_cluster_has_one_arm_and_clusters_of_like_weight_are_split():
    clusters = np.repeat([f"C{n}" for n in range(8)], 5)
    draw = draw_clusters("s", clusters.tolist(), np.repeat([1, 1, 10, 10, 100, 100, 1_000, 1_000], 5), HALVES)
    by_cluster = draw.arms.reshape(8, 5)
    assert (by_cluster == by_cluster[:, :1]).all()
    assert (by_cluster[0::2, 0] != by_cluster[1::2, 0]).all()
    with pytest.raises(ValueError, match="clusters: got 1 for 2 arms"):
        draw_clusters("s", ["C"] * 3, [1, 1, 1], HALVES)


def test_regions_have_their_share_of_the_weight():
    shares = region_shares("s", [f"R{n}" for n in range(2_000)], np.ones(2_000), (8_000, 2_000))
    assert shares == pytest.approx([0.8, 0.2], abs=0.04)


def test_a_switchback_has_each_arm_once_in_every_slot_of_the_week_over_two_weeks():
    begins = 200 * WEEK_SECONDS
    drawn = schedule(
        "s", begins=begins, ends=begins + 2 * WEEK_SECONDS, slot_seconds=7_200, washout_seconds=1_800, shares=HALVES
    )
    assert len(drawn.slot) == 168 and drawn.imbalance(2) == 0
    assert drawn.arm_shares(2).tolist() == [0.5, 0.5]
    assert set(drawn.counted_seconds.tolist()) == {5_400}
    assert (drawn.arm[:84] != drawn.arm[84:]).all()
    assert 25 < drawn.arm[:84].sum() < 59  # which week has which arm is drawn slot by slot


def test_slots_that_the_experiment_cuts_are_not_counted():
    drawn = schedule("s", begins=1_000, ends=10_000, slot_seconds=3_600, washout_seconds=0, shares=HALVES)
    assert drawn.counted_seconds.tolist() == [0, 3_600, 0]
    with pytest.raises(ValueError, match="washout_seconds: got 60 of 60 s"):
        schedule("s", begins=0, ends=600, slot_seconds=60, washout_seconds=60, shares=HALVES)


def test_slots_of_unequal_shares_or_odd_lengths_are_drawn_one_by_one():
    shares = (9_000, 1_000)
    assert [slot_arm("s", n, 3_600, shares) for n in range(99)] == [drawn_arm("s", str(n), shares) for n in range(99)]
    counts = Counter(slot_arm("s", n, 1_000, HALVES) for n in range(4_000))
    assert abs(counts[0] - 2_000) < 4 * 1_000**0.5


# A shop with substitutes: within a category demand moves to what became cheaper, the category hardly answers.
WITHIN, OUTSIDE = -1.83, -0.063
DEARER = 0.10


class Shop:
    """Categories of products with constant elasticity of substitution within, and a category demand that is rigid."""

    def __init__(self, categories=60, products=20, seed=3):
        rng = np.random.default_rng(seed)
        self.category = np.repeat(np.arange(categories), products)
        appeal = rng.lognormal(0, 0.8, size=categories * products)
        self.share = appeal / np.bincount(self.category, weights=appeal)[self.category]
        self.size = rng.lognormal(6, 0.5, size=categories)

    def demand(self, price):
        """Expected units of each product at prices relative to today's."""
        pull = self.share * price**WITHIN
        index = np.bincount(self.category, weights=pull)
        level = index ** (1 / WITHIN)
        return self.size[self.category] * level[self.category] ** OUTSIDE * pull / index[self.category]

    def cross_pairs(self):
        """True cross-price elasticities: (OUTSIDE − WITHIN) times the other's share."""
        unit, other = np.nonzero(self.category[:, None] == self.category)
        apart = unit != other
        unit, other = unit[apart], other[apart]
        return Substitutes(unit, other, (OUTSIDE - WITHIN) * self.share[other])

    def estimate(self, arms, rng):
        before = self.demand(np.ones(len(arms)))
        sold = rng.poisson(self.demand(np.where(arms == 1, 1 + DEARER, 1.0)))
        treated, control = arms == 1, arms == 0
        return sold[treated].sum() / before[treated].sum() / (sold[control].sum() / before[control].sum()) - 1


@pytest.fixture(scope="module")
def shop():
    return Shop()


def split(shop, by):
    before = shop.demand(np.ones(len(shop.category)))
    if by == "category":
        return draw_clusters("s", [f"C{n}" for n in shop.category], before, HALVES).arms
    return arms_in_blocks("s", names(len(before)), matched_sets(np.log(before)[:, None]), HALVES)


def test_a_split_of_substitutes_is_far_from_the_truth_and_a_split_of_categories_is_right(shop):
    all_dearer = shop.demand(np.full(len(shop.category), 1 + DEARER)).sum()
    truth = all_dearer / shop.demand(np.ones(len(shop.category))).sum() - 1
    rng = np.random.default_rng(5)
    by_sku, by_category = (
        np.mean([shop.estimate(split(shop, by), rng) for _ in range(20)]) for by in ("sku", "category")
    )
    assert truth == pytest.approx(-0.006, abs=0.0005)
    assert by_sku == pytest.approx(-0.16, abs=0.01)
    assert by_category == pytest.approx(truth, abs=0.004)


def test_the_planner_foresees_the_bias_of_each_split(shop):
    before = shop.demand(np.ones(len(shop.category)))
    foretold = {
        by: interference(shop.cross_pairs(), arms=split(shop, by), changes=(0, DEARER), weights=before, arm=1)
        for by in ("sku", "category")
    }
    assert foretold["sku"].bias == pytest.approx(-0.155, abs=0.03)
    assert foretold["sku"].exposed_share > 0.99
    assert abs(foretold["category"].bias) < 0.005
    assert foretold["category"].exposed_share == 0


def test_complements_bias_the_other_way_and_pairs_outside_do_nothing():
    arms, weights = np.array([0, 1, -1]), np.ones(3)
    complements = Substitutes([0, 1, 2], [1, 0, 1], [-0.5, -0.5, 9.0])
    found = interference(complements, arms=arms, changes=(0, 0.1), weights=weights, arm=1)
    # Control loses what the treated's price costs it: exp(−0.5 ln 1.1); in truth both would.
    spill = 1.1**-0.5
    assert found.bias == pytest.approx(1 / spill - 1 - (spill - 1))
    assert found.exposed_share == 1


def test_where_nothing_was_learned_all_of_a_category_are_taken_for_substitutes():
    pairs = same_category_pairs(np.array([0, 0, 0, 1, -1, -1]), np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
    strength = np.zeros((6, 6))
    strength[pairs.unit, pairs.other] = pairs.strength
    assert strength[0] == pytest.approx([0, 0.4, 0.6, 0, 0, 0])
    assert strength.sum(axis=1) == pytest.approx([1, 1, 1, 0, 0, 0])


def test_large_categories_are_thinned_and_keep_their_strength():
    pairs = same_category_pairs(np.zeros(1_000, dtype=int), np.ones(1_000), most=20_000)
    assert len(pairs.unit) == 20_000
    assert np.bincount(pairs.unit, weights=pairs.strength) == pytest.approx(np.ones(1_000))
    assert (np.asarray(pairs.unit) != np.asarray(pairs.other)).all()


def test_points_of_a_name_are_in_the_unit_interval():
    drawn = points("s", names(1_000))
    assert drawn.min() >= 0 and drawn.max() < 1


def test_tests_of_nothing_in_pairs_find_something_as_often_as_they_say_and_visitors_far_more_often():
    rng = np.random.default_rng(11)
    pairs_found, visitors_found = [], []
    for run in range(400):
        level = rng.lognormal(3, 1, size=60)
        rate = 0.05 * rng.lognormal(0, 0.5, size=60)
        before, after = rng.poisson(rate * level * 28), rng.poisson(rate * level * 28 * rng.lognormal(0, 0.2, size=60))
        arms = arms_in_blocks(f"salt-{run}", names(60), matched_sets(np.log1p(before)[:, None]), HALVES)
        order = np.lexsort((arms, matched_sets(np.log1p(before)[:, None]))).reshape(-1, 2)
        gained = np.log1p(after) - np.log1p(before)
        pairs_found.append(paired_difference(Moments.of(gained[order[:, 1]], gained[order[:, 0]])).p_value() < 0.05)
        seen, bought = (np.array([side[arms == arm].sum() for arm in (0, 1)]) for side in (level * 28, after))
        chance = bought.sum() / seen.sum()
        z = (bought[1] / seen[1] - bought[0] / seen[0]) / np.sqrt(chance * (1 - chance) * (1 / seen).sum())
        visitors_found.append(abs(z) > 1.96)
    # Three standard errors of a share of 5 % in 400 runs.
    assert np.mean(pairs_found) == pytest.approx(0.05, abs=0.033)
    assert np.mean(visitors_found) > 0.24
