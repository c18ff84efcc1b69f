"""The output projection and its cross-entropy together, on the CPU.

The scores of all tokens over all ids are the largest tensor of an update. They are turned into
probabilities where they stand, a few rows at a time while these are in the cache, and the
gradients are products with them: nothing else of that size is written.
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
        probabilities = torch.addmm(bias, readouts, weight.t())  # scores at first, [N, V]
        gold = probabilities.gather(1, wanted[:, None]).squeeze(1)
        mean = probabilities.mean(1) if smoothing else None
        total = torch.empty_like(gold)
        rows = max(1, CACHED // len(weight))
        for part, sums in zip(
            *(torch.split(each, rows) for each in (probabilities, total)), strict=True
        ):
            torch.logsumexp(part, 1, out=sums)
            part.sub_(sums[:, None]).exp_()
        context.save_for_backward(readouts, weight, wanted, probabilities)
        return total - gold, torch.zeros_like(total) if mean is None else total - mean

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Any:
        readouts, weight, wanted, probabilities = context.saved_tensors
        of_gold, of_mean = gradients
        each = of_gold + of_mean
        to_readouts = (probabilities @ weight).mul_(each[:, None])
        to_readouts -= weight.index_select(0, wanted).mul_(of_gold[:, None])
        to_weight = probabilities.t() @ (readouts * each[:, None])
        to_weight.index_add_(0, wanted, readouts * of_gold[:, None], alpha=-1)
        to_bias = (each @ probabilities).index_add_(0, wanted, of_gold, alpha=-1)
        if of_mean.any():
            share = of_mean / len(weight)
            to_readouts -= share[:, None] * weight.sum(0)
            to_weight -= share @ readouts
            to_bias -= share.sum()
        return to_readouts, to_weight, to_bias, None, None
