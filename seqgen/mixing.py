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

    `weights` [B, Q, S] is the attention of the steps to the states.
    """
    return shared(of_steps, of_states, weights, sums(of_steps, of_states))


def sums(of_steps: Tensor, of_states: Tensor) -> Tensor:
    """What all ids of each step and state add up to, [B, Q, S], which is never 0."""
    with torch.autocast(of_steps.device.type, enabled=False):
        found = of_steps @ of_states.transpose(-1, -2)
        return found.clamp_min(torch.finfo(found.dtype).tiny)


def shared(of_steps: Tensor, of_states: Tensor, weights: Tensor, total: Tensor) -> Tensor:
    """The same where the `sums` are known; autocast would round probabilities."""
    least = torch.finfo(of_steps.dtype).tiny
    with torch.autocast(of_steps.device.type, enabled=False):
        found = of_steps * ((weights.to(total) / total) @ of_states)
        return found.clamp_min(least).log()
