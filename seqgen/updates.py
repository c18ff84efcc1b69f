"""One optimizer step, and what the log says of many."""

import time
from typing import NamedTuple

import torch
from torch import Tensor, nn

from seqgen import distributed
from seqgen.batching import Batch
from seqgen.model import Seq2Seq
from seqgen.sampling import Forcing
from seqgen.sections import TrainConfig


class Update(NamedTuple):
    """What one optimizer step saw; tensors stay on the device until the log reads them."""

    nats: Tensor  # summed over this process's target tokens
    tokens: int  # this process's
    norm: Tensor  # of the gradient, before clipping


def update(
    model: Seq2Seq,
    group: list[Batch],
    optimizer: torch.optim.Optimizer,
    forcing: Forcing,
    settings: TrainConfig,
) -> Update:
    """One optimizer step over `group`, in which every target token of all ranks weighs the same."""
    parameters = list(model.parameters())
    device = parameters[0].device
    here = sum(batch.tokens for batch in group)
    tokens = distributed.total(float(here), device)
    nats = torch.zeros((), device=device)
    for batch in group:
        loss = model(batch.to(device), forcing)
        (loss / tokens).backward()
        nats = nats + loss.detach()
    distributed.sum_gradients(parameters)
    gradients = [weight.grad for weight in parameters if weight.grad is not None]
    norm = nn.utils.get_total_norm(gradients)
    left = norm
    if settings.clip_value:
        nn.utils.clip_grad_value_(parameters, settings.clip_value)
        left = nn.utils.get_total_norm(gradients)
    # Where looking at the norm waits for no device, clipping nothing costs nothing.
    if settings.clip_norm and (device.type != "cpu" or left > settings.clip_norm):
        nn.utils.clip_grads_with_norm_(parameters, settings.clip_norm, left)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return Update(nats, here, norm)


class Seen(NamedTuple):
    """Means over the updates of an interval."""

    loss: float  # nats a target token
    norm: float
    speed: float  # target tokens a second
    seconds: float
    updates: float


class Interval:
    """Sums since the last line of the log, on the device, so that no update waits for it."""

    def __init__(self, totals: list[float], device: torch.device):
        # nats, tokens, gradient norms, updates: kept in a checkpoint, so that a resumed log is
        # the log of a run that was never stopped.
        self._totals = torch.tensor(totals, dtype=torch.float64, device=device)
        self._started = time.perf_counter()
        self._passed = 0.0

    def add(self, done: Update) -> None:
        """Take in one update."""
        counts = (done.nats.double(), done.norm.double())
        self._totals[0] += counts[0]
        self._totals[1] += done.tokens
        self._totals[2] += counts[1]
        self._totals[3] += 1

    def pass_over(self, seconds: float) -> None:
        """Leave out time that was not spent training."""
        self._passed += seconds

    def totals(self) -> list[float]:
        """What a checkpoint keeps."""
        return [float(value) for value in self._totals.tolist()]

    def read(self) -> Seen:
        """The means, after which the next interval begins."""
        nats, tokens, norms, updates = self.totals()
        nats = distributed.total(nats, self._totals.device)
        tokens = distributed.total(tokens, self._totals.device)
        elapsed = time.perf_counter() - self._started - self._passed
        self._totals.zero_()
        self._started, self._passed = time.perf_counter(), 0.0
        return Seen(nats / tokens, norms / updates, tokens / elapsed, elapsed, updates)
