"""Runs side by side: scores and whether they differ by more than chance, settings, curves."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seqgen.averaging import RAW
from seqgen.config import Config, options
from seqgen.configfiles import read_config
from seqgen.corpus import read_corpus
from seqgen.curves import Log, read_log, steadiness
from seqgen.errors import ModelError, SeqgenError, UsageError
from seqgen.evaluation import PREDICTIONS, RESULTS, references_in, references_of
from seqgen.forms import forms
from seqgen.metrics import METRICS, Metric, metrics, paired
from seqgen.progress import duration
from seqgen.runs import RUNS, run_folder
from seqgen.splits import ROLES
from seqgen.webpage import Chart, Curve, Section, Table

NONE = "-"  # in a cell for which there is no figure
SIGNIFICANT = 0.05
# Metrics without a download or a choice of words, by which predictions and scores are matched.
CHECKED = ("exact", "cer")


class Run(NamedTuple):
    """What a run's folder holds."""

    name: str
    folder: Path
    config: Config
    log: Log
    report: Mapping[str, Any]  # eval_results.json; empty where it was not evaluated


class Judged(NamedTuple):
    """What a run wrote for the sentences of its evaluation."""

    hypotheses: list[str]
    references: list[list[str]]


def compare(names: Sequence[str]) -> list[Section]:
    """All that can be said of the runs, as sections of a page; the first is what others face."""
    runs = read_runs(names)
    return [
        Section("Scores", scores(runs)),
        Section("Is the difference more than chance?", against_first(runs)),
        Section("Training", [_training(runs)]),
        Section("Settings that differ", [_settings(runs)]),
        Section("Curves", charts(runs)),
    ]


def read_runs(names: Sequence[str]) -> list[Run]:
    """The runs of these folders, or names under `./checkpoints`."""
    if len(names) < 2:
        raise UsageError(f"compare takes two runs or more; got {len(names)}")
    folders = [find_run(name) for name in names]
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise UsageError("compare takes different runs; one was named twice")
    short = [folder.resolve().name for folder in folders]
    shown = short if len(set(short)) == len(short) else [str(folder) for folder in folders]
    return [_read(*pair) for pair in zip(shown, folders, strict=True)]


def find_run(name: str) -> Path:
    """The run folder that `name` means, finished or not."""
    folder = run_folder(name)
    if folder is not None:
        return folder
    raise ModelError(f"{name}: is no run folder, nor is {RUNS / name}: it has no config.json; "
                     "'seqgen train' makes one")  # fmt: skip


def scores(runs: Sequence[Run]) -> list[str | Table]:
    """The test scores with their intervals, and why some are missing or not comparable."""
    judged = [run for run in runs if run.report]
    lines: list[str | Table] = []
    if judged:
        rows = [[_label(name), *(_score(run, name) for run in runs)] for name in METRICS]
        lines.append(Table(["", *(run.name for run in runs)], rows))
    lines += [
        f"{run.name}: was not evaluated; seqgen evaluate --model {run.folder} does that"
        for run in runs
        if not run.report
    ]
    for what in ("split", "sources", "settings", "signatures"):
        values = [run.report[what] for run in judged]
        if any(value != values[0] for value in values):
            found = "; ".join(f"{run.name} {_shown(run.report[what], values)}" for run in judged)
            lines.append(f"evaluated with different {what}: {found}")
    return lines


def against_first(runs: Sequence[Run]) -> list[str | Table]:
    """Each run against the first by the paired bootstrap, or why it cannot be."""
    first, *others = runs
    base = judged(first)
    if isinstance(base, str):
        return [f"no paired test: {base}"]
    lines, columns, names = [], [], []
    judges = metrics(first.config.data.bleu_tokenizer)
    for run in others:
        found = judged(run)
        if not isinstance(found, str) and found.references != base.references:
            found = f"{run.name} was evaluated on other sentences than {first.name}"
        if isinstance(found, str):
            lines.append(f"no paired test: {found}")
            continue
        names.append(f"{run.name} - {first.name}")
        columns.append([_difference(judge, base, found) for judge in judges.values()])
    if not columns:
        return list(lines)
    rows = [[_label(name), *cells] for name, *cells in zip(METRICS, *columns, strict=True)]
    meaning = (
        f"Differences from {first.name} on the same {len(base.references):,} sources, with the "
        f"two-sided p of a paired bootstrap (Koehn 2004); * is p < {SIGNIFICANT}. "
        "Of many tests, one in twenty says so by chance."
    )
    return [meaning, Table(["", *names], rows), *lines]


def judged(run: Run) -> Judged | str:
    """The predictions of a run with their references, or why there are none to trust."""
    if not run.report or not (run.folder / PREDICTIONS).is_file():
        return f"{run.name} has no {RESULTS} with {PREDICTIONS}"
    hypotheses = _lines(run.folder / PREDICTIONS)
    files = references_in(run.folder)
    try:
        columns = [_lines(path) for _, path in sorted(files.items())]
        references = list(map(list, zip(*columns, strict=True))) if files else _of_data(run)
        counted = {name: METRICS[name].score(hypotheses, references) for name in CHECKED}
    except (SeqgenError, OSError, ValueError) as error:
        return f"the references of {run.name} cannot be read: {error}"
    if any(abs(counted[name] - run.report["scores"][name]) > 1e-6 for name in CHECKED):
        return f"the data of {run.name} are no longer those that it was evaluated on"
    return Judged(hypotheses, references)


def differing(configs: Sequence[Config]) -> dict[str, list[Any]]:
    """The settings that are not the same in all configurations, with the value in each."""
    found = {}
    for section, item, _ in options():
        values = [getattr(getattr(config, section), item.name) for config in configs]
        if any(value != values[0] for value in values):
            found[f"{section}.{item.name}"] = values
    return found


def charts(runs: Sequence[Run]) -> list[Chart]:
    """Loss, dev metrics, gradient norm and learning rate of all runs over each other."""
    metrics = dict.fromkeys(["loss", *(run.config.train.metric for run in runs)])
    wanted = {"loss": "", **{f"dev {name}": "" for name in metrics},
              "gradient_norm": "y", "learning_rate": "y"}  # fmt: skip
    drawn = []
    for name, logarithmic in wanted.items():
        curves = [Curve(run.name, *run.log.curve(name)) for run in runs]
        if any(_drawable(curve, logarithmic) for curve in curves):
            title = name.replace("_", " ")
            drawn.append(Chart(f"train {title}" if name == "loss" else title, curves, logarithmic))
    return drawn


def number(value: float | None, digits: int = 2) -> str:
    """A figure as a cell; `-` where there is none."""
    return NONE if value is None else f"{value:.{digits}f}"


def _training(runs: Sequence[Run]) -> Table:
    rows = []
    for run in runs:
        metric = run.config.train.metric
        seen = steadiness(run.folder, run.log, metric)
        at = NONE if seen.best_step is None else f"{seen.best_step:,}"
        if seen.best_weights not in (None, RAW):
            at += f", {seen.best_weights}"
        rows.append([
            run.name, metric, number(seen.best), at, number(seen.largest_swing),
            number(seen.norm_median), number(seen.norm_99), number(seen.clipped, 1),
            NONE if seen.seconds is None else duration(seen.seconds),
        ])  # fmt: skip
    return Table(["", "metric", "best dev", "at step", "largest swing", "norm, median",
                  "norm, 99 %", "clipped, %", "time"], rows)  # fmt: skip


def _settings(runs: Sequence[Run]) -> str | Table:
    found = differing([run.config for run in runs])
    if not found:
        return "none"
    rows = [[path, *(json.dumps(value, ensure_ascii=False) for value in values)]
            for path, values in found.items()]  # fmt: skip
    return Table(["", *(run.name for run in runs)], rows)


def _read(name: str, folder: Path) -> Run:
    path = folder / RESULTS
    try:
        report = json.loads(path.read_bytes()) if path.is_file() else {}
        report = {what: report[what] for what in
                  ("split", "sources", "scores", "intervals", "signatures", "settings")
                  } if report else {}  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: is no report of an evaluation ({error}); "
                         "'seqgen evaluate' writes it again")  from None  # fmt: skip
    return Run(name, folder, read_config(folder / "config.json"), read_log(folder), report)


def _of_data(run: Run) -> list[list[str]]:
    """The references of the split that the run was evaluated on, from its data."""
    corpus = read_corpus(run.config.data)
    split = getattr(corpus, run.report["split"]) if run.report["split"] in ROLES else None
    if split is None:
        raise ModelError(f"{corpus.name} has no {run.report['split']} split now")
    _, form = forms(run.config.tokenizer)
    return list(references_of(split, form).values())


def _lines(path: Path) -> list[str]:
    # No splitlines: a text may hold what Unicode takes for the end of a line.
    return path.read_text(encoding="utf-8").split("\n")[:-1]


def _score(run: Run, name: str) -> str:
    if name not in run.report.get("scores", {}):
        return NONE
    low, high = run.report["intervals"][name]
    return f"{run.report['scores'][name]:.2f} [{low:.2f}, {high:.2f}]"


def _difference(judge: Metric, base: Judged, found: Judged) -> str:
    """`+1.25, p 0.012 *`: the second less the first."""
    first = judge.statistics(base.hypotheses, base.references)
    second = judge.statistics(found.hypotheses, found.references)
    chance = min(1.0, 2 * paired(first, second))
    mark = " *" if chance < SIGNIFICANT else "  "
    return f"{second.score() - first.score():+.2f}, p {chance:.3f}{mark}"


def _label(name: str) -> str:
    return f"{METRICS[name].label} ({'higher' if METRICS[name].higher else 'lower'} is better)"


def _shown(value: Any, values: Sequence[Any]) -> str:
    """A value, or those entries of it that are not the same in all."""
    if not isinstance(value, Mapping):
        return str(value)
    return ", ".join(
        f"{key} = {entry}"
        for key, entry in value.items()
        if any(other.get(key) != entry for other in values)
    )


def _drawable(curve: Curve, logarithmic: str) -> bool:
    return any(value > 0 if logarithmic else math.isfinite(value) for value in curve.up)
