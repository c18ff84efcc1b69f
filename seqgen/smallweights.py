"""Weights in fewer bytes: matrices of 16 or 8 bits in a file, of 32 again when they are loaded."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from seqgen.errors import ModelError
from seqgen.sections import Weights

SCALE = ".scale"  # what the tensor is called that holds a scale for each row of 8 bits
LEVELS = 127


def smaller(tensors: Mapping[str, Tensor], kind: Weights) -> dict[str, Tensor]:
    """`tensors` as a file is to hold them; vectors, which take no room, stay as they are.

    Numbers of 8 bits are counted in steps of a hundred and twenty-seventh of the largest of their
    row; those of 16 are rounded, or stay where one of them would be infinite.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if tensor.dim() < 2 or kind == "float32":
            found[name] = tensor
        elif kind == "float16":
            half = tensor.half()
            found[name] = half if half.isfinite().all() else tensor
        else:
            largest = tensor.flatten(1).abs().amax(1).float()
            scale = largest.clamp_min(torch.finfo(torch.float32).tiny) / LEVELS
            found[name] = (tensor / _of_rows(scale, tensor)).round().to(torch.int8)
            found[name + SCALE] = scale
    return found


def whole(tensors: Mapping[str, Tensor], where: Path) -> dict[str, Tensor]:
    """The weights that a file holds, whichever way; what is neither is a `ModelError`."""
    found = {}
    for name, tensor in tensors.items():
        if tensor.dtype == torch.int8:
            scale = tensors.get(name + SCALE)
            if scale is None or tensor.dim() < 2 or scale.shape != tensor.shape[:1]:
                raise ModelError(
                    f"{where}: {name} has 8 bits, but no scale for each of its rows; "
                    f"export the model again"
                )
            found[name] = tensor * _of_rows(scale.float(), tensor)
        elif not tensor.is_floating_point():
            kind = str(tensor.dtype).removeprefix("torch.")
            raise ModelError(
                f"{where}: {name} is of {kind}, as no weights are; copy the file again"
            )
        elif not (name.endswith(SCALE) and _has_8_bits(tensors, name.removesuffix(SCALE))):
            found[name] = tensor
    return found


def _has_8_bits(tensors: Mapping[str, Tensor], name: str) -> bool:
    return name in tensors and tensors[name].dtype == torch.int8


def _of_rows(scale: Tensor, tensor: Tensor) -> Tensor:
    """A number a row, shaped to multiply what stands in it."""
    return scale.view(-1, *[1] * (tensor.dim() - 1))
