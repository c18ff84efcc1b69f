"""Scheduled sampling: what the decoder is fed in training, where it is not the gold token.

One coin a token (Bengio et al. 2015, arXiv 1506.03099), drawn beforehand, so that predictions are
asked for only where the coin falls on the model's side. Either step by step, as that paper has it,
or in K parallel passes (Duckworth et al. 2019, arXiv 1906.04331): pass k predicts from the inputs
of pass k - 1, so that after K passes the first K inputs are those of the sequential loop.

What is fed is an id, the likeliest or one that is drawn, or the mean of all embeddings by their
probability: the soft argmax of Goyal, Dyer and Berg-Kirkpatrick (2017, arXiv 1704.06970). Unlike
theirs, predictions have no gradient.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from seqgen.blended import Blended, Ids, cut, side_by_side
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

# Inputs [B, T], the state before them and places in them [N], row after row -> scores [N, V] of the
# ids that follow, the state after them.
Walk = Callable[[Ids, State, Tensor], tuple[Tensor, State]]


class Asked(NamedTuple):
    """What is predicted out of a window of inputs, row after row."""

    after: Tensor  # [N] places in the window that are followed by what is predicted
    places: Tensor  # [N] of what is predicted, in all inputs
    which: Tensor | None  # [N] of all predictions these are; None: all


class Own(NamedTuple):
    """What is fed that the model predicted."""

    ids: Tensor  # [N]
    vectors: Tensor | None  # [N, E] what is read instead of their embeddings


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
        self._draws: Tensor | None = None

    def in_passes(self, walk: Walk, state: State, window: int = 0) -> Ids:
        """The inputs [B, T] after the parallel passes, `window` steps at a time; 0: all at once."""
        inputs: Ids = self.gold
        window = window or self.gold.shape[1]
        asked = self._asked(window)
        for _ in range(min(self.forcing.passes, self.gold.shape[1] - 1) if asked else 0):
            reached, found = state, []
            for read, (after, _places, which) in zip(cut(inputs, window), asked, strict=False):
                scores, reached = walk(read, reached, after)
                found.append(self._own(scores, which))
            inputs = _put(self.gold, torch.cat([one.places for one in asked]), found)
        return inputs

    def _asked(self, window: int) -> list[Asked]:
        """What is asked of each window, up to the last of which anything is."""
        steps, found = self.gold.shape[1], []
        numbers = (self.own.flatten().cumsum(0) - 1).view(self.own.shape)
        last = int(self.own.any(0).nonzero().max()) if self.own.any() else 0
        for start in range(0, last, window):
            # What stands at a place follows the one before, which is in the same row.
            behind = slice(start + 1, start + 1 + window)
            rows, columns = self.own[:, behind].nonzero(as_tuple=True)
            after = rows * min(window, steps - start) + columns
            which = None if window >= steps else self._moved(numbers[:, behind][rows, columns])
            places = rows * steps + start + 1 + columns
            found.append(Asked(self._moved(after), self._moved(places), which))
        return found

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
            columns[step] = _put(gold[step], rows[step], [self._own(scores, which[step])])
        return side_by_side(columns)

    def _moved(self, numbers: Tensor) -> Tensor:
        """Numbers [N] where the ids are, without waiting for them to arrive."""
        if not self.gold.is_cuda:
            return numbers
        return numbers.pin_memory().to(self.gold.device, non_blocking=True)

    def _own(self, scores: Tensor, which: Tensor | None) -> Own:
        """What is fed after scores [N, V]; `which` predictions these are, None: all."""
        found = self._picked(scores, which)
        if self.forcing.feedback != "mixed":
            return Own(found, None)
        assert self.embeddings is not None
        # Under autocast scores may have 8 bits, of which probabilities are to be exact.
        shares = (scores.to(self.embeddings) / self.forcing.temperature).softmax(-1)
        return Own(found, shares @ self.embeddings)

    def _picked(self, scores: Tensor, which: Tensor | None) -> Tensor:
        """An id out of each row of scores [N, V]; `which` predictions these are, None: all."""
        if self.forcing.feedback in ("argmax", "mixed"):
            return scores.argmax(-1)
        if self._draws is None:
            # One number a prediction, above 0 and at most 1: the same id is drawn in every pass
            # that sees the same scores, which makes the passes converge.
            self._draws = 1 - torch.rand(int(self.own.sum()), 1, device=scores.device)
        draws = self._draws if which is None else self._draws[which]
        if self.forcing.feedback == "sample":
            return self._found(scores, draws).squeeze(1)
        likely, ids = scores.topk(min(self.forcing.k, scores.shape[1]), dim=1)
        return ids.gather(1, self._found(likely, draws)).squeeze(1)

    def _found(self, scores: Tensor, draws: Tensor) -> Tensor:
        """Where in each row of scores [N, K] the chances add up to `draws` [N, 1]: [N, 1]."""
        exact = scores.to(torch.promote_types(scores.dtype, torch.float32))
        sums = (exact / self.forcing.temperature).softmax(-1).cumsum(-1)
        places = torch.searchsorted(sums, draws * sums[:, -1:])
        return places.clamp_max(scores.shape[1] - 1)  # what is no number is behind all of them


def _put(gold: Tensor, places: Tensor, found: Sequence[Own]) -> Ids:
    """`gold` [B, T] with the model's own at `places` [N]."""
    own = torch.cat([one.ids for one in found])
    ids = gold.flatten().index_copy(0, places, own).view(gold.shape)
    vectors = [one.vectors for one in found if one.vectors is not None]
    return Blended(ids, places, torch.cat(vectors)) if vectors else ids
