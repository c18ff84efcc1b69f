"""A model made ready for decoding on a CPU: weights arranged once for many small products.

In training every update changes the weights, and a product arranges them anew each time. A step of
a search multiplies few rows with all weights of the decoder, so that this takes longer than the
product itself; MKL keeps what it arranged. Elsewhere, and where there is no MKL, a model is ready
as it is.
"""

import copy
import warnings
from typing import TypeVar

import torch
from torch import Tensor, nn

from seqgen.model import Seq2Seq
from seqgen.packed import Packed, arranges
from seqgen.recurrent import Recurrent, Step

Kind = TypeVar("Kind", bound=nn.Module)


def ready(model: Seq2Seq, int8: bool = False) -> Seq2Seq:
    """The same function as `model`, faster step by step, while its weights stay as they are.

    With `int8`, nearly the same: the decoder's weights have 8 bits, if `why_not_int8` is empty.
    """
    output = model.decoder.output.weight
    quantized = int8 and not why_not_int8(output.device)
    there = quantized or arranges()
    if output.dtype != torch.float32 or output.is_cuda or not there:
        return model
    product = _quantized if quantized else Packed
    twin = _twin(model)
    decoder = twin.decoder = _twin(model.decoder)
    decoder.layers = nn.ModuleList(
        Step(layer, product) for layer in model.decoder.layers if isinstance(layer, Recurrent)
    )
    for name in ("readout", "output"):
        linear = getattr(model.decoder, name)
        setattr(decoder, name, product(linear.weight, linear.bias))
    return twin


def why_not_int8(device: torch.device) -> str:
    """What keeps weights on this device from having 8 bits; empty where nothing does."""
    if device.type != "cpu":
        return f"the model is on {device}, and weights of 8 bits are for the CPU"
    if not hasattr(torch.ao.quantization, "quantize_dynamic"):
        return f"torch {torch.__version__} has no quantize_dynamic"
    return ""


def _quantized(weight: Tensor, bias: Tensor) -> nn.Module:
    """A linear layer with weights of 8 bits, whose inputs are scaled as they come."""
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    linear.weight, linear.bias = nn.Parameter(weight), nn.Parameter(bias)
    with warnings.catch_warnings():
        # That torch will part with this; what then happens is written above.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=UserWarning)
        layers = torch.ao.quantization.quantize_dynamic(  # type: ignore[no-untyped-call]
            nn.Sequential(linear), {nn.Linear}, dtype=torch.qint8
        )
    layer: nn.Module = layers[0]
    return layer


def _twin(module: Kind) -> Kind:
    """A module with the same children, of which some can be replaced."""
    twin = copy.copy(module)
    twin._modules = dict(module._modules)
    return twin
