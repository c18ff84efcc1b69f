"""R-Drop: two passes of one batch under different dropout that have to agree."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

HELD = 2**21  # scores of a pass that are held at a time


class Scored(NamedTuple):
    """What a pass thinks of every id, log-probabilities [N, V] both."""

    log_probs: Tensor  # of the id, written or copied
    written: Tensor  # of the id, if it is written


Parts = tuple[Tensor, ...]  # what a pass knows of N tokens, each [N, ...]
Score = Callable[..., Scored]  # the same of some of them


class Agreement(NamedTuple):
    """Half of the loss of Wu et al. (2021, arXiv 2106.14448), equation 4.

    A token then costs what it costs without R-Drop, the mean of two passes, and besides `weight`
    / 2 times how far these disagree.
    """

    weight: float  # the paper's alpha
    smoothing: float  # the share of the cost that is spread over the vocabulary

    def loss(self, score: Score, first: Parts, second: Parts, wanted: Tensor, ids: int) -> Tensor:
        """The loss of `wanted` ids [N] out of so many `ids`, summed, in nats.

        Scores are computed anew for the gradient: no more of them exist at a time than `HELD`.
        """
        rows = max(1, HELD // ids)
        blocks = (zip(*(torch.split(each, rows) for each in parts), strict=True)
                  for parts in (first, second, (wanted,)))  # fmt: skip
        total = wanted.new_zeros((), dtype=first[0].dtype)
        for one, other, (gold,) in zip(*blocks, strict=True):
            total = total + checkpoint(  # nothing in it is random
                self._block, score, one, other, gold, use_reentrant=False, preserve_rng_state=False
            )
        return total

    def _block(self, score: Score, first: Parts, second: Parts, wanted: Tensor) -> Tensor:
        one, other = score(*first), score(*second)
        costs = (self._cost(one, wanted) + self._cost(other, wanted)) / 2
        return costs + self.weight / 2 * disagreement(one.log_probs, other.log_probs).sum()

    def _cost(self, scored: Scored, wanted: Tensor) -> Tensor:
        nats = -scored.log_probs.gather(1, wanted[:, None]).sum()
        if not self.smoothing:
            return nats
        return (1 - self.smoothing) * nats - self.smoothing * scored.written.mean(1).sum()


def disagreement(first: Tensor, second: Tensor) -> Tensor:
    """The mean [N] of the divergences of Kullback and Leibler both ways, in nats.

    Of log-probabilities [N, V]; Wu et al. (2021), equation 2.
    """
    return ((first.exp() - second.exp()) * (first - second)).sum(-1) / 2
