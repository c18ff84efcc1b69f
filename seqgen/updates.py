"""One optimizer step, what keeps it within bounds, and what the log says of many."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from seqgen import distributed
from seqgen.batching import Batch
from seqgen.model import Seq2Seq
from seqgen.sampling import Forcing
from seqgen.trainsection import TrainConfig
from seqgen.truncation import learn

# Gradients to their norm before and whether they were made smaller, as `Clipping` says.
Clip = Callable[[list[Tensor]], tuple[Tensor, Tensor]]

RECENT = 1000  # gradient norms that a quantile is taken of


class Update(NamedTuple):
    """What one optimizer step saw; tensors stay on the device until the log reads them."""

    nats: Tensor  # summed over this process's target tokens
    tokens: int  # this process's
    norm: Tensor  # of the gradient, before clipping
    clipped: Tensor  # 1 where the norm was made smaller, else 0
    skipped: Tensor  # 1 where the gradient was not finite and is left out, else 0


class Clipping:
    """By value, by norm, and by a quantile of recent norms: what is set, in this order.

    The quantile is that of the last `RECENT` norms, this one included: after Seetharaman et al.
    (2020, arXiv 2007.14469), who take all norms.
    """

    def __init__(
        self, settings: TrainConfig, device: torch.device, recent: Sequence[float | None] = ()
    ):
        self.settings = settings
        self.cpu = device.type == "cpu"
        known = [torch.nan if norm is None else norm for norm in recent]
        self._norms = torch.tensor(known + [torch.nan] * (RECENT - len(known)), device=device)
        self._seen = len(known)

    def __call__(self, gradients: list[Tensor]) -> tuple[Tensor, Tensor]:
        """The norm of the gradients before, and whether they were made smaller."""
        settings = self.settings
        norm = left = nn.utils.get_total_norm(gradients)
        if settings.clip_value:
            for one in gradients:
                one.clamp_(-settings.clip_value, settings.clip_value)
            left = nn.utils.get_total_norm(gradients)
        if not settings.clip_norm and not settings.clip_quantile:
            return norm, left < norm
        bound = torch.full_like(left, settings.clip_norm or torch.inf)
        if settings.clip_quantile:
            bound = torch.minimum(bound, self._quantile(left))
        # Where looking at the norm waits for no device, clipping nothing costs nothing.
        if not self.cpu or left > bound:
            share = (bound / (left + 1e-6)).clamp(max=1.0)
            torch._foreach_mul_(gradients, share)
        return norm, (left > bound) | (left < norm)

    def recent(self) -> list[float | None]:
        """The norms that a resumed run goes on with, oldest first; None was not finite."""
        kept = self._norms.roll(-(self._seen % RECENT)) if self._seen > RECENT else self._norms
        return [None if math.isnan(norm) else norm for norm in kept[: self._seen].tolist()]

    def _quantile(self, norm: Tensor) -> Tensor:
        self._norms[self._seen % RECENT] = norm.where(norm.isfinite(), torch.nan)
        self._seen += 1
        return self._norms[: self._seen].nanquantile(self.settings.clip_quantile)


@contextmanager
def conditions(
    optimizer: torch.optim.Optimizer, rate: float, seed: int, bf16: bool
) -> Iterator[None]:
    """What an update is made under: a rate, what is random in it, the arithmetic."""
    torch.manual_seed(seed)
    for entry in optimizer.param_groups:
        entry["lr"] = rate
    device = optimizer.param_groups[0]["params"][0].device
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        yield


def update(
    model: Seq2Seq,
    group: list[Batch],
    optimizer: torch.optim.Optimizer,
    forcing: Forcing,
    clipping: Clip,
) -> Update:
    """One optimizer step over `group`, in which every target token of all ranks weighs the same.

    A gradient that is not finite, which is that of all ranks alike, reaches no weight. On a CPU
    nothing changes then; on a GPU the optimizer makes the step that a gradient of 0 asks for.
    """
    parameters = list(model.parameters())
    device = parameters[0].device
    here = sum(batch.tokens for batch in group)
    tokens = distributed.total(float(here), device)
    nats = torch.zeros((), device=device)
    for batch in group:
        nats = nats + learn(model, batch, forcing, tokens)
    distributed.sum_gradients(parameters)
    distributed.average(model.buffers())  # running statistics
    gradients = [weight.grad for weight in parameters if weight.grad is not None]
    norm, clipped = clipping(gradients)
    skipped = ~norm.isfinite()
    if device.type != "cpu":
        # To skip the step would be to wait for the norm.
        for one in gradients:
            one.masked_fill_(skipped, 0.0)
    if device.type != "cpu" or not skipped:
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return Update(nats, here, norm, clipped, skipped)


class Seen(NamedTuple):
    """What the updates of an interval were: means, and shares of them."""

    loss: float  # nats a target token
    norm: float
    clipped: float
    skipped: float
    speed: float  # target tokens a second
    seconds: float
    updates: float


class Interval:
    """Sums since the last line of the log, on the device, so that no update waits for it."""

    def __init__(self, totals: list[float], device: torch.device):
        # nats, tokens, gradient norms, clipped and skipped updates, updates: kept in a checkpoint,
        # so that a resumed log is the log of a run that was never stopped.
        self._totals = torch.tensor(totals or [0.0] * 6, dtype=torch.float64, device=device)
        self._last = torch.zeros_like(self._totals[:2])  # of the last update: nats, tokens
        self._started = time.perf_counter()
        self._passed = 0.0

    def add(self, done: Update) -> None:
        """Take in one update."""
        self._last[0] = done.nats
        self._last[1] = done.tokens
        self._totals[0] += done.nats
        self._totals[1] += done.tokens
        self._totals[2] += done.norm
        self._totals[3] += done.clipped
        self._totals[4] += done.skipped
        self._totals[5] += 1

    def pass_over(self, seconds: float) -> None:
        """Leave out time that was not spent training."""
        self._passed += seconds

    def loss(self) -> float:
        """Nats a target token so far; NaN before the first update."""
        return self._ratio(self._totals[:2])

    def last_loss(self) -> float:
        """Those of the last update, which was made from the weights before it."""
        return self._ratio(self._last)

    def _ratio(self, sums: Tensor) -> float:
        nats, tokens = (distributed.total(one, sums.device) for one in sums.tolist())
        return nats / tokens if tokens else math.nan

    def totals(self) -> list[float]:
        """What a checkpoint keeps."""
        return [float(value) for value in self._totals.tolist()]

    def read(self) -> Seen:
        """The means, after which the next interval begins."""
        nats, tokens, norms, clipped, skipped, updates = self.totals()
        nats = distributed.total(nats, self._totals.device)
        tokens = distributed.total(tokens, self._totals.device)
        elapsed = time.perf_counter() - self._started - self._passed
        self._totals.zero_()
        self._started, self._passed = time.perf_counter(), 0.0
        return Seen(
            loss=nats / tokens,
            norm=norms / updates,
            clipped=clipped / updates,
            skipped=skipped / updates,
            speed=tokens / elapsed,
            seconds=elapsed,
            updates=updates,
        )
