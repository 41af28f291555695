"""Quantiles, censored losses, conformal calibration and the seasonal naive forecast, each by itself."""

import numpy as np
import torch

from optimizer.engine.forecasting.calibration import calibrate
from optimizer.engine.forecasting.quantile_head import QuantileHead, censored_pinball

LEVELS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95)


def test_a_head_never_lets_quantiles_cross():
    torch.manual_seed(0)
    head = QuantileHead(8, 9)
    found = head(100 * torch.randn(10_000, 8))
    assert (found.diff(dim=-1) >= 0).all()


def test_the_censored_loss_finds_the_demand_that_empty_shelves_hide():
    draw = np.random.default_rng(1)
    demand = draw.poisson(20, 4000).astype(np.float32)
    stock = draw.integers(12, 30, 4000)
    sales, sold_out = torch.from_numpy(np.minimum(demand, stock).astype(np.float32)), torch.from_numpy(demand >= stock)
    levels = torch.tensor([0.5])

    def learned(censored: torch.Tensor) -> float:
        """Return the constant with the least loss."""
        candidates = torch.arange(5.0, 35.0, 0.25)
        losses = [float(censored_pinball(at.expand(4000, 1), sales, censored, levels).mean()) for at in candidates]
        return float(candidates[int(np.argmin(losses))])

    truth = float(np.median(demand))
    error, naive_error = abs(learned(sold_out) - truth), abs(learned(torch.zeros_like(sold_out)) - truth)
    assert error <= 1 < naive_error


def test_calibrated_quantiles_and_intervals_cover_what_they_say():
    draw = np.random.default_rng(2)
    series, horizon = 600, 28
    scale = np.exp(draw.normal(3, 0.5, series))
    segment = np.arange(series) % 2
    spread = np.where(segment == 0, 0.2, 0.6)
    raw = np.broadcast_to(scale[:, None, None] * np.linspace(0.9, 1.1, 9), (series, horizon, 9))  # far too narrow

    def drawn() -> np.ndarray:
        return np.maximum(scale * (1 + spread * draw.normal(size=(horizon, series))), 0).T

    fitted = calibrate(raw, drawn(), np.ones((series, horizon), bool), scale, segment, LEVELS)
    later = drawn()
    quantiles, interval = fitted.calibrated(raw, scale, segment), fitted.interval80(raw, scale, segment)
    assert (np.diff(quantiles, axis=-1) >= 0).all()
    assert np.allclose((later[..., None] <= quantiles).mean((0, 1)), LEVELS, atol=0.02)
    for kind in (0, 1):
        inside = (later >= interval[..., 0]) & (later <= interval[..., 1])
        assert 0.78 <= inside[segment == kind].mean() <= 0.82


def test_an_interval_begins_at_zero_where_zero_is_likely():
    draw = np.random.default_rng(3)
    demand = draw.poisson(1.2, (2000, 4)).astype(float)
    raw = np.broadcast_to(np.linspace(0, 3, 9), (2000, 4, 9))
    fitted = calibrate(raw, demand, np.ones((2000, 4), bool), np.ones(2000), np.zeros(2000, int), LEVELS)
    assert (fitted.interval80(raw, np.ones(2000), np.zeros(2000, int))[..., 0] == 0).all()
