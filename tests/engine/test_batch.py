"""Data frames in, data frames of the same kind out."""

from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from catalog.guardrails import GuardrailBatch, Guardrails
from optimizer.engine import FrameError, GPUBatchProcessor, available_devices, resolve_device
from optimizer.engine.chunks import run_in_chunks, run_side_by_side
from optimizer.engine.money import to_cost_units, to_ticks
from optimizer.replay import replay_price

COLUMNS = {
    "sku": ["mug", "lamp", "clock"],
    "price": [10.0, 20.0, 30.0],
    "unit_cost": [5.0, 8.0, 12.3456],
    "demand": [10.0, 20.0, 30.0],
    "elasticity_mean": [-3.0, -0.5, -2.0],
    "elasticity_sd": [0.3, 0.2, 0.4],
}
KINDS = [pd.DataFrame, pl.DataFrame, pa.table]


def rows(frame):
    if isinstance(frame, pd.DataFrame):
        return frame.astype(object).where(frame.notna(), None).to_dict("records")
    return frame.to_dicts() if isinstance(frame, pl.DataFrame) else frame.to_pylist()


@pytest.fixture(params=available_devices())
def processor(request):
    return GPUBatchProcessor(request.param)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_kind_of_frame_comes_out(kind, processor):
    priced = processor.optimize_batch(kind(COLUMNS))
    assert type(priced) is type(kind(COLUMNS))
    assert [row["sku"] for row in rows(priced)] == COLUMNS["sku"]
    assert [row["price"] for row in rows(priced)] == [8.0, 24.0, 24.29]
    assert [row["binding_rule"] for row in rows(priced)] == ["max_change", "max_change", "own_optimum"]


def test_every_kind_gives_the_same_numbers(processor):
    answers = [rows(processor.optimize_batch(kind(COLUMNS))) for kind in KINDS]
    assert answers[0] == answers[1] == answers[2]


def test_a_pandas_index_survives(processor):
    frame = pd.DataFrame(COLUMNS, index=[7, 3, 5])
    assert processor.optimize_batch(frame).index.tolist() == [7, 3, 5]


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_or_zero_cost_keeps_its_row_without_a_price(kind, processor):
    priced = rows(processor.optimize_batch(kind(COLUMNS | {"unit_cost": [None, 0.0, 12.3456]})))
    assert [row["price"] for row in priced] == [None, None, 24.29]
    assert [row["unpriced_reason"] for row in priced] == ["missing_cost", "missing_cost", None]
    assert priced[0]["expected_profit"] is None
    assert priced[0]["previous_price"] == 10.0


@pytest.mark.parametrize("kind", KINDS)
def test_override_columns_win_over_the_limits_of_the_call(kind, processor):
    columns = COLUMNS | {
        "max_change": [0.05, None, 0.01],
        "ceiling": [None, 21.0, None],
        "price_endings": ["99,49", None, None],
        "inventory": [1000.0, None, 1000.0],
    }
    priced = rows(processor.optimize_batch(kind(columns), guardrails=Guardrails(max_change_bp=1000)))
    assert [row["price"] for row in priced] == [9.99, 21.0, 29.7]
    assert [row["binding_rule"] for row in priced] == ["max_change", "ceiling", "max_change"]


def test_endings_may_be_lists_and_limits_may_come_one_a_row(processor):
    limits = GuardrailBatch.from_rows([Guardrails(price_endings=("9",))] * 3)
    frame = pl.DataFrame(COLUMNS | {"price_endings": [["00"], None, []]})
    assert processor.optimize_batch(frame, guardrails=limits)["price"].to_list() == [8.0, 23.99, 24.29]


def test_every_row_replays(processor):
    frame = pl.DataFrame(COLUMNS | {"inventory": [3, 100, 25], "competitor_price": [9.5, None, 28.0]})
    limits = Guardrails(competitor_max_bp=0)
    for objective in ("profit", "revenue", "market_share"):
        priced = processor.optimize_batch(frame, objective=objective, guardrails=limits)
        for row, answer in zip(frame.to_dicts(), priced.to_dicts(), strict=True):
            replayed = replay_price(
                {
                    "objective": objective,
                    "current_price_ticks": round(row["price"] * 100),
                    "cost_units": round(row["unit_cost"] * 10_000),
                    "demand": row["demand"],
                    "elasticity_mean": row["elasticity_mean"],
                    "elasticity_sd": row["elasticity_sd"],
                    "inventory": row["inventory"],
                    "competitor_price_ticks": row["competitor_price"] and round(row["competitor_price"] * 100),
                    "guardrails": limits.as_dict(),
                }
            )
            assert replayed.price_ticks == round(answer["price"] * 100)
            assert replayed.expected_demand == pytest.approx(answer["expected_demand"])


def test_a_currency_without_decimals_is_priced_in_whole_units(processor):
    frame = pl.DataFrame(COLUMNS | {"price": [1000.0, 2000.0, 3000.0], "unit_cost": [500.0, 800.0, 1234.0]})
    priced = processor.optimize_batch(frame.with_columns(currency_exponent=pl.lit(0)))
    assert priced["price"].to_list() == [800.0, 2400.0, 2428.0]


def test_decimals_and_integers_are_numbers(processor):
    exact = pd.DataFrame(COLUMNS | {"price": [Decimal("10.00"), Decimal("20.00"), Decimal("30.00")]})
    assert processor.optimize_batch(exact)["price"].tolist() == [8.0, 24.0, 24.29]
    whole = pa.table(COLUMNS | {"demand": [10, 20, 30]})
    assert processor.optimize_batch(whole)["price"].to_pylist() == [8.0, 24.0, 24.29]


@pytest.mark.filterwarnings("error")
def test_read_only_memory_is_read_without_complaint(processor):
    frame = pl.DataFrame(COLUMNS | {"inventory": [30, 40, 50], "log_demand_sd": [0.1, 0.2, 0.3]})
    assert processor.optimize_batch(frame)["price"].to_list() == [10.0, 24.0, 28.22]


def test_an_empty_frame_gives_an_empty_frame(processor):
    empty = pl.DataFrame(COLUMNS).clear()
    assert processor.optimize_batch(empty).columns == processor.optimize_batch(pl.DataFrame(COLUMNS)).columns


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"price": [10.0, -1.0, 3.0]}, ["'price'", "row 1", "above zero"]),
        ({"price": [10.0, 0.0, 3.0]}, ["'price'", "row 1", "above zero"]),
        ({"price": ["10", "x", "3"]}, ["'price'", "String", "convert it to numbers"]),
        ({"demand": [10.0, 1.0, float("nan")]}, ["'demand'", "row 2", "leave the row out"]),
        ({"elasticity_mean": [-1.0, None, -2.0]}, ["'elasticity_mean'", "row 1", "finite"]),
        ({"elasticity_sd": [-0.1, 0.1, 0.2]}, ["'elasticity_sd'", "row 0", "0 or more"]),
        ({"unit_cost": [1.0, 1.0, -4.0]}, ["'unit_cost'", "row 2", "unpriced"]),
        ({"competitor_price": [1.0, 0.0, 4.0]}, ["'competitor_price'", "row 1", "null"]),
        ({"min_margin": [0.1, 15.0, 0.1]}, ["'min_margin'", "row 1", "fraction"]),
        ({"price_endings": ["99", ".99", "9"]}, ["'price_endings'", "row 1", "digits"]),
        ({"currency_exponent": [2.0, 2.5, 2.0]}, ["'currency_exponent'", "row 1"]),
    ],
)
def test_bad_input_names_the_column_the_row_and_the_cure(kind, changes, words):
    with pytest.raises(FrameError) as error:
        GPUBatchProcessor("cpu").optimize_batch(kind(COLUMNS | changes))
    assert all(word in str(error.value) for word in words), str(error.value)


def test_a_missing_column_is_named():
    with pytest.raises(FrameError, match="'demand' is missing"):
        GPUBatchProcessor("cpu").optimize_batch(pl.DataFrame(COLUMNS).drop("demand"))


def test_what_is_no_eager_frame_is_refused_with_a_cure():
    with pytest.raises(FrameError, match="collect a LazyFrame"):
        GPUBatchProcessor("cpu").optimize_batch(pl.LazyFrame(COLUMNS))


def test_prices_round_half_to_even_and_costs_up():
    two = np.array([2, 2, 2, 2])
    assert to_ticks(np.array([2.675, 2.665, 0.1 + 0.2, 10.0]), two).tolist() == [268, 266, 30, 1000]
    assert to_cost_units(np.array([12.3456, 0.00005, 0.00015, 1.0]), two).tolist() == [123_456, 1, 2, 10_000]


def test_a_device_that_is_not_there_is_refused_with_the_list_of_those_that_are():
    with pytest.raises(ValueError, match=r"'cuda:99' is not available; use 'auto' or one of: .*cpu"):
        resolve_device("cuda:99")


def test_running_out_of_device_memory_halves_the_chunk_and_goes_on():
    done, sizes = [], []

    def run(rows):
        sizes.append(rows.stop - rows.start)
        if rows.stop - rows.start > 2000:
            raise torch.OutOfMemoryError("too much")
        done.extend(range(rows.start, rows.stop))

    assert run_in_chunks(10_000, 8000, run) == 2000
    assert done == list(range(10_000))
    assert sizes[:3] == [8000, 4000, 2000]


def test_memory_that_never_suffices_is_an_error():
    def run(rows):
        raise torch.OutOfMemoryError("too much")

    with pytest.raises(torch.OutOfMemoryError):
        run_in_chunks(10, 8000, run)


@pytest.mark.parametrize(("total", "size"), [(0, 10), (5, 10), (5000, 7), (5000, 100_000)])
def test_slices_side_by_side_cover_every_row_once_and_leave_torch_as_it_was(total, size):
    threads = torch.get_num_threads()
    visits = np.zeros(total, dtype=int)

    def run(rows):
        assert rows.stop - rows.start <= size
        visits[rows] += 1

    run_side_by_side(total, size, run)
    assert (visits == 1).all()
    assert torch.get_num_threads() == threads


def test_an_error_in_a_slice_comes_out():
    def run(rows):
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        run_side_by_side(5000, 100, run)
