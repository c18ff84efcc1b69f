"""Dropout whose coins are cheap on the CPU, where torch draws them one by one."""

import torch
from torch import Tensor, nn
from torch.nn import functional

COINS = 2**16  # sides of a coin: 16 bits an entry, four of them a draw


class Dropout(nn.Module):
    """The function of `torch.nn.Dropout`; Srivastava et al. (2014).

    On the CPU, `share` is rounded to a multiple of 1 / 65536.
    """

    def __init__(self, share: float):
        super().__init__()
        self.share = share

    @property
    def active(self) -> bool:
        """Whether anything is dropped."""
        return self.training and self.share > 0

    def forward(self, values: Tensor) -> Tensor:
        """`values` with a share of them 0 and the others larger, in training."""
        if values.is_cuda or not self.active:
            return functional.dropout(values, self.share, self.training)
        limit = round(self.share * COINS)
        draws = torch.empty(-(-values.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        coins = draws.view(torch.int16)[: values.numel()].view(values.shape)
        kept = (coins >= limit - COINS // 2).to(values.dtype)
        return values * kept.mul_(COINS / (COINS - limit))
