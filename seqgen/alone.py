"""An encoder's layers over one source at a time, in as few calls as it takes.

What is alone has no padding and belongs to no group. oneDNN arranges the weights of an LSTM anew
for each call, which for one source takes several times as long as the layer itself: they are
arranged once.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from seqgen.recurrent import Inputs, Recurrent, whole
from seqgen.stack import Stack

LSTM = 2  # oneDNN's number of this cell
Read = Callable[[Tensor], Tensor]  # [1, S, I] to [1, S, H]


class Alone:
    """Runs the layers of a stack over a source that is alone, while their weights stay."""

    def __init__(self, stack: Stack):
        self.read: dict[Recurrent, Read] = {}
        for reverse, direction in ((False, stack.forwards), (True, stack.backwards)):
            for layer in direction:
                assert isinstance(layer, Recurrent)
                kind = Arranged if arranges(layer) else Plain
                self.read[layer] = kind(layer, reverse)

    def fits(self, source: Tensor, lengths: Tensor) -> bool:
        """Whether `source` [B, S] is one that it can read."""
        whole = source.shape[0] == 1 and int(lengths) == source.shape[1]
        return whole and not source.is_cuda and not torch.is_autocast_enabled("cpu")

    def __call__(self, layers: Sequence[Recurrent], inputs: Inputs) -> Tensor:
        """Outputs [1, S, R * H] of R layers, the second of which reads from the end."""
        fed = whole(inputs)
        return torch.cat([self.read[layer](fed) for layer in layers], dim=2)


def arranges(layer: Recurrent) -> bool:
    """Whether oneDNN runs this layer and can arrange its weights before."""
    there = hasattr(torch.ops.mkldnn, "_reorder_mkldnn_rnn_layer_weight")
    on_cpu = not layer.cell.weight_hh_l0.is_cuda
    return there and on_cpu and layer.unrolled is None and layer.has_onednn()


class Plain:
    """A layer, in the direction given."""

    def __init__(self, layer: Recurrent, reverse: bool):
        self.layer, self.reverse = layer, reverse

    def __call__(self, inputs: Tensor) -> Tensor:
        """[1, S, I] to [1, S, H]."""
        outputs: Tensor = self.layer(self._turned(inputs))[0]
        return self._turned(outputs)

    def _turned(self, values: Tensor) -> Tensor:
        return values.flip(1) if self.reverse else values


class Arranged:
    """An LSTM layer, in the direction given, whose weights oneDNN keeps as it wants them."""

    def __init__(self, layer: Recurrent, reverse: bool):
        weights = (weight.detach() for weight in layer.cell.all_weights[0])
        weight_ih, weight_hh, self.bias_ih, self.bias_hh = weights
        width = layer.cell.hidden_size
        arrange: Any = torch.ops.mkldnn._reorder_mkldnn_rnn_layer_weight
        self.weights = arrange(weight_ih, weight_hh, width, reverse, True, True, None)
        self.start = weight_hh.new_zeros(1, width)
        self.settings: tuple[Any, ...] = (reverse, [], LSTM, width, 1, True, False, True, False)

    def __call__(self, inputs: Tensor) -> Tensor:
        """[1, S, I] to [1, S, H]."""
        steps = inputs.transpose(0, 1)  # contiguous, as there is one row
        given = (steps, *self.weights, self.bias_ih, self.bias_hh, self.start, self.start)
        outputs: Tensor = torch.ops.aten.mkldnn_rnn_layer(*given, *self.settings)[0]
        return outputs.transpose(0, 1)
