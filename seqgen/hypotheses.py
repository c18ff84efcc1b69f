"""Outputs with what a model thinks of them: put together out of parts, or chosen among."""

import heapq
import itertools
from collections.abc import Sequence
from typing import NamedTuple

from seqgen import risk
from seqgen.sections import DecodeConfig


class Hypothesis(NamedTuple):
    """One output for a source, and what the model thinks of it."""

    text: str
    score: float  # summed log-probability in nats, the end of the sentence included
    # What it is ranked by: the score after length and coverage penalty, or its expected utility.
    ranked: float
    tokens: list[str]  # as the tokenizer writes them; the last is </s> unless cut
    token_scores: list[float]  # log-probability of each, in nats
    cut: bool  # the length limit ended it


def nothing() -> Hypothesis:
    """The output for a blank text."""
    return Hypothesis("", 0.0, 0.0, [], [], False)


def least_risk(found: Sequence[Hypothesis], settings: DecodeConfig) -> list[Hypothesis]:
    """At most `settings.nbest` different outputs, ranked by expected utility; cut ones last."""
    order = risk.ranked([one.text for one in found], [one.score for one in found], settings)
    best = [found[place]._replace(ranked=value) for place, value in order]
    return sorted(best, key=lambda one: one.cut)[: settings.nbest]


def bare(part: str, split: Sequence[str]) -> str:
    """A part without the white space before the next; a whole text as it is."""
    return part.rstrip() if len(split) > 1 else part


def gap(part: str, written: str) -> str:
    """What stands behind the output of a part: what stood there, or a space behind a full stop."""
    space = part[len(part.rstrip()) :]
    return space or (" " if written.endswith((".", "!", "?", "\u2026")) else "")


def joined(split: Sequence[str], parts: Sequence[list[Hypothesis]], nbest: int) -> list[Hypothesis]:
    """The hypotheses of a text out of those of its parts: the best sums, best first."""
    found = parts[0]
    for part, more in zip(split, parts[1:], strict=False):
        best = heapq.nlargest(
            nbest,
            itertools.product(found, more),
            key=lambda two: (not (two[0].cut or two[1].cut), two[0].ranked + two[1].ranked),
        )
        found = [
            Hypothesis(
                one.text + gap(part, one.text) + two.text,
                one.score + two.score,
                one.ranked + two.ranked,
                one.tokens + two.tokens,
                one.token_scores + two.token_scores,
                one.cut or two.cut,
            )
            for one, two in best
        ]
    return found
