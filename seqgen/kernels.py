"""Recurrent layers over whole sequences on the CPU, whose weight gradients are one product each.

The same functions as `torch.nn.LSTM` and `torch.nn.GRU`, as tests say, for several layers of one
shape at once: the R directions in which a sentence is read. What does not depend on the step
before is computed for all steps at once: the inputs' part of the gates, the factors of the
backward pass, and the gradients of the weights. The steps only carry the states, and one product
carries them in all directions.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


class LSTM(Function):
    """inputs [R, B, T, I], hidden and cell [R, B, H], weights of `torch.nn.LSTM` stacked [R, ...].

    Returns the outputs [R, B, T, H] and the last cell [R, B, H]. Hochreiter and Schmidhuber (1997)
    with the forget gate of Gers et al. (2000).
    """

    @staticmethod
    def forward(
        context: Any,
        inputs: Tensor,
        hidden: Tensor,
        cell: Tensor,
        *weights: Tensor,
    ) -> tuple[Tensor, Tensor]:
        weight_ih, weight_hh, bias_ih, bias_hh = weights
        width = hidden.shape[-1]
        gates = _projected(inputs, weight_ih, bias_ih + bias_hh)  # input, forget, new, output
        states = hidden.new_empty(len(gates) + 1, *hidden.shape)  # [T + 1, R, B, H]
        cells = torch.empty_like(states)
        states[0], cells[0] = hidden, cell
        across = weight_hh.transpose(1, 2).contiguous()  # many small products are faster on it
        for t in range(len(gates)):
            gate = gates[t].baddbmm_(states[t], across)
            gate[..., : 2 * width].sigmoid_()
            gate[..., 2 * width : 3 * width].tanh_()
            gate[..., 3 * width :].sigmoid_()
            entering, forget, new, leaving = torch.split(gate, width, dim=-1)
            torch.mul(forget, cells[t], out=cells[t + 1]).addcmul_(entering, new)
            torch.tanh(cells[t + 1], out=states[t + 1]).mul_(leaving)
        context.save_for_backward(inputs, states, cells, gates, weight_ih, weight_hh)
        return states[1:].permute(1, 2, 0, 3), cells[-1]

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Any:
        inputs, states, cells, gates, weight_ih, weight_hh = context.saved_tensors
        outputs = gradients[0].permute(2, 0, 1, 3)  # [T, R, B, H]
        entering, forget, new, leaving = torch.split(gates, states.shape[-1], dim=-1)
        squashed = cells[1:].tanh()
        # How much of the cell's gradient goes into each of three gates, and of the state's into
        # the fourth and the cell, before their nonlinearities.
        into = torch.stack(
            [
                (1 - entering).mul_(entering).mul_(new),
                (1 - forget).mul_(forget).mul_(cells[:-1]),
                (1 - new * new).mul_(entering),
                (1 - leaving).mul_(leaving).mul_(squashed),
            ],
            dim=3,
        )  # [T, R, B, 4, H]
        to_cell = (1 - squashed * squashed).mul_(leaving)
        across = torch.empty_like(into)
        carried, cell = torch.zeros_like(states[0]), gradients[1]
        for t in range(len(gates) - 1, -1, -1):
            arriving = outputs[t] + carried
            cell = torch.addcmul(cell, arriving, to_cell[t])
            torch.mul(into[t, :, :, :3], cell[:, :, None], out=across[t, :, :, :3])
            torch.mul(into[t, :, :, 3], arriving, out=across[t, :, :, 3])
            carried = across[t].flatten(2) @ weight_hh
            cell = cell * forget[t]
        flat = _rows(across.flatten(3))
        bias = flat.sum(1)
        return (
            (flat @ weight_ih).view(inputs.shape),
            carried,
            cell,
            flat.transpose(1, 2) @ inputs.flatten(1, 2),
            flat.transpose(1, 2) @ _rows(states[:-1]),
            bias,
            bias.clone(),  # each is changed in place by clipping
        )


class GRU(Function):
    """inputs [R, B, T, I], state [R, B, H], weights and biases of `torch.nn.GRU` stacked [R, ...].

    Returns the outputs [R, B, T, H], of which the last is the state. Cho et al. (2014, arXiv
    1406.1078), with the reset gate after the recurrent product.
    """

    @staticmethod
    def forward(context: Any, inputs: Tensor, state: Tensor, *weights: Tensor) -> Tensor:
        weight_ih, weight_hh, bias_ih, bias_hh = weights
        hidden = state.shape[-1]
        gates = _projected(inputs, weight_ih, bias_ih)  # reset, update, new
        recurrent = torch.empty_like(gates)  # the state's part of each gate
        states = state.new_empty(len(gates) + 1, *state.shape)  # [T + 1, R, B, H]
        states[0] = state
        across = weight_hh.transpose(1, 2).contiguous()  # many small products are faster on it
        bias = bias_hh[:, None]
        for t in range(len(gates)):
            torch.baddbmm(bias, states[t], across, out=recurrent[t])
            reset_update = gates[t, ..., : 2 * hidden]
            reset_update.add_(recurrent[t, ..., : 2 * hidden]).sigmoid_()
            reset, update = torch.split(reset_update, hidden, dim=-1)
            new = gates[t, ..., 2 * hidden :].addcmul_(reset, recurrent[t, ..., 2 * hidden :])
            torch.lerp(new.tanh_(), states[t], update, out=states[t + 1])
        candidates = recurrent[..., 2 * hidden :]
        context.save_for_backward(inputs, states, gates, candidates, weight_ih, weight_hh)
        return states[1:].permute(1, 2, 0, 3)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Any:
        inputs, states, gates, candidates, weight_ih, weight_hh = context.saved_tensors
        outputs = gradients[0].permute(2, 0, 1, 3)  # [T, R, B, H]
        hidden = states.shape[-1]
        before = states[:-1]
        reset, update, new = torch.split(gates, hidden, dim=-1)
        # What does not depend on later steps is computed for all of them at once: how much of the
        # state's gradient goes into each gate, before its nonlinearity.
        to_new = (1 - update).mul_(1 - new * new)
        to_update = (before - new).mul_(update).mul_(1 - update)
        to_reset = (1 - reset).mul_(reset).mul_(candidates).mul_(to_new)
        into = torch.stack([to_reset, to_update, to_new * reset], dim=3)  # [T, R, B, 3, H]
        across = torch.empty_like(into)
        carried = torch.zeros_like(states[0])
        arriving = torch.empty_like(before)
        for t in range(len(gates) - 1, -1, -1):
            torch.add(outputs[t], carried, out=arriving[t])
            torch.mul(into[t], arriving[t, :, :, None], out=across[t])
            carried = (arriving[t] * update[t]).baddbmm_(across[t].flatten(2), weight_hh)
        flat = _rows(across.flatten(3))
        # The reset gate stands between the state's part of the new gate and the inputs'.
        along = flat.clone()
        along[..., 2 * hidden :] = _rows(to_new.mul_(arriving))
        return (
            (along @ weight_ih).view(inputs.shape),
            carried,
            along.transpose(1, 2) @ inputs.flatten(1, 2),
            flat.transpose(1, 2) @ _rows(before),
            along.sum(1),
            flat.sum(1),
        )


def _projected(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The inputs' part of the gates, step by step: [T, R, B, G]."""
    gates = torch.baddbmm(bias[:, None], inputs.flatten(1, 2), weight.transpose(1, 2))
    return gates.view(*inputs.shape[:3], -1).permute(2, 0, 1, 3).contiguous()


def _rows(steps: Tensor) -> Tensor:
    """[T, R, B, H] in the order of the inputs: [R, B * T, H]."""
    return steps.permute(1, 2, 0, 3).flatten(1, 2)
