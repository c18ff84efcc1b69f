"""Recurrent layers of every kind behind one state, and how weights start."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seqgen.dropout import Dropout
from seqgen.kernels import GRU, LSTM

State = tuple[Tensor, ...]  # (hidden, memory cell) for LSTM, (hidden,) otherwise; each [L, N, H]

CELLS: dict[str, type[nn.LSTM] | type[nn.GRU] | type[nn.RNN]] = {
    "lstm": nn.LSTM,
    "gru": nn.GRU,
    "rnn": nn.RNN,
}

# Where torch has no fused layer that is fast on the way back: the CPU.
KERNELS: dict[type[nn.RNNBase], type[Function]] = {nn.LSTM: LSTM, nn.GRU: GRU}


class Lookup(NamedTuple):
    """Inputs of which many are equal: each different one once, and which of them stands where."""

    rows: Tensor  # [U, I]
    places: Tensor  # [B, T]

    def whole(self) -> Tensor:
        """The inputs side by side: [B, T, I]."""
        return functional.embedding(self.places, self.rows)


Inputs = Tensor | Lookup  # [B, T, I]


def embedded(table: nn.Embedding, dropout: Dropout, ids: Tensor) -> Inputs:
    """The embeddings of ids [B, T] after dropout, as is fastest for what reads them."""
    if ids.is_cuda or not torch.is_grad_enabled() or dropout.active:
        found: Tensor = dropout(table(ids))
        return found
    different, places = torch.unique(ids, return_inverse=True)
    return Lookup(table(different), places)


def whole(inputs: Inputs) -> Tensor:
    """The inputs side by side: [B, T, I]."""
    return inputs.whole() if isinstance(inputs, Lookup) else inputs


def standing(inputs: Inputs) -> Tensor:
    """What stands at each step, [B, T, ...]: the inputs, or where to look them up."""
    return inputs.places if isinstance(inputs, Lookup) else inputs


def moved(inputs: Inputs, steps: Tensor) -> Inputs:
    """The inputs with `steps` in the place of what stood there."""
    return Lookup(inputs.rows, steps) if isinstance(inputs, Lookup) else steps


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

    def forward(self, inputs: Inputs, state: State | None = None) -> tuple[Tensor, State]:
        """Outputs [B, T, H] and the state [1, B, H] after the last step."""
        if self.has_kernel(inputs):
            return self._trained(inputs, state)
        outputs, ended = self.cell(whole(inputs), self._unwrapped(state))
        return outputs, ended if self.parts == 2 else (ended,)

    def has_kernel(self, inputs: Inputs) -> bool:
        """Whether a gradient is wanted where the cell of torch is slow on the way back."""
        mixed = torch.is_autocast_enabled("cpu")  # the kernels compute in one precision
        wanted = torch.is_grad_enabled() and not standing(inputs).is_cuda and not mixed
        return wanted and type(self.cell) in KERNELS

    def _trained(self, inputs: Inputs, state: State | None) -> tuple[Tensor, State]:
        """The same as the cell of torch, faster on the way back."""
        given = standing(inputs)
        batch, steps = given.shape[:2]
        packed = given.transpose(0, 1).reshape(1, batch * steps, *given.shape[2:])
        fed = moved(inputs, packed)
        outputs, cells = run_together([self], fed, [batch] * steps, state)
        unpacked = outputs.view(steps, batch, -1)
        return unpacked.transpose(0, 1), (unpacked[-1:], *cells)

    def packed(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """Outputs [B, S, H], zero after each sentence's length; no step is spent on padding."""
        packed = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
        outputs, _ = self.cell(packed)
        return pad_packed_sequence(outputs, batch_first=True, total_length=inputs.shape[1])[0]

    def _unwrapped(self, state: State | None) -> State | Tensor | None:
        return state[0] if state is not None and self.parts == 1 else state


def run_together(
    layers: Sequence[Recurrent], inputs: Inputs, sizes: list[int], state: State | None = None
) -> tuple[Tensor, State]:
    """Outputs [R, N, H] of R layers over inputs [R, N, I], and the LSTM's last cells [R, B, H].

    Sequences are packed as the kernels say. `state` [R, B, H]; zeros where it is None.
    """
    cells = [layer.cell for layer in layers]
    shape = (len(layers), sizes[0], cells[0].hidden_size)
    rows, places = inputs if isinstance(inputs, Lookup) else (inputs, None)
    start = state or (rows.new_zeros(shape),) * layers[0].parts
    weights = [
        torch.stack(each) for each in zip(*(cell.all_weights[0] for cell in cells), strict=True)
    ]
    apply = KERNELS[type(cells[0])].apply
    found = apply(sizes, places, rows, *start, *weights)  # type: ignore[no-untyped-call]
    return (found[0], (found[1],)) if layers[0].parts == 2 else (found, ())


class Packed:
    """Layers over padded sources, for a kernel that takes them packed."""

    def __init__(self, lengths: Tensor, longest: int):
        order = lengths.argsort(descending=True, stable=True)
        self.batch, ends = len(lengths), lengths[order]
        steps = torch.arange(longest)[:, None]
        real = steps < ends  # [S, B], the longest first
        starts = order * longest
        self.sizes: list[int] = real.sum(1).tolist()
        # Where the steps are in [B * S]: those of the first direction, and of the second.
        self.places = torch.stack([(starts + steps)[real], (starts + ends - 1 - steps)[real]])

    def __call__(self, layers: Sequence[Recurrent], fed: Inputs) -> Tensor:
        """Outputs [B, S, R * H] of R layers, zero after each sentence's length."""
        places = self.places[: len(layers)]  # [R, N]
        given = standing(fed).flatten(0, 1)  # [B * S, ...]
        packed = given.index_select(0, places.flatten()).view(*places.shape, *given.shape[1:])
        outputs, _ = run_together(layers, moved(fed, packed), self.sizes)
        empty = outputs.new_zeros(len(given), outputs.shape[-1])
        each = (
            empty.index_copy(0, where, found) for where, found in zip(places, outputs, strict=True)
        )
        return torch.cat(list(each), dim=-1).view(self.batch, len(self.sizes), -1)


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
        self.dropout = Dropout(dropout)
        self.residual = residual
        # None: the kernels' packing in training on the CPU, torch's on a GPU, padded otherwise.
        # True and False force torch's packing or padding. All give the same outputs, a test says.
        self.pack: bool | None = None

    def forward(self, inputs: Inputs, lengths: Tensor) -> Tensor:
        """Outputs [B, S, D], zero after each sentence's length; `lengths` [B] is on the CPU."""
        run = self._runner(inputs, lengths)
        hidden = run(self._layers(0), inputs)
        for number in range(1, len(self.forwards)):
            outputs = run(self._layers(number), self.dropout(hidden))
            hidden = hidden + outputs if self.residual else outputs
        return hidden

    def last(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        """What each direction gave when it had read the whole sentence: [B, D]."""
        final = (lengths - 1).to(outputs.device, non_blocking=True)
        forwards = outputs[torch.arange(len(outputs), device=outputs.device), final]  # [B, D]
        if not self.backwards:
            return forwards
        half = outputs.shape[-1] // 2
        return torch.cat([forwards[:, :half], outputs[:, 0, half:]], dim=-1)

    def _layers(self, number: int) -> list[Recurrent]:
        """One layer's directions."""
        both = (self.forwards[number], *self.backwards[number : number + 1])
        return [layer for layer in both if isinstance(layer, Recurrent)]

    def _runner(
        self, inputs: Inputs, lengths: Tensor
    ) -> Callable[[Sequence[Recurrent], Inputs], Tensor]:
        """What runs layers over this batch."""
        given = standing(inputs)
        if self.pack is None and self._layers(0)[0].has_kernel(inputs):
            return Packed(lengths, given.shape[1])
        return Mirrored(lengths, given, given.is_cuda if self.pack is None else self.pack)


class Mirrored:
    """Layers over padded sources, the second of which gets each sentence in reverse."""

    def __init__(self, lengths: Tensor, given: Tensor, pack: bool):
        self.lengths, self.pack = lengths, pack
        steps = torch.arange(given.shape[1], device=given.device)
        ends = lengths.to(given.device, non_blocking=True)[:, None]
        self.real = steps < ends  # [B, S]
        self.mirror = torch.where(self.real, ends - 1 - steps, steps)  # [B, S], its own inverse

    def __call__(self, layers: Sequence[Recurrent], inputs: Inputs) -> Tensor:
        """Outputs [B, S, R * H] of R layers, zero after each sentence's length."""
        fed = whole(inputs)
        outputs = [self._run(layers[0], fed)]
        for layer in layers[1:]:
            outputs.append(self._reversed(self._run(layer, self._reversed(fed))))
        return torch.cat(outputs, dim=-1) * self.real[..., None]

    def _run(self, layer: Recurrent, fed: Tensor) -> Tensor:
        return layer.packed(fed, self.lengths) if self.pack else layer(fed)[0]

    def _reversed(self, values: Tensor) -> Tensor:
        """`values` [B, S, H] with the steps of each sentence from its end to its start."""
        return values.gather(1, self.mirror[..., None].expand(-1, -1, values.shape[-1]))


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
