"""The learning-rate range test: which rate a network learns at, found in a few hundred updates.

After Smith (2017, arXiv 1506.01186), section 3.3, with a rate that rises by a constant factor.
"""

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch

from seqgen.batching import Batch, Batches, mixed
from seqgen.checkpoint import Progress
from seqgen.config import Config
from seqgen.course import Course, batches_of
from seqgen.devices import keep_memory, pick_device, precision, without_denormals
from seqgen.errors import TrainingError, UsageError
from seqgen.optimizers import make_optimizer
from seqgen.preparation import Prepared, prepare
from seqgen.start import fresh
from seqgen.subwords import drawn
from seqgen.updates import Clipping, conditions, update

MEMORY = 0.9  # of the mean that smooths the loss
TOO_HIGH = 4  # times the least smoothed loss, at which the test ends
CAUTION = 10  # the suggestion is the rate of the least loss by this


class Sweep(NamedTuple):
    """What the test saw; losses are nats a target token."""

    rates: list[float]
    losses: list[float]
    smoothed: list[float]
    stopped: bool  # before the last rate, because the loss had risen

    @property
    def lowest(self) -> int:
        """Where the smoothed loss is least."""
        return min(range(len(self.smoothed)), key=self.smoothed.__getitem__)

    @property
    def steepest(self) -> int:
        """Where it falls fastest from one rate to the next, up to where it is least."""
        falls = [after - before for before, after in itertools.pairwise(self.smoothed)]
        return min(range(self.lowest), key=falls.__getitem__, default=0)

    @property
    def suggestion(self) -> float:
        """A tenth of the rate where the smoothed loss is least, to two digits."""
        return float(f"{self.rates[self.lowest] / CAUTION:.1e}")

    def lines(self) -> list[str]:
        """The suggestion, and by what rule."""
        low, steep = self.lowest, self.steepest
        ended = (
            f"stopped     at {self.rates[-1]:.1e}: the loss had come to {TOO_HIGH} times the least"
        )
        if not self.stopped:
            ended = f"ended       at {self.rates[-1]:.1e}"
        if not self.stopped and low == len(self.rates) - 1:
            ended += ", where the loss still fell; a higher --to tells more"
        return [
            f"suggestion  --learning-rate {self.suggestion:g}, a tenth of the rate where the "
            f"smoothed loss is least",
            f"least       {self.smoothed[low]:.4f} at {self.rates[low]:.1e}, "
            f"from {self.smoothed[0]:.4f} at first",
            f"steepest    at {self.rates[steep]:.1e}",
            ended,
        ]


def range_test(config: Config, first: float, last: float, steps: int) -> Sweep:
    """Train a network that is thrown away, at a rate that rises from `first` to `last`."""
    if not 0 < first < last or steps < 2:
        raise UsageError(f"the rate rises from --from {first:g} to --to {last:g} over --steps "
                         f"{steps}; it must rise from above 0, over 2 steps or more")  # fmt: skip
    if config.train.threads:
        torch.set_num_threads(config.train.threads)
    keep_memory()
    rates = [first * (last / first) ** (number / (steps - 1)) for number in range(steps)]
    losses: list[float] = []
    smoothed: list[float] = []
    with without_denormals():
        for loss in _losses(config, drawn(prepare(config), config), rates):
            if not math.isfinite(loss):
                break
            losses.append(loss)
            smoothed.append(smooth(losses))
            if smoothed[-1] > TOO_HIGH * min(smoothed):
                break
    if not losses:
        raise TrainingError("the first update has no finite loss at any rate; "
                            "other data or another --initialization would do")  # fmt: skip
    return Sweep(rates[: len(losses)], losses, smoothed, len(losses) < steps)


def smooth(losses: list[float]) -> float:
    """The mean of all losses, of which each weighs `MEMORY` times the next one."""
    weights = [MEMORY**age for age in range(len(losses))]
    total = math.fsum(one * loss for one, loss in zip(weights, reversed(losses), strict=True))
    return total / math.fsum(weights)


def draw(found: Sweep, path: Path) -> None:
    """Write the losses against the rate, with the suggestion, to `path`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(found.rates, found.losses, linewidth=0.7, alpha=0.5, label="loss of a batch")
    axes.plot(found.rates, found.smoothed, label="smoothed")
    axes.axvline(found.suggestion, linestyle="--", color="black",
                 label=f"suggestion, {found.suggestion:g}")  # fmt: skip
    axes.set_xscale("log")
    # A loss that has burst would flatten all that can be read.
    axes.set_ylim(0.9 * min(found.losses), 1.5 * max(found.smoothed[0], min(found.losses)))
    axes.set_xlabel("learning rate")
    axes.set_ylabel("nats a target token")
    axes.legend()
    figure.savefig(path, dpi=120)


def _losses(config: Config, data: Prepared, rates: list[float]) -> Iterator[float]:
    """The loss of each update before it is made; NaN where its gradient is not finite."""
    settings = config.train
    device = pick_device(settings.device)
    model = fresh(config, data).to(device)
    model.train()
    optimizer = make_optimizer(model, settings)
    batches = batches_of(data, settings)
    course, clipping = Course(config, batches), Clipping(settings, device)
    bf16 = precision(settings, config.model.cell) == "bf16"
    groups = _endless(batches, settings.accumulate)
    for number, (rate, group) in enumerate(zip(rates, groups, strict=False)):
        forcing = course.forcing(Progress(step=number))
        with conditions(optimizer, rate, mixed(settings.seed, number, 0), bf16):
            done = update(model, group, optimizer, forcing, clipping)
        yield math.nan if done.skipped else float(done.nats) / done.tokens


def _endless(batches: Batches, accumulate: int) -> Iterator[list[Batch]]:
    """The updates of one epoch after the other."""
    for epoch in itertools.count():
        yield from batches.groups(epoch, size=accumulate)
