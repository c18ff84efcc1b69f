"""Made-up sentences with the lengths and the frequencies of real ones, and the timed network."""

import itertools
from pathlib import Path

import numpy
import torch

from gpuparts.work import Work
from seqgen.batching import Encoded, Integers, Side
from seqgen.config import Config
from seqgen.model import Seq2Seq, build
from seqgen.vocabulary import BOS, EOS

MEDIAN, SPREAD = 13, 0.35  # ids of a sentence: log-normal, as in image captions
RATIO = 0.15  # how far the lengths of a pair differ, as a standard deviation of their logarithms
LONGEST = 60

# The network of speed.py (peers/ours.py), which needs packages that may not be there.
NETWORK = {
    "model.cell": "lstm",
    "model.embedding": 256,
    "model.hidden": 512,
    "model.attention": "general",
    "model.dropout": 0.3,
    "model.tie": "none",
    "train.learning_rate": 1e-3,
    "train.clip_norm": 1.0,
}
TINY = {"model.embedding": 16, "model.hidden": 32}
VOCABULARY = 8000


def settings(work: Work) -> Config:
    """The settings of the network whose speed is measured."""
    values = {**NETWORK, **(TINY if work.quick else {}), "train.device": str(work.device)}
    return Config().with_values(values, "gpu.py")


def vocabulary(work: Work) -> int:
    """Its pieces, on both sides."""
    return 100 if work.quick else VOCABULARY


def network(work: Work) -> Seq2Seq:
    """That network, on the device, ready to train."""
    torch.manual_seed(1)
    size = vocabulary(work)
    return build(settings(work).model, size, size).to(work.device).train()


def corpus(sentences: int, pieces: int, seed: int = 0) -> Encoded:
    """Pairs whose ids have no meaning."""
    draw = numpy.random.default_rng(seed)
    lengths = numpy.exp(draw.normal(numpy.log(MEDIAN), SPREAD, sentences))
    others = lengths * numpy.exp(draw.normal(0, RATIO, sentences))
    source, target = (each.round().clip(2, LONGEST).astype(numpy.int64)
                      for each in (lengths, others))  # fmt: skip
    return Encoded(
        _side(source, pieces, draw, begun=False), _side(target, pieces, draw, begun=True)
    )


def write_text(folder: Path, split: str, count: int) -> list[Path]:
    """Two files of `count` lines, one the other in reverse."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [[f"w{(7 * row + at * at) % 50}" for at in range(3 + row % 9)] for row in range(count)]
    places = [folder / f"{split}.en", folder / f"{split}.de"]
    for place, step in zip(places, (1, -1), strict=True):
        place.write_text("".join(" ".join(row[::step]) + "\n" for row in rows), encoding="utf-8")
    return places


def rows(corpus: Encoded) -> list[list[int]]:
    """The sources as lists of ids, without their EOS."""
    ends = corpus.source.offsets.tolist()
    ids = corpus.source.ids.tolist()
    return [ids[first : last - 1] for first, last in itertools.pairwise(ends)]


def _side(lengths: Integers, pieces: int, draw: numpy.random.Generator, begun: bool) -> Side:
    """Sentences of these many ids beside their marks: EOS, and BOS where they are `begun`."""
    offsets = numpy.concatenate([[0], (lengths + 1 + begun).cumsum()])
    # After Zipf: equally frequent ids would spread the gradients of embeddings too evenly.
    chances = 1 / (numpy.arange(pieces - EOS - 1) + 10.0)
    places = numpy.searchsorted(chances.cumsum() / chances.sum(), draw.random(int(offsets[-1])))
    ids = (places.clip(max=pieces - EOS - 2) + EOS + 1).astype(numpy.int32)
    ids[offsets[1:] - 1] = EOS
    if begun:
        ids[offsets[:-1]] = BOS
    return Side(ids, offsets)
