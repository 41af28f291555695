"""The kernel decides as the arrays do: compiled by NVRTC for a GPU, and run as plain C++ on the processor."""

import ctypes
import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from catalog.guardrails import MISSING, EndingTable, GuardrailBatch, Guardrails
from optimizer.engine.devices import ComputeDevice, resolve_device
from optimizer.engine.fused import search
from optimizer.engine.fused.search import FusedSearch
from optimizer.engine.fused.source import OBJECTIVES, kernel_source
from optimizer.engine.pricing_arrays import PricingInputs, PricingResult
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


class HostArray:
    """What the search asks of a CuPy array, in the processor's memory."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = np.ascontiguousarray(values)
        self.data = SimpleNamespace(ptr=self.values.ctypes.data)

    def get(self) -> np.ndarray:
        return self.values


class DeviceIsFull(Exception):
    pass


HOST = SimpleNamespace(
    asarray=HostArray,
    empty=lambda size, dtype: HostArray(np.empty(size, dtype)),
    cuda=SimpleNamespace(Device=lambda number: nullcontext(), memory=SimpleNamespace(OutOfMemoryError=DeviceIsFull)),
    get_default_memory_pool=lambda: SimpleNamespace(free_all_blocks=lambda: None),
)
"""Stands for CuPy where there is no GPU: the same kernel, the same arguments, another memory."""


def search_on_host(library: ctypes.CDLL) -> FusedSearch:
    def launch(blocks: tuple[int], threads: tuple[int], arguments: tuple[object, ...]) -> None:
        assert blocks[0] * threads[0] >= int(arguments[-1])  # type: ignore[call-overload]
        library.best_prices(*map(as_c, arguments))

    return FusedSearch(HOST, 0, launch)  # type: ignore[arg-type]


def as_c(argument: object) -> object:
    if isinstance(argument, HostArray):
        return ctypes.c_void_p(argument.data.ptr)
    return ctypes.c_int(argument) if isinstance(argument, np.int32) else ctypes.c_longlong(argument)


@pytest.fixture
def on_host(compiled, monkeypatch) -> FusedSearch:
    """Have the engine use the kernel on the processor."""
    search = search_on_host(compiled)
    monkeypatch.setattr("optimizer.engine.ticks.fused_search", lambda device, objective: search)
    return search


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_kernel_decides_as_the_arrays_do(compiled, objective, seed):
    inputs = random_inputs(ROWS, seed)
    table = EndingTable.build(inputs.guardrails.ending_sets)
    arrays = optimize_ticks(inputs, objective, device="cpu")
    kernel = search_on_host(compiled).decide(inputs, objective, table)
    here = kernel["is_left"] == 0
    assert 0 < (~here).sum() < ROWS / 10  # wide bands near the stock, which the arrays search by branch and bound
    for name in ("lower_ticks", "upper_ticks", "lower_rule", "upper_rule", "unpriced"):
        known = here & (arrays.unpriced == 0) if name != "unpriced" else here
        np.testing.assert_array_equal(kernel[name][known], getattr(arrays, name)[known], err_msg=name)
    for name in ("price_ticks", "rule", "candidate_ticks"):
        np.testing.assert_array_equal(kernel[name][here], getattr(arrays, name)[here], err_msg=name)
    assert len(np.unique(kernel["rule"])) >= 8


def test_with_the_kernel_the_whole_result_is_the_same(on_host, monkeypatch):
    inputs = random_inputs(5_000, seed=3)
    by_kernel = optimize_ticks(inputs, "profit", device="cpu", batch_size=1_500)
    assert on_host.trusted == {"profit": True}
    monkeypatch.undo()
    by_arrays = optimize_ticks(inputs, "profit", device="cpu")
    for each in fields(PricingResult):
        np.testing.assert_array_equal(getattr(by_kernel, each.name), getattr(by_arrays, each.name), err_msg=each.name)


def test_a_kernel_that_decides_otherwise_is_not_used(on_host, caplog):
    launch = on_host.kernel

    def wrong(blocks, threads, arguments):
        launch(blocks, threads, arguments)
        prices = int(arguments[6].values[0])
        np.ctypeslib.as_array(ctypes.cast(prices, ctypes.POINTER(ctypes.c_longlong)), (1,))[0] += 1

    on_host.kernel = wrong
    inputs = random_inputs(300, seed=4)
    first = optimize_ticks(inputs, "revenue", device="cpu").price_ticks
    assert on_host.trusted == {"revenue": False} and "price_ticks" in caplog.text
    on_host.trusted.clear()
    on_host.kernel = launch
    np.testing.assert_array_equal(first, optimize_ticks(inputs, "revenue", device="cpu").price_ticks)


def test_a_device_whose_memory_is_full_gets_fewer_rows(on_host, caplog):
    launch, sizes = on_host.kernel, []

    def small(blocks, threads, arguments):
        sizes.append(int(arguments[-1]))
        if arguments[-1] > 2_500:
            raise DeviceIsFull("no more memory")
        launch(blocks, threads, arguments)

    on_host.kernel = small
    inputs = random_inputs(5_000, seed=5)
    compute = ComputeDevice(torch.device("cuda", 0), torch.float64, torch.device("cpu"))
    found = optimize_ticks(inputs, "profit", device=compute, batch_size=5_000)
    assert 5_000 in sizes and sizes[-1] <= 2_500 and "out of device memory" in caplog.text
    np.testing.assert_array_equal(found.price_ticks, optimize_ticks(inputs, "profit", device="cpu").price_ticks)


def test_without_cupy_the_arrays_do_it_and_the_log_says_so(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(search, "_COMPILED", {})
    caplog.set_level("INFO")
    device = ComputeDevice(torch.device("cuda", 0), torch.float64, torch.device("cuda", 0))
    assert search.fused_search(device, "profit") is None and "CuPy is not installed" in caplog.text
    assert search.fused_search(device, "an objective of one's own") is None
    assert search.fused_search(resolve_device("cpu"), "profit") is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU with CuPy: extra cuda12 or cuda13")
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_on_a_gpu_the_kernel_is_trusted_and_used(objective):
    pytest.importorskip("cupy")
    inputs = random_inputs(ROWS, seed=6)
    on_gpu, here = (optimize_ticks(inputs, objective, device=name) for name in ("cuda", "cpu"))
    compiled = search.fused_search(resolve_device("cuda"), objective)
    assert compiled is not None and compiled.trusted[objective]
    np.testing.assert_array_equal(on_gpu.price_ticks, here.price_ticks)


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
