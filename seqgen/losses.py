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
# oneDNN makes a program for each number of rows, which takes longer than the product: there are
# few numbers of rows.
ROUND = 64


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
        factor = weight.bfloat16() if bf16 else weight
        # Scores, then probabilities, then those less 1 where wanted: the gradient.
        every = (rounded(readouts) if bf16 else readouts) @ factor.t()  # [N, V], 0 in added rows
        scores = every[: len(readouts)]
        nats = readouts.new_empty(len(readouts))
        spread = torch.zeros_like(nats)
        parts = (blocks(each, len(weight)) for each in (scores, wanted[:, None], nats, spread))
        for part, ids, of_gold, of_mean in zip(*parts, strict=True):
            exact = part + bias if bf16 else part.add_(bias)
            gold = exact.gather(1, ids)
            if smoothing:
                torch.sub(gold.squeeze(1), exact.mean(1), out=of_mean)
            likely = torch.softmax(exact, 1, out=exact).gather(1, ids)
            torch.log(likely.squeeze(1), out=of_gold).neg_()
            exact.scatter_add_(1, ids, exact.new_full(ids.shape, -1))
            if bf16:
                part.copy_(exact)
        _recover(nats, scores, readouts, weight, bias, wanted)
        spread = spread + nats if smoothing else spread
        context.smoothing = smoothing
        context.save_for_backward(readouts, weight, factor, wanted, every)
        return nats, spread

    @staticmethod
    @as_forward
    def backward(context: Any, *gradients: Tensor) -> Any:
        readouts, weight, factor, wanted, every = context.saved_tensors
        of_gold, of_mean = gradients
        each = of_gold + of_mean
        weighed = readouts * each[:, None]
        if every.dtype == torch.bfloat16:
            to_readouts = (every @ factor)[: len(readouts)].float()
            to_weight = (every.t() @ rounded(weighed)).float()
            residuals = blocks(every[: len(readouts)], len(weight))
            shares = zip(blocks(each, len(weight)), residuals, strict=True)
            to_bias = torch.stack([share @ part.float() for share, part in shares]).sum(0)
        else:
            to_readouts, to_weight, to_bias = every @ factor, every.t() @ weighed, each @ every
        to_readouts.mul_(each[:, None])
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
    rows, best = residuals[lost].float().max(1)
    scores = [(readouts[lost] * weight[ids]).sum(1) + bias[ids] for ids in (best, wanted[lost])]
    nats[lost] = scores[0] - scores[1] - rows.log()


def blocks(values: Tensor, vocabulary: int) -> tuple[Tensor, ...]:
    """Rows of `values` as many at a time as have scores in the cache."""
    return torch.split(values, max(1, CACHED // vocabulary))


def rounded(rows: Tensor) -> Tensor:
    """`rows` [N, R] as bf16, with rows of 0 up to a multiple of `ROUND`."""
    found = rows.new_zeros(-(-len(rows) // ROUND) * ROUND, rows.shape[1], dtype=torch.bfloat16)
    found[: len(rows)] = rows
    return found
