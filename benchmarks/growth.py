"""How cost grows: tokens a second against width, batches, length, vocabulary and beam.

    python benchmarks/growth.py [--quick]

The network is that of speed.py, on made-up ids; one thing is changed at a time. A batch is of
tokens in training, and of sentences in decoding. Medians go to benchmarks/results/growth.json, and
as one picture to benchmarks/results/growth.png. --quick takes the ends of each range, a few updates
each, and writes nothing.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from machine import THREADS, machine

from seqgen.batching import Batch
from seqgen.decoding import decode, padded
from seqgen.devices import keep_memory
from seqgen.inference import ready
from seqgen.model import build
from seqgen.modelsection import ModelConfig
from seqgen.optimizers import make_optimizer
from seqgen.sampling import GOLD
from seqgen.sections import DecodeConfig
from seqgen.trainsection import TrainConfig
from seqgen.updates import Clipping, update
from seqgen.vocabulary import BOS, EOS

RESULTS = Path(__file__).resolve().parent / "results"
NETWORK = ModelConfig(cell="lstm", embedding=256, hidden=512, dropout=0.3, tie="none")


class Work(NamedTuple):
    """What is changed one thing at a time."""

    width: int = 512  # of the decoder; embeddings have half
    batch: int = 1000  # target tokens of an update
    sentences: int = 64  # decoded together
    length: int = 15  # tokens of each source and target
    vocabulary: int = 8000
    beam: int = 1


RANGES: dict[str, list[int]] = {
    "width": [64, 128, 256, 512, 1024],
    "batch": [125, 250, 500, 1000, 2000, 4000, 8000],
    "sentences": [1, 4, 16, 64, 256, 1024],
    "length": [4, 8, 15, 30, 60, 120],
    "vocabulary": [1000, 2000, 4000, 8000, 16000, 32000],
    "beam": [1, 2, 4, 8, 16],
}


def main(quick: bool) -> None:
    """Measure every range and draw it."""
    torch.set_flush_denormal(True)
    keep_memory()
    torch.set_num_threads(THREADS)
    torch.manual_seed(1)
    times = 2 if quick else 8
    base = Work(width=64, vocabulary=1000) if quick else Work()
    curves: dict[str, dict[str, dict[int, float]]] = {}
    for name, values in RANGES.items():
        curves[name] = {}
        for value in (values[0], values[-1]) if quick else values:
            work = base._replace(**{name: value})
            for kind in ONLY.get(name, KINDS):
                rate = KINDS[kind](work, times)
                curves[name].setdefault(kind, {})[value] = round(rate)
                print(f"{name} {value}, {kind}: {rate:,.0f} tokens/s", file=sys.stderr, flush=True)
    if not quick:
        found = {"machine": machine(), "base": base._asdict(), "curves": curves}
        (RESULTS / "growth.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        draw(curves, RESULTS / "growth.png")


def training(work: Work, times: int) -> float:
    """Target tokens a second of updates."""
    model = build(shape(work), work.vocabulary, work.vocabulary).train()
    settings = TrainConfig()
    optimizer = make_optimizer(model, settings)
    count = max(1, work.batch // work.length)
    source, lengths = padded([made_up(work, EOS) for _ in range(count)])
    target, _ = padded([[BOS, *made_up(work, EOS)] for _ in range(count)])
    batch = Batch(source, lengths, target, count * work.length)
    clipping = Clipping(settings, torch.device("cpu"))
    return batch.tokens / seconds(lambda: update(model, [batch], optimizer, GOLD, clipping), times)


def decoding(work: Work, times: int) -> float:
    """Output tokens a second; an untrained model hardly ever ends a sentence by itself."""
    model = ready(build(shape(work), work.vocabulary, work.vocabulary).eval())
    sources = [made_up(work, EOS)[:-1] for _ in range(work.sentences)]  # decoding ends them itself
    limits = [work.length] * len(sources)
    settings = DecodeConfig(beam_size=work.beam)
    written = sum(len(row[0].ids) for row in decode(model, sources, limits, settings))
    return written / seconds(lambda: decode(model, sources, limits, settings), max(2, times // 2))


KINDS: dict[str, Callable[[Work, int], float]] = {"training": training, "decoding": decoding}
ONLY = {"batch": ["training"], "sentences": ["decoding"], "beam": ["decoding"]}


def shape(work: Work) -> ModelConfig:
    """The network of this work."""
    return replace(NETWORK, embedding=work.width // 2, hidden=work.width)


def made_up(work: Work, *end: int) -> list[int]:
    """`length` ids with the end that is given."""
    ids: list[int] = torch.randint(EOS + 1, work.vocabulary, (work.length - len(end),)).tolist()
    return [*ids, *end]


def seconds(call: Callable[[], object], times: int) -> float:
    """The median seconds of a call after two that do not count."""
    taken = []
    for _ in range(times + 2):
        begun = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken[2:])


def draw(curves: dict[str, dict[str, Any]], path: Path) -> None:
    """One panel a range, both axes logarithmic."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * len(curves), 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(curves), sharey=True)
    for panel, (name, kinds) in zip(panels, curves.items(), strict=True):
        for kind, points in kinds.items():
            color = "tab:blue" if kind == "training" else "tab:orange"
            panel.plot(list(points), list(points.values()), marker="o", color=color, label=kind)
        panel.set(xscale="log", yscale="log", xlabel=name)
        panel.set_xticks(list(RANGES[name]), [str(value) for value in RANGES[name]])
        panel.minorticks_off()
        panel.tick_params(axis="x", rotation=45)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("tokens a second")
    panels[0].legend()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="the ends of each range alone, of little work"
    )
    main(parser.parse_args().quick)
