"""R-Drop: two passes of one batch under different dropout that have to agree."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.utils.checkpoint import checkpoint

from seqgen.kernels import as_forward, in_fp32
from seqgen.losses import ROUND, blocks, rounded

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

    def into_gradients(self, scores: list[Tensor], gold: Tensor) -> Tensor:
        """The loss of both passes' scores [N, V], which become its gradient; `gold` ids [N, 1]."""
        first, second = (each.log_softmax(1) for each in scores)
        nats = -(first.gather(1, gold) + second.gather(1, gold)).sum()
        spread = -(first.mean(1) + second.mean(1)).sum() if self.smoothing else 0.0
        apart = first - second
        one, other = (torch.exp(each, out=each) for each in (first, second))
        there, back = torch.mul(one, apart, out=scores[0]), torch.mul(other, apart, out=scores[1])
        # Of the divergence KL(p, q) = sum p (log p - log q) by the scores of p, it is
        # p (log p - log q - KL(p, q)), and by those of q, q - p.
        of_first, of_second = there.sum(1, keepdim=True), -back.sum(1, keepdim=True)
        share = self.weight / 4
        there.sub_(other).mul_(share).addcmul_(one, share * (1 - of_first) + 0.5)
        back.add_(one).mul_(-share).addcmul_(other, share * (1 - of_second) + 0.5)
        for each in (there, back):
            each.scatter_add_(1, gold, each.new_full(gold.shape, (self.smoothing - 1) / 2))
            if self.smoothing:
                each.sub_(self.smoothing / 2 / each.shape[1])
        costs = ((1 - self.smoothing) * nats + self.smoothing * spread) / 2
        return costs + share * (of_first + of_second).sum()

    def _cost(self, scored: Scored, wanted: Tensor) -> Tensor:
        nats = -scored.log_probs.gather(1, wanted[:, None]).sum()
        if not self.smoothing:
            return nats
        return (1 - self.smoothing) * nats - self.smoothing * scored.written.mean(1).sum()


class TwoPasses(Function):
    """The loss of an `Agreement` on the CPU, where ids are written and none is copied.

    Of its two numbers, whether products are `bf16`, `wanted` ids [N], the readouts [N, R] of both
    passes, and the projection's weight [V, R] and bias [V]. As it is one number, gradients are
    known with it but for a factor: they are made at once, out of scores that are not kept.
    """

    @staticmethod
    @in_fp32
    def forward(
        context: Any,
        weighed: float,
        smoothing: float,
        bf16: bool,
        wanted: Tensor,
        *others: Tensor,
    ) -> Tensor:
        agreement = Agreement(weighed, smoothing)
        first, second, weight, bias = others
        factor = weight.bfloat16() if bf16 else weight
        total, gradients = first.new_zeros(()), [torch.zeros_like(each) for each in others]
        *to_readouts, to_weight, to_bias = gradients
        rows = max(ROUND, HELD // len(weight) // ROUND * ROUND)
        for start in range(0, len(wanted), rows):
            some = slice(start, start + rows)
            ids = wanted[some, None]
            read = [rounded(each[some]) if bf16 else each[some] for each in (first, second)]
            scores = [each @ factor.t() for each in read]
            real = [each[: len(ids)] for each in scores]
            cached = (blocks(each, len(weight)) for each in (ids, *real))
            for gold, *parts in zip(*cached, strict=True):
                exact = [part + bias for part in parts]
                total += agreement.into_gradients(exact, gold)
                for part, gradient in zip(parts, exact, strict=True):
                    to_bias += gradient.sum(0)
                    part.copy_(gradient)
            for each, score, target in zip(read, scores, to_readouts, strict=True):
                target[some] = (score @ factor)[: len(ids)]
                to_weight += score.t() @ each
        context.save_for_backward(*gradients)
        return total

    @staticmethod
    @as_forward
    def backward(context: Any, *gradients: Tensor) -> Any:
        return None, None, None, None, *(each * gradients[0] for each in context.saved_tensors)


def disagreement(first: Tensor, second: Tensor) -> Tensor:
    """The mean [N] of the divergences of Kullback and Leibler both ways, in nats.

    Of log-probabilities [N, V]; Wu et al. (2021), equation 2.
    """
    return ((first.exp() - second.exp()) * (first - second)).sum(-1) / 2
