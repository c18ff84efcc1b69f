"""A layer over a long source in windows: no gradient goes from one into another.

The state goes from one window to the next, its gradient does not go back: Williams and Peng (1990),
with windows side by side. Inputs, outputs and the states between are all that is kept; a window's
inside is computed again on the way back: Chen et al. (2016, arXiv 1604.06174). What is drawn once a
pass is the same in all windows.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from seqgen.cells import Chance
from seqgen.recurrent import Recurrent, State

# What gives the state of a generator of random numbers, and what sets it.
Coins = tuple[Callable[[], Tensor], Callable[[Tensor], None]]


def in_windows(layer: Recurrent, inputs: Tensor, window: int, chance: Chance) -> Tensor:
    """Outputs [B, S, H] of a layer over inputs [B, S, E], in windows of so many steps."""
    weights: list[Tensor] = [weight for weight in layer.parameters() if weight.requires_grad]
    if chance.weight is not None:
        weights = [chance.weight, *weights]
    apply = Windowed.apply
    found: Tensor = apply(layer, window, chance, inputs, *weights)  # type: ignore[no-untyped-call]
    return found


class Windowed(Function):
    """The same, with the weights [...] that a gradient is wanted of, first what chance has left.

    What is kept has its place before the first window runs: what windows leave behind in the memory
    that they take and give back would let no later one fit there.
    """

    @staticmethod
    def forward(
        context: Any, layer: Recurrent, window: int, chance: Chance, inputs: Tensor,
        *weights: Tensor,
    ) -> Tensor:  # fmt: skip
        kind = inputs.device.type
        context.layer, context.window = layer, window
        context.drops, context.kept = chance.weight is not None, chance.kept
        context.mixed = torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)
        windows, coins = torch.split(inputs, window, dim=1), _coins(inputs.device)
        drawn = [get().expand(len(windows), -1).clone() for get, _ in coins]
        kept: list[Tensor] = []  # outputs, and the state after each window
        for number, read in enumerate(windows):
            for rows, (get, _) in zip(drawn, coins, strict=True):
                rows[number] = get()
            before = tuple(part[number - 1] for part in kept[1:]) if number else None
            _keep(kept, number, inputs.shape[1], context, _ran(context, read, before, weights))
        context.save_for_backward(inputs, *weights, *drawn, *kept[1:])
        return kept[0]

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Any:
        inputs, *others = context.saved_tensors
        coins = _coins(inputs.device)
        count = len(context.needs_input_grad) - 4
        weights, drawn = others[:count], others[count : count + len(coins)]
        # What made them has a way back of its own.
        weights = [each.detach().requires_grad_() if context.drops and not number else each
                   for number, each in enumerate(weights)]  # fmt: skip
        states = others[count + len(coins) :]
        totals = [torch.zeros_like(each) for each in (inputs, *weights)]
        sides = [torch.split(each, context.window, dim=1) for each in (inputs, gradients[0])]
        into = torch.split(totals[0], context.window, dim=1)
        devices = [inputs.device] if inputs.device.type == "cuda" else []
        for number, (read, wanted) in reversed(list(enumerate(zip(*sides, strict=True)))):
            before = tuple(part[number - 1] for part in states) if number else None
            with torch.random.fork_rng(devices):
                for rows, (_, set_to) in zip(drawn, coins, strict=True):
                    set_to(rows[number].clone())  # torch wants it where memory is aligned
                _add([into[number], *totals[1:]], context, (read, before, wanted), weights)
        return None, None, None, *totals


def _ran(
    context: Any, read: Tensor, before: State | None, weights: Sequence[Tensor]
) -> tuple[Tensor, State]:
    """What the layer gives of one window, as it does in training."""
    enabled, kind = context.mixed
    chance = Chance(weights[0] if context.drops else None, context.kept)
    with torch.enable_grad(), torch.autocast(read.device.type, kind, enabled=enabled):
        found: tuple[Tensor, State] = context.layer(read, before, chance)
    return found


def _keep(
    kept: list[Tensor], number: int, steps: int, context: Any, found: tuple[Tensor, State]
) -> None:
    """Write a window's outputs, and the state after it, to their places."""
    outputs, ended = found
    if not kept:
        windows = -(-steps // context.window)
        kept.append(outputs.new_empty(len(outputs), steps, outputs.shape[-1]))
        kept += [part.new_empty(windows, *part.shape) for part in ended]
    kept[0].narrow(1, number * context.window, outputs.shape[1]).copy_(outputs)
    for places, part in zip(kept[1:], ended, strict=True):
        places[number] = part


def _add(
    totals: Sequence[Tensor],
    context: Any,
    window: tuple[Tensor, State | None, Tensor],
    weights: Sequence[Tensor],
) -> None:
    """Add a window's gradients of inputs and weights; it is computed again."""
    read, before, wanted = window
    read = read.detach().requires_grad_()
    outputs, _ = _ran(context, read, before, weights)
    found = torch.autograd.grad(outputs, [read, *weights], wanted, allow_unused=True)
    for total, each in zip(totals, found, strict=True):
        if each is not None:
            total += each


def _coins(device: torch.device) -> list[Coins]:
    """Where layers on this device draw from."""
    coins: list[Coins] = [(torch.get_rng_state, torch.set_rng_state)]
    if device.type == "cuda":
        of_device = partial(torch.cuda.set_rng_state, device=device)
        coins.append((partial(torch.cuda.get_rng_state, device), of_device))
    return coins
