"""Recurrent layers over whole sequences on the CPU, whose weight gradients are one product each.

The same functions as `torch.nn.LSTM` and `torch.nn.GRU`, as tests say, for several layers of one
shape at once: the R directions in which a sentence is read. What does not depend on the step
before is computed for all steps at once: the inputs' part of the gates, the factors of the
backward pass, and the gradients of the weights. The steps only carry the states, and one product
carries them in all directions.

Sequences are packed, step after step, the longest first: `sizes` says how many still go on at each
step, and N is their sum. No work is spent on padding. With `places` [R, N], the inputs are
[U, I], each different one once, and `places` says which stands where: what is equal is
multiplied once.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.amp import custom_bwd, custom_fwd
from torch.autograd import Function

sigmoid_backward, tanh_backward = torch.ops.aten.sigmoid_backward, torch.ops.aten.tanh_backward

Method = TypeVar("Method", bound=Callable[..., Any])


def in_fp32(forward: Method) -> Method:
    """A function's forward pass, on what autocast may have given it, without autocast."""
    found: Method = custom_fwd(forward, device_type="cpu", cast_inputs=torch.float32)
    return found


def as_forward(backward: Method) -> Method:
    """Its backward pass in the same arithmetic."""
    found: Method = custom_bwd(backward, device_type="cpu")
    return found


class LSTM(Function):
    """inputs [R, N, I], hidden and cell [R, B, H], weights of `torch.nn.LSTM` stacked [R, ...].

    Returns the outputs [R, N, H] and the last cell of each sequence [R, B, H]. Hochreiter and
    Schmidhuber (1997) with the forget gate of Gers et al. (2000).
    """

    @staticmethod
    @in_fp32
    def forward(
        context: Any,
        sizes: list[int],
        places: Tensor | None,
        inputs: Tensor,
        hidden: Tensor,
        cell: Tensor,
        *weights: Tensor,
    ) -> tuple[Tensor, Tensor]:
        weight_ih, weight_hh, bias_ih, bias_hh = weights
        width = hidden.shape[-1]
        # Input, forget, new and output gate.
        gates = _projected(inputs, places, weight_ih, bias_ih + bias_hh)
        states = gates.new_empty(*gates.shape[:2], width)
        cells = torch.empty_like(states)
        across = weight_hh.transpose(1, 2)
        blocks = [
            torch.split(part, sizes, dim=1)
            for part in (
                gates,
                gates[..., : 2 * width],
                *torch.split(gates, width, dim=-1),
                cells,
                states,
            )
        ]
        before, ended, kept = hidden, cell.clone(), cell
        for size, left, gate, both, entering, forget, new, leaving, memory, after in zip(
            sizes, [*sizes[1:], 0], *blocks, strict=True
        ):
            gate.baddbmm_(_first(before, size), across)
            both.sigmoid_()
            new.tanh_()
            leaving.sigmoid_()
            torch.mul(forget, _first(kept, size), out=memory).addcmul_(entering, new)
            torch.tanh(memory, out=after).mul_(leaving)
            if left < size:
                ended[:, left:size] = memory[:, left:]
            before, kept = after, memory
        context.sizes, context.places = sizes, places
        context.save_for_backward(inputs, hidden, cell, states, cells, gates, weight_ih, weight_hh)
        return states, ended

    @staticmethod
    @as_forward
    def backward(context: Any, *gradients: Tensor) -> Any:
        inputs, hidden, cell, states, cells, gates, weight_ih, weight_hh = context.saved_tensors
        sizes = context.sizes
        across = torch.empty_like(gates)
        carried, kept = torch.zeros_like(hidden), gradients[1].clone()
        parts = (gradients[0], cells, gates, across)
        blocks = [torch.split(part, sizes, dim=1) for part in parts]
        earlier = [cell, *blocks[1][:-1]]
        for size, before, output, memory, gate, row in _reversed(sizes, [earlier, *blocks]):
            arriving = output + _first(carried, size)
            both = (_first(before, size), memory)
            kept = _written(kept, into_gates(row, gate, both, arriving, _first(kept, size)))
            carried = _written(carried, row @ weight_hh)
        bias = across.sum(1)
        to_inputs, to_weight = _unprojected(across, inputs, context.places, weight_ih)
        return (
            None,
            None,
            to_inputs,
            carried,
            kept,
            to_weight,
            across.transpose(1, 2) @ _before(states, hidden, sizes),
            bias,
            bias.clone(),  # each is changed in place by clipping
        )


class GRU(Function):
    """inputs [R, N, I], state [R, B, H], weights and biases of `torch.nn.GRU` stacked [R, ...].

    Returns the outputs [R, N, H], which are the states. Cho et al. (2014, arXiv 1406.1078), with
    the reset gate after the recurrent product.
    """

    @staticmethod
    @in_fp32
    def forward(
        context: Any,
        sizes: list[int],
        places: Tensor | None,
        inputs: Tensor,
        state: Tensor,
        *weights: Tensor,
    ) -> Tensor:
        weight_ih, weight_hh, bias_ih, bias_hh = weights
        hidden = state.shape[-1]
        bias = bias_ih + bias_hh
        bias[:, 2 * hidden :] = bias_ih[:, 2 * hidden :]
        gates = _projected(inputs, places, weight_ih, bias)  # reset, update, new
        new = gates[..., 2 * hidden :].clone(memory_format=torch.contiguous_format)
        # In the place of the inputs' part of the new gate comes the state's.
        gates[..., 2 * hidden :] = bias_hh[:, None, 2 * hidden :]
        states = torch.empty_like(new)
        across = weight_hh.transpose(1, 2).contiguous()  # many small products are faster on it
        parts = (gates, gates[..., : 2 * hidden], *torch.split(gates, hidden, dim=-1), new, states)
        blocks = [torch.split(part, sizes, dim=1) for part in parts]
        before = state
        for size, every, both, reset, update, candidate, entering, after in zip(
            sizes, *blocks, strict=True
        ):
            before = _first(before, size)
            every.baddbmm_(before, across)
            both.sigmoid_()
            torch.lerp(entering.addcmul_(reset, candidate).tanh_(), before, update, out=after)
            before = after
        context.sizes, context.places = sizes, places
        context.save_for_backward(inputs, state, states, gates, new, weight_ih, weight_hh)
        return states

    @staticmethod
    @as_forward
    def backward(context: Any, *gradients: Tensor) -> Any:
        inputs, state, states, gates, new, weight_ih, weight_hh = context.saved_tensors
        sizes, hidden = context.sizes, state.shape[-1]
        before = _before(states, state, sizes)
        reset, update, candidates = torch.split(gates, hidden, dim=-1)
        # What does not depend on later steps is computed for all of them at once: how much of the
        # state's gradient goes into each gate, before its nonlinearity.
        to_new = (1 - update).mul_(1 - new * new)
        to_update = (before - new).mul_(update).mul_(1 - update)
        to_reset = (1 - reset).mul_(reset).mul_(candidates).mul_(to_new)
        across = torch.stack([to_reset, to_update, to_new * reset], dim=2)  # [R, N, 3, H]
        flat = across.flatten(2)
        carried = torch.zeros_like(state)
        arriving = gradients[0].clone(memory_format=torch.contiguous_format)
        blocks = [torch.split(part, sizes, dim=1) for part in (update, across, flat, arriving)]
        earlier = [carried, *blocks[-1][:-1]]
        for size, target, kept, into, row, arrived in _reversed(sizes, [earlier, *blocks]):
            into.mul_(arrived[:, :, None])
            _first(target, size).addcmul_(arrived, kept).baddbmm_(row, weight_hh)
        # The reset gate stands between the state's part of the new gate and the inputs'.
        along = flat.clone()
        along[..., 2 * hidden :] = to_new.mul_(arriving)
        to_inputs, to_weight = _unprojected(along, inputs, context.places, weight_ih)
        return (
            None,
            None,
            to_inputs,
            carried,
            to_weight,
            flat.transpose(1, 2) @ before,
            along.sum(1),
            flat.sum(1),
        )


def into_gates(
    into: Tensor, gates: Tensor, cells: tuple[Tensor, Tensor], hidden: Tensor, cell: Tensor | None
) -> Tensor:
    """Fill `into` [..., 4 H], before the nonlinearities of an LSTM's step.

    Returns the gradient of the cell before. `cells` are those before and after the step, `hidden`
    and `cell` the gradients that reach the state and the cell after it.
    """
    before, after = cells
    width = before.shape[-1]
    entering, forget, new, leaving = torch.split(gates, width, dim=-1)
    to_entering, to_forget, to_new, to_leaving = torch.split(into, width, dim=-1)
    squashed = after.tanh()
    reached: Tensor = tanh_backward(hidden * leaving, squashed)
    reached = reached if cell is None else reached.add_(cell)
    torch.mul(reached, new, out=to_entering)
    torch.mul(reached, before, out=to_forget)
    torch.mul(reached, entering, out=to_new)
    torch.mul(hidden, squashed, out=to_leaving)
    both = into[..., : 2 * width]
    sigmoid_backward(both, gates[..., : 2 * width], grad_input=both)
    tanh_backward(to_new, new, grad_input=to_new)
    sigmoid_backward(to_leaving, leaving, grad_input=to_leaving)
    return reached.mul_(forget)


def _first(values: Tensor, size: int) -> Tensor:
    """The first `size` rows of `values` [R, B, H]."""
    return values if values.shape[1] == size else values[:, :size]


def _written(values: Tensor, first: Tensor) -> Tensor:
    """`values` [R, B, H] with its first rows replaced."""
    if first.shape == values.shape:
        return first
    values[:, : first.shape[1]] = first
    return values


def _reversed(sizes: list[int], blocks: Sequence[Sequence[Tensor]]) -> Iterator[Any]:
    """The size of each step and its part of everything, from the last step to the first."""
    return zip(reversed(sizes), *map(reversed, blocks), strict=True)


def _before(values: Tensor, first: Tensor, sizes: list[int]) -> Tensor:
    """`values` [R, N, H], each at the step before; `first` [R, B, H] before the first."""
    shifted = zip((first, *torch.split(values, sizes, dim=1)), sizes, strict=False)
    return torch.cat([_first(each, size) for each, size in shifted], dim=1)


def _projected(inputs: Tensor, places: Tensor | None, weight: Tensor, bias: Tensor) -> Tensor:
    """The inputs' part of the gates: [R, N, G]."""
    bias, weight = bias[:, None], weight.transpose(1, 2)
    if places is None:
        return torch.baddbmm(bias, inputs, weight)
    each = torch.baddbmm(bias, inputs.expand(len(places), -1, -1), weight)  # [R, U, G]
    return each.flatten(0, 1).index_select(0, _rows(places, inputs)).view(*places.shape, -1)


def _unprojected(
    gates: Tensor, inputs: Tensor, places: Tensor | None, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradients of the inputs and of their weight [R, G, I], of that of the gates [R, N, G]."""
    if places is None:
        return gates @ weight, gates.transpose(1, 2) @ inputs
    each = gates.new_zeros(len(places) * len(inputs), gates.shape[-1])
    each.index_add_(0, _rows(places, inputs), gates.flatten(0, 1))
    each = each.view(len(places), len(inputs), -1)  # [R, U, G]
    return (each @ weight).sum(0), each.transpose(1, 2) @ inputs.expand(len(places), -1, -1)


def _rows(places: Tensor, inputs: Tensor) -> Tensor:
    """`places` [R, N] in the inputs of all directions, one after the other: [R * N]."""
    return (places + torch.arange(len(places))[:, None] * len(inputs)).flatten()
