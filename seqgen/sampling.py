"""Scheduled sampling: what the decoder is fed in training, where it is not the gold token.

One coin a token (Bengio et al. 2015, arXiv 1506.03099), drawn beforehand, so that predictions are
asked for only where the coin falls on the model's side. Either step by step, as that paper has it,
or in K parallel passes (Duckworth et al. 2019, arXiv 1906.04331): pass k predicts from the inputs
of pass k - 1, so that after K passes the first K inputs are those of the sequential loop.

What is fed is an id, the likeliest or one that is drawn, or the mean of all embeddings by their
probability: the soft argmax of Goyal, Dyer and Berg-Kirkpatrick (2017, arXiv 1704.06970). Unlike
theirs, predictions have no gradient.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from seqgen.blended import Blended, Ids, side_by_side
from seqgen.recurrent import State
from seqgen.vocabulary import EOS, PAD

SEQUENTIAL = 0  # passes: step by step


class Forcing(NamedTuple):
    """How the decoder's inputs are chosen in one update."""

    ratio: float = 1.0  # share of gold inputs
    passes: int = 1  # parallel prediction passes, or SEQUENTIAL
    feedback: str = "argmax"  # or "sample", "top_k", or "mixed"
    k: int = 5  # the likeliest ids that "top_k" draws among
    temperature: float = 1.0  # of what is drawn or mixed


GOLD = Forcing()

# Inputs [B, T] and places in them [N], row after row -> scores [N, V] of the ids that follow.
Passes = Callable[[Ids, Tensor], Tensor]
# Inputs [B, 1], a state and rows [N] -> scores [N, V] of the ids that follow, the next state.
Walk = Callable[[Ids, State, Tensor], tuple[Tensor, State]]


class Mixture:
    """Which of the inputs `gold` [B, T] are the model's own, and what they are.

    The first column, BOS, stays, and on the CPU the end and what is PAD behind it. `embeddings`
    [V, E] are what "mixed" mixes.
    """

    def __init__(self, gold: Tensor, forcing: Forcing, embeddings: Tensor | None = None):
        self.gold, self.forcing, self.embeddings = gold, forcing, embeddings
        # On the CPU, where counting those that fell on the model's side waits for no device.
        own = torch.rand(gold.shape) >= forcing.ratio
        own[:, 0] = False
        if not gold.is_cuda:
            own &= (gold != PAD) & (gold != EOS)
        self.own = own  # [B, T]
        self._noise: Tensor | None = None

    def in_passes(self, scores: Passes) -> Ids:
        """The inputs [B, T] after the parallel passes."""
        places = self._moved(self.own.flatten().nonzero().squeeze(1))
        inputs: Ids = self.gold
        if len(places):
            for _ in range(min(self.forcing.passes, self.gold.shape[1] - 1)):
                # What stands at a place follows the one before, which is in the same row.
                inputs = self._fed(self.gold, places, scores(inputs, places - 1), None)
        return inputs

    def step_by_step(self, walk: Walk, state: State) -> Ids:
        """The inputs [B, T] of the sequential loop."""
        gold = torch.split(self.gold, 1, dim=1)
        columns: list[Ids] = list(gold)
        counts = self.own.sum(0).tolist()
        asking = max((step for step, count in enumerate(counts) if count), default=0)
        # Which rows of each column ask, and which of all predictions, row after row, these are.
        by_column = self.own.t()
        numbers = (self.own.flatten().cumsum(0) - 1).view(self.own.shape).t()[by_column]
        rows = torch.split(self._moved(by_column.nonzero()[:, 1]), counts)
        which = torch.split(self._moved(numbers), counts)
        for step in range(1, asking + 1):
            scores, state = walk(columns[step - 1], state, rows[step])
            columns[step] = self._fed(gold[step], rows[step], scores, which[step])
        return side_by_side(columns)

    def _moved(self, numbers: Tensor) -> Tensor:
        """Numbers [N] where the ids are, without waiting for them to arrive."""
        if not self.gold.is_cuda:
            return numbers
        return numbers.pin_memory().to(self.gold.device, non_blocking=True)

    def _fed(self, gold: Tensor, places: Tensor, scores: Tensor, which: Tensor | None) -> Ids:
        """`gold` with the model's own at `places` [N], out of scores [N, V].

        `which` predictions these are; None: all.
        """
        found = self._picked(scores, which)
        ids = gold.flatten().index_copy(0, places, found).view(gold.shape)
        if self.forcing.feedback != "mixed":
            return ids
        assert self.embeddings is not None
        # Under autocast scores may have 8 bits, of which probabilities are to be exact.
        shares = (scores.to(self.embeddings) / self.forcing.temperature).softmax(-1)
        return Blended(ids, places, shares @ self.embeddings)

    def _picked(self, scores: Tensor, which: Tensor | None) -> Tensor:
        """An id out of each row of scores [N, V]; `which` predictions these are, None: all."""
        if self.forcing.feedback in ("argmax", "mixed"):
            return scores.argmax(-1)
        scores = scores / self.forcing.temperature
        if self._noise is None:
            # Noise is drawn once a prediction: the same id is drawn in every pass that sees the
            # same scores, which makes the passes converge (Gumbel-max).
            self._noise = _gumbel(scores.new_empty(int(self.own.sum()), scores.shape[1]))
        noise = self._noise if which is None else self._noise[which]
        if self.forcing.feedback == "sample":
            return (scores + noise).argmax(-1)
        likely, ids = scores.topk(min(self.forcing.k, scores.shape[1]), dim=1)
        picks = (likely + noise.gather(1, ids)).argmax(-1, keepdim=True)
        return ids.gather(1, picks).squeeze(1)


def _gumbel(empty: Tensor) -> Tensor:
    return -torch.log(empty.exponential_())
