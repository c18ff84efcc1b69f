"""What the log of a run tells: its curves, and figures of how steady it was."""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqgen import checkpoint
from seqgen.errors import CheckpointError
from seqgen.metrics import higher_is_better
from seqgen.start import METRICS_FILE

Record = Mapping[str, Any]


class Log(NamedTuple):
    """The lines of `metrics.jsonl`, in the order in which they were written."""

    steps: list[Record]
    validations: list[Record]

    def curve(self, name: str) -> tuple[list[float], list[float]]:
        """The steps and values of a figure of training, or of validation as `dev loss`."""
        of_dev = name.startswith("dev ")
        rows, key = (self.validations, name[4:]) if of_dev else (self.steps, name)
        rows = [row for row in rows if key in row]
        return [row["step"] for row in rows], [_number(row[key]) for row in rows]


class Steadiness(NamedTuple):
    """How a run went, by its log; None is what the log cannot tell."""

    best: float | None  # of the metric that decides, on the validation pairs
    best_step: int | None
    largest_swing: float | None  # for the worse, from one validation to the next
    mean_swing: float | None
    norm_median: float | None  # of the gradient, before clipping
    norm_99: float | None  # its 99th percentile
    norm_spread: float | None  # its standard deviation over the second half
    clipped: float | None  # share of updates, in percent
    skipped: float | None
    seconds: float | None  # spent training
    returns: int | None  # to the last good state, with half the rate each


def read_log(run: Path) -> Log:
    """The log of a run, as far as it has come."""
    try:
        lines = (run / METRICS_FILE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return Log([], [])
    log = Log([], [])
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except ValueError:
            if number == len(lines):  # which is being written
                break
            raise CheckpointError(
                f"{run / METRICS_FILE}:{number}: is no line of a log; copy the file again"
            ) from None
        if not row.get("diagnosis"):  # what instruments read is for `seqgen diagnose`
            (log.validations if row.get("validation") else log.steps).append(row)
    return log


def steadiness(run: Path, log: Log, metric: str) -> Steadiness:
    """The figures of a run whose dev metric is `metric`.

    Those of gradients are of the lines of the log: of single updates where `train.log_every` is 1.
    """
    steps, values = log.curve(f"dev {metric}")
    known = [(value, step) for value, step in zip(values, steps, strict=True) if value == value]
    pick = max if higher_is_better(metric) else min
    best = pick(known, key=lambda pair: pair[0], default=None)
    worse = swings(values, metric)
    norms = _known(log.curve("gradient_norm")[1])
    later = _known(log.curve("gradient_norm")[1][len(log.steps) // 2 :])
    progress = _progress(run)
    return Steadiness(
        best=best[0] if best else None,
        best_step=int(best[1]) if best else None,
        largest_swing=max(worse, default=None),
        mean_swing=sum(worse) / len(worse) if worse else None,
        norm_median=float(np.median(norms)) if norms else None,
        norm_99=float(np.quantile(norms, 0.99)) if norms else None,
        norm_spread=float(np.std(later, ddof=1)) if len(later) > 1 else None,
        clipped=_share(log, "clipped"),
        skipped=_share(log, "skipped"),
        seconds=progress.get("seconds"),
        returns=progress.get("returns"),
    )


def swings(values: Sequence[float], metric: str) -> list[float]:
    """How much worse each validation was than the one before; 0 where it was no worse.

    What a model gains from one to the next is what it learns, and no swing.
    """
    sign = 1 if higher_is_better(metric) else -1
    pairs = itertools.pairwise(_known(values))
    return [max(0.0, sign * (before - after)) for before, after in pairs]


def _share(log: Log, name: str) -> float | None:
    shares = _known(log.curve(name)[1])
    return 100 * sum(shares) / len(shares) if shares else None


def _progress(run: Path) -> Mapping[str, Any]:
    """What the newest checkpoint says of how far the run has come."""
    for folder in reversed(checkpoint.checkpoints(run)):
        try:
            found = json.loads((folder / checkpoint.PROGRESS).read_bytes())
        except (OSError, ValueError):
            continue
        return found if isinstance(found, dict) else {}
    return {}


def _known(values: Sequence[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]


def _number(value: float | None) -> float:
    # The log writes null for what is no finite number.
    return math.nan if value is None else value
