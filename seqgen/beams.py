"""The places of a beam: how they are extended, settled, and read back as hypotheses.

Equal scores are resolved in a fixed order: the better hypothesis first, then the lower id.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from seqgen.ranking import NEVER, largest
from seqgen.vocabulary import BOS, EOS


class Found(NamedTuple):
    """One hypothesis, and what the model thinks of it."""

    ids: list[int]  # without BOS; the last is EOS unless `cut`
    token_scores: list[float]  # log-probability of each id, in nats
    score: float  # their sum
    ranked: float  # `score` after the length penalty, by which beam search ranks
    cut: bool  # stopped by the length limit, or where no id had a probability above 0


class Beams(NamedTuple):
    """The sentences that are not done, and the places of their beams."""

    sentences: Tensor  # [B]
    limits: Tensor  # [B]
    ids: Tensor  # [B, W] the last id in each place; W is 1 at the start, the beam size later
    totals: Tensor  # [B, W] its summed log-probability; -inf where the place is dead
    free: Tensor  # [B, 1] places that finished hypotheses have not taken
    best: Tensor  # [B, nbest] ranked scores of the best finished hypotheses; -inf: there is none


class Column(NamedTuple):
    """The places of all beams after one step, finished hypotheses among them."""

    ids: Tensor  # [B, W]
    parents: Tensor  # [B, W] the place in the column before
    scores: Tensor  # [B, W] log-probability of the id
    totals: Tensor  # [B, W] summed log-probability; -inf where the place is dead


def started(limits: Tensor, size: int, nbest: int) -> Beams:
    """One live place for each sentence, holding BOS."""
    count = len(limits)
    one = torch.zeros(count, 1, device=limits.device)
    return Beams(
        sentences=torch.arange(count, device=limits.device),
        limits=limits,
        ids=torch.full_like(one, BOS, dtype=torch.long),
        totals=one,
        free=torch.full_like(one, size, dtype=torch.long),
        best=one.new_full((count, nbest), NEVER),
    )


def extended(beams: Beams, log_probs: Tensor, size: int) -> Column:
    """The best continuations of each sentence, as many as it has places free."""
    count, width = beams.ids.shape
    log_probs = log_probs.view(count, width, -1)
    totals, parents, ids = largest(log_probs[:, :, EOS:], beams.totals, size)
    ids = ids + EOS
    taken = torch.arange(totals.shape[1], device=totals.device) >= beams.free
    return Column(
        ids=ids,
        parents=parents,
        scores=log_probs[torch.arange(count, device=ids.device)[:, None], parents, ids],
        totals=totals.masked_fill(taken, NEVER),
    )


def settled(
    beams: Beams, column: Column, penalties: Tensor, length: int
) -> tuple[Beams, Tensor, Tensor]:
    """The beams after `column`, which of them are done, and where rows changed their place."""
    live = column.totals.masked_fill(column.ids == EOS, NEVER)
    ended = column.totals.masked_fill(column.ids != EOS, NEVER)
    nbest = beams.best.shape[1]
    best = torch.cat([beams.best, ended / penalties[length]], dim=1).topk(nbest).values
    # Scores only fall and penalties only grow: this is the most that anything live can reach. With
    # nothing live it is -inf, so that a sentence without a free place is done as well.
    bound = live.amax(1) / penalties[beams.limits]
    done = (best[:, -1] >= bound) | (beams.limits == length)
    places = torch.arange(live.shape[1], device=live.device)
    moved = ((column.parents != places) & (live > NEVER)).any(1)
    free = beams.free - (ended > NEVER).sum(1, keepdim=True)
    return beams._replace(ids=column.ids, totals=live, free=free, best=best), done, moved


def spread(column: Column, sentences: Tensor, shape: tuple[int, int]) -> Column:
    """The column with a row for every sentence of the search; those that have left are dead."""
    if column.ids.shape == shape:
        return column
    whole = Column(*(part.new_zeros(shape) for part in column))
    whole.totals.fill_(NEVER)
    for part, values in zip(whole, column, strict=True):
        part[sentences, : values.shape[1]] = values
    return whole


def read(history: list[Column], penalties: Tensor, nbest: int) -> list[list[Found]]:
    """The hypotheses that the columns hold, best first."""
    if not history:
        return []
    whole = Column(*(torch.stack(part, dim=1).cpu() for part in zip(*history, strict=True)))
    reached = whole.totals > NEVER  # [B, T, K]
    finished = reached & (whole.ids == EOS)
    steps = torch.arange(1, len(history) + 1)[:, None]  # [T, 1]
    last = (reached * steps).amax((1, 2), keepdim=True)
    # What is live in a sentence's last column was cut: by the limit, or for want of any next id.
    ends = finished | (reached & (steps == last))
    ranked = (whole.totals / penalties[steps])[ends].tolist()
    found: list[list[tuple[bool, float, int, int]]] = [[] for _ in reached]
    for (sentence, end, place), value, done in zip(
        ends.nonzero().tolist(), ranked, finished[ends].tolist(), strict=True
    ):
        found[sentence].append((not done, -value, end, place))
    parts = (part.tolist() for part in whole)
    return [
        [_traced(columns, *entry) for entry in sorted(entries)[:nbest]]
        or [Found([], [], 0.0, 0.0, True)]
        for entries, *columns in zip(found, *parts, strict=True)
    ]


def _traced(
    columns: list[list[list[float]]], cut: bool, negative: float, end: int, place: int
) -> Found:
    """The hypothesis of one sentence that ends in this column and place."""
    ids, parents, scores, totals = columns
    score = totals[end][place]
    written: list[int] = []
    token_scores: list[float] = []
    for position in range(end, -1, -1):
        written.append(int(ids[position][place]))
        token_scores.append(scores[position][place])
        place = int(parents[position][place])
    return Found(written[::-1], token_scores[::-1], score, -negative, cut)
