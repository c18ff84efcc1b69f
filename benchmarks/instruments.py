"""What the instruments of training cost, as a share of the time of a step.

    python benchmarks/instruments.py [--quick]

Updates on the embedded data are made in turn, one as it is and one that is watched, which happens
once an interval of the log; what is read at a validation is timed by itself. Both are divided by
how many updates they are of: an interval, and an epoch, or the epochs that share a reading. Medians
go to
benchmarks/results/instruments.json. --quick makes few updates and writes nothing.
"""

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from machine import machine

from seqgen.config import Config
from seqgen.course import Course, batches_of
from seqgen.devices import keep_memory
from seqgen.instruments import PAIRS_BETWEEN, Instruments
from seqgen.journal import Journal
from seqgen.sampling import GOLD
from seqgen.start import Start, begin
from seqgen.updates import Clipping, update

RESULTS = Path(__file__).resolve().parent / "results" / "instruments.json"
NETWORKS: dict[str, dict[str, Any]] = {
    "lstm 256, 3,000 tokens a batch": {},
    "gru 256, 300 tokens a batch": {"model.cell": "gru", "train.batch_tokens": 300},
}


def main(quick: bool) -> None:
    """Measure each network and write down what was found."""
    torch.set_flush_denormal(True)
    keep_memory()
    rows = {}
    for name, values in NETWORKS.items():
        rows[name] = measured(values, 2 if quick else 24)
        print(f"instruments, {name}: {rows[name]['share']:.2%}", file=sys.stderr, flush=True)
    if not quick:
        found = {"machine": {**machine(), "threads": torch.get_num_threads()}, "rows": rows}
        RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def measured(values: dict[str, Any], times: int) -> dict[str, float]:
    """Seconds of an update, what watching adds to one, and seconds of what a validation reads."""
    # Gold inputs and no dropout, so that two updates of one batch do the same work.
    plain = {"model.dropout": 0.0, "train.seed": 7, "train.device": "cpu"}
    config = Config().with_values(plain | values, "benchmark")
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        start = begin(config, run, lambda line: None, lambda: None)
        log = Journal(run / "metrics.jsonl", 0)
        try:
            return timed(start, Instruments(start, run, log, lambda line: None), times)
        finally:
            log.close()


def timed(start: Start, tools: Instruments, times: int) -> dict[str, float]:
    """Medians over so many pairs of updates."""
    settings, progress = start.config.train, start.progress
    batches = batches_of(start.data, settings)
    clipping = Clipping(settings, start.device)
    bare, added, read = [], [], []
    for number, group in zip(range(times), batches.groups(0), strict=False):
        seconds = {}
        for watched in (False, True) if number % 2 else (True, False):
            progress.step = settings.log_every - 1 if watched else 0
            began = time.perf_counter()
            with tools.watch(progress, clipping) as clip:
                update(start.model, group, start.optimizer, GOLD, clip)
            if watched:
                tools.logged({"step": 1, "epoch": 0.0, "gradient_norm": 1.0, "loss": 1.0}, 9.0)
            seconds[watched] = time.perf_counter() - began
        bare.append(seconds[False])
        added.append(seconds[True] - seconds[False])
        if number < max(2, times // 4):
            began = time.perf_counter()
            tokens = Course(start.config, batches).tokens(progress)
            found = tools.examine(0, 1.0, tokens, True)
            tools.examined({"step": 1, "epoch": 0.0}, found)
            read.append(time.perf_counter() - began)
    step, watching, reading = (statistics.median(each) for each in (bare, added, read))
    updates = batches.updates(0, settings.accumulate)
    updates *= math.ceil(PAIRS_BETWEEN / len(start.data.train))
    shares = {"watching": max(watching, 0.0) / settings.log_every / step,
              "reading": reading / updates / step}  # fmt: skip
    return {"update": step, "watching": watching, "reading": reading, "updates": updates,
            "log_every": settings.log_every, "share": sum(shares.values()),
            **{f"share_{name}": share for name, share in shares.items()}}  # fmt: skip


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    words.add_argument("--quick", action="store_true", help="few updates, and nothing is written")
    main(words.parse_args().quick)
