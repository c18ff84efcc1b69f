"""What is measured on: the machine, and the limits that it sets to every program.

A model-free figure is such a limit: the rate of large matrix products over the multiply-adds that a
target token takes.
"""

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from costs import ceiling

from seqgen.devices import multiplies_bf16

# Quick runs are tests, of which two go on at once: threads that wait for one another keep both up.
THREADS = 1 if "--quick" in sys.argv else 2

Record = dict[str, Any]


def machine() -> Record:
    """What was measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text("utf-8").splitlines()
        model = next((line.split(":")[1].strip() for line in lines if "model name" in line), model)
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "threads": THREADS,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "bf16": multiplies_bf16(),
    }


def limits() -> Record:
    """The rates of large matrix products, in GFLOP/s, and of copying, in GB/s.

    Of bf16 where the processor multiplies it: others take a minute for what no row compares with.
    """
    torch.set_num_threads(THREADS)
    size = 1536
    rates = {}
    for kind in (torch.float32, *[torch.bfloat16] * multiplies_bf16()):
        two = [torch.randn(size, size).to(kind) for _ in range(2)]
        seconds = median_of(partial(torch.mm, *two), 15)
        rates[str(kind).removeprefix("torch.")] = 2e-9 * size**3 / seconds
    source = torch.randn(2**26)
    target = torch.empty_like(source)
    rates["copy"] = 2e-9 * 4 * len(source) / median_of(lambda: target.copy_(source), 7)
    allowed = round(ceiling(rates["float32"]))
    return {name: round(rate, 1) for name, rate in rates.items()} | {"ceiling": allowed}


def median_of(call: Callable[[], object], times: int) -> float:
    """The median seconds of a call."""
    call()
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)
