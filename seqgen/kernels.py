"""Recurrent layers over whole sequences on the CPU, whose weight gradients are one product each.

The same functions as `torch.nn.LSTM` and `torch.nn.GRU`, as tests say. What does not depend on the
step before is computed for all steps at once: the inputs' part of the gates, the factors of the
backward pass, and the gradients of the weights. The steps only carry the state.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


class LSTM(Function):
    """inputs [B, T, I], hidden and cell [B, H], weights and biases as `torch.nn.LSTM` has them.

    Returns the outputs [B, T, H] and the last cell [B, H]. Hochreiter and Schmidhuber (1997) with
    the forget gate of Gers et al. (2000).
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
        steps = inputs.transpose(0, 1).contiguous()  # [T, B, I]
        width = hidden.shape[-1]
        gates = torch.addmm(bias_ih + bias_hh, steps.flatten(0, 1), weight_ih.t())
        gates = gates.view(*steps.shape[:2], 4 * width)  # [T, B, 4H]: input, forget, new, output
        states = hidden.new_empty(len(steps) + 1, *hidden.shape)  # [T + 1, B, H]
        cells = torch.empty_like(states)
        states[0], cells[0] = hidden, cell
        across = weight_hh.t()
        for t in range(len(steps)):
            gate = gates[t].addmm_(states[t], across)
            gate[:, : 2 * width].sigmoid_()
            gate[:, 2 * width : 3 * width].tanh_()
            gate[:, 3 * width :].sigmoid_()
            entering, forget, new, leaving = torch.split(gate, width, dim=-1)
            torch.mul(forget, cells[t], out=cells[t + 1]).addcmul_(entering, new)
            torch.tanh(cells[t + 1], out=states[t + 1]).mul_(leaving)
        context.save_for_backward(steps, states, cells, gates, weight_ih, weight_hh)
        return states[1:].transpose(0, 1), cells[-1]

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Any:
        steps, states, cells, gates, weight_ih, weight_hh = context.saved_tensors
        outputs = gradients[0].transpose(0, 1)  # [T, B, H]
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
            dim=2,
        )  # [T, B, 4, H]
        to_cell = (1 - squashed * squashed).mul_(leaving)
        across = torch.empty_like(into)
        carried, cell = torch.zeros_like(states[0]), gradients[1]
        for t in range(len(steps) - 1, -1, -1):
            arriving = outputs[t] + carried
            cell = torch.addcmul(cell, arriving, to_cell[t])
            torch.mul(into[t, :, :3], cell[:, None], out=across[t, :, :3])
            torch.mul(into[t, :, 3], arriving, out=across[t, :, 3])
            carried = across[t].flatten(1) @ weight_hh
            cell = cell * forget[t]
        flat = across.flatten(0, 1).flatten(1)  # [T B, 4H]
        bias = flat.sum(0)
        return (
            (flat @ weight_ih).view(steps.shape).transpose(0, 1),
            carried,
            cell,
            flat.t() @ steps.flatten(0, 1),
            flat.t() @ states[:-1].flatten(0, 1),
            bias,
            bias,
        )


class GRU(Function):
    """inputs [B, T, I], state [B, H], weights and biases as `torch.nn.GRU` has them.

    Returns the outputs [B, T, H], of which the last is the state. Cho et al. (2014, arXiv
    1406.1078), with the reset gate after the recurrent product.
    """

    @staticmethod
    def forward(
        context: Any,
        inputs: Tensor,
        state: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor,
        bias_hh: Tensor,
    ) -> Tensor:
        steps = inputs.transpose(0, 1).contiguous()  # [T, B, I]
        hidden = state.shape[-1]
        gates = torch.addmm(bias_ih, steps.flatten(0, 1), weight_ih.t())
        gates = gates.view(*steps.shape[:2], 3 * hidden)  # [T, B, 3H]: reset, update, new
        states = state.new_empty(len(steps) + 1, *state.shape)  # [T + 1, B, H]
        candidates = state.new_empty(*steps.shape[:2], hidden)  # recurrent part of the new gate
        states[0] = state
        across = weight_hh.t()
        for t in range(len(steps)):
            recurrent = torch.addmm(bias_hh, states[t], across)
            gate = gates[t]
            gate[:, : 2 * hidden].add_(recurrent[:, : 2 * hidden]).sigmoid_()
            candidates[t] = recurrent[:, 2 * hidden :]
            new = gate[:, 2 * hidden :].addcmul_(gate[:, :hidden], candidates[t]).tanh_()
            torch.lerp(new, states[t], gate[:, hidden : 2 * hidden], out=states[t + 1])
        context.save_for_backward(steps, states, gates, candidates, weight_ih, weight_hh)
        return states[1:].transpose(0, 1)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Any:
        steps, states, gates, candidates, weight_ih, weight_hh = context.saved_tensors
        outputs = gradients[0].transpose(0, 1)  # [T, B, H]
        hidden = states.shape[-1]
        before = states[:-1]
        reset, update, new = torch.split(gates, hidden, dim=-1)
        # What does not depend on later steps is computed for all of them at once: how much of the
        # state's gradient goes into each gate, before its nonlinearity.
        to_new = (1 - update).mul_(1 - new * new)
        to_update = (before - new).mul_(update).mul_(1 - update)
        to_reset = to_new * candidates * reset * (1 - reset)
        into = torch.stack([to_reset, to_update, to_new * reset], dim=2)  # [T, B, 3, H], recurrent
        across = torch.empty(*gates.shape, dtype=gates.dtype, device=gates.device)
        carried = torch.zeros_like(states[0])
        arriving = torch.empty_like(before)
        for t in range(len(steps) - 1, -1, -1):
            torch.add(outputs[t], carried, out=arriving[t])
            torch.mul(into[t], arriving[t][:, None], out=across[t].view(into[t].shape))
            carried = torch.addmm(arriving[t] * update[t], across[t], weight_hh)
        along = across.clone()
        torch.mul(to_new, arriving, out=along[..., 2 * hidden :])
        flat, flat_along = across.flatten(0, 1), along.flatten(0, 1)
        return (
            (flat_along @ weight_ih).view(steps.shape).transpose(0, 1),
            carried,
            flat_along.t() @ steps.flatten(0, 1),
            flat.t() @ before.flatten(0, 1),
            flat_along.sum(0),
            flat.sum(0),
        )
