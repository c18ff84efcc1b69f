"""Truncated back-propagation through time: targets in windows that gradients stay in.

The decoder's state goes from one window to the next, its gradient does not go back: Williams and
Peng (1990), with windows side by side. The loss is that of the whole target. What a window's loss
says of the source is gathered over all windows, and goes back through the encoder once. Windows of
the source are `windows.in_windows`. What is drawn once a target, or once a batch, is drawn once for
all windows.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from seqgen.batching import Batch
from seqgen.blended import cut
from seqgen.model import Seq2Seq
from seqgen.sampling import Forcing
from seqgen.vocabulary import PAD

# Ids that widths of batches are multiples of in bf16 on a CPU: oneDNN makes a program for each
# shape, which takes longer than a product, and keeps it.
WIDTH = 8


def learn(model: Seq2Seq, batch: Batch, forcing: Forcing, tokens: float) -> Tensor:
    """The loss of a batch in nats, whose gradient over `tokens` has been added to the weights'."""
    if model.window:
        return _in_windows(model, batch, forcing, tokens)
    if model.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        batch = batch.widened(WIDTH)
    loss: Tensor = model(batch.to(model.device), forcing)
    (loss / tokens).backward()  # type: ignore[no-untyped-call]
    return loss.detach()


def _in_windows(model: Seq2Seq, batch: Batch, forcing: Forcing, tokens: float) -> Tensor:
    # Counted before the ids are moved to where counting would wait.
    counts = [int(each.sum()) for each in torch.split(_real(batch), model.window)]
    batch = batch.to(model.device)
    memory, first, inputs = model.begin(batch, forcing)
    drawn = model.decoder.draw(len(batch.target))
    left = [chance.weight for chance in drawn if chance.weight is not None]
    border = Border((memory.states, memory.keys, *left, *first))
    state = tuple(border.parts()[2 + len(left) :])
    reads = cut(inputs, model.window)
    answers = torch.split(batch.target[:, 1:], model.window, dim=1)
    nats = torch.zeros((), device=model.device)
    for read, gold, count in zip(reads, answers, counts, strict=True):
        if not count:  # no sentence goes on
            break
        states, keys, *weights = border.parts()[: 2 + len(left)]
        seen = memory._replace(states=states, keys=keys)
        each = [one._replace(weight=weight) for one, weight in zip(drawn, weights, strict=False)]
        loss, ended = model.loss(read, gold, count, seen, state, each or drawn)
        (loss / tokens).backward()  # type: ignore[no-untyped-call]
        state = tuple(part.detach() for part in ended)
        nats = nats + loss.detach()
    border.pass_back()
    return nats


def _real(batch: Batch) -> Tensor:
    """How many sentences have a target id to predict at each step: [T]."""
    return (batch.target[:, 1:] != PAD).sum(0)


class Border:
    """Tensors behind which several losses leave their gradients, to be passed back at once."""

    def __init__(self, made: Sequence[Tensor]):
        self.made = made
        # Sums of many gradients want more bits than autocast leaves to one.
        self.leaves = [
            one.detach().to(torch.promote_types(one.dtype, torch.float32)).requires_grad_()
            for one in made
        ]

    def parts(self) -> list[Tensor]:
        """The tensors for one loss."""
        return [leaf.to(one.dtype) for leaf, one in zip(self.leaves, self.made, strict=True)]

    def pass_back(self) -> None:
        """One pass through what made the tensors, with all the gradients that were left."""
        reached = [
            (one, leaf.grad.to(one.dtype))
            for one, leaf in zip(self.made, self.leaves, strict=True)
            if one.requires_grad and leaf.grad is not None
        ]
        torch.autograd.backward([one for one, _ in reached], [found for _, found in reached])
