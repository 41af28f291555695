"""Effects and their standard errors from sufficient statistics: means, shares, ratios, clusters, CUPED, pairs."""

from dataclasses import replace
from typing import Any

import numpy as np

from experiments.stats.inference.estimate import Estimate, plain
from experiments.stats.inference.moments import Moments


def welch_degrees(control_variance: Any, control_n: Any, treatment_variance: Any, treatment_n: Any) -> Any:
    """Degrees of freedom of two means with unequal variances. Source: Welch (1947)."""
    a, b = control_variance / control_n, treatment_variance / treatment_n
    with np.errstate(divide="ignore", invalid="ignore"):
        return plain((a + b) ** 2 / (a**2 / (control_n - 1) + b**2 / (treatment_n - 1)))


def difference_of_means(
    control: Moments, treatment: Moments, *, relative: bool = False, small_sample: bool = True
) -> Estimate:
    """Estimate mean(y) of treatment − mean(y) of control, or that over the control's mean (delta method).

        var(b − a) = s_a²/n_a + s_b²/n_b        var(b/a − 1) = s_b²/(a²·n_b) + s_a²·b²/(a⁴·n_a)

    Args:
        control, treatment: y as outcome; x is not looked at.
        relative: the effect as a share of the size of the control's mean.
        small_sample: t with Welch's degrees of freedom; else normal.
    """
    return _compare(
        (control.mean, control.variance, control.n),
        (treatment.mean, treatment.variance, treatment.n),
        relative=relative,
        small_sample=small_sample,
    )


def ratio_of_sums(
    control: Moments, treatment: Moments, *, relative: bool = False, small_sample: bool = True
) -> Estimate:
    """Estimate Σy/Σx of treatment − Σy/Σx of control, where units have many x each (orders of visitors, SKUs' rows).

    The variance of r = ȳ/x̄ is that of (y − r·x)/x̄ over the units (delta method; Deng et al. 2018, section 3). With a
    cluster as the unit, its total as y and its size as x, this is the cluster-robust difference of means.

    The estimate is nan while the x of an arm add up to nothing.

    Raises:
        ValueError: where they add up to less.
    """
    for name, arm in (("control", control), ("treatment", treatment)):
        if np.any(np.asarray(arm.sum_x, dtype=float) < 0):
            raise ValueError(f"{name}.sum_x: got {arm.sum_x}; give the denominator of each unit, 0 or more")
    return _compare(
        (*_ratio(control), control.n), (*_ratio(treatment), treatment.n), relative=relative, small_sample=small_sample
    )


def difference_of_proportions(
    control: Moments, treatment: Moments, *, relative: bool = False, small_sample: bool = True
) -> Estimate:
    """Estimate the difference of shares, y being 0 or 1, with the variance p·(1 − p) of a unit."""
    a, b = control.mean, treatment.mean
    return _compare(
        (a, a * (1 - a), control.n), (b, b * (1 - b), treatment.n), relative=relative, small_sample=small_sample
    )


def cuped_difference(
    control: Moments, treatment: Moments, *, relative: bool = False, small_sample: bool = True
) -> Estimate:
    """Estimate the difference of means of y − θ·x, x known before the test, θ = cov(x, y)/var(x) of all units.

    Takes away the share ρ² of the variance, ρ the correlation of x and y, and nothing of the effect, as randomised arms
    have the same expected x. The means that are reported are not adjusted.

    Source: Deng, Xu, Kohavi, Walker (2013), Improving the Sensitivity of Online Controlled Experiments by Utilizing
    Pre-Experiment Data.
    """
    unadjusted = difference_of_means(control, treatment, relative=relative, small_sample=small_sample)
    theta = pooled_theta(control, treatment)
    adjusted = _compare(
        (control.mean, _adjusted_variance(control, theta), control.n),
        (treatment.mean, _adjusted_variance(treatment, theta), treatment.n),
        shift=theta * (treatment.mean_x - control.mean_x),
        relative=relative,
        small_sample=small_sample,
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        reduction = 1 - (np.asarray(adjusted.standard_error) / np.asarray(unadjusted.standard_error)) ** 2
    return replace(adjusted, variance_reduction=plain(np.nan_to_num(reduction)))


def paired_difference(pairs: Moments, *, relative: bool = False, small_sample: bool = True) -> Estimate:
    """Estimate the mean of y − x over matched pairs, y the treated and x the untreated member.

    var = (s_y² + s_x² − 2·s_xy)/n, with n − 1 degrees of freedom (Student 1908)
    """
    a, b, n = (np.asarray(part, dtype=float) for part in (pairs.mean_x, pairs.mean, pairs.n))
    with np.errstate(divide="ignore", invalid="ignore"):
        share, scale = (b / a, np.abs(a)) if relative else (1.0, 1.0)
        unpaired = pairs.variance + share**2 * pairs.variance_x
        variance = np.maximum(unpaired - 2 * share * pairs.covariance, 0.0)
        error, effect = np.sqrt(variance / np.maximum(n, 1)) / scale, (b - a) / scale
        reduction = np.nan_to_num(1 - variance / unpaired)
    degrees = n - 1 if small_sample else np.inf
    return Estimate(
        plain(effect), plain(error), plain(a), plain(b), plain(n), plain(degrees), relative, plain(reduction)
    )


def pooled_theta(control: Moments, treatment: Moments) -> Any:
    """Return the slope of y on x over the units of both arms together; 0 where x does not vary."""
    both = control + treatment
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.asarray(both.covariance) / np.asarray(both.variance_x)
    return plain(np.where(np.asarray(both.variance_x) > 0, slope, 0.0))


def _adjusted_variance(arm: Moments, theta: Any) -> Any:
    return np.maximum(arm.variance + theta**2 * arm.variance_x - 2 * theta * arm.covariance, 0.0)


def _ratio(arm: Moments) -> tuple[Any, Any]:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = plain(np.asarray(arm.sum_y, dtype=float) / np.asarray(arm.sum_x, dtype=float))
        variance = arm.variance + ratio**2 * arm.variance_x - 2 * ratio * arm.covariance
        return ratio, np.maximum(variance, 0.0) / np.asarray(arm.mean_x) ** 2


def _compare(
    control: tuple[Any, Any, Any],
    treatment: tuple[Any, Any, Any],
    *,
    shift: Any = 0.0,
    relative: bool,
    small_sample: bool,
) -> Estimate:
    """Join the (metric, variance of a unit, units) of two arms; ``shift`` is taken off the difference."""
    (a, variance_a, n_a), (b, variance_b, n_b) = (
        [np.asarray(part, dtype=float) for part in arm] for arm in (control, treatment)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        # A relative effect weighs the control's noise by b/a. Over |a| more is better, where a is a loss too.
        share, scale = (b / a, np.abs(a)) if relative else (1.0, 1.0)
        error = np.sqrt(variance_a * share**2 / n_a + variance_b / n_b) / scale
        effect = (b - a - shift) / scale
        degrees = welch_degrees(variance_a, n_a, variance_b, n_b) if small_sample else np.inf
    return Estimate(plain(effect), plain(error), plain(a), plain(b), plain(n_a + n_b), degrees, relative)
