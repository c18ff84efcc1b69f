"""What the value of the dev metric changes: best so far, patience, and what a plateau asks for."""

from typing import NamedTuple

from seqgen.checkpoint import Progress
from seqgen.trainsection import TrainConfig
from seqgen.validation import better


class Verdict(NamedTuple):
    """What a validation was."""

    improved: bool  # better than all before
    plateau: bool  # one too many that were not


def judge(progress: Progress, value: float, settings: TrainConfig) -> Verdict:
    """What this value of the dev metric is; `progress` has counted it in.

    Where means of the weights are evaluated as well, it is the best value of them all: what ends
    a run, or slows it, is that nothing gets better which could be kept.
    """
    improved = better(settings.metric, value, progress.best)
    if improved:
        progress.best, progress.best_step = value, progress.step
        progress.waited = progress.plateau = 0
    else:
        progress.waited += 1
        progress.plateau += 1
    plateau = progress.plateau > settings.plateau_patience
    if plateau:
        progress.scale, progress.plateau = progress.scale * settings.plateau_factor, 0
        if settings.plateau_growth > 1:
            grow(progress)
    progress.stopped = bool(settings.patience) and progress.waited >= settings.patience
    return Verdict(improved, plateau)


def grow(progress: Progress) -> None:
    """Have batches grow from the next epoch on, after Smith et al. (2018, arXiv 1711.00489).

    An epoch that has begun keeps its order, and larger batches that are still to come are not
    found wanting: an epoch is entered with one growth at most.
    """
    first = progress.epoch + bool(progress.update)
    if first not in progress.grown:
        progress.grown.append(first)
