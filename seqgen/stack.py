"""The encoder's layers over whole sources, in one direction or both, and ways to run them."""

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqgen.cells import PLAIN, Chance, Inside
from seqgen.dropout import Dropout
from seqgen.normalization import AS_IT_IS, Between, Normalization
from seqgen.recurrent import Inputs, Recurrent, moved, run_together, standing, whole
from seqgen.windows import in_windows

# Outputs [B, S, R * H] of R layers over inputs, zero after each sentence's length.
Runner = Callable[[Sequence[Recurrent], Inputs], Tensor]

STEP = 8  # sentences that take as long as a step of a layer does by itself


class Stack(nn.Module):
    """Layers over a whole source, in one direction or both."""

    def __init__(
        self,
        cell: str,
        inputs: int,
        width: int,
        layers: int,
        both: bool,
        between: Between = AS_IT_IS,
        inside: Inside = PLAIN,
    ):
        super().__init__()
        each = width // 2 if both else width
        widths = [inputs] + [width] * (layers - 1)
        self.forwards = nn.ModuleList(Recurrent(cell, wide, each, inside) for wide in widths)
        self.backwards = nn.ModuleList(
            Recurrent(cell, wide, each, inside) for wide in widths if both
        )
        self.norms = nn.ModuleList(Normalization(width, between) for _ in widths[1:])
        self.dropout = Dropout(between.dropout)
        self.residual = between.residual
        # None: torch's packing on a GPU; on the CPU the kernels' where there are some, and groups
        # of nearly one length where there are not. True and False force torch's packing or
        # padding. All give the same outputs, a test says.
        self.pack: bool | None = None
        self.window = 0  # steps that a gradient stays within in training; 0: all

    def forward(self, inputs: Inputs, lengths: Tensor, run: Runner | None = None) -> Tensor:
        """Outputs [B, S, D], zero after each sentence's length; `lengths` [B] is on the CPU."""
        run = run or self._runner(inputs, lengths)
        hidden = run(self._layers(0), inputs)
        real = _real(lengths, hidden) if self.norms else None
        for number, norm in enumerate(self.norms, start=1):
            outputs = run(self._layers(number), self.dropout(norm(hidden, real)))
            hidden = hidden + outputs if self.residual else outputs
        return hidden

    def last(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        """What each direction gave when it had read the whole sentence: [B, D]."""
        if len(outputs) == 1:
            forwards = outputs[:, int(lengths) - 1]
        else:
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

    def _runner(self, inputs: Inputs, lengths: Tensor) -> Runner:
        """What runs layers over this batch."""
        given = standing(inputs)
        if self.window and self.training and torch.is_grad_enabled():
            padding = Mirrored if given.is_cuda else Divided  # packed steps are no windows
            return padding(lengths, given, window=self.window)
        if self.pack is None and self._layers(0)[0].has_kernel(inputs):
            return Packed(lengths, given.shape[1])
        if self.pack is None and not given.is_cuda:
            return Divided(lengths, given)
        fused = self._layers(0)[0].unrolled is None
        return Mirrored(lengths, given, pack=self.pack is not False and fused)


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


class Divided:
    """Layers over padded sources in groups of nearly one length: little is spent on padding."""

    def __init__(self, lengths: Tensor, given: Tensor, window: int = 0):
        order = lengths.argsort(descending=True, stable=True)
        self.steps = given.shape[1]
        self.groups = [
            (rows, Mirrored(lengths[rows], given[rows, : int(lengths[rows[0]])], window=window))
            for rows in torch.split(order, divided(lengths[order].tolist()))
        ]
        self.back = order.argsort()

    def __call__(self, layers: Sequence[Recurrent], inputs: Inputs) -> Tensor:
        """Outputs [B, S, R * H] of R layers, zero after each sentence's length."""
        fed, outputs = whole(inputs), []
        chances = [layer.draw(len(fed)) for layer in layers]
        for rows, group in self.groups:
            share = [chance.select(rows) for chance in chances]
            found = group(layers, fed[:, : group.real.shape[1]].index_select(0, rows), share)
            outputs.append(functional.pad(found, (0, 0, 0, self.steps - found.shape[1])))
        return torch.cat(outputs).index_select(0, self.back)


def divided(lengths: Sequence[int]) -> list[int]:
    """How many of the longest, the next, ... go together: `lengths` are sorted, longest first."""
    best = [len(lengths)]
    least = lengths[0] * (len(lengths) + STEP)
    for parts in range(2, min(4, len(lengths)) + 1):
        sizes = [len(lengths) * (part + 1) // parts - len(lengths) * part // parts
                 for part in range(parts)]  # fmt: skip
        starts = itertools.accumulate(sizes[:-1], initial=0)
        cost = sum(lengths[start] * (size + STEP)
                   for start, size in zip(starts, sizes, strict=True))  # fmt: skip
        if cost < least:
            best, least = sizes, cost
    return best


class Mirrored:
    """Layers over padded sources, the second of which gets each sentence in reverse."""

    def __init__(self, lengths: Tensor, given: Tensor, pack: bool = False, window: int = 0):
        self.lengths, self.pack, self.window = lengths, pack, window
        steps = torch.arange(given.shape[1], device=given.device)
        ends = lengths.to(given.device, non_blocking=True)[:, None]
        self.real = _real(lengths, given)
        self.mirror = torch.where(self.real, ends - 1 - steps, steps)  # [B, S], its own inverse

    def __call__(
        self, layers: Sequence[Recurrent], inputs: Inputs, chances: Sequence[Chance] = ()
    ) -> Tensor:
        """Outputs [B, S, R * H] of R layers, zero after each sentence's length."""
        fed = whole(inputs)
        first, *others = chances or [layer.draw(len(fed)) for layer in layers]
        outputs = [self._run(layers[0], fed, first)]
        for layer, chance in zip(layers[1:], others, strict=True):
            outputs.append(self._reversed(self._run(layer, self._reversed(fed), chance)))
        return torch.cat(outputs, dim=-1) * self.real[..., None]

    def _run(self, layer: Recurrent, fed: Tensor, chance: Chance) -> Tensor:
        if self.window:
            return in_windows(layer, fed, self.window, chance)
        if self.pack:
            return layer.packed(fed, self.lengths, chance)
        outputs: Tensor = layer(fed, None, chance)[0]
        return outputs

    def _reversed(self, values: Tensor) -> Tensor:
        """`values` [B, S, H] with the steps of each sentence from its end to its start."""
        return values.gather(1, self.mirror[..., None].expand(-1, -1, values.shape[-1]))


def _real(lengths: Tensor, given: Tensor) -> Tensor:
    """Where sentences of `given` [B, S, ...] have tokens, [B, S]; nothing waits for the device."""
    steps = torch.arange(given.shape[1], device=given.device)
    return steps < lengths.to(given.device, non_blocking=True)[:, None]
