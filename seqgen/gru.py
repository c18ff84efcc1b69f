"""A GRU layer over whole sequences on the CPU, whose weight gradients are one product each.

The same function as `torch.nn.GRU` (Cho et al. 2014, arXiv 1406.1078, with the reset gate after
the recurrent product). There, the backward pass makes a small product for the weights at every
step; here the steps only carry the state's gradient, and the weights' come at the end.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


class GRU(Function):
    """inputs [B, T, I], state [B, H], weights and biases as `torch.nn.GRU` has them.

    Returns the outputs [B, T, H], of which the last is the state.
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
        candidates = state.new_empty(steps.shape[:2] + (hidden,))  # recurrent part of the new gate
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
        reset, update, new = gates.split(hidden, dim=-1)
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
