"""Products with the same weight again and again, made ready once."""

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional

# Of the products that weights are arranged for. With as many in a product it is fastest, and with
# fewer as fast as if arranged for these.
ROWS = 320
# Inputs of 7 bits: sums of products of what has 8 overflow on processors without VNNI.
LEVELS, MIDDLE = 63, 64
FEW = 4  # rows from which on an arranged weight is faster than one that is not

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
        rows = given.shape[0]
        # Under autocast a product that is not arranged would be one of bf16.
        if rows < FEW and not torch.is_autocast_enabled("cpu"):
            return few(given, self.weight, self.bias)
        found: Tensor = torch.ops.mkl._mkl_linear(given, self.packed, self.weight, self.bias, rows)
        return found


def few(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The same without an arranged weight, for few rows: one takes as long as reading it."""
    if inputs.shape[0] > 1:
        return functional.linear(inputs, weight, bias)
    (row,) = inputs
    found = weight.mv(row) if bias is None else torch.addmv(bias, weight, row)
    return found[None]


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

    Inputs are given 7 bits as they come, each row with a scale of its own: what a row gives does
    not depend on those beside it. The sums are whole numbers, and so the same in any order. Few
    rows are multiplied by FBGEMM, which begins sooner, many by oneDNN, which is faster where the
    processor has tiles.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None):
        weight = weight.detach()
        self.bias = weight.new_zeros(len(weight)) if bias is None else bias.detach()
        self.tiny = torch.finfo(weight.dtype).tiny
        scales = weight.abs().amax(1).clamp_min(self.tiny).double() / 127
        zeros = torch.zeros_like(scales, dtype=torch.long)
        with warnings.catch_warnings(), engine("fbgemm"):
            # That torch will part with such tensors; `quantizes` tells when it has.
            warnings.filterwarnings("ignore", category=UserWarning)
            rounded = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
            self.of_few = torch.ops.quantized.linear_prepack(rounded, None)
        self.many = many_rows()
        if self.many < math.inf:
            arranged = torch.ops.onednn.qlinear_prepack(rounded.int_repr(), None)
            self.of_many = arranged, scales.float(), zeros

    def __call__(self, inputs: Tensor) -> Tensor:
        """[N, I] to [N, O]."""
        largest = inputs.abs().amax(1, keepdim=True).clamp_min_(self.tiny)
        product = self._few if len(inputs) < self.many else self._many
        found = product(inputs / largest)
        return torch.addcmul(self.bias, found, largest, out=found)

    def _few(self, inputs: Tensor) -> Tensor:
        """Of inputs from -1 to 1, without the bias."""
        found: Tensor = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            inputs, 1 / LEVELS, MIDDLE, self.of_few
        )
        return found

    def _many(self, inputs: Tensor) -> Tensor:
        rounded = torch.quantize_per_tensor(inputs, 1 / LEVELS, MIDDLE, torch.quint8).int_repr()
        found: Tensor = torch.ops.onednn.qlinear_pointwise(
            rounded, 1 / LEVELS, MIDDLE, *self.of_many, None, 1.0, 0, torch.float32, "none", [], ""
        )
        return found


def many_rows() -> float:
    """From how many rows on oneDNN's products of 8 bits are faster than FBGEMM's."""
    there = "onednn" in torch.backends.quantized.supported_engines
    if not there or not hasattr(torch.ops.onednn, "qlinear_pointwise"):
        return math.inf
    known = getattr(torch.cpu, "get_capabilities", None)  # an older torch cannot tell
    return 32 if known and known().get("amx_int8") else 200


@contextmanager
def engine(name: str) -> Iterator[None]:
    """While this lasts, weights of 8 bits are arranged for these products."""
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = name
    try:
        yield
    finally:
        torch.backends.quantized.engine = before


def quantizes() -> bool:
    """Whether this torch has products of 8 bits whose inputs have a scale that is given."""
    there = hasattr(torch, "quantize_per_channel") and hasattr(
        torch.ops.quantized, "linear_with_input_q_dq_qweight_dq_output_fp32"
    )
    return there and "fbgemm" in torch.backends.quantized.supported_engines
