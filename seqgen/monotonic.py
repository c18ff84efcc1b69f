"""Hard attention that never goes back: what a token came from tells where the next comes from.

After Wu and Cotterell (2019, arXiv 1905.06319). The source state of each token is hidden, as in
`mixing`, but none stands before that of the token before: among the states from there on, the
chances are as attention has them. So the states form a chain, and what is likely of a step depends
on which states the tokens before may have come from: the forward algorithm, one step after another.

What a step needs of those before is a number for each source state, the log of its chance, less
that of all ids it could have predicted: with the id that was written it says how likely the id came
from there.
"""

import torch
from torch import Tensor
from torch.nn import functional

from seqgen.mixing import shared, sums

NEVER = -1e4  # nats; infinite ones would have gradients that are no numbers
LEAST = 1e-30  # attention below this is taken for it: its logarithm has a gradient that fp32 holds


def start(rows: int, steps: int, like: Tensor) -> Tensor:
    """Before the first token, as if one had come from the first of `steps` states: [1, N, S]."""
    return functional.pad(like.new_zeros(1, rows, 1), (0, steps - 1), value=NEVER)


def mixed(
    of_steps: Tensor, of_states: Tensor, weights: Tensor, inputs: Tensor, mask: Tensor,
    before: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """What `mixing.mixed` gives of a chain, the `chances` it is mixed with, what to go on from.

    `inputs` [N, T] are the ids written before each step; `mask` and `before` as `chances` wants.
    """
    total = sums(of_steps, of_states)
    each, after = chances(weights, total, _written(of_states, inputs), mask, before)
    return shared(of_steps, of_states, each, total), each, after


def chances(
    weights: Tensor, total: Tensor, words: Tensor, mask: Tensor, before: Tensor
) -> tuple[Tensor, Tensor]:
    """How likely the next token comes from each source state, [B, Q, S], and what to go on from.

    `weights` [B, Q, S] is the attention of Q = N / B * T steps, T of row after row; `total`, as
    large, what the ids that a state could predict add up to; `words`, as large, how much of it is
    the id written before each step; `mask` [B, S] is True on real states, and `before` [1, N, S] is
    what `start` or an earlier call gave.
    """
    rows, places = len(mask), weights.shape[-1]
    shape = (rows, before.shape[1] // rows, -1, places)
    with torch.autocast(total.device.type, enabled=False):
        carried = before.to(total).view(rows, -1, places)
        logs = weights.to(total).clamp_min(LEAST).log()
        logs = logs.masked_fill(~mask[:, None], NEVER)
        onward = logs.flip(-1).logcumsumexp(-1).flip(-1)  # attention to a state and all behind it
        least = torch.finfo(total.dtype).tiny
        of_words = words.clamp_min(least).log()
        steps = (each.view(shape).unbind(2) for each in (logs, onward, of_words, total.log()))
        found = []
        for here, rest, word, every in zip(*steps, strict=True):
            came = (carried + word).log_softmax(-1)  # the token before, from each state
            now = here + (came - rest).logcumsumexp(-1)
            carried = now - every
            found.append(now)
        stacked = torch.stack(found, dim=2).exp().flatten(1, 2)
    return stacked, carried.reshape(before.shape)


def _written(of_states: Tensor, inputs: Tensor) -> Tensor:
    """What each state of `of_states` [B, S, V] has for the ids `inputs` [N, T]: [B, Q, S]."""
    ids = inputs.reshape(len(of_states), 1, -1).expand(-1, of_states.shape[1], -1)
    return of_states.gather(2, ids).mT
