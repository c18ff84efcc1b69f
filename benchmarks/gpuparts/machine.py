"""What is measured on, and what it can do at most."""

import importlib.metadata
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from functools import partial

import torch

from gpuparts.work import Notes, Record, Work
from seqgen import __version__

PACKAGES = ("numpy", "sentencepiece", "sacrebleu", "safetensors", "huggingface_hub")
ROUNDS, CALLS = 5, 5


def measure(work: Work, notes: Notes) -> None:
    """Names and versions, then the rates of large products and of copying."""
    notes.add("machine", described(work))
    size = 256 if work.quick else 8192
    rates = {}
    for name, kind, precision in (
        ("fp32", torch.float32, "highest"),
        ("tf32", torch.float32, "high"),
        ("bf16", torch.bfloat16, "highest"),
    ):
        # Never zeros: some chips multiply these faster.
        first, second = (torch.randn(size, size, device=work.device).to(kind) for _ in range(2))
        torch.set_float32_matmul_precision(precision)
        rates[name] = round(2e-12 * size**3 / seconds(work, partial(torch.mm, first, second)), 2)
    torch.set_float32_matmul_precision("highest")
    notes.add("products_tflops", rates)
    source = torch.randn(2**20 if work.quick else 2**29, device=work.device)
    target = torch.empty_like(source)
    taken = seconds(work, lambda: target.copy_(source))
    notes.add("copy_gbs", round(2e-9 * 4 * len(source) / taken, 1))


def described(work: Work) -> Record:
    """Names and versions."""
    found: Record = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "seqgen": __version__,
        "packages": {name: version(name) for name in PACKAGES},
    }
    if work.device.type == "cuda":
        properties = torch.cuda.get_device_properties(work.device)
        found |= {
            "gpu": properties.name,
            "memory_gib": round(properties.total_memory / 2**30, 1),
            "processors": properties.multi_processor_count,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "driver": driver(),
            # By default cuDNN's recurrent layers may round where products of fp32 do not.
            "cudnn_tf32": torch.backends.cudnn.allow_tf32,
        }
    return found


def version(name: str) -> str:
    """Of an installed package."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def driver() -> str:
    """The driver's version, where its tool is there."""
    line = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(line, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"


def seconds(work: Work, call: Callable[[], object]) -> float:
    """The median seconds of a call, over several that are waited for together."""
    taken = []
    for _ in range(ROUNDS + 1):
        work.wait()
        begun = time.perf_counter()
        for _ in range(CALLS):
            call()
        work.wait()
        taken.append((time.perf_counter() - begun) / CALLS)
    return statistics.median(taken[1:])  # the first one warms up
