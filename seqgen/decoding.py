"""A model and a search put together: source ids to hypotheses in ids."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from seqgen import search
from seqgen.batching import Batch, mixed
from seqgen.beams import Found
from seqgen.ensemble import Ensemble
from seqgen.inference import Ready
from seqgen.model import Seq2Seq
from seqgen.recurrent import State
from seqgen.search import Sampling
from seqgen.sections import DecodeConfig
from seqgen.signals import Pause, never
from seqgen.vocabulary import BOS, EOS, PAD

Network = Seq2Seq | Ready | Ensemble
Sources = Sequence[Sequence[int]]  # ids of each sentence, EOS not included


class Decoding:
    """The model's step over one encoded batch, from which finished sentences leave."""

    def __init__(self, model: Network, sources: Sources, pause: Pause = never):
        """Encode `sources`; `state` is where search starts."""
        self.pause = pause
        source, lengths = padded([[*ids, EOS] for ids in sources])
        self.model: Any = model  # whose memory is its own
        self.memory: Any
        self.state: State
        self.memory, self.state = model.encode(source.to(model.device), lengths)

    def __call__(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """The step that search takes."""
        self.pause()
        found: tuple[Tensor, State] = self.model.step(ids, self.memory, state)
        return found

    def narrow(self, stay: Tensor) -> None:
        """Keep the memory of these sentences alone."""
        self.memory = self.memory.select(stay)


def decode(
    model: Network,
    sources: Sources,
    limits: Sequence[int],
    settings: DecodeConfig,
    pause: Pause = never,
) -> list[list[Found]]:
    """At most `settings.nbest` hypotheses for each sentence, best first, in one batch."""
    with torch.inference_mode():
        if settings.sample:
            return _sampled(model, sources, limits, settings, pause)
        step = Decoding(model, sources, pause)
        if settings.beam_size == 1:
            return search.greedy(step, step.state, limits, step.narrow)
        size, alpha = settings.beam_size, settings.length_penalty
        if not settings.coverage_penalty:
            return search.beam(step, step.state, limits, size, alpha, settings.nbest, step.narrow)
        found = search.beam(step, step.state, limits, size, alpha, size, step.narrow)
        ranked = _covered(model, sources, found, settings.coverage_penalty)
        return [row[: settings.nbest] for row in ranked]


def stream(model: Network, source: Sequence[int], limit: int) -> Iterator[int]:
    """The ids that greedy search finds for one sentence, each as soon as it is known."""
    with torch.inference_mode():
        step = Decoding(model, [source])
    found = search.stream(step, step.state, limit)
    while True:
        # Entered anew for each id: a suspended generator would leave it on for its caller.
        with torch.inference_mode():
            written = next(found, None)
        if written is None:
            return
        yield written


def padded(rows: Sources) -> tuple[Tensor, Tensor]:
    """Rows of ids as [B, longest], PAD after the end of each, and their lengths [B]."""
    tensors = [torch.tensor(row, dtype=torch.long) for row in rows]
    lengths = torch.tensor([len(row) for row in rows])
    return pad_sequence(tensors, batch_first=True, padding_value=PAD), lengths


def _sampled(
    model: Network,
    sources: Sources,
    limits: Sequence[int],
    settings: DecodeConfig,
    pause: Pause,
) -> list[list[Found]]:
    """Draws for each sentence, whose chance is a function of the seed, the draw and its ids."""
    draws = range(settings.nbest)
    seeds = [mixed(settings.sample_seed, draw, *ids) for ids in sources for draw in draws]
    step = Decoding(model, [ids for ids in sources for _ in draws], pause)
    drawing = Sampling(settings.temperature, settings.top_k, settings.top_p)
    each = [limit for limit in limits for _ in draws]
    found = search.sample(step, step.state, each, seeds, drawing, step.narrow)
    rows = [found[first : first + len(draws)] for first in range(0, len(found), len(draws))]
    return [sorted((one for (one,) in row), key=lambda one: -one.ranked) for row in rows]


def _covered(
    model: Network, sources: Sources, found: list[list[Found]], beta: float
) -> list[list[Found]]:
    """Hypotheses ranked anew with the coverage penalty of Wu et al. (2016), equation 14.

    beta * sum over source tokens of log(min(the attention they got, 1)), of which 1e-9 is the
    least that counts: what a hypothesis
    passes over, it pays for.
    """
    source, lengths = padded(
        [[*ids, EOS] for ids, row in zip(sources, found, strict=True) for _ in row]
    )
    target, _ = padded([[BOS, *one.ids] for row in found for one in row])
    batch = Batch(source, lengths, target, 0).to(model.device)
    weights = model.forced(batch).weights  # [N, T, S]
    written = (batch.target[:, 1:] != PAD)[..., None]
    covered = (weights * written).sum(1).clamp(1e-9, 1).log()  # [N, S]
    penalties = iter((covered * (batch.source != PAD)).sum(1).tolist())
    ranked = [
        [one._replace(ranked=one.ranked + beta * next(penalties)) for one in row] for row in found
    ]
    return [sorted(row, key=lambda one: (one.cut, -one.ranked)) for row in ranked]
