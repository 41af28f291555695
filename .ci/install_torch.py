"""Install PyTorch by itself, in the build that suits this machine. Uses the standard library only.

    .venv/bin/python .ci/install_torch.py [auto|cpu|cuda|pip]

It is not in the lock files, because a hash would pin one build: the registry's Linux build brings several gigabytes of
CUDA libraries, which a machine without a GPU cannot use. ``auto`` takes the registry's build where an NVIDIA GPU
answers, else a CPU build if one can be had. ``pip`` takes whatever pip is configured to find.
"""

# ruff: noqa: S603, S607 — it runs pip, uv and nvidia-smi with arguments of its own

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

TORCH = "torch==2.13.0"
UV_LOCK = Path(__file__).with_name("uv.lock")


def main() -> None:
    build = sys.argv[1] if len(sys.argv) > 1 else "auto"
    if build not in BUILDS:
        sys.exit(f"TORCH_BUILD is {build!r}: choose one of {', '.join(BUILDS)}.")
    if build == "auto" and is_installed():
        return
    BUILDS[build]()


def install_for_this_machine() -> None:
    if has_nvidia_gpu() or pip_would_take_a_cpu_build():
        install_with_pip()
        return
    try:
        install_with_uv("cpu")
    except subprocess.CalledProcessError:
        print(
            f"No CPU build of {TORCH} could be had: taking the registry's, which brings several gigabytes of CUDA"
            " libraries. It works without a GPU too.",
            flush=True,
        )
        install_with_pip()


def install_with_pip() -> None:
    pip("install", TORCH)


def install_with_uv(backend: str) -> None:
    """Let uv do it, which knows the address of PyTorch's own package indexes."""
    pip("install", "--quiet", "--require-hashes", "-r", str(UV_LOCK))
    choice = ["--torch-backend", backend, "--reinstall-package", "torch", TORCH]
    subprocess.run([sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable, *choice], check=True)


BUILDS: dict[str, Callable[[], None]] = {
    "auto": install_for_this_machine,
    "cpu": lambda: install_with_uv("cpu"),
    "cuda": lambda: install_with_uv("cu130"),
    "pip": install_with_pip,
}


def is_installed() -> bool:
    try:
        return version("torch").split("+")[0] == TORCH.partition("==")[2]
    except PackageNotFoundError:
        return False


def has_nvidia_gpu() -> bool:
    if not shutil.which("nvidia-smi"):
        return False
    return subprocess.run(["nvidia-smi", "-L"], capture_output=True, check=False).returncode == 0


def pip_would_take_a_cpu_build() -> bool:
    """Ask pip without installing: a local index or folder of wheels may offer one."""
    question = ["install", "--dry-run", "--no-deps", "--ignore-installed", "--quiet", "--report", "-", TORCH]
    answer = subprocess.run([sys.executable, "-m", "pip", *question], stdout=subprocess.PIPE, check=False)
    if answer.returncode != 0:
        return False
    return any(str(item["metadata"]["version"]).endswith("+cpu") for item in json.loads(answer.stdout)["install"])


def pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", *arguments], check=True)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as failure:
        sys.exit(f"PyTorch could not be installed: {failure}. Try another build, for example TORCH_BUILD=pip.")
