"""Small networks of every kind, in double precision, and a batch to compare them on."""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy
import torch
from torch import Tensor

from seqgen.batching import Batch
from seqgen.decoding import padded
from seqgen.model import Seq2Seq, build
from seqgen.modelsection import ModelConfig
from seqgen.vocabulary import BOS, EOS

CELLS = ("lstm", "gru", "rnn")
ATTENTIONS = ("additive", "general", "dot", "scaled_dot")
SOURCES, TARGETS = 19, 23  # vocabularies
SMALL = {"hidden": 10, "embedding": 7, "dropout": 0.0}
# What an option is where it is on; True where it is not among these.
ON = {"layer_norm": "inside", "recurrent_dropout": 0.3, "weight_dropout": 0.4}
SOURCE_LENGTHS, TARGET_LENGTHS = (5, 2, 4, 9, 2), (4, 6, 1, 3, 8)  # without marks


class Case(NamedTuple):
    """A kind of network."""

    cell: str
    attention: str
    layers: int
    extra: tuple[str, ...] = ()  # options of the model that are on

    def __str__(self) -> str:
        return "/".join((self.cell, self.attention, str(self.layers), *self.extra))


def cases(quick: bool) -> list[Case]:
    """Every cell with every attention, shallow and deep, and what else a network may have."""
    kinds = [
        [Case(*each) for each in itertools.product(CELLS, ATTENTIONS, (1, 3))],
        [Case(cell, "general", layers, ("copy", "follow")) for cell in CELLS for layers in (1, 3)],
        *(
            [Case(cell, attention, layers, extra) for cell in CELLS]
            for attention, layers, extra in (
                ("general", 2, ("lexical",)),
                ("additive", 2, ("attention_coverage",)),
                ("additive", 3, ("residual", "follow")),
                ("general", 2, ("input_feeding",)),
                ("additive", 2, ("hard_attention", "monotonic")),
                ("additive", 2, ("layer_norm",)),
                ("general", 2, ("recurrent_dropout",)),
                ("dot", 2, ("weight_dropout",)),
                ("general", 1, ("weight_dropout", "input_feeding")),
            )
        ),
    ]
    if quick:  # one of each kind, with one cell after the other
        return [kind[number % len(kind)] for number, kind in enumerate(kinds)]
    return list(itertools.chain.from_iterable(kinds))


def network(case: Case, device: torch.device, **values: Any) -> Seq2Seq:
    """A fresh network of this kind whose weights are far from symmetric.

    It has no dropout but what the case has.
    """
    torch.manual_seed(3)
    extra = {name: ON.get(name, True) for name in case.extra}
    config = ModelConfig(cell=case.cell, attention=case.attention, layers=case.layers,
                         **{**SMALL, **extra, **values})  # fmt: skip
    model = build(config, SOURCES, SOURCES if config.copy or config.follow else TARGETS).double()
    for weight in model.parameters():
        weight.data += 0.3 * torch.randn_like(weight)
    return model.to(device).eval()


def batch(seed: int = 0) -> Batch:
    """Pairs of several lengths, on the CPU."""
    draw = numpy.random.default_rng(seed)
    rows = [[*draw.integers(EOS + 1, SOURCES, n).tolist(), EOS] for n in SOURCE_LENGTHS]
    source, lengths = padded(rows)
    rows = [[BOS, *draw.integers(EOS + 1, SOURCES, n).tolist(), EOS] for n in TARGET_LENGTHS]
    return Batch(source, lengths, padded(rows)[0], sum(TARGET_LENGTHS) + len(rows))


def part(given: Batch, first: int, last: int) -> Batch:
    """These rows of a batch on the CPU, no wider than they need to be."""
    lengths = given.source_lengths[first:last]
    sizes = [TARGET_LENGTHS[row] + 2 for row in range(first, last)]
    source = given.source[first:last, : int(lengths.max())]
    return Batch(source, lengths, given.target[first:last, : max(sizes)], sum(sizes) - len(sizes))


def sources(given: Batch) -> list[list[int]]:
    """The sources as decoding takes them, without EOS."""
    each = zip(given.source.tolist(), given.source_lengths.tolist(), strict=True)
    return [row[: length - 1] for row, length in each]


def difference(found: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """The largest difference, in units of the largest number where that is above 1."""
    largest = 0.0
    for one, two in zip(found, expected, strict=True):
        one, two = one.detach().double().cpu(), two.detach().double().cpu()
        scale = max(1.0, float(two.abs().max()))
        apart = float((one - two).abs().max()) / scale
        largest = max(largest, apart if apart == apart else float("inf"))  # NaN is no agreement
    return largest


def gradients(model: Seq2Seq) -> list[Tensor]:
    """The gradient of every weight, zeros where there is none."""
    return [torch.zeros_like(weight) if weight.grad is None else weight.grad
            for weight in model.parameters()]  # fmt: skip
