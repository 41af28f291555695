"""The same numbers as gbstats 0.8.0 and spotify-confidence 4.1.0 gave for these sums.

Written down by running both on CONTROL and TREATMENT (n, Σy, Σy², Σx, Σx², Σxy) and on 100 of 1,000 and 150 of 1,200
conversions; `benchmarks/experiment_peers.py` runs them live.
"""

import numpy as np
import pytest

from experiments.stats.inference import (
    Moments,
    cuped_difference,
    difference_of_means,
    difference_of_proportions,
    ratio_of_sums,
)
from experiments.stats.inference.bayesian import posterior_of
from experiments.stats.inference.confidence_sequence import DEFAULT_TUNING_N, sequence_interval, sequence_p_value
from experiments.stats.inference.srm import chi_square_p_value

CONTROL = Moments(900, 9405.5, 128755.25, 9021.0, 133507.5, 121880.75)
TREATMENT = Moments(1100, 12331.25, 178604.5, 11010.5, 161201.0, 150222.5)
SHARES = Moments.of_conversions(1000, 100), Moments.of_conversions(1200, 150)
ESTIMATORS = {
    "mean": lambda relative: difference_of_means(CONTROL, TREATMENT, relative=relative),
    "ratio": lambda relative: ratio_of_sums(CONTROL, TREATMENT, relative=relative),
    "cuped": lambda relative: cuped_difference(CONTROL, TREATMENT, relative=relative),
    "share": lambda relative: difference_of_proportions(*SHARES, relative=relative),
}
# Metric, kind, t-test (effect, p, low, high), sequence tuned for 5,000 (p, low, high), and posterior with the prior
# Normal(0.1, 0.09): chance to win, risk of control, risk of treatment, low, high.
GBSTATS = (
    (
        "mean",
        "absolute",
        (0.759671717172, 0.004415941215, 0.236941718871, 1.282401715472),
        (0.093090176483, -0.072934538885, 1.592277973229),
        (0.990665404183, 0.469288767598, 0.000625676609, 0.078129544946, 0.859196637034),
    ),
    (
        "mean",
        "relative",
        (0.072691993563, 0.006148612786, 0.020714006394, 0.124669980732),
        (0.116974791422, -0.010098734796, 0.155482721921),
        (0.997122614091, 0.072926331387, 2.2855607e-05, 0.02115932363, 0.12464762793),
    ),
    (
        "ratio",
        "absolute",
        (0.077330911483, 0.001746585475, 0.028947661106, 0.125714161861),
        (0.048737361591, 0.000265176897, 0.154396646069),
        (0.999187278179, 0.077488636524, 5.450796e-06, 0.029292229553, 0.125674141903),
    ),
    (
        "ratio",
        "relative",
        (0.074169597841, 0.002376577856, 0.026361649147, 0.121977546534),
        (0.060487531738, -0.001979785601, 0.150318981282),
        (0.998891712213, 0.074346544345, 7.511683e-06, 0.026717310529, 0.121960754796),
    ),
    (
        "cuped",
        "absolute",
        (0.767643501464, 8.2537089e-05, 0.386036826366, 1.149250176561),
        (0.005499047734, 0.159810581823, 1.375476421104),
        (0.999759588213, 0.569952017126, 9.886081e-06, 0.249977574725, 0.889906687365),
    ),
    (
        "cuped",
        "relative",
        (0.073454803181, 0.000134686931, 0.035795019879, 0.111114586483),
        (0.007836111558, 0.013469332456, 0.133440273905),
        (0.999938152042, 0.073563397425, 2.76604e-07, 0.036003087682, 0.111123153961),
    ),
    (
        "share",
        "absolute",
        (0.025, 0.06337648915, -0.001393878311, 0.051393878311),
        (0.554361704775, -0.016787614114, 0.066787614114),
        (0.969296966534, 0.025311039619, 0.000160387979, -0.001202080377, 0.051503383656),
    ),
    (
        "share",
        "relative",
        (0.25, 0.100704733626, -0.048550928859, 0.548550928859),
        (0.743036139274, -0.222675173446, 0.722675173446),
        (0.946868509041, 0.222325922458, 0.003043823976, -0.046802347222, 0.485366544185),
    ),
)
SPOTIFY = (
    (False, "mean", (0.759671717172, 0.004369962086, 0.237266570302, 1.282076864041)),
    (True, "mean", (0.759671717172, 0.004415941215, 0.236941718871, 1.282401715472)),
    (False, "share", (0.025, 0.063241867877, -0.001379239172, 0.051379239172)),
)


@pytest.mark.parametrize(("metric", "kind", "fixed", "sequence", "posterior"), GBSTATS)
def test_equals_gbstats(metric, kind, fixed, sequence, posterior):
    estimate = ESTIMATORS[metric](kind == "relative")
    assert (estimate.effect, estimate.p_value(), *estimate.interval()) == pytest.approx(fixed, abs=1e-9)

    progress = estimate.n / DEFAULT_TUNING_N
    p_value = sequence_p_value(estimate.effect / estimate.standard_error, progress, 0.05)
    interval = sequence_interval(estimate.effect, estimate.standard_error, progress, 0.05)
    assert (p_value, *interval) == pytest.approx(sequence, abs=1e-9)

    ours = posterior_of(estimate.effect, estimate.standard_error, prior_mean=0.1, prior_sd=0.3)
    numbers = (ours.probability_to_beat, ours.expected_loss_of_control, ours.expected_loss, *ours.interval())
    assert numbers == pytest.approx(posterior, abs=1e-9)


@pytest.mark.parametrize(("by_t", "metric", "expected"), SPOTIFY)
def test_equals_spotify_confidence(by_t, metric, expected):
    if metric == "mean":
        estimate = difference_of_means(CONTROL, TREATMENT, small_sample=by_t)
    else:
        estimate = difference_of_proportions(*SHARES, small_sample=by_t)
    assert (estimate.effect, estimate.p_value(), *estimate.interval()) == pytest.approx(expected, abs=1e-9)


def test_chi_square_equals_gbstats():
    assert chi_square_p_value([1000, 1100], [0.5, 0.5]) == pytest.approx(0.029096331741, abs=1e-9)
    assert np.isclose(chi_square_p_value([500, 300, 200], [0.5, 0.3, 0.2]), 1.0)
