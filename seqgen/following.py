"""Attention that goes on where the target repeats the source, piece after piece.

After the selective read of Gu et al. (2016, arXiv 1603.06393), section 3.4, as a bonus on scores.
What was written last may stand in the source more than once: in `roapoam` both `p` and `m` stand
behind `oa`. So what counts is how many pieces before a place are those written last.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqgen.vocabulary import BOS

LONGEST = 3  # pieces in a row that are told from fewer


class Following(nn.Module):
    """What following adds to attention: out of a query, for each piece in a row up to `LONGEST`."""

    def __init__(self, width: int):
        super().__init__()
        self.levels = nn.Linear(width, LONGEST)

    def start(self, rows: int, steps: int) -> Tensor:
        """How many pieces just before each of `steps` source ids equal those written last."""
        return self.levels.weight.new_zeros(1, rows, steps)

    def forward(
        self, inputs: Tensor, queries: Tensor, before: Tensor, repeated: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Bonuses [B, N / B * T, S], and what `repeated` is after `inputs` [N, T].

        `queries` [B, N / B * T, H] are of T steps of row after row; `before` [B, S] are the ids
        before those of the source; `repeated` [1, N, S] is what `start` counts, up to `LONGEST`.
        """
        rows, (_, steps) = len(before), inputs.shape
        same = inputs.reshape(rows, -1, steps, 1) == before[:, None, None]  # [B, N / B, T, S]
        start = repeated.reshape(rows, -1, 1, before.shape[1])
        counts, run = same.long(), same
        for length in range(1, LONGEST):
            ended = torch.cat([start >= length, run[:, :, :-1]], dim=2)
            run = same & functional.pad(ended[..., :-1], (1, 0))  # of more than `length` pieces
            counts = counts + run
        bonuses = functional.pad(self.levels(queries).cumsum(-1), (1, 0))  # of 0, 1, ... in a row
        bonus = bonuses.gather(2, counts.flatten(1, 2))
        return bonus, counts[:, :, -1].to(repeated).view(repeated.shape)


def before_each(ids: Tensor) -> Tensor:
    """The id before each of sources [B, S]; before the first stands what a target begins with."""
    return functional.pad(ids[:, :-1], (1, 0), value=BOS)
