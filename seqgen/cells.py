"""Cells one step after the other, for what no fused layer does: state dropout, zoneout, gains.

With all of it off they are the cells of torch, as tests say.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqgen.modelsection import ModelConfig

State = tuple[Tensor, ...]


class Inside(NamedTuple):
    """What goes on inside a recurrent layer beside its cell; by default, nothing."""

    recurrent_dropout: float = 0.0
    weight_dropout: float = 0.0
    zoneout: float = 0.0
    layer_norm: bool = False

    @property
    def stepwise(self) -> bool:
        """Whether this is more than a fused layer does."""
        return bool(self.recurrent_dropout or self.zoneout or self.layer_norm)


PLAIN = Inside()


def inside(config: ModelConfig) -> Inside:
    """What the settings put inside every recurrent layer."""
    normalized = config.layer_norm in ("inside", "both")
    return Inside(config.recurrent_dropout, config.weight_dropout, config.zoneout, normalized)


class Chance(NamedTuple):
    """What is drawn once for a pass of a layer over a batch; None where nothing is."""

    weight: Tensor | None = None  # [G, H] state to gates, without the entries that were dropped
    kept: Tensor | None = None  # [B, H] what the gates read of each sequence's state

    def select(self, rows: Tensor) -> "Chance":
        """The same for these sequences."""
        return self if self.kept is None else self._replace(kept=self.kept.index_select(0, rows))


class GateNorm(nn.Module):
    """A product before the gates, normalised; the cell's own biases are the shifts.

    Ba, Kiros and Hinton (2016), supplementary material: inputs and state each by themselves, all
    gates of an LSTM together, a GRU's candidate apart from its gates.
    """

    def __init__(self, mode: str, hidden: int):
        super().__init__()
        self.widths = {"LSTM": [4 * hidden], "GRU": [2 * hidden, hidden]}.get(mode, [hidden])
        self.gain = nn.Parameter(torch.ones(sum(self.widths)))

    def forward(self, products: Tensor) -> Tensor:
        """`products` [..., G] with mean 0 and variance 1 in each part, times the gain."""
        parts = torch.split(products, self.widths, dim=-1)
        normal = [functional.layer_norm(part, part.shape[-1:]) for part in parts]
        return torch.cat(normal, dim=-1) * self.gain


class Unrolled(nn.Module):
    """A layer as a loop over its steps, with weights that belong to the layer.

    Zoneout: Krueger et al. (2017), equations 5 and 6, with one share for hidden state and cell.
    """

    def __init__(self, mode: str, hidden: int, settings: Inside):
        super().__init__()
        normal = settings.layer_norm
        self.of_inputs = GateNorm(mode, hidden) if normal else nn.Identity()
        self.of_state = GateNorm(mode, hidden) if normal else nn.Identity()
        self.of_cell = nn.LayerNorm(hidden) if normal and mode == "LSTM" else nn.Identity()
        self.zoneout = settings.zoneout
        self.cell = STEPS[mode]

    def forward(
        self, inputs: Tensor, state: State, weights: Sequence[Tensor], kept: Tensor | None
    ) -> tuple[Tensor, State]:
        """Outputs [B, T, H] and the state [1, B, H] after the last step.

        `kept` [B, H] is what the gates read of the state, at every step the same: Gal and
        Ghahramani (2016), section 4.
        """
        weight_ih, weight_hh, *biases = weights
        with _exact(inputs):
            given = functional.linear(inputs.to(weight_ih.dtype), weight_ih)
            now = tuple(part[0].to(weight_ih.dtype) for part in state)
            outputs = []
            for products in given.unbind(1):
                entering = now[0] if kept is None else now[0] * kept
                now = self.step(products, functional.linear(entering, weight_hh), now, biases)
                outputs.append(now[0])
        return torch.stack(outputs, dim=1), tuple(part[None] for part in now)

    def step(self, given: Tensor, across: Tensor, state: State, biases: Sequence[Tensor]) -> State:
        """The state [N, H] after one step: `given` of the inputs, `across` of the state, [N, G]."""
        given = self.of_inputs(given) + biases[0]
        across = self.of_state(across) + biases[1]
        after = self.cell(given, across, state, self.of_cell)
        return tuple(map(self._zoned, state, after)) if self.zoneout else after

    def _zoned(self, before: Tensor, after: Tensor) -> Tensor:
        """`after`, a share of it as it was `before`; outside training, what that is on average."""
        if self.training:
            return torch.where(torch.rand_like(after) < self.zoneout, before, after)
        return after + self.zoneout * (before - after)


def _exact(inputs: Tensor) -> AbstractContextManager[object]:
    """Where autocast rounds nothing: what is carried over many steps is not to lose bits."""
    return torch.autocast(inputs.device.type, enabled=False)


# The state [N, H] after a step. The last argument normalises what an LSTM's cell gives.
Cell = Callable[[Tensor, Tensor, State, nn.Module], State]


def _lstm(given: Tensor, across: Tensor, state: State, of_cell: nn.Module) -> State:
    """Hochreiter and Schmidhuber (1997) with the forget gate of Gers et al. (2000)."""
    entering, forget, new, leaving = (given + across).chunk(4, dim=-1)
    cell = forget.sigmoid() * state[1] + entering.sigmoid() * new.tanh()
    return leaving.sigmoid() * of_cell(cell).tanh(), cell


def _gru(given: Tensor, across: Tensor, state: State, _: nn.Module) -> State:
    """Cho et al. (2014), with the reset gate after the recurrent product."""
    width = state[0].shape[-1]
    gates, new = torch.split(given, [2 * width, width], dim=-1)
    of_gates, of_new = torch.split(across, [2 * width, width], dim=-1)
    reset, update = (gates + of_gates).sigmoid().chunk(2, dim=-1)
    new = (new + reset * of_new).tanh()
    return (new + update * (state[0] - new),)


def _tanh(given: Tensor, across: Tensor, _: State, __: nn.Module) -> State:
    return ((given + across).tanh(),)


def _relu(given: Tensor, across: Tensor, _: State, __: nn.Module) -> State:
    return ((given + across).relu(),)


STEPS: dict[str, Cell] = {"LSTM": _lstm, "GRU": _gru, "RNN_TANH": _tanh, "RNN_RELU": _relu}
