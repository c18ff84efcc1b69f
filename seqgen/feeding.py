"""An LSTM decoder with input feeding over whole targets on the CPU, as one function.

Each step needs the readout of the step before (Luong, Pham and Manning 2015, section 3.3), so that
steps come one after the other. The gradients of the weights, of the keys and of the states do not:
they are one product each over all steps, and autograd records nothing of a step. The same function
as the decoder's loop, as tests say.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from seqgen.kernels import as_forward, in_fp32, into_gates, tanh_backward
from seqgen.packed import made_ready

softmax_backward = torch.ops.aten._softmax_backward_data


class Fed(Function):
    """Readouts [T, B, R] after dropout, the attention [T, B, S], the last state and cell [B, H].

    No gradient flows through the last two. `gates` [T, B, 4 H] are those of the embeddings, in
    the order of `torch.nn.LSTM`; `padding` [B, S] is True where there is nothing to attend to;
    `kept` [T, B, R] is what dropout leaves of each readout. Then come the first hidden state and
    cell [B, H], what is fed to the first step [B, R], `recurrent` [4 H, R + H], which multiplies
    what is fed and the state, `keys` [B, S, H], with which a product makes scores, `states`
    [B, S, D], which are averaged, and `weight` [R, H + D] and `bias` [R] of the readouts.
    """

    @staticmethod
    @in_fp32
    def forward(
        context: Any, gates: Tensor, padding: Tensor, kept: Tensor, *others: Tensor
    ) -> tuple[Tensor, ...]:
        hidden, cell, fed, recurrent, keys, states, weight, bias = others
        steps, batch, width = gates.shape[0], *hidden.shape
        gates = gates.clone(memory_format=torch.contiguous_format)
        joined = gates.new_empty(steps, batch, recurrent.shape[1])  # what is fed, and the state
        top = gates.new_empty(steps, batch, weight.shape[1])  # the next state, and the context
        cells = gates.new_empty(steps, batch, width)
        readouts = gates.new_empty(steps, batch, len(weight))
        attention = gates.new_empty(steps, batch, keys.shape[1])
        compared, first = keys.transpose(1, 2), cell
        through, read = made_ready(recurrent), made_ready(weight)
        for step in range(steps):
            torch.cat([fed, hidden], dim=1, out=joined[step])
            gate = gates[step].add_(through(joined[step]))
            gate[:, : 2 * width].sigmoid_()
            entering, forget, new, leaving = torch.split(gate, width, dim=1)
            new.tanh_()
            leaving.sigmoid_()
            cell = torch.mul(forget, cell, out=cells[step]).addcmul_(entering, new)
            hidden = top[step, :, :width].copy_(cell).tanh_().mul_(leaving)
            scores = (hidden[:, None] @ compared).squeeze(1).masked_fill_(padding, float("-inf"))
            weights = torch.softmax(scores, 1, out=attention[step])
            top[step, :, width:] = (weights[:, None] @ states).squeeze(1)
            torch.add(read(top[step]), bias, out=readouts[step]).tanh_()
            fed = readouts[step] * kept[step]
        context.save_for_backward(
            gates, joined, top, cells, readouts, attention, first, recurrent, keys, states, weight,
            kept,
        )  # fmt: skip
        ended = hidden.clone(), cell.clone()
        context.mark_non_differentiable(*ended)
        return readouts * kept, attention, *ended

    @staticmethod
    @as_forward
    def backward(context: Any, *gradients: Tensor) -> Any:
        (gates, joined, top, cells, readouts, attention, first, recurrent, keys, states, weight,
         kept) = context.saved_tensors  # fmt: skip
        (outer, looking), turned = gradients[:2], states.transpose(1, 2)
        steps, _, width = cells.shape
        through = made_ready(recurrent.t().contiguous())
        read = made_ready(weight.t().contiguous())
        into = torch.empty_like(gates)  # the gradient before each gate's nonlinearity
        written = torch.empty_like(readouts)  # and before a readout's
        below = torch.empty_like(top)
        scored = torch.empty_like(attention)
        fed = hidden = cell = None
        for step in reversed(range(steps)):
            arriving = outer[step] if fed is None else outer[step] + fed
            torch.mul(arriving, kept[step], out=written[step])
            tanh_backward(written[step], readouts[step], grad_input=written[step])
            below[step] = read(written[step])
            weighed = torch.baddbmm(looking[step][:, None], below[step, :, None, width:], turned)
            softmax_backward(
                weighed.squeeze(1), attention[step], 1, gates.dtype, grad_input=scored[step]
            )
            reached = below[step, :, :width] + (scored[step][:, None] @ keys).squeeze(1)
            reached = reached if hidden is None else reached.add_(hidden)
            before = cells[step - 1] if step else first
            cell = into_gates(into[step], gates[step], (before, cells[step]), reached, cell)
            earlier = through(into[step])
            fed, hidden = earlier[:, : len(weight)], earlier[:, len(weight) :]
        changed = written.flatten(0, 1)
        queries, contexts = top[..., :width].transpose(0, 1), below[..., width:].transpose(0, 1)
        return (
            into,
            None,
            None,
            hidden,
            cell,
            fed,
            into.flatten(0, 1).t() @ joined.flatten(0, 1),
            scored.permute(1, 2, 0) @ queries,
            attention.permute(1, 2, 0) @ contexts,
            changed.t() @ top.flatten(0, 1),
            changed.sum(0),
        )
