"""The kernel decides as the arrays do: compiled by NVRTC for a GPU, and run as plain C++ on the processor."""

import ctypes
import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from catalog.guardrails import MISSING, EndingTable, GuardrailBatch, Guardrails
from optimizer.engine.fused.source import (
    CODES_OUT,
    OBJECTIVES,
    TICKS_OUT,
    kernel_source,
    real_columns,
    whole_columns,
)
from optimizer.engine.pricing_arrays import PricingInputs
from optimizer.engine.ticks import optimize_ticks

ROWS = 20_000


def random_inputs(rows: int, seed: int) -> PricingInputs:
    """SKUs of every kind: without cost, price or demand, scarce, sold out, with rivals, limits of a day and endings."""
    rng = np.random.default_rng(seed)

    def sometimes(values: np.ndarray, share: float) -> np.ndarray:
        return np.where(rng.random(rows) < share, values, MISSING).astype(np.int64)

    price = np.exp(rng.normal(7, 1.2, rows)).round().astype(np.int64) + 1
    kinds = [
        Guardrails(),
        Guardrails(price_endings=("99", "49"), max_change_bp=3000),
        Guardrails(min_margin_bp=None, inventory_threshold=None, floor=500, ceiling=4_000),
        Guardrails(max_change_bp=None, ceiling=9_000, map_price=700, price_endings=("5",)),
        Guardrails(max_change_per_day_bp=500, max_changes_per_day=2, competitor_min_bp=-500, competitor_max_bp=300),
        Guardrails(min_margin_bp=4_000, competitor_max_bp=-100, max_change_bp=10_500, price_endings=("999",)),
        Guardrails(max_change_bp=None),
    ]
    return PricingInputs(
        current_ticks=np.where(rng.random(rows) < 0.02, MISSING, price),
        cost_units=sometimes((price * 100 * rng.uniform(0.2, 1.1, rows)).round(), 0.97),
        demand=np.where(rng.random(rows) < 0.02, 0.0, np.exp(rng.normal(3, 1.5, rows))),
        elasticity_mean=rng.normal(-2, 1, rows),
        elasticity_sd=np.where(rng.random(rows) < 0.2, 0.0, rng.uniform(0, 0.6, rows)),
        log_demand_sd=np.where(rng.random(rows) < 0.2, 0.0, rng.uniform(0, 0.5, rows)),
        inventory=sometimes(np.exp(rng.normal(3, 2, rows)).round() * (rng.random(rows) < 0.9), 0.6),
        competitor_ticks=sometimes((price * rng.uniform(0.7, 1.4, rows)).round(), 0.6),
        day_start_ticks=sometimes((price * rng.uniform(0.9, 1.1, rows)).round(), 0.5),
        changes_today=sometimes(rng.integers(0, 4, rows), 0.5),
        guardrails=GuardrailBatch.from_rows([kinds[kind] for kind in rng.integers(0, len(kinds), rows)]),
    )


@pytest.fixture(scope="session")
def compiled(tmp_path_factory) -> ctypes.CDLL:
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        reason = "no C++ compiler: apt-get install g++"
        pytest.fail(reason) if os.environ.get("REQUIRE_COMPILER") == "1" else pytest.skip(reason)
    folder = tmp_path_factory.mktemp("kernel")
    (folder / "kernel.cpp").write_text(kernel_source())
    flags = ["-std=c++17", "-O2", "-ffp-contract=off", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([compiler, *flags, "kernel.cpp", "-o", "kernel.so"], cwd=folder, check=True)
    return ctypes.CDLL(str(folder / "kernel.so"))


def decided(library: ctypes.CDLL, inputs: PricingInputs, objective: str) -> dict[str, np.ndarray]:
    table = EndingTable.build(inputs.guardrails.ending_sets)
    found = {name: np.empty(len(inputs), np.int64) for name in TICKS_OUT}
    found |= {name: np.empty(len(inputs), np.int8) for name in CODES_OUT}
    kept = [np.ascontiguousarray(array) for array in (inputs.guardrails.ending_set, table.up, table.down)]
    tables = [
        np.array([array.ctypes.data for array in arrays], dtype=np.uint64)
        for arrays in (
            whole_columns(inputs),
            real_columns(inputs),
            [found[name] for name in TICKS_OUT],
            [found[name] for name in CODES_OUT],
        )
    ]
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (*tables[:2], *kept)]
    outputs = [ctypes.c_void_p(array.ctypes.data) for array in tables[2:]]
    rows, modulus = ctypes.c_longlong(len(inputs)), ctypes.c_longlong(table.modulus)
    library.best_prices(*pointers, modulus, *outputs, ctypes.c_int(OBJECTIVES[objective]), rows)
    return found


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_kernel_decides_as_the_arrays_do(compiled, objective, seed):
    inputs = random_inputs(ROWS, seed)
    arrays, kernel = optimize_ticks(inputs, objective, device="cpu"), decided(compiled, inputs, objective)
    here = kernel["is_left"] == 0
    assert 0 < (~here).sum() < ROWS / 10  # wide bands near the stock, which the arrays search by branch and bound
    for name in ("lower_ticks", "upper_ticks", "lower_rule", "upper_rule", "unpriced"):
        known = here & (arrays.unpriced == 0) if name != "unpriced" else here
        np.testing.assert_array_equal(kernel[name][known], getattr(arrays, name)[known], err_msg=name)
    for name in ("price_ticks", "rule", "candidate_ticks"):
        np.testing.assert_array_equal(kernel[name][here], getattr(arrays, name)[here], err_msg=name)
    assert len(np.unique(kernel["rule"])) >= 8


def test_nvrtc_compiles_the_kernel():
    nvrtc = ctypes.CDLL(str(nvrtc_library()))
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    text = kernel_source().encode()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), text, b"best_price.cu", 0, None, None) == 0
    options = [b"--gpu-architecture=compute_80", b"--std=c++17", b"--fmad=false"]
    code = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    assert code == 0 and not log.value, log.value.decode()
    nvrtc.nvrtcGetPTXSize(program, ctypes.byref(size))
    ptx = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetPTX(program, ptx)
    assert b".visible .entry best_prices(" in ptx.value


def nvrtc_library() -> Path:
    """Return NVIDIA's run-time compiler, which needs no GPU: a package of the extra dev."""
    spec = find_spec("nvidia.cuda_nvrtc")
    assert spec is not None and spec.submodule_search_locations, "nvidia-cuda-nvrtc-cu12 is missing: make .venv/.dev"
    return next(Path(spec.submodule_search_locations[0]).glob("lib/libnvrtc.so.12"))
