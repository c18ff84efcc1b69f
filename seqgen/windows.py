"""A layer over a long source in windows: no gradient goes from one into another."""

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from seqgen.recurrent import Recurrent, State


def in_windows(layer: Recurrent, inputs: Tensor, window: int) -> Tensor:
    """Outputs [B, S, H] of a layer over inputs [B, S, I], in windows of so many steps.

    The state goes from one window to the next, its gradient does not go back: Williams and Peng
    (1990), with windows side by side. Inputs, outputs and the states between are all that is kept;
    a window's inside is computed again on the way back: Chen et al. (2016, arXiv 1604.06174).
    """
    outputs: list[Tensor] = []
    state: State | None = None
    for part in torch.split(inputs, window, dim=1):
        found, ended = checkpoint(layer, part, state, use_reentrant=False)
        # A state that is a view of the outputs would keep them twice.
        state = tuple(each.detach().clone() for each in ended)
        outputs.append(found)
    return torch.cat(outputs, dim=1)
