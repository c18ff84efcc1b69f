"""Predictions from each source state by itself, mixed by attention: exact hard attention.

Which source state a token comes from is a hidden choice, whose probability attention is. Summed out
after Wu, Shapiro and Cotterell (2018, arXiv 1808.10024), section 3.2: p(y) is the sum over states s
of attention to s times p(y | s), where soft attention predicts once, from the mean of the states.
The choices are independent, given the tokens before, as nothing that recurs reads them.

Unlike there, what the target so far and what the state make likely are multiplied: the score of an
id is a sum of both. So p(y | s) needs no scores of each pair of a step and a state, whose sums over
ids and over states are two products of matrices.
"""

import torch
from torch import Tensor


def powers(scores: Tensor) -> Tensor:
    """What is proportional to a probability, [..., V], the largest of each row 1."""
    exact = scores.to(torch.promote_types(scores.dtype, torch.float32))
    return (exact - exact.detach().amax(-1, keepdim=True)).exp()


def mixed(of_steps: Tensor, of_states: Tensor, weights: Tensor) -> Tensor:
    """Log-probabilities [B, Q, V] out of `powers` of steps [B, Q, V] and of states [B, S, V].

    `weights` [B, Q, S] is the attention of the steps to the states. Autocast would round sums, and
    probabilities with them.
    """
    least = torch.finfo(of_steps.dtype).tiny
    with torch.autocast(of_steps.device.type, enabled=False):
        sums = (of_steps @ of_states.transpose(-1, -2)).clamp_min(least)  # [B, Q, S], over ids
        found = of_steps * ((weights.to(sums) / sums) @ of_states)
        return found.clamp_min(least).log()
