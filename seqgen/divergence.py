"""When a run has diverged, and where it goes on then: at its last good state, more slowly."""

from dataclasses import replace
from pathlib import Path

from torch import Tensor

from seqgen.checkpoint import Progress, checkpoints
from seqgen.errors import TrainingError

IN_A_ROW = 5  # updates without a finite gradient, after which a run has diverged
WORSE = 2  # times the loss of guessing: a run that has known better has diverged
RETURNS = 3  # to the last good state, before a run is given up


class Diverged(Exception):
    """The weights are no longer where they learn; why."""


def judge_updates(in_a_row: Tensor) -> None:
    """Raise `Diverged` where so many updates in a row had no finite gradient."""
    if in_a_row >= IN_A_ROW:
        raise Diverged(f"no finite gradient in {IN_A_ROW} updates")


def judge_loss(progress: Progress, loss: float, guess: float) -> None:
    """Raise `Diverged` where the loss has been below that of a guess and is far above it."""
    progress.learned |= loss < guess
    if _far_above(progress, loss, guess):
        raise Diverged(f"a loss of {loss:.2f}, more than {WORSE} times that of guessing,")


def doubtful(progress: Progress, in_a_row: Tensor, loss: float, guess: float) -> bool:
    """Whether the last update, whose loss this is, was such that its weights may have diverged.

    One is too few to say so, but they are no state to go back to: a mean since the last line of the
    log would hide it.
    """
    return bool(in_a_row) or _far_above(progress, loss, guess)


def _far_above(progress: Progress, loss: float, guess: float) -> bool:
    return progress.learned and loss > WORSE * guess


def put_off(run: Path) -> str:
    """What is said where a run is left right after an update that leaves its state in doubt."""
    there = checkpoints(run)
    where = (
        f"the checkpoint of step {int(there[-1].name.removeprefix('step-')):,}"
        if there
        else "the start"
    )
    return f"stopping    the last update went badly, so that the run will go on from {where}"


def told(progress: Progress, reason: Diverged, run: Path) -> str:
    """What is said of a divergence; raises `TrainingError` where it was one too many."""
    where = f"epoch {progress.epoch}, update {progress.update}"
    line = f"{reason} up to step {progress.step:,} ({where})"
    if progress.returns == RETURNS:
        raise TrainingError(
            f"{run}: {line}, after {RETURNS} returns with half the rate each; the last "
            f"checkpoint is whole: lower --learning-rate, or set --max-grad-norm"
        )
    number = progress.returns + 1
    return f"diverged    {line}; back with half the rate (return {number} of {RETURNS})"


def returned(found: Progress, left: Progress) -> Progress:
    """Where a run goes on that has left `left` for the checkpoint `found`.

    The rate is half of what it was, however often this checkpoint has been returned to. The best
    model stays the one that the run's folder holds.
    """
    return replace(
        found,
        scale=left.scale / 2,
        returns=left.returns + 1,
        best=left.best,
        best_step=left.best_step,
        best_weights=left.best_weights,
        finished=False,
    )
