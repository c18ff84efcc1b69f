"""Recurrent layers of every kind behind one state."""

import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from seqgen.blended import Blended, Ids
from seqgen.cells import PLAIN, Chance, Inside, Unrolled
from seqgen.dropout import Dropout
from seqgen.kernels import GRU, LSTM

# (hidden, memory cell) for LSTM, (hidden,) otherwise; each [L, N, H]. A decoder that is fed its
# readouts adds the last ones, [1, N, R].
State = tuple[Tensor, ...]

CELLS: dict[str, Callable[..., nn.LSTM | nn.GRU | nn.RNN]] = {
    "lstm": nn.LSTM,
    "gru": nn.GRU,
    "rnn": nn.RNN,
    "rnn_relu": partial(nn.RNN, nonlinearity="relu"),
}

# What the cells of torch call, which takes weights as well.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "LSTM": torch.lstm,
    "GRU": torch.gru,
    "RNN_TANH": torch.rnn_tanh,
    "RNN_RELU": torch.rnn_relu,
}

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": functional.leaky_relu,
    "elu": functional.elu,
    "silu": functional.silu,
}

ROUND = 16  # rows of a batch in bf16

# Where torch has no fused layer that is fast on the way back: the CPU, but for what oneDNN has.
KERNELS: dict[type[nn.RNNBase], type[Function]] = {nn.LSTM: LSTM, nn.GRU: GRU}


class Lookup(NamedTuple):
    """Inputs of which many are equal: each different one once, and which of them stands where."""

    rows: Tensor  # [U, I]
    places: Tensor  # [B, T]

    def whole(self) -> Tensor:
        """The inputs side by side: [B, T, I]."""
        return functional.embedding(self.places, self.rows)


Inputs = Tensor | Lookup  # [B, T, I]


def embedded(table: nn.Embedding, dropout: Dropout, ids: Ids) -> Inputs:
    """The embeddings of ids [B, T] after dropout, as is fastest for what reads them."""
    if isinstance(ids, Blended):
        read: Tensor = dropout(ids.over(table(ids.ids)))
        return read
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


def trains_here(inputs: Inputs) -> bool:
    """Whether a gradient is wanted on the CPU, where the kernels are."""
    return torch.is_grad_enabled() and not standing(inputs).is_cuda


def moved(inputs: Inputs, steps: Tensor) -> Inputs:
    """The inputs with `steps` in the place of what stood there."""
    return Lookup(inputs.rows, steps) if isinstance(inputs, Lookup) else steps


def select(state: State, rows: Tensor) -> State:
    """The state of `rows` in that order: beams reorder, finished rows leave."""
    return tuple(part.index_select(-2, rows) for part in state)


def parts(cell: str) -> int:
    """How many tensors make up the state of this cell."""
    return 2 if cell == "lstm" else 1


class Recurrent(nn.Module):
    """One recurrent layer, left to right, whose state is a tuple whatever the cell."""

    def __init__(self, cell: str, inputs: int, hidden: int, inside: Inside = PLAIN):
        super().__init__()
        self.cell = CELLS[cell](inputs, hidden, batch_first=True)
        self.parts = parts(cell)
        self.unrolled = Unrolled(self.cell.mode, hidden, inside) if inside.stepwise else None
        self.weight_dropout = Dropout(inside.weight_dropout)
        self.state_dropout = Dropout(inside.recurrent_dropout)

    def forward(
        self, inputs: Inputs, state: State | None = None, chance: Chance | None = None
    ) -> tuple[Tensor, State]:
        """Outputs [B, T, H] and the state [1, B, H] after the last step.

        `chance` is what was drawn for all calls of a pass, where there are several.
        """
        chance = chance or self.draw(len(standing(inputs)))
        if self.unrolled is not None:
            start = self._start(len(standing(inputs))) if state is None else state
            found: tuple[Tensor, State] = self.unrolled(
                whole(inputs), start, self.weights(chance), chance.kept
            )
            return found
        if standing(inputs).shape[1] > 1 and self.has_kernel(inputs):
            return self._trained(inputs, state, chance)
        fed = whole(inputs)
        unmixed = self._unmixed(fed)
        if unmixed:
            fed, state = self._of_weights(fed), state and tuple(map(self._of_weights, state))
        count, added = len(fed), added_rows(fed)
        if added:
            fed = functional.pad(fed, (0, 0, 0, 0, 0, added))
            state = state and tuple(functional.pad(part, (0, 0, 0, added)) for part in state)
        with _without_autocast(fed) if unmixed else nullcontext():
            if chance.weight is not None:
                outputs, ended = self._called((fed,), state, chance, True)
            else:
                outputs, ended = self.cell(fed, self._unwrapped(state))
                ended = ended if self.parts == 2 else (ended,)
        if added:
            outputs, ended = outputs[:count], tuple(part[:, :count] for part in ended)
        return outputs, ended

    def draw(self, rows: int) -> Chance:
        """What chance decides of one pass over `rows` sequences.

        Weights are dropped after Merity et al. (2018), section 3: the same ones at every step.
        """
        weights, states = self.weight_dropout, self.state_dropout
        matrix = self.cell.all_weights[0][1]
        kept = states(matrix.new_ones(rows, matrix.shape[1])) if states.active else None
        return Chance(weights(matrix) if weights.active else None, kept)

    def weights(self, chance: Chance) -> list[Tensor]:
        """The two matrices and the two biases, as they are for one pass."""
        weight_ih, weight_hh, *biases = self.cell.all_weights[0]
        return [weight_ih, weight_hh if chance.weight is None else chance.weight, *biases]

    def _called(
        self, given: tuple[Tensor, ...], state: State | None, chance: Chance, *batch_first: bool
    ) -> tuple[Tensor, State]:
        """What the cell of torch gives, of inputs or of what is packed, with a pass's weights."""
        rows = int(given[1][0]) if len(given) > 1 else len(given[0])
        start = self._unwrapped(self._start(rows) if state is None else state)
        alike = (True, 1, 0.0, self.training, False, *batch_first)  # biases, layers, dropout, ...
        with warnings.catch_warnings():
            # cuDNN wants all weights in one piece of memory, which those of a pass are not.
            warnings.filterwarnings("ignore", "RNN module weights are not part of single")
            outputs, *ended = FUNCTIONS[self.cell.mode](*given, start, self.weights(chance), *alike)
        return outputs, tuple(ended)

    def _start(self, rows: int) -> State:
        weight = self.cell.all_weights[0][1]
        return (weight.new_zeros(1, rows, self.cell.hidden_size),) * self.parts

    def has_kernel(self, inputs: Inputs) -> bool:
        """Whether a gradient is wanted where the cell of torch is slow on the way back."""
        known = type(self.cell) in KERNELS and self.unrolled is None
        return trains_here(inputs) and known and not self.has_onednn()

    def has_onednn(self) -> bool:
        """Whether oneDNN has this cell in this precision; it runs it on the CPU."""
        single = self.cell.weight_hh_l0.dtype == torch.float32
        found: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        return found and single and self.parts == 2

    def _trained(self, inputs: Inputs, state: State | None, chance: Chance) -> tuple[Tensor, State]:
        """The same as the cell of torch, faster on the way back."""
        given = standing(inputs)
        batch, steps = given.shape[:2]
        packed = given.transpose(0, 1).reshape(1, batch * steps, *given.shape[2:])
        fed = moved(inputs, packed)
        outputs, cells = run_together([self], fed, [batch] * steps, state, [chance])
        unpacked = outputs.view(steps, batch, -1)
        return unpacked.transpose(0, 1), (unpacked[-1:], *cells)

    def packed(self, inputs: Tensor, lengths: Tensor, chance: Chance | None = None) -> Tensor:
        """Outputs [B, S, H], zero after each sentence's length; no step is spent on padding."""
        chance = chance or self.draw(len(inputs))
        assert self.unrolled is None, "torch packs for fused layers"
        unmixed = self._unmixed(inputs)
        fed = self._of_weights(inputs) if unmixed else inputs
        # Sorted here: torch would wait for the device to learn what goes back to where.
        order = lengths.argsort(descending=True, stable=True)
        there, back = (rows.to(fed.device, non_blocking=True) for rows in (order, order.argsort()))
        packed = pack_padded_sequence(fed.index_select(0, there), lengths[order], batch_first=True)
        with _without_autocast(fed) if unmixed else nullcontext():
            if chance.weight is None:
                outputs, _ = self.cell(packed)
            else:
                data, _ = self._called((packed.data, packed.batch_sizes), None, chance)
                outputs = PackedSequence(data, *packed[1:])
        padded, _ = pad_packed_sequence(outputs, batch_first=True, total_length=inputs.shape[1])
        return padded.index_select(0, back)

    def _unmixed(self, inputs: Tensor) -> bool:
        """Whether the layer runs in the precision of its weights, whatever autocast asks for.

        cuDNN would compute in fp16 under autocast to bf16: gradients of a mean over many tokens are
        too small for that, and its fp32 is TF32. oneDNN has no LSTM of bf16 on older processors.
        """
        if inputs.is_cuda or not torch.is_autocast_enabled("cpu"):
            return inputs.is_cuda
        return self.has_onednn() and not torch.ops.mkldnn._is_mkldnn_bf16_supported()

    def _of_weights(self, values: Tensor) -> Tensor:
        """Values in the precision of the weights."""
        return values.to(next(self.cell.parameters()).dtype)

    def _unwrapped(self, state: State | None) -> State | Tensor | None:
        return state[0] if state is not None and self.parts == 1 else state


def added_rows(inputs: Tensor) -> int:
    """How many rows of 0 go below inputs [B, T, I] so that batches have few numbers of rows.

    In bf16, oneDNN's products are so fast that making a program for each shape takes longer.
    """
    rounds = not inputs.is_cuda and torch.is_autocast_enabled("cpu") and inputs.shape[1] > 1
    return -len(inputs) % ROUND if rounds else 0


def _without_autocast(inputs: Tensor) -> AbstractContextManager[object]:
    return torch.autocast(inputs.device.type, enabled=False)


def run_together(
    layers: Sequence[Recurrent],
    inputs: Inputs,
    sizes: list[int],
    state: State | None = None,
    chances: Sequence[Chance] = (),
) -> tuple[Tensor, State]:
    """Outputs [R, N, H] of R layers over inputs [R, N, I], and the LSTM's last cells [R, B, H].

    Sequences are packed as the kernels say. `state` [R, B, H]; zeros where it is None.
    """
    cells = [layer.cell for layer in layers]
    drawn = chances or [layer.draw(sizes[0]) for layer in layers]
    shape = (len(layers), sizes[0], cells[0].hidden_size)
    rows, places = inputs if isinstance(inputs, Lookup) else (inputs, None)
    start = state or (rows.new_zeros(shape),) * layers[0].parts
    each_layer = (layer.weights(chance) for layer, chance in zip(layers, drawn, strict=True))
    weights = [torch.stack(each) for each in zip(*each_layer, strict=True)]
    apply = KERNELS[type(cells[0])].apply
    found = apply(sizes, places, rows, *start, *weights)  # type: ignore[no-untyped-call]
    return (found[0], (found[1],)) if layers[0].parts == 2 else (found, ())
