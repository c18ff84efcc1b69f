"""Weights that MKL keeps arranged for many small products."""

import torch
from torch import Tensor, nn

ROWS = 64  # of the products that weights are arranged for; others are right as well


def arranges() -> bool:
    """Whether this torch has MKL."""
    return hasattr(torch.ops.mkl, "_mkl_linear")


class Packed(nn.Module):
    """A linear layer whose weight MKL keeps as it wants it."""

    def __init__(self, weight: Tensor, bias: Tensor | None, rows: int = ROWS):
        super().__init__()
        self.weight, self.bias = weight.detach(), bias if bias is None else bias.detach()
        self.packed = torch.ops.mkl._mkl_reorder_linear_weight(self.weight, rows)

    def forward(self, inputs: Tensor) -> Tensor:
        """[..., I] to [..., O]."""
        rows = inputs.numel() // inputs.shape[-1]
        found: Tensor = torch.ops.mkl._mkl_linear(inputs, self.packed, self.weight, self.bias, rows)
        return found
