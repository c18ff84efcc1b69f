"""What windows save and cost: memory and time of an update on sequences of 2,000 steps.

    python benchmarks/truncation.py [--quick]

Targets, sources, or both are as long as that, on made-up ids; gradients stay in windows of 50 or of
200 steps, or go through all of them. Each combination is measured in a process of its own, and goes
to benchmarks/results/truncation.json and from there into benchmarks/README.md. --quick takes short
sequences, a few combinations, and writes nothing.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pages
import torch
from machine import machine
from peers.measure import peak_mib

from seqgen.batching import Batch
from seqgen.decoding import padded
from seqgen.devices import keep_memory
from seqgen.model import build
from seqgen.modelsection import ModelConfig
from seqgen.optimizers import make_optimizer
from seqgen.sampling import GOLD
from seqgen.trainsection import TrainConfig
from seqgen.updates import Clipping, update
from seqgen.vocabulary import BOS, EOS

FOUND = Path(__file__).resolve().parent / "results" / "truncation.json"
NETWORK = ModelConfig(embedding=64, hidden=128, layers=2, encoder_layers=2, dropout=0.0, tie="none")
VOCABULARY, SENTENCES, THREADS = 1000, 4, 1
SHORT, LONG, WINDOWS = 100, (500, 1000, 2000), (50, 200, 0)
LENGTHS = {
    "target": lambda steps: (SHORT, steps),
    "source": lambda steps: (steps, SHORT),
    "both": lambda steps: (steps, steps),
}  # of source and target


class Work(NamedTuple):
    """One combination."""

    long: str  # target, source or both
    steps: int
    window: int  # 0: none
    times: int = 3  # updates


def main(quick: bool) -> None:
    """Measure every combination and write them down."""
    rows = []
    for work in combinations(quick):
        command = [sys.executable, __file__, "--one", json.dumps(work)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise SystemExit(f"{work} failed\n{ran.stderr}")
        rows.append({**work._asdict(), **json.loads(ran.stdout)})
        said = (
            "{long} of {steps}, window {window}: {kept_mib} MiB kept, {peak_mib} MiB held, "
            "{seconds} s an update"
        )
        print(said.format(**rows[-1]), file=sys.stderr, flush=True)
    if not quick:
        found = {"machine": {**machine(), "threads": THREADS}, "network": NETWORK.__dict__,
                 "vocabulary": VOCABULARY, "sentences": SENTENCES, "short": SHORT,
                 "rows": rows}  # fmt: skip
        FOUND.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        pages.main()


def combinations(quick: bool) -> Iterator[Work]:
    """What is measured."""
    if quick:
        yield from (Work("both", 60, window, 1) for window in (20, 0))
        return
    yield from itertools.starmap(Work, itertools.product(LENGTHS, LONG, WINDOWS))


def one(work: Work) -> dict[str, Any]:
    """The memory that updates take on top of weights and optimizer, and the time of one.

    What is kept for the way back is counted, and the most that the process has held is read.
    """
    keep_memory()
    torch.set_flush_denormal(True)
    torch.set_num_threads(THREADS)
    torch.manual_seed(1)
    model = build(NETWORK, VOCABULARY, VOCABULARY).train()
    model.window, model.encoder.stack.window = work.window, work.window
    settings = TrainConfig()
    optimizer, clipping = make_optimizer(model, settings), Clipping(settings, model.device)

    def learn(source: int, target: int) -> float:
        given, begun = batch(source, target), time.perf_counter()
        update(model, [given], optimizer, GOLD, clipping)
        return time.perf_counter() - begun

    learn(10, 10)  # the optimizer's memory and all that is loaded late
    before = peak_mib()
    taken = [learn(*LENGTHS[work.long](work.steps)) for _ in range(work.times)]
    found = {"peak_mib": peak_mib() - before, "seconds": round(statistics.median(taken), 3)}
    kept = Kept()
    with torch.autograd.graph.saved_tensors_hooks(kept.hold, lambda held: held.tensor):
        learn(*LENGTHS[work.long](work.steps))
    return {"kept_mib": round(kept.most / 2**20, 1), **found}


class Kept:
    """The most bytes of tensors that are kept for the way back at a time."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.times: Counter[int] = Counter()  # that each is kept

    def hold(self, tensor: torch.Tensor) -> "Held":
        """What is kept in the place of a tensor."""
        return Held(self, tensor.detach())

    def change(self, tensor: torch.Tensor, by: int) -> None:
        """Count a tensor once more or once less; what shares its memory is the same one."""
        memory = tensor.untyped_storage()
        place = memory.data_ptr()
        others = self.times[place] - (by < 0)
        self.times[place] += by
        self.now += 0 if others else by * memory.nbytes()
        self.most = max(self.most, self.now)


class Held:
    """A tensor that is counted for as long as this is."""

    def __init__(self, kept: Kept, tensor: torch.Tensor):
        self.kept, self.tensor = kept, tensor
        kept.change(tensor, 1)

    def __del__(self) -> None:
        self.kept.change(self.tensor, -1)


def batch(source: int, target: int) -> Batch:
    """Sentences of so many source and target tokens."""
    ids, lengths = padded([[*made_up(source - 1), EOS] for _ in range(SENTENCES)])
    wanted, _ = padded([[BOS, *made_up(target - 1), EOS] for _ in range(SENTENCES)])
    return Batch(ids, lengths, wanted, SENTENCES * target)


def made_up(count: int) -> list[int]:
    """So many ids."""
    found: list[int] = torch.randint(EOS + 1, VOCABULARY, (count,)).tolist()
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="little, and nothing is written")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # a combination, in a process of its own
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(Work(*json.loads(given.one)))))
    else:
        main(given.quick)
