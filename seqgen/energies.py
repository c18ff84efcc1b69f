"""The scores of additive attention on the CPU, as one function that keeps none of its insides.

A score is a vector times the tanh of what a query and a key add up to (Bahdanau, Cho and Bengio
2015, section A.1.2): as many numbers for each pair as a key is wide. They are made block by block,
of a size that a processor's cache holds, and once more on the way back, which takes less time than
to write them all to memory and to read them again. In fp32 whatever the precision of the rest: a
tanh of bf16 takes longer. As tanh x is 2 sigmoid(2 x) - 1, they are sigmoids: torch's tanh is MKL's
and takes four times as long on processors that are not Intel's. The same function as the formula
under autograd, as tests say.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from seqgen.kernels import as_forward, in_fp32, sigmoid_backward

BLOCK = 2**18  # numbers made at a time: a mebibyte


class Energies(Function):
    """[B, Q, S] of `queries` [B, Q, A], `keys` [B, S, A] and `weight` [A]."""

    @staticmethod
    @in_fp32
    def forward(context: Any, queries: Tensor, keys: Tensor, weight: Tensor) -> Tensor:
        scores, doubled = queries.new_empty(*queries.shape[:2], keys.shape[1]), 2 * weight
        for place, mixed in _mixed(queries, keys):
            scores[place] = mixed @ doubled
        scores -= weight.sum()
        context.save_for_backward(queries, keys, weight)
        return scores

    @staticmethod
    @as_forward
    def backward(context: Any, *gradients: Tensor) -> Any:
        queries, keys, weight = context.saved_tensors
        arriving = gradients[0].contiguous()
        to_weight = (-arriving.sum()).expand_as(weight).clone()
        to_queries, to_keys = torch.empty_like(queries), torch.zeros_like(keys)
        for place, mixed in _mixed(queries, keys):
            each = arriving[place]
            to_weight.addmv_(mixed.flatten(0, 2).t(), each.flatten(), alpha=2)
            sigmoid_backward(each[..., None], mixed, grad_input=mixed)
            to_queries[place] = mixed.sum(2)
            to_keys[place[0]] += mixed.sum(1)
        return to_queries.mul_(4 * weight), to_keys.mul_(4 * weight), to_weight


def _mixed(queries: Tensor, keys: Tensor) -> Iterator[tuple[tuple[slice, slice], Tensor]]:
    """The sigmoid of twice each query and key [b, q, S, A] block by block, with its place.

    The next block is written over the one before.
    """
    (rows, steps, width), wide = queries.shape, keys.shape[1] * keys.shape[2]
    together = min(rows, max(1, BLOCK // (steps * wide)))  # rows of a block
    some = min(steps, max(1, BLOCK // wide))  # queries of each
    space = queries.new_empty(together * some * wide)
    queries, keys = 2 * queries, 2 * keys
    for row in range(0, rows, together):
        for step in range(0, steps, some):
            place = slice(row, row + together), slice(step, step + some)
            asked = queries[place][:, :, None]
            shape = (*asked.shape[:2], keys.shape[1], width)
            mixed = space[: asked.shape[0] * asked.shape[1] * wide].view(shape)
            yield place, torch.add(asked, keys[place[0], None], out=mixed).sigmoid_()
