"""What the log of a run tells: its curves, and figures of how steady it was."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqgen import checkpoint
from seqgen.averaging import RAW
from seqgen.diagnostics import swings
from seqgen.errors import CheckpointError
from seqgen.metrics import higher_is_better
from seqgen.start import METRICS_FILE

Record = Mapping[str, Any]


class Log(NamedTuple):
    """The lines of `metrics.jsonl`, in the order in which they were written."""

    steps: list[Record]  # a line an interval
    validations: list[Record]
    health: list[Record]  # what instruments read

    def curve(self, name: str) -> tuple[list[float], list[float]]:
        """The steps and values of a figure of training, or of validation as `dev loss`.

        The latter are those of the weights that did best in it: the model's own, or a mean.
        """
        if not name.startswith("dev "):
            rows = [(row["step"], row[name]) for row in self.steps if name in row]
        else:
            keys = ((row, dev_key(row, name[4:])) for row in self.validations)
            rows = [(row["step"], row[key]) for row, key in keys if key in row]
        return [step for step, _ in rows], [_number(value) for _, value in rows]


class Steadiness(NamedTuple):
    """How a run went, by its log; None is what the log cannot tell."""

    best: float | None  # of the metric that decides, on the validation pairs
    best_step: int | None
    best_weights: str | None  # raw, ema or average
    largest_swing: float | None  # for the worse, from one validation to the next
    mean_swing: float | None
    norm_median: float | None  # of the gradient, before clipping
    norm_99: float | None  # its 99th percentile
    norm_spread: float | None  # its standard deviation over the second half
    clipped: float | None  # share of updates, in percent
    skipped: float | None
    seconds: float | None  # spent training
    returns: int | None  # to the last good state, with half the rate each


def read_log(run: Path, lenient: bool = False) -> Log:
    """The log of a run, as far as it has come; a lenient reader passes over what is broken."""
    log = Log([], [], [])
    try:
        lines = (run / METRICS_FILE).read_bytes().splitlines()
    except FileNotFoundError:
        return log
    for number, line in enumerate(lines, 1):
        row = _row(line)
        if row is None:
            if lenient:
                continue
            if number == len(lines):  # which is being written, or was when the run was killed
                break
            raise CheckpointError(
                f"{run / METRICS_FILE}:{number}: is no line of a log; copy the file again"
            )
        kind = log.health if row.get("diagnosis") else log.steps
        (log.validations if row.get("validation") else kind).append(row)
    return log


def dev_key(row: Record, metric: str) -> str:
    """Under which name a validation has a metric of the weights that did best in it."""
    kind = row.get("weights", RAW)
    return metric if kind == RAW else f"{kind}_{metric}"


def swing_readings(values: Sequence[float], metric: str) -> dict[str, float]:
    """Of the values of a dev metric so far: the last one, and how much worse they became."""
    worse = swings(values, metric)
    lost = not values or math.isnan(values[-1])
    return {
        "metric": values[-1] if values else math.nan,
        "swing_last": 0.0 if lost or not worse else worse[-1],
        "swing_largest": max(worse, default=0.0),
        "swing_mean": sum(worse) / len(worse) if worse else 0.0,
    }


def steadiness(run: Path, log: Log, metric: str) -> Steadiness:
    """The figures of a run whose dev metric is `metric`.

    Those of gradients are of the lines of the log: of single updates where `train.log_every` is 1.
    """
    keys = [(row, dev_key(row, metric)) for row in log.validations]
    seen = [(_number(row[key]), row) for row, key in keys if key in row]
    pick = max if higher_is_better(metric) else min
    known = [pair for pair in seen if not math.isnan(pair[0])]
    best, where = pick(known, key=lambda pair: pair[0], default=(None, {}))
    worse = swings([value for value, _ in seen], metric)
    norms = _known(log.curve("gradient_norm")[1])
    later = _known(log.curve("gradient_norm")[1][len(log.steps) // 2 :])
    progress = _progress(run)
    return Steadiness(
        best=best,
        best_step=where.get("step"),
        best_weights=where.get("weights", RAW) if known else None,
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


def _row(line: bytes) -> Record | None:
    """A line of the log; None where it is none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and type(row.get("step")) is int else None


def _known(values: Sequence[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]


def _number(value: float | None) -> float:
    # The log writes null for what is no finite number.
    return math.nan if value is None else value
