"""The output projection and its cross-entropy together, on the CPU.

The scores of all tokens over all ids are the largest tensor of an update. They are turned into
probabilities where they stand, a few rows at a time while these are in the cache, and the
gradients are products with these, less 1 where an id was wanted: nothing else of that size is
written.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

CACHED = 2**19  # scores that are worked on at a time


class CrossEntropy(Function):
    """readouts [N, R], weight [V, R], bias [V], wanted ids [N].

    Returns the negative log-likelihood of the ids and of all ids on average, each [N], in nats:
    the same as `torch.nn.functional.cross_entropy` of the projection, as tests say. The second
    is what label smoothing mixes in; without `smoothing` it is zero and costs nothing.
    """

    @staticmethod
    def forward(
        context: Any,
        readouts: Tensor,
        weight: Tensor,
        bias: Tensor,
        wanted: Tensor,
        smoothing: bool,
    ) -> tuple[Tensor, Tensor]:
        # Scores, then log-probabilities, then probabilities less 1 where wanted: the gradient.
        scores = readouts @ weight.t()  # [N, V]
        nats = scores.new_empty(len(scores))
        spread = torch.zeros_like(nats)
        rows = max(1, CACHED // len(weight))
        blocks = (torch.split(each, rows) for each in (scores, wanted[:, None], nats, spread))
        for part, ids, of_gold, of_mean in zip(*blocks, strict=True):
            torch.log_softmax(part.add_(bias), 1, out=part)
            torch.neg(part.gather(1, ids).squeeze(1), out=of_gold)
            if smoothing:
                torch.neg(part.mean(1), out=of_mean)
            part.exp_().scatter_add_(1, ids, part.new_full(ids.shape, -1))
        context.smoothing = smoothing
        context.save_for_backward(readouts, weight, wanted, scores)
        return nats, spread

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Any:
        readouts, weight, wanted, residuals = context.saved_tensors
        of_gold, of_mean = gradients
        each = of_gold + of_mean
        to_readouts = (residuals @ weight).mul_(each[:, None])
        to_weight = residuals.t() @ (readouts * each[:, None])
        to_bias = each @ residuals
        if context.smoothing:
            # The mean wants every id alike: not 1 of the wanted one, but 1 / V of each.
            share = of_mean / len(weight)
            to_readouts += weight.index_select(0, wanted).mul_(of_mean[:, None])
            to_readouts -= share[:, None] * weight.sum(0)
            to_weight.index_add_(0, wanted, readouts * of_mean[:, None]).sub_(share @ readouts)
            to_bias.index_add_(0, wanted, of_mean).sub_(share.sum())
        return to_readouts, to_weight, to_bias, None, None
