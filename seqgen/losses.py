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

from seqgen.kernels import as_forward, in_fp32

CACHED = 2**19  # scores that are worked on at a time
UNLIKELY = 60.0  # nats, of which fp32 still holds the probability


class CrossEntropy(Function):
    """readouts [N, R], weight [V, R], bias [V], wanted ids [N].

    Returns the negative log-likelihood of the ids and of all ids on average, each [N], in nats:
    the same as `torch.nn.functional.cross_entropy` of the projection, as tests say. The second
    is what label smoothing mixes in; without `smoothing` it is zero and costs nothing. With
    `bf16`, products are taken of numbers rounded to it, as autocast does, and all else is fp32.
    """

    @staticmethod
    @in_fp32
    def forward(
        context: Any,
        readouts: Tensor,
        weight: Tensor,
        bias: Tensor,
        wanted: Tensor,
        smoothing: bool,
        bf16: bool,
    ) -> tuple[Tensor, Tensor]:
        # Scores, then probabilities, then those less 1 where wanted: the gradient.
        scores = _product(readouts, weight.t(), bf16)  # [N, V]
        nats = scores.new_empty(len(scores))
        spread = torch.zeros_like(nats)
        rows = max(1, CACHED // len(weight))
        blocks = (torch.split(each, rows) for each in (scores, wanted[:, None], nats, spread))
        for part, ids, of_gold, of_mean in zip(*blocks, strict=True):
            gold = part.add_(bias).gather(1, ids)
            if smoothing:
                torch.sub(gold.squeeze(1), part.mean(1), out=of_mean)
            likely = torch.softmax(part, 1, out=part).gather(1, ids)
            torch.log(likely.squeeze(1), out=of_gold).neg_()
            part.scatter_add_(1, ids, part.new_full(ids.shape, -1))
        _recover(nats, scores, readouts, weight, bias, wanted)
        spread = spread + nats if smoothing else spread
        context.smoothing, context.bf16 = smoothing, bf16
        context.save_for_backward(readouts, weight, wanted, scores)
        return nats, spread

    @staticmethod
    @as_forward
    def backward(context: Any, *gradients: Tensor) -> Any:
        readouts, weight, wanted, residuals = context.saved_tensors
        of_gold, of_mean = gradients
        each = of_gold + of_mean
        to_readouts = _product(residuals, weight, context.bf16).mul_(each[:, None])
        to_weight = _product(residuals.t(), readouts * each[:, None], context.bf16)
        to_bias = each @ residuals
        if context.smoothing:
            # The mean wants every id alike: not 1 of the wanted one, but 1 / V of each.
            share = of_mean / len(weight)
            to_readouts += weight.index_select(0, wanted).mul_(of_mean[:, None])
            to_readouts -= share[:, None] * weight.sum(0)
            to_weight.index_add_(0, wanted, readouts * of_mean[:, None]).sub_(share @ readouts)
            to_bias.index_add_(0, wanted, of_mean).sub_(share.sum())
        return to_readouts, to_weight, to_bias, None, None, None


def _recover(
    nats: Tensor,
    residuals: Tensor,
    readouts: Tensor,
    weight: Tensor,
    bias: Tensor,
    wanted: Tensor,
) -> None:
    """Put right what was so unlikely that its probability was rounded to 0.

    It is as much less likely than the likeliest id as its score is less.
    """
    lost = (nats > UNLIKELY).nonzero().squeeze(1)
    if not len(lost):
        return
    rows, best = residuals[lost].max(1)
    scores = [(readouts[lost] * weight[ids]).sum(1) + bias[ids] for ids in (best, wanted[lost])]
    nats[lost] = scores[0] - scores[1] - rows.log()


def _product(left: Tensor, right: Tensor, bf16: bool) -> Tensor:
    return (left.bfloat16() @ right.bfloat16()).float() if bf16 else left @ right
