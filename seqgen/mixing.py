"""Predictions from each source state by itself, mixed by attention: exact hard attention.

Which source state a token comes from is a hidden choice, whose probability attention is. Summed out
after Wu, Shapiro and Cotterell (2018, arXiv 1808.10024), section 3.2: p(y) is the sum over states s
of attention to s times p(y | s), where soft attention predicts once, from the mean of the states.
The choices are independent, given the tokens before, as nothing that recurs reads them.
"""

import torch
from torch import Tensor


def mixed(scores: Tensor, weights: Tensor) -> Tensor:
    """Log-probabilities [..., V] out of scores [..., S, V] of each state, as often as attention.

    `weights` is that attention to S states, in as many rows.
    """
    chances = scores.to(torch.promote_types(scores.dtype, torch.float32)).softmax(-1)
    weights = weights.reshape(scores.shape[:-1]).to(chances)
    found = (weights[..., None, :] @ chances).squeeze(-2)
    return found.clamp_min(torch.finfo(found.dtype).tiny).log()
