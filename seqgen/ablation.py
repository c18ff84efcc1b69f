"""A grid of runs: trained one after another or side by side, and what came of each."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from seqgen import checkpoint, training
from seqgen.comparison import differing
from seqgen.configfiles import read_config, to_toml
from seqgen.errors import CheckpointError, SeqgenError
from seqgen.grid import Planned
from seqgen.progress import LineReporter
from seqgen.trainsection import TrainConfig

LOGS = "logs"
LOOK_EVERY = 0.1  # seconds between two looks at the processes
# What a run may be asked for anew: how far it goes, and where and how it is worked at.
FREE = ("train.epochs", "train.max_steps", "train.device", "train.threads", "train.save_every",
        "train.keep", "train.report_to", "data.num_proc", "decode.batch_size")  # fmt: skip
# Exit codes of a run that was asked to stop, the second before it could listen.
STOPPED = (128 + signal.SIGTERM, -signal.SIGTERM)

Stop = Callable[[], bool]


class Ran(NamedTuple):
    """How one run of a grid ended."""

    planned: Planned
    finished: bool
    reason: str  # why it is not, in the words of the run; empty where it was asked to stop


def run_grid(plans: Sequence[Planned], folder: Path, jobs: int, stop: Stop) -> Iterator[Ran]:
    """The runs as they end, each in a folder of `folder` under its name; finished ones stay.

    A run that fails is told like others and stops none. Once `stop` is true, the runs at work are
    saved, the others are not begun, and the same call goes on another time.
    """
    _check_same(plans, folder)
    (folder / LOGS).mkdir(parents=True, exist_ok=True)
    if jobs > 1:
        yield from _side_by_side(plans, folder, jobs, stop)
        return
    for planned in plans:
        if stop():
            return
        yield _here(planned, folder, stop)


def logged(plans: Sequence[Planned], chosen: Collection[str]) -> list[Planned]:
    """The runs with a line of the log for each update, unless a number was set.

    The median and the 99th percentile of gradient norms are then of updates, not of means. What
    instruments read at each line would cost as much as the update, so they rest. What was `chosen`,
    by an option or as what varies, stays as it is; so does a number that is not the default.
    """
    default = TrainConfig().log_every
    if "train.log_every" in chosen or plans[0].config.train.log_every != default:
        return list(plans)
    resting = {} if "train.instruments" in chosen else {"instruments": False}
    return [_with(planned, log_every=1, **resting) for planned in plans]


def shared(plans: Sequence[Planned], jobs: int) -> list[Planned]:
    """The runs, of which each takes its share of the cores where several work at a time."""
    if jobs == 1 or plans[0].config.train.threads:
        return list(plans)
    threads = max(1, (os.cpu_count() or 1) // jobs)
    return [_with(planned, threads=threads) for planned in plans]


def _with(planned: Planned, **values: int) -> Planned:
    train = replace(planned.config.train, **values)  # type: ignore[arg-type]
    return planned._replace(config=replace(planned.config, train=train))


def _check_same(plans: Sequence[Planned], folder: Path) -> None:
    """Refuse a folder whose runs were begun with other settings: their figures would mix."""
    for planned in plans:
        path = folder / planned.name / checkpoint.CONFIG
        if not path.is_file():
            continue
        changed = differing([read_config(path), planned.config])
        other = next((name for name in changed if name not in FREE), None)
        if other is not None:
            before, now = changed[other]
            raise CheckpointError(
                f"{folder / planned.name}: was begun with other settings ({other}: {before!r} -> "
                f"{now!r}); --output-dir names another folder"
            )


def _here(planned: Planned, folder: Path, stop: Stop) -> Ran:
    """Train a run in this process."""
    with (folder / LOGS / f"{planned.name}.log").open("a", encoding="utf-8") as stream:
        report = LineReporter(stream)
        try:
            with closing(report):
                outcome = training.train(
                    planned.config, folder / planned.name, report=report, stop=stop
                )
        except SeqgenError as error:
            return Ran(planned, False, str(error))
        except Exception as error:  # one run of many: the others go on, and this one says why
            return Ran(planned, False, f"{type(error).__name__}: {error}")
    return Ran(planned, outcome.finished, "")


def _side_by_side(plans: Sequence[Planned], folder: Path, jobs: int, stop: Stop) -> Iterator[Ran]:
    """Train up to `jobs` runs at a time, each in a process of its own."""
    waiting = list(plans)
    working: list[tuple[Planned, subprocess.Popen[bytes]]] = []
    asked = False
    try:
        while working or (waiting and not stop()):
            while waiting and len(working) < jobs and not stop():
                planned = waiting.pop(0)
                working.append((planned, _begin(planned, folder)))
            if stop() and not asked:
                asked = True
                for _, process in working:
                    process.terminate()
            for ended in [pair for pair in working if pair[1].poll() is not None]:
                working.remove(ended)
                yield _ended(ended[0], folder, ended[1].returncode, asked)
            time.sleep(LOOK_EVERY)
    finally:
        for _, process in working:
            process.terminate()


def _begin(planned: Planned, folder: Path) -> "subprocess.Popen[bytes]":
    settings = folder / LOGS / f"{planned.name}.toml"
    settings.write_text(to_toml(planned.config), encoding="utf-8")
    words = ["--config", str(settings), "--output-dir", str(folder / planned.name)]
    with (folder / LOGS / f"{planned.name}.log").open("ab") as log:
        # A session of its own: Ctrl-C reaches this process, which asks the others once.
        return subprocess.Popen(
            [sys.executable, "-m", "seqgen", "train", *words],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


def _ended(planned: Planned, folder: Path, code: int, asked: bool) -> Ran:
    """How a process ended, by its exit code and the last thing that it said."""
    if code == 0:
        return Ran(planned, _is_finished(folder / planned.name), "")
    if asked and code in STOPPED:
        return Ran(planned, False, "")
    log = folder / LOGS / f"{planned.name}.log"
    said = log.read_text(encoding="utf-8", errors="replace").splitlines()
    last = said[-1].removeprefix("seqgen: ") if said else "it said nothing"
    return Ran(planned, False, last if code > 0 else f"ended by signal {-code}: {last}")


def _is_finished(run: Path) -> bool:
    newest = checkpoint.newest(run, lambda line: None)
    if newest is None:
        return False
    return bool(json.loads((newest / checkpoint.PROGRESS).read_bytes())["finished"])
