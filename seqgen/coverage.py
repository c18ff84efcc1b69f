"""Attention that sees where it has been, and what going there again costs.

See, Liu and Manning (2017, arXiv 1704.04368), section 2.3, after Tu et al. (2016, arXiv
1601.04811). The coverage of a source state is the sum of the attention it got at earlier steps.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqgen.attention import Attention, Memory


class Coverage(nn.Module):
    """What coverage adds to attention, which therefore takes one step after the other.

    A learned vector times the coverage of each state, within the tanh of additive attention (See,
    Liu and Manning 2017, equation 11); a learned number times it where scores are products. It
    begins at 0, as if there were none.
    """

    def __init__(self, attention: Attention, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1 if attention.factor is not None else width))

    def start(self, rows: int, steps: int) -> Tensor:
        """The coverage of `steps` source states before the first step: [1, N, S]."""
        return self.weight.new_zeros(1, rows, steps)

    def added(self, coverage: Tensor) -> Tensor:
        """What `coverage` [B, Q, S] adds to keys, [B, Q, S, A], or to scores, [B, Q, S, 1]."""
        return coverage[..., None] * self.weight

    def forward(
        self,
        attention: Attention,
        queries: Tensor,
        memory: Memory,
        bonus: Tensor | None,
        coverage: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Contexts [B, N / B * T, D], weights [B, N / B * T, S], the coverage after them [1, N, S].

        `queries` [B, N / B * T, H] and `bonus` [B, N / B * T, S] are T steps of row after row,
        `coverage` [1, N, S] is that before them.
        """
        covered = coverage.view(len(memory.mask), -1, coverage.shape[-1])  # [B, N / B, S]
        shape, looked = (*covered.shape[:2], -1), []
        steps = queries.view(*shape, queries.shape[-1]).unbind(2)
        every = (
            [None] * len(steps) if bonus is None else bonus.view(*shape, bonus.shape[-1]).unbind(2)
        )
        for query, more in zip(steps, every, strict=True):
            weights = attention.weights(query, memory, more, self.added(covered))
            covered = covered + weights
            looked.append(weights)
        found = torch.stack(looked, dim=2).flatten(1, 2)
        return found @ memory.states, found, covered.view(coverage.shape)


def repeated(weights: Tensor, real: Tensor) -> Tensor:
    """How much of the attention [B, T, S] of `real` steps [B, T] went where it had been, summed.

    See, Liu and Manning (2017), equation 12: of each state the lesser of its attention and its
    coverage, which is between 0 and 1 a step.
    """
    before = functional.pad(weights.cumsum(1)[:, :-1], (0, 0, 1, 0))
    return (torch.minimum(weights, before).sum(-1) * real).sum()
