"""A model made ready for decoding on a CPU: weights arranged once for many small products.

In training every update changes the weights, and a product arranges them anew each time. A step of
a search multiplies few rows with all weights of the decoder, so that this takes longer than the
product itself; MKL keeps what it arranged. Elsewhere, and where there is no MKL, a model is ready
as it is.
"""

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from seqgen.model import Seq2Seq
from seqgen.recurrent import Recurrent, Step

ROWS = 64  # of the products that weights are arranged for; others are right as well

Kind = TypeVar("Kind", bound=nn.Module)


def ready(model: Seq2Seq) -> Seq2Seq:
    """The same function as `model`, faster step by step, while its weights stay as they are."""
    output = model.decoder.output.weight
    if output.dtype != torch.float32 or output.is_cuda or not hasattr(torch.ops.mkl, "_mkl_linear"):
        return model
    twin = _twin(model)
    decoder = twin.decoder = _twin(model.decoder)
    decoder.layers = nn.ModuleList(
        Step(layer, Packed) for layer in model.decoder.layers if isinstance(layer, Recurrent)
    )
    for name in ("readout", "output"):
        linear = getattr(model.decoder, name)
        setattr(decoder, name, Packed(linear.weight, linear.bias))
    return twin


class Packed(nn.Module):
    """A linear layer whose weight MKL keeps as it wants it."""

    def __init__(self, weight: Tensor, bias: Tensor | None):
        super().__init__()
        self.weight, self.bias = weight.detach(), bias if bias is None else bias.detach()
        self.packed = torch.ops.mkl._mkl_reorder_linear_weight(self.weight, ROWS)

    def forward(self, inputs: Tensor) -> Tensor:
        """[..., I] to [..., O]."""
        rows = inputs.numel() // inputs.shape[-1]
        found: Tensor = torch.ops.mkl._mkl_linear(inputs, self.packed, self.weight, self.bias, rows)
        return found


def _twin(module: Kind) -> Kind:
    """A module with the same children, of which some can be replaced."""
    twin = copy.copy(module)
    twin._modules = dict(module._modules)
    return twin
