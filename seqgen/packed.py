"""Products with the same weight again and again, made ready once."""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

# Of the products that weights are arranged for. With as many in a product it is fastest, and with
# fewer as fast as if arranged for these.
ROWS = 320

Product = Callable[[Tensor], Tensor]  # [N, I] to [N, O]


def arranges() -> bool:
    """Whether this torch has MKL."""
    return hasattr(torch.ops.mkl, "_mkl_linear")


class Packed:
    """Inputs times `weight` [O, I], which MKL keeps as it wants it, plus `bias` [O]."""

    def __init__(self, weight: Tensor, bias: Tensor | None):
        self.weight, self.bias = weight.detach(), bias if bias is None else bias.detach()
        self.packed = torch.ops.mkl._mkl_reorder_linear_weight(self.weight, ROWS)

    def __call__(self, inputs: Tensor) -> Tensor:
        """[N, I] to [N, O]."""
        given = inputs.to(self.weight.dtype)  # autocast may have made them bf16
        found: Tensor = torch.ops.mkl._mkl_linear(
            given, self.packed, self.weight, self.bias, len(given)
        )
        return found


class Plain:
    """The same with a weight that stays as it is."""

    def __init__(self, weight: Tensor, bias: Tensor | None):
        self.weight, self.bias = weight.detach(), bias if bias is None else bias.detach()

    def __call__(self, inputs: Tensor) -> Tensor:
        """[N, I] to [N, O]."""
        return functional.linear(inputs, self.weight, self.bias)


def made_ready(weight: Tensor, bias: Tensor | None = None) -> Product:
    """The product that is fastest again and again and as exact as the weight."""
    arranged = weight.dtype == torch.float32 and not weight.is_cuda and arranges()
    return Packed(weight, bias) if arranged else Plain(weight, bias)


class Quantized:
    """Nearly the same with a weight of 8 bits, each output with a scale of its own.

    Inputs are given 8 bits as they come, with one scale for all of them.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None):
        weight = weight.detach()
        scales = weight.abs().amax(1).clamp_min(torch.finfo(weight.dtype).tiny).double() / 127
        zeros = torch.zeros_like(scales, dtype=torch.long)
        with warnings.catch_warnings():
            # That torch will part with such tensors; `quantizes` tells when it has.
            warnings.filterwarnings("ignore", category=UserWarning)
            rounded = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
        self.packed = torch.ops.quantized.linear_prepack(rounded, bias)

    def __call__(self, inputs: Tensor) -> Tensor:
        """[N, I] to [N, O]."""
        # Inputs of 7 bits: the sums of what has 8 overflow on processors without VNNI.
        found: Tensor = torch.ops.quantized.linear_dynamic(inputs, self.packed, True)
        return found


def quantizes() -> bool:
    """Whether this torch has products of 8 bits."""
    there = hasattr(torch, "quantize_per_channel") and hasattr(
        torch.ops.quantized, "linear_prepack"
    )
    return there and torch.backends.quantized.engine != "none"
