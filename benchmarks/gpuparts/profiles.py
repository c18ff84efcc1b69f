"""Where the time of an update and of a search goes, and where the CPU waits for the device."""

import itertools
import time
import warnings
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from gpuparts import decoding, madeup
from gpuparts.training import INPUTS, Loop, endless
from gpuparts.work import Notes, Record, Work
from seqgen.batching import Batches, Budget
from seqgen.sections import DecodeConfig

ROWS, UPDATES = 25, 20
TOKENS, SENTENCES = 30_000, 1024  # of an update, of a search
HERE = Path(__file__).resolve().parents[2]

Call = Callable[[], object]


def measure(work: Work, notes: Notes) -> None:
    """Tables of operators as text files; their sums, and the waits, in the notes."""
    for name, call in calls(work).items():
        call()  # warms up
        notes.add(f"waits/{name}", waits(work, call))
        notes.add(name, profiled(work, name, call))


def calls(work: Work) -> dict[str, Call]:
    """What is looked at: `UPDATES` updates, and one batch of sentences of like length."""
    loop = Loop(work)
    size = 300 if work.quick else TOKENS
    corpus = madeup.corpus(1000 if work.quick else 60_000, madeup.vocabulary(work))
    batches = endless(Batches(corpus, Budget(size), 1, loop.settings.length_blur))

    def updates(inputs: str) -> None:
        for group in itertools.islice(batches, 3 if work.quick else UPDATES):
            loop.update(group, "bf16", INPUTS[inputs])

    task, count = decoding.given(work), 16 if work.quick else SENTENCES
    ordered = sorted(task.sources, key=len)
    middle = ordered[len(ordered) // 2 :][:count]

    def search(beam: int) -> None:
        decoding.searched(work, task, middle, DecodeConfig(beam_size=beam))

    return {
        "training_gold": partial(updates, "gold"),
        "training_sampled": partial(updates, "sampled"),
        "decoding_greedy": partial(search, 1),
        "decoding_beam": partial(search, 5),
    }


def profiled(work: Work, name: str, call: Call) -> Record:
    """The share of time in which the device was busy; the operators go to a text file."""
    cuda = work.device.type == "cuda"
    work.wait()
    begun = time.perf_counter()
    call()
    work.wait()
    plain = time.perf_counter() - begun  # the profiler itself takes time
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with profile(activities=activities) as seen:
        call()
        work.wait()
    averages = seen.key_averages()
    order = "self_device_time_total" if cuda else "self_cpu_time_total"
    table = averages.table(sort_by=order, row_limit=ROWS, max_name_column_width=90)
    (work.out / f"profile_{name}.txt").write_text(table + "\n", encoding="utf-8")
    # Operators have the time of their kernels too: it is counted where it is spent.
    kernels = [one for one in averages if str(one.device_type).endswith("CUDA")
               and not getattr(one, "is_user_annotation", False)]  # fmt: skip
    busy = sum(one.self_device_time_total for one in kernels) / 1e6
    first = sorted(averages, key=lambda one: getattr(one, order), reverse=True)[:8]
    return {
        "seconds": round(plain, 4),
        "device_busy": round(busy / plain, 3) if cuda else None,
        "kernels": sum(one.count for one in kernels),
        "first_ms": {one.key[:60]: round(getattr(one, order) / 1e3, 2) for one in first},
    }


def waits(work: Work, call: Call) -> Record | None:
    """How often each line of Python waited for the device; None where there is none."""
    if work.device.type != "cuda":
        return None
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            call()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    places = Counter(f"{_short(one.filename)}:{one.lineno}" for one in caught
                     if "synchroniz" in str(one.message))  # fmt: skip
    return dict(places.most_common(20))


def _short(name: str) -> str:
    """A path from the repository or from the packages on."""
    path = Path(name)
    if path.is_relative_to(HERE):
        return str(path.relative_to(HERE))
    return "/".join(path.parts[-3:])
