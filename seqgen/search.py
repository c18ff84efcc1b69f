"""Ids from a step function: greedy, beam search, sampling, and the scores of given ids.

A step takes the last id of every row and the state, and returns the log-probabilities of the next
id and the new state. It owns the source: one memory for each sentence, and as many rows for each
sentence as there are rows divided by sentences (one at first, the beam from the second step on),
sentence after sentence. When sentences are finished they leave, and `narrow` tells the step's
owner, before its next step, which ones stay: their places among those that were there.

A sentence's result depends on nothing but its own log-probabilities, limit and seed. Equal scores
are resolved in a fixed order: the better hypothesis first, then the lower id.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from seqgen.beams import Beams, Column, Found, extended, read, settled, spread, started
from seqgen.ranking import NEVER, largest, likeliest
from seqgen.recurrent import State, select
from seqgen.vocabulary import BOS, EOS, PAD, UNK

Step = Callable[[Tensor, State], tuple[Tensor, State]]  # ids [N], state -> log-probs [N, V], state
Narrow = Callable[[Tensor], None]  # the sentences that stay, as indices into those of the last step
Limits = Sequence[int] | Tensor  # [B] the most ids that each sentence may have, EOS included


# PAD, UNK and BOS have no text and are never produced: searches look at ids from EOS on.
assert max(PAD, UNK, BOS) < EOS


class Sampling(NamedTuple):
    """How ids are drawn."""

    temperature: float = 1.0
    top_k: int = 0  # only the k likeliest ids; 0: all
    top_p: float = 1.0  # only the fewest likeliest ids with this probability together


PLAIN = Sampling()  # from the model's own distribution


def greedy(
    step: Step, state: State, limits: Limits, narrow: Narrow | None = None
) -> list[list[Found]]:
    """The likeliest id at every step: one hypothesis for each sentence, ranked by its score."""
    return _collected(_walk(step, state, limits, _likeliest, narrow), len(limits))


def stream(step: Step, state: State, limit: int) -> Iterator[int]:
    """The ids of `greedy` for one sentence, each as soon as it is known."""
    for move in _walk(step, state, [limit], _likeliest):
        if not move.totals.item() > NEVER:
            return
        yield int(move.ids)


def sample(
    step: Step,
    state: State,
    limits: Limits,
    seeds: Sequence[int],
    settings: Sampling = PLAIN,
    narrow: Narrow | None = None,
) -> list[list[Found]]:
    """One hypothesis for each sentence, drawn id by id; its seed alone decides what chance gives.

    Scores are the model's own log-probabilities, whatever the settings.
    """
    _check(settings.temperature > 0, f"temperature must be above 0; got {settings.temperature}")
    _check(0 < settings.top_p <= 1, f"top_p must be above 0 and at most 1; got {settings.top_p}")
    _check(settings.top_k >= 0, f"top_k must be at least 0; got {settings.top_k}")
    _check(len(seeds) == len(limits), f"{len(limits)} sentences need as many seeds")
    chance = [
        torch.rand(int(limit), generator=torch.Generator().manual_seed(seed))
        for limit, seed in zip(limits, seeds, strict=True)
    ]
    noise = pad_sequence(chance, batch_first=True) if chance else torch.empty(0, 0)  # [B, T]

    def draw(log_probs: Tensor, sentences: Tensor, position: int) -> Tensor:
        return drawn(log_probs, noise[sentences, position].to(log_probs), settings)

    return _collected(_walk(step, state, limits, draw, narrow), len(limits))


def beam(
    step: Step,
    state: State,
    limits: Limits,
    size: int,
    length_penalty: float = 1.0,
    nbest: int = 1,
    narrow: Narrow | None = None,
) -> list[list[Found]]:
    """At most `nbest` hypotheses for each sentence, best first, cut ones after finished ones.

    Ranked by score / `penalty`. A finished hypothesis takes up a place of its sentence's beam. A
    sentence is done when no place is left, at its limit, or when nothing live can still enter its
    n best, so that stopping never changes the result. Fewer than `nbest` come back where the beam
    met fewer.
    """
    _check(1 <= nbest <= size, f"nbest must be between 1 and the beam size, {size}; got {nbest}")
    _check(length_penalty >= 0, f"length_penalty must be at least 0; got {length_penalty}")
    allowed = _checked(limits)
    penalties = torch.tensor(
        [penalty(length, length_penalty) for length in range(max(allowed.tolist(), default=0) + 1)],
        dtype=torch.float64,
    )
    beams = started(allowed.to(_device(state)), size, nbest)
    history: list[Column] = []
    while len(beams.sentences):
        width = beams.ids.shape[1]
        log_probs, state = step(beams.ids.flatten(), state)  # [B W, V]
        column = extended(beams, log_probs, size)
        history.append(spread(column, beams.sentences, (len(allowed), size)))
        penalties = penalties.to(column.totals)  # in their precision: bounds hold to the last bit
        beams, done, moved = settled(beams, column, penalties, len(history))
        done, moved = torch.stack([done, moved]).cpu()  # a wait; another was for ties
        stay = (~done).nonzero().squeeze(1).to(beams.ids.device)
        if done.any() or moved.any() or beams.ids.shape[1] != width:
            state = select(state, (stay[:, None] * width + column.parents[stay]).flatten())
        if done.any():
            beams = Beams(*(part[stay] for part in beams))
            if narrow and len(stay):
                narrow(stay)
    return read(history, penalties.cpu(), nbest)


def forced(step: Step, state: State, targets: Sequence[Sequence[int]]) -> list[list[float]]:
    """The log-probability of every id of `targets` after those before it."""
    if not targets:
        return []
    rows = [torch.tensor(target, dtype=torch.long) for target in targets]
    outputs = pad_sequence(rows, batch_first=True, padding_value=PAD).to(_device(state))  # [B, T]
    inputs = torch.cat([torch.full_like(outputs[:, :1], BOS), outputs[:, :-1]], dim=1)
    scores: list[Tensor] = []
    for position in range(outputs.shape[1]):
        log_probs, state = step(inputs[:, position], state)
        scores.append(log_probs.gather(1, outputs[:, position, None]))
    table = torch.cat(scores, dim=1).tolist() if scores else [[] for _ in targets]
    return [row[: len(target)] for row, target in zip(table, targets, strict=True)]


def penalty(length: int, alpha: float) -> float:
    """What a score is divided by: ((5 + length) / 6) ** alpha, Wu et al. (2016), section 7."""
    return float(((5 + length) / 6) ** alpha)


def drawn(log_probs: Tensor, noise: Tensor, settings: Sampling) -> Tensor:
    """The place in each row [N, V] that noise [N], uniform in [0, 1), picks."""
    places = None
    if 0 < settings.top_k < log_probs.shape[1]:
        none = log_probs.new_zeros(len(log_probs), 1)
        log_probs, _, places = largest(log_probs[:, None], none, settings.top_k)
    elif settings.top_p < 1:
        log_probs, places = log_probs.sort(dim=1, descending=True, stable=True)
    # The largest is subtracted first, so that a temperature near 0 cannot overflow.
    shifted = log_probs - log_probs.amax(1, keepdim=True)
    probabilities = (shifted / settings.temperature).softmax(1)
    if settings.top_p < 1:  # Holtzman et al. (2020)
        before = probabilities.cumsum(1) - probabilities
        probabilities = probabilities.masked_fill(before >= settings.top_p, 0)
    cumulative = probabilities.cumsum(1)
    picks = torch.searchsorted(cumulative, noise[:, None] * cumulative[:, -1:], right=True)
    picks = picks.clamp(max=log_probs.shape[1] - 1)  # where there was nothing to draw from
    return (picks if places is None else places.gather(1, picks)).squeeze(1)


# One hypothesis for each sentence: greedy and sampling.


class _Move(NamedTuple):
    """What one step wrote to the sentences that were still being written."""

    sentences: Tensor  # [N] on the CPU
    ids: Tensor  # [N] on the CPU
    scores: Tensor  # [N, 1] log-probabilities of the ids
    totals: Tensor  # [N, 1] sums of the scores so far; -inf or NaN where no id was possible


# Log-probabilities [N, V - EOS] from EOS on, sentences [N], position -> places in them [N].
_Choose = Callable[[Tensor, Tensor, int], Tensor]


def _walk(
    step: Step, state: State, limits: Limits, choose: _Choose, narrow: Narrow | None = None
) -> Iterator[_Move]:
    """Move after move of all sentences, each of which leaves when it ends."""
    allowed = _checked(limits)
    device = _device(state)
    sentences = torch.arange(len(allowed))
    ids = torch.full((len(allowed),), BOS, device=device)
    totals = torch.zeros(len(allowed), 1, device=device)
    soonest, position = _least(allowed), 0
    while len(sentences):
        log_probs, state = step(ids, state)  # [N, V]
        ids = choose(log_probs[:, EOS:], sentences, position) + EOS
        scores = log_probs.gather(1, ids[:, None])
        totals = totals + scores
        written = ids.cpu()  # the one wait of a step
        yield _Move(sentences, written, scores, totals)
        position += 1
        if position >= soonest or EOS in written.tolist():
            stay = ((written != EOS) & (allowed > position)).nonzero().squeeze(1)
            sentences, allowed = sentences[stay], allowed[stay]
            soonest = _least(allowed)
            stay = stay.to(device)
            ids, totals, state = ids[stay], totals[stay], select(state, stay)
            if narrow and len(stay):
                narrow(stay)


def _least(limits: Tensor) -> int:
    return min(limits.tolist(), default=0)


def _likeliest(log_probs: Tensor, sentences: Tensor, position: int) -> Tensor:
    return likeliest(log_probs)


def _collected(walk: Iterator[_Move], count: int) -> list[list[Found]]:
    """The moves, sentence by sentence, up to where no id was possible."""
    moves = list(walk)
    if not moves:
        return []
    columns = [torch.cat(part).flatten().cpu() for part in zip(*moves, strict=True)]
    real = columns[3] > NEVER
    sentences, *columns = (column[real] for column in columns)
    order = sentences.argsort(stable=True)
    ends = sentences.bincount(minlength=count).cumsum(0).tolist()
    ids, scores, totals = (column[order].tolist() for column in columns)
    found, start = [], 0
    for end in ends:
        one = Found([], [], 0.0, 0.0, True)
        if end > start:
            total = totals[end - 1]
            one = Found(ids[start:end], scores[start:end], total, total, ids[end - 1] != EOS)
        found.append([one])
        start = end
    return found


# What all of them share.


def _device(state: State) -> torch.device:
    return state[0].device if state else torch.device("cpu")


def _checked(limits: Limits) -> Tensor:
    allowed = torch.as_tensor(limits, dtype=torch.long).cpu()
    _check(bool((allowed > 0).all()), "a sentence needs a limit of at least 1")
    return allowed


def _check(holds: bool, message: str) -> None:
    if not holds:  # a mistake of ours, not of a user: settings are checked where they are read
        raise ValueError(message)
