"""What changes in the course of a run, as a function of how far it has come."""

import math
from collections.abc import Callable

from seqgen.batching import Batches, Budget
from seqgen.checkpoint import Progress
from seqgen.config import Config
from seqgen.preparation import Prepared
from seqgen.sampling import Forcing
from seqgen.schedules import RATE_SCALINGS, decay, teacher_forcing, warmup
from seqgen.trainsection import TrainConfig


def batches_of(data: Prepared, settings: TrainConfig) -> Batches:
    """The training pairs in the batches of the settings."""
    return Batches(data.train, Budget.of(settings), settings.seed, settings.length_blur, data.drawn)


class Course:
    """The learning rate, the teacher forcing and the end of a run."""

    def __init__(self, config: Config, batches: Batches):
        self.config, self.batches = config, batches
        self.last = min(config.train.max_steps or math.inf, self._updates(config.train.epochs))
        self._ratio = self._falling()
        # No batch can be larger than all of the first epoch.
        self._largest = self._updates(1)

    def rate(self, progress: Progress) -> float:
        """The learning rate of the next update."""
        settings, number = self.config.train, progress.step + 1
        ramp = warmup(settings.warmup_steps)(number)
        fall = decay(settings.decay, settings.warmup_steps, self.last)(number)
        larger = min(self.batches.budget.factor(progress.epoch), self._largest)
        scaling = RATE_SCALINGS[settings.rate_scaling](larger)
        return settings.learning_rate * ramp * fall * progress.scale * scaling

    def forcing(self, progress: Progress) -> Forcing:
        """How the decoder's inputs are chosen in it."""
        sampling = self.config.sampling
        ratio = self._ratio(progress.step)
        return Forcing(
            ratio,
            sampling.passes,
            sampling.feedback,
            sampling.feedback_k,
            sampling.feedback_temperature,
        )

    def epochs(self, progress: Progress) -> float:
        """How many epochs are done."""
        if not progress.update:  # of an epoch that may never come
            return float(progress.epoch)
        updates = self.batches.updates(progress.epoch, self.config.train.accumulate)
        return round(progress.epoch + progress.update / updates, 4)

    def tokens(self, progress: Progress) -> float:
        """How many target tokens the last update has had, as they are in the mean of its epoch."""
        epoch = progress.epoch if progress.update else max(progress.epoch - 1, 0)
        return self.batches.tokens(epoch) / self.batches.updates(
            epoch, self.config.train.accumulate
        )

    def _updates(self, epochs: float) -> float:
        return self.batches.expected(epochs, self.config.train.accumulate)

    def _falling(self) -> Callable[[float], float]:
        sampling = self.config.sampling
        first = self._updates(sampling.forcing_warmup)
        last = self.last
        if sampling.forcing_epochs:
            last = self._updates(sampling.forcing_warmup + sampling.forcing_epochs)
        fall = max(last - first, 1)
        return teacher_forcing(
            sampling.teacher_forcing, sampling.forcing_start, sampling.forcing_floor, first, fall
        )
