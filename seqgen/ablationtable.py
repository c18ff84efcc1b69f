"""What a grid of runs came to: figures of each, means and spreads, one table, one page."""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seqgen import __version__
from seqgen.ablation import Ran
from seqgen.comparison import NONE
from seqgen.curves import Log, read_log, steadiness
from seqgen.divergence import RETURNS
from seqgen.evaluation import RESULTS
from seqgen.grid import SEED, Varied, label
from seqgen.progress import duration
from seqgen.webpage import Chart, Curve, Section, Table

Record = dict[str, Any]
# Figure of a run, heading, digits; the metric's name stands in for {}.
COLUMNS = (
    ("test", "test {}", 2),
    ("best", "best dev {}", 2),
    ("largest_swing", "largest swing", 2),
    ("mean_swing", "mean swing", 2),
    ("norm_median", "norm, median", 3),
    ("norm_99", "norm, 99 %", 3),
    ("norm_spread", "norm, spread", 3),
    ("clipped", "clipped, %", 1),
    ("seconds", "time", 0),
)
FIGURES = tuple(name for name, _, _ in COLUMNS)
MEANING = (
    "Means over the seeds, ± their standard deviation. A swing is how much worse the dev metric "
    "was than at the validation before; norms are of the gradient before clipping, their spread "
    "the standard deviation over the second half of training."
)


def summary(ran: Sequence[Ran], folder: Path, varied: Varied) -> Record:
    """All figures of a grid, as `ablation.json` holds them."""
    groups: dict[str, list[Ran]] = {}
    for one in ran:
        groups.setdefault(label(one.planned.values), []).append(one)
    return {
        "seqgen": __version__,
        "metric": ran[0].planned.config.train.metric,
        "vary": {path: list(values) for path, values in varied.items()},
        "combinations": [
            _combination(name, group, folder) for name, group in groups.items()
        ],
    }  # fmt: skip


def sections(result: Record, folder: Path) -> list[Section]:
    """The table, what failed, and the curves of the dev metric."""
    metric = result["metric"]
    logs = {run["folder"]: read_log(folder / run["folder"])
            for one in result["combinations"] for run in one["runs"]}  # fmt: skip
    parts: list[str | Table | Chart] = [MEANING, _table(result)]
    for one in result["combinations"]:
        for run in one["runs"]:
            if run["state"] != "finished":
                parts.append(f"{run['folder']}: {run['state']}: {run['reason']}")
            elif run["returns"]:
                parts.append(f"{run['folder']}: diverged and went back {run['returns']} times, "
                             "each with half the learning rate")  # fmt: skip
    curves = [_curve(one, logs, f"dev {metric}") for one in result["combinations"]]
    drawn = [curve for curve in curves if curve.up]
    norms = [_first(one, logs, "gradient_norm") for one in result["combinations"]]
    shown = [curve for curve in norms if any(value > 0 for value in curve.up)]
    charts = [Chart(f"dev {metric}, mean over seeds", drawn)] if drawn else []
    charts += [Chart("gradient norm, first seed", shown, "y")] if shown else []
    return [Section("Runs", parts), Section("Curves", charts)]


def to_json(result: Record) -> str:
    """The figures as a file."""
    return json.dumps(result, indent=2, ensure_ascii=False) + "\n"


def state_line(one: Ran, folder: Path) -> str:
    """What is said when a run has ended."""
    if not one.finished:
        return f"{one.planned.name}: {one.reason or 'stopped'}"
    found = _figures(one, folder)
    metric = one.planned.config.train.metric
    shown = [f"{split} {metric} {found[name]:.2f}" for split, name in
             (("dev", "best"), ("test", "test")) if found[name] is not None]  # fmt: skip
    return f"{one.planned.name}: {', '.join([*shown, duration(found['seconds'] or 0)])}"


def _combination(name: str, group: Sequence[Ran], folder: Path) -> Record:
    runs = [
        {
            "folder": one.planned.name,
            "seed": getattr(one.planned.config.train, SEED.partition(".")[2]),
            "state": _state(one, found["returns"]),
            "reason": one.reason,
            **found,
        }
        for one, found in ((one, _figures(one, folder)) for one in group)
    ]
    finished = [run for run in runs if run["state"] == "finished"]
    figures = {figure: mean_and_spread([run[figure] for run in finished]) for figure in FIGURES}
    return {"label": name, "values": group[0].planned.values, "finished": len(finished),
            "figures": figures, "runs": runs}  # fmt: skip


def mean_and_spread(values: Sequence[float | None]) -> list[float] | None:
    """The mean and the sample's standard deviation, 0 for one value; None where one is missing."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None
    return [statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else 0.0]


def _figures(one: Ran, folder: Path) -> Record:
    """The figures of a run, as far as it has come."""
    run = folder / one.planned.name
    metric = one.planned.config.train.metric
    found: Record = steadiness(run, read_log(run), metric)._asdict()
    try:
        last = json.loads((run / RESULTS).read_bytes())
        # Where there are no test data the model is evaluated on the validation data.
        test = last["scores"].get(metric) if last["split"] == "test" else None
    except (OSError, ValueError, KeyError):
        test = None
    return {**found, "test": test}


def _state(one: Ran, returns: int | None) -> str:
    if one.finished:
        return "finished"
    if not one.reason:
        return "stopped"
    return "diverged" if returns == RETURNS else "failed"


def _table(result: Record) -> Table:
    rows = []
    kept = [column for column in COLUMNS
            if any(one["figures"][column[0]] for one in result["combinations"])]  # fmt: skip
    for one in result["combinations"]:
        cells = [_cell(one["figures"][name], name, digits) for name, _, digits in kept]
        rows.append([one["label"], _count(one), *cells])
    headings = [heading.format(result["metric"]) for _, heading, _ in kept]
    return Table(["", "runs", *headings], rows)


def _count(one: Record) -> str:
    """`3`, or `2 of 3, 1 diverged`."""
    runs = one["runs"]
    if one["finished"] == len(runs):
        return str(len(runs))
    states = [run["state"] for run in runs if run["state"] != "finished"]
    others = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    return f"{one['finished']} of {len(runs)}, {others}"


def _cell(found: Sequence[float] | None, name: str, digits: int) -> str:
    if found is None:
        return NONE
    mean, spread = found
    if name == "seconds":
        return duration(mean)
    return f"{mean:.{digits}f} ± {spread:.{digits}f}" if spread else f"{mean:.{digits}f}"


def _curve(one: Record, logs: Mapping[str, Log], name: str) -> Curve:
    """The mean over the runs at each step that all of them have."""
    found = [logs[run["folder"]].curve(name) for run in one["runs"]]
    curves = [dict(zip(*curve, strict=True)) for curve in found if curve[0]]
    if not curves:
        return Curve(one["label"], [], [])
    common = [step for step in curves[0] if all(step in curve for curve in curves)]
    means = [statistics.fmean(curve[step] for curve in curves) for step in common]
    return Curve(one["label"], common, means)


def _first(one: Record, logs: Mapping[str, Log], name: str) -> Curve:
    return Curve(one["label"], *logs[one["runs"][0]["folder"]].curve(name))
