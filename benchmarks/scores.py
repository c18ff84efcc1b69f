"""The scores of quality.py as tables, beside what was published."""

import math
import statistics
from collections.abc import Sequence
from typing import Any

from tasks import QUICK, TASKS, Task

Record = dict[str, Any]


def quality(records: Sequence[Record]) -> list[str]:
    """What models reach, beside what was published; a row not run is called not run."""
    lines = [
        "## How good",
        "",
        "Made by `quality.py` from `results/quality.json`: each recipe with the seeds 1, 2 and so "
        "on, on dev and, where its file was there, on test. Intervals are 95 % bootstrap intervals "
        "over sources; of several seeds, the least and the most, and the half of a seed's interval "
        "behind \u00b1.",
    ]
    named = {one["task"] for one in records}
    for task in (*TASKS.values(), *([QUICK] if QUICK.name in named else ())):
        lines += ["", *_task(task, [one for one in records if one["task"] == task.name])]
    return lines


def _task(task: Task, records: Sequence[Record]) -> list[str]:
    """The table of a task, whose newest settings alone count."""
    newest = [one for one in records if one["settings"] == records[-1]["settings"]]
    single = [one for one in newest if len(one["seeds"]) == 1]
    most = max((len(one["seeds"]) for one in newest), default=0)
    several = [one for one in newest if len(one["seeds"]) == most > 1]
    wanted = task.wanted or ("", "")
    rows = [f"| {one.system} | | {one.score} | | | {one.sure} |" for one in task.published]
    rows.append(_row("one model", task, single, wanted[0]))
    rows.append(_row(f"{most if most > 1 else 5} together", task, several, wanted[1]))
    tried = [
        told
        for told, some, bound in zip(task.tried, (single, several), wanted, strict=True)
        if told and some and not _reached(task, some, bound)
    ]
    command = f"`python benchmarks/quality.py {task.name} --data FOLDER --out FOLDER`"
    lines = [f"### {task.name}: {task.metric}", "", command, "",
             "| | dev | test | wanted | minutes to train | |",
             "|---|--:|--:|--:|--:|---|", *rows,
             *(line for told in tried for line in ("", told))]  # fmt: skip
    return lines + (_parts(task, single, several) if len(task.parts) > 1 and newest else [])


def _row(name: str, task: Task, records: Sequence[Record], wanted: object) -> str:
    """The mean over the parts, which must all be there, of each run of theirs."""
    if not records:
        return f"| seqgen, {name} | not run | not run | {wanted} | | |"
    cells = [_mean(task, records, split) for split in ("dev", "test")]
    minutes = statistics.median(one["minutes"] for one in records)
    where = records[-1]["machine"]
    threads = where["threads"]
    told = where["gpu"] or f"{threads} thread{'s' * (threads > 1)}"
    if "cpu" in where and not where["gpu"]:  # older records do not name it
        told += f", {where['cpu']}"
    spent = f"{minutes:.1f}" if len(records[0]["seeds"]) == 1 else ""
    return f"| seqgen, {name} | {cells[0]} | {cells[1]} | {wanted} | {spent} | {told} |"


def _runs(records: Sequence[Record], split: str) -> list[list[Record]]:
    """What each run found on a split, a part each: those of the most parts."""
    by_seeds: dict[str, list[Record]] = {}
    for one in records:
        if split in one["splits"]:
            by_seeds.setdefault(str(one["seeds"]), []).append(one["splits"][split])
    most = max(map(len, by_seeds.values()), default=0)
    return [parts for parts in by_seeds.values() if len(parts) == most]


def _reached(task: Task, records: Sequence[Record], wanted: object) -> bool:
    """Whether the test splits of all parts are there, and as good as wanted."""
    runs = _runs(records, "test")
    if not runs or len(runs[0]) < len(task.parts) or not isinstance(wanted, float):
        return False
    score = statistics.mean(part["score"] for parts in runs for part in parts)
    return score <= wanted if task.errors else score >= wanted


def _mean(task: Task, records: Sequence[Record], split: str) -> str:
    """The mean over parts with its interval; of several runs their mean, the least and the most.

    The parts' intervals are of independent sources: half of the mean's is the root of the sum of
    their halves' squares, by the number of parts.
    """
    runs = _runs(records, split)
    if not runs:
        return "no file" if records else "not run"
    if len(runs[0]) < len(task.parts):
        return f"{len(runs[0])} of {len(task.parts)}, below"
    scores = [statistics.mean(part["score"] for part in parts) for parts in runs]
    low, high = (
        scores[0] + sign * math.hypot(*(part["interval"][side] - part["score"] for part in runs[0]))
        / len(runs[0])
        for side, sign in ((0, -1), (1, 1))
    )  # fmt: skip
    if len(scores) > 1:
        return (f"{statistics.mean(scores):.2f} [{min(scores):.2f}, {max(scores):.2f}] "
                f"\u00b1 {(high - low) / 2:.2f}, {len(scores)} seeds")  # fmt: skip
    return f"{scores[0]:.2f} [{low:.2f}, {high:.2f}]"


def _parts(task: Task, single: Sequence[Record], several: Sequence[Record]) -> list[str]:
    """A row a part, and the means of what was published over the parts that have a test split."""
    published = "".join(f" {system} |" for system, _ in task.by_part)
    lines = ["", f"| |{published} one model, dev | test | together, dev | test |",
             f"|---|{'--:|' * (4 + len(task.by_part))}"]  # fmt: skip
    tested = [part for part in task.parts if any("test" in one["splits"] and one["part"] == part
                                                 for one in single)]  # fmt: skip
    for part in task.parts:
        lines.append(f"| {part} | {' | '.join(_cells(task, [part], single, several))} |")
    if 0 < len(tested) < len(task.parts):
        cells = _cells(task, tested, single, several)
        lines.append(f"| mean of {', '.join(tested)} | {' | '.join(cells)} |")
    return lines


def _cells(
    task: Task, parts: list[str], single: Sequence[Record], several: Sequence[Record]
) -> list[str]:
    places = [task.parts.index(part) for part in parts]
    known = [
        f"{statistics.mean(scores[place] for place in places):.2f}" for _, scores in task.by_part
    ]
    return known + [
        _mean(task._replace(parts=parts), [one for one in some if one["part"] in parts], split)
        for some in (single, several)
        for split in ("dev", "test")
    ]
