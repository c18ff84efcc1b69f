"""Means of the weights over time, which are evaluated beside the weights themselves."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from seqgen import distributed
from seqgen.checkpoint import Progress, read_weights, weights
from seqgen.trainsection import TrainConfig
from seqgen.validation import Validation, better

RAW, EMA, AVERAGE = "raw", "ema", "average"
EMA_FILE, VALIDATED = "ema.safetensors", "validated"
UPDATES = "updates"  # beside the weights of EMA_FILE, whose names all have a dot

Weights = dict[str, Tensor]


class Found(NamedTuple):
    """What a validation gave, and the best weights in it."""

    value: float  # the best one of the metric that decides
    weights: Weights  # that gave it; empty: the model's own
    scores: dict[str, float | str]  # of the model's own, and beside them those of the means
    samples: list[tuple[str, str, str]]
    decoded: int


class Averages:
    """An exponential moving average over updates, and the weights at the last validations.

    The former is that of Kingma and Ba (2015, section 7.2): its bias is corrected, so that the
    initial weights are no part of it.
    """

    def __init__(self, model: nn.Module, settings: TrainConfig):
        self.model, self.settings = model, settings
        self._last = 0 if distributed.rank() else settings.average
        self.afresh()

    def afresh(self) -> None:
        """Begin again from the weights as they are: what was before is no guide to them."""
        own = weights(self.model)
        self._ema = {name: value.clone() for name, value in own.items() if self.settings.ema}
        device = next(self.model.parameters()).device
        self._updates = torch.zeros((), dtype=torch.float64, device=device)
        self._validated: dict[int, Weights] = {}  # by the step of the validation, on the CPU

    def follow(self, skipped: Tensor) -> None:
        """Take in the weights after an update, unless it was skipped; no device is waited for.

        (1 - d) sum_i d^(t-i) w_i / (1 - d^t) after update t, from one update to the next.
        """
        if not self.settings.ema:
            return
        decay = self.settings.ema
        self._updates += ~skipped
        share = (1 - decay) / (1 - decay ** self._updates.clamp(min=1)) * ~skipped
        for name, value in weights(self.model).items():
            self._ema[name].lerp_(value, share.to(value.dtype))

    def validate(self, step: int, score: Callable[[], Validation]) -> Found:
        """What `score` says of the model, with its own weights and with each mean of them.

        Rank 0 alone asks.
        """
        if distributed.rank():
            return Found(math.nan, {}, {}, [], 0)
        self._keep(step)
        several: dict[str, Weights] = {RAW: {}, **self._means()}
        found = {}
        for name, others in several.items():
            with holding(self.model, others):
                found[name] = score()
        best = best_of(self.settings.metric, found)
        seen = found.pop(RAW)
        scores: dict[str, float | str] = {**seen.scores}
        for name, other in found.items():
            scores |= {f"{name}_{one}": value for one, value in other.scores.items()}
        if self.settings.ema or self.settings.average:
            scores["weights"] = best
        value = found.get(best, seen).scores[self.settings.metric]
        return Found(value, several[best], scores, seen.samples, seen.decoded)

    def _keep(self, step: int) -> None:
        """Copy the weights of a validation, and let go of those that are too old."""
        if not self._last:
            return
        own = weights(self.model).items()
        self._validated[step] = {name: value.cpu().clone() for name, value in own}
        for old in sorted(self._validated)[: -self._last]:
            del self._validated[old]

    def _means(self) -> dict[str, Weights]:
        """What there is to evaluate beside the weights; one validation has no mean of its own."""
        found = {EMA: self._ema} if self.settings.ema else {}
        if len(self._validated) > 1:
            found[AVERAGE] = mean(list(self._validated.values()))
        return found

    def files(self) -> Iterator[tuple[str, Weights]]:
        """What a checkpoint keeps, one file after the other."""
        if self.settings.ema:
            yield EMA_FILE, {UPDATES: self._updates, **self._ema}
        for step, held in self._validated.items():
            yield f"{VALIDATED}-{step:08d}.safetensors", held

    def restore(self, checkpoint: Path) -> None:
        """Go on from a checkpoint to which the model has been set back; what it lacks is new."""
        self.afresh()
        if self.settings.ema and (checkpoint / EMA_FILE).exists():
            held = read_weights(checkpoint / EMA_FILE)
            self._updates.copy_(held.pop(UPDATES))
            for name, value in held.items():
                self._ema[name].copy_(value)
        kept = sorted(checkpoint.glob(f"{VALIDATED}-*.safetensors")) if self._last else []
        for path in kept[-self._last :]:
            self._validated[int(path.stem.removeprefix(f"{VALIDATED}-"))] = read_weights(path)


def mean(several: list[Weights]) -> Weights:
    """The mean of each weight."""
    return {name: torch.stack([one[name] for one in several]).mean(0) for name in several[0]}


@contextmanager
def holding(model: nn.Module, others: Weights) -> Iterator[None]:
    """The model with these weights for a while, and then with its own again, to the bit."""
    own = weights(model)
    kept = {name: own[name].clone() for name in others}
    try:
        for name, value in others.items():
            own[name].copy_(value)
        yield
    finally:
        for name, value in kept.items():
            own[name].copy_(value)


def best_of(metric: str, found: Mapping[str, Validation]) -> str:
    """Which weights score best; the model's own where no others do better."""
    name, value = RAW, None
    for other, seen in found.items():
        if better(metric, seen.scores[metric], value):
            name, value = other, seen.scores[metric]
    return name


def kept(progress: Progress, settings: TrainConfig) -> str:
    """Which weights the model of a run has, in words."""
    if progress.best is None:  # no validation gave a number
        return f"the weights of step {progress.step:,}"
    means = {
        EMA: f"the moving average (decay {settings.ema:g}) of the weights at step",
        AVERAGE: f"the mean of the weights at the last validations, {settings.average} at most, "
        "up to step",
    }
    return f"{means.get(progress.best_weights, 'the weights of step')} {progress.best_step:,}"
