"""Scheduled sampling: what the decoder is fed in training, where it is not the gold token."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Forcing(NamedTuple):
    """How the decoder's inputs are chosen in one update."""

    ratio: float = 1.0  # share of gold inputs
    passes: int = 1  # parallel prediction passes; as many as target steps is the sequential loop
    feedback: str = "argmax"  # or "sample"


GOLD = Forcing()


def mixed_inputs(gold: Tensor, decode: Callable[[Tensor], Tensor], forcing: Forcing) -> Tensor:
    """`gold` [B, T] with the model's own predictions where the coin fell on its side.

    One coin a token (Bengio et al. 2015, arXiv 1506.03099), K parallel passes (Duckworth et
    al. 2019, arXiv 1906.04331): pass k predicts every token from the inputs of pass k - 1, so
    that after K passes the first K inputs are those of the sequential loop. `decode` takes
    inputs [B, T] and returns the scores [B, T, V] of the tokens that follow them. The first
    column, BOS, stays.
    """
    coins = torch.rand(gold.shape, device=gold.device) < forcing.ratio  # True keeps gold
    coins[:, 0] = True
    inputs, noise = gold, None
    for _ in range(min(forcing.passes, gold.shape[1] - 1)):
        scores = decode(inputs)
        if forcing.feedback == "sample":
            # Noise drawn once a position: the same token is drawn in every pass that sees the
            # same scores, which makes the passes converge (Gumbel-max).
            noise = _gumbel(scores) if noise is None else noise
            scores = scores + noise
        predicted = torch.cat([gold[:, :1], scores.argmax(-1)[:, :-1]], dim=1)
        inputs = torch.where(coins, gold, predicted)
    return inputs


def _gumbel(like: Tensor) -> Tensor:
    return -torch.log(torch.empty_like(like).exponential_())
