"""Recurrent layers of every kind behind one state, and how weights start."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seqgen.kernels import GRU, LSTM

State = tuple[Tensor, ...]  # (hidden, memory cell) for LSTM, (hidden,) otherwise; each [L, N, H]

CELLS: dict[str, type[nn.LSTM] | type[nn.GRU] | type[nn.RNN]] = {
    "lstm": nn.LSTM,
    "gru": nn.GRU,
    "rnn": nn.RNN,
}

# Where torch has no fused layer that is fast on the way back: the CPU.
KERNELS: dict[type[nn.RNNBase], type[Function]] = {nn.LSTM: LSTM, nn.GRU: GRU}


def select(state: State, rows: Tensor) -> State:
    """The state of `rows` in that order: beams reorder, finished rows leave."""
    return tuple(part.index_select(1, rows) for part in state)


def parts(cell: str) -> int:
    """How many tensors make up the state of this cell."""
    return 2 if cell == "lstm" else 1


class Recurrent(nn.Module):
    """One recurrent layer, left to right, whose state is a tuple whatever the cell."""

    def __init__(self, cell: str, inputs: int, hidden: int):
        super().__init__()
        self.cell = CELLS[cell](inputs, hidden, batch_first=True)
        self.parts = parts(cell)

    def forward(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Outputs [B, T, H] and the state [1, B, H] after the last step."""
        if torch.is_grad_enabled() and not inputs.is_cuda and type(self.cell) in KERNELS:
            return self._trained(inputs, state)
        outputs, ended = self.cell(inputs, self._unwrapped(state))
        return outputs, ended if self.parts == 2 else (ended,)

    def _trained(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        """The same as the cell of torch, faster on the way back."""
        start = (
            tuple(part[0] for part in state)
            if state
            else ((inputs.new_zeros(len(inputs), self.cell.hidden_size),) * self.parts)
        )
        apply = KERNELS[type(self.cell)].apply
        found = apply(inputs, *start, *self.cell.all_weights[0])  # type: ignore[no-untyped-call]
        if self.parts == 2:
            outputs, cell = found
            return outputs, (outputs[None, :, -1], cell[None])
        return found, (found[None, :, -1],)

    def packed(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """Outputs [B, S, H], zero after each sentence's length; no step is spent on padding."""
        packed = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
        outputs, _ = self.cell(packed)
        return pad_packed_sequence(outputs, batch_first=True, total_length=inputs.shape[1])[0]

    def _unwrapped(self, state: State | None) -> State | Tensor | None:
        return state[0] if state is not None and self.parts == 1 else state


class Stack(nn.Module):
    """Layers over a whole source, in one direction or both."""

    def __init__(
        self,
        cell: str,
        inputs: int,
        width: int,
        layers: int,
        both: bool,
        dropout: float,
        residual: bool,
    ):
        super().__init__()
        each = width // 2 if both else width
        widths = [inputs] + [width] * (layers - 1)
        self.forwards = nn.ModuleList(Recurrent(cell, wide, each) for wide in widths)
        self.backwards = nn.ModuleList(Recurrent(cell, wide, each) for wide in widths if both)
        self.dropout = nn.Dropout(dropout)
        self.residual = residual
        # Packing costs a loop of small products on the CPU and saves work on a GPU. Padded and
        # packed runs give the same outputs, and a test says so.
        self.pack: bool | None = None

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """Outputs [B, S, D], zero after each sentence's length; `lengths` [B] is on the CPU."""
        steps = torch.arange(inputs.shape[1], device=inputs.device)
        ends = lengths.to(inputs.device, non_blocking=True)[:, None]
        real = steps < ends  # [B, S]
        mirror = torch.where(real, ends - 1 - steps, steps)  # [B, S], its own inverse
        hidden = inputs
        for layer, forwards in enumerate(self.forwards):
            fed = self.dropout(hidden) if layer else hidden
            outputs = self._run(forwards, fed, lengths)
            if self.backwards:
                mirrored = self._run(self.backwards[layer], _gather(fed, mirror), lengths)
                outputs = torch.cat([outputs, _gather(mirrored, mirror)], dim=-1)
            hidden = hidden + outputs if self.residual and layer else outputs
        return hidden * real[..., None]

    def last(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        """What each direction gave when it had read the whole sentence: [B, D]."""
        final = (lengths - 1).to(outputs.device, non_blocking=True)
        forwards = outputs[torch.arange(len(outputs), device=outputs.device), final]  # [B, D]
        if not self.backwards:
            return forwards
        half = outputs.shape[-1] // 2
        return torch.cat([forwards[:, :half], outputs[:, 0, half:]], dim=-1)

    def _run(self, layer: nn.Module, inputs: Tensor, lengths: Tensor) -> Tensor:
        assert isinstance(layer, Recurrent)
        pack = inputs.is_cuda if self.pack is None else self.pack
        return layer.packed(inputs, lengths) if pack else layer(inputs)[0]


def _gather(values: Tensor, order: Tensor) -> Tensor:
    """`values` [B, S, H] with the steps of each sentence in `order` [B, S]."""
    return values.gather(1, order[..., None].expand(-1, -1, values.shape[-1]))


def _he(weight: Tensor) -> None:
    """He et al. 2015 (arXiv 1502.01852), for rectifiers."""
    nn.init.kaiming_normal_(weight, nonlinearity="relu")


def _lecun(weight: Tensor) -> None:
    """LeCun et al. 1998, Efficient BackProp, section 4.6: variance 1 / inputs."""
    nn.init.normal_(weight, std=1 / math.sqrt(weight.shape[1]))


def _gaussian(weight: Tensor) -> None:
    nn.init.normal_(weight, std=0.01)


def _uniform(weight: Tensor) -> None:
    nn.init.uniform_(weight, -0.08, 0.08)


INITIALIZATIONS: dict[str, Callable[[Tensor], object]] = {
    "xavier": nn.init.xavier_uniform_,
    "he": _he,
    "lecun": _lecun,
    "orthogonal": nn.init.orthogonal_,
    "gaussian": _gaussian,
    "uniform": _uniform,
}


def initialize(layer: Recurrent, inputs: str, recurrent: str, forget_bias: float) -> None:
    """Fill a layer gate by gate; an LSTM's forget gate starts at `forget_bias`.

    Gers et al. 2000 and Jozefowicz et al. 2015 on the bias.
    """
    hidden = layer.cell.hidden_size
    for name, weight in layer.cell.named_parameters():
        if name.startswith("bias"):
            nn.init.zeros_(weight)
            if layer.parts == 2 and name.startswith("bias_ih"):
                nn.init.constant_(weight[hidden : 2 * hidden], forget_bias)
            continue
        fill = INITIALIZATIONS[recurrent if name.startswith("weight_hh") else inputs]
        for gate in torch.split(weight, hidden):
            fill(gate)
