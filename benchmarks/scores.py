"""The scores of quality.py as tables, beside what was published."""

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
        "over sources; of several seeds, the least and the most.",
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
    lines = [f"### {task.name}: {task.metric}", "",
             "| | dev | test | wanted | minutes to train | |",
             "|---|--:|--:|--:|--:|---|", *rows,
             *(["", task.tried] if task.tried else [])]  # fmt: skip
    return lines + (_parts(task, single, several) if len(task.parts) > 1 and newest else [])


def _row(name: str, task: Task, records: Sequence[Record], wanted: object) -> str:
    """The mean over the parts, which must all be there, of each run of theirs."""
    cells = [_mean(task, records, split) for split in ("dev", "test")]
    if not records:
        return f"| seqgen, {name} | not run | not run | {wanted} | | |"
    minutes = statistics.median(one["minutes"] for one in records)
    where = records[-1]["machine"]
    told = where["gpu"] or f"{where['threads']} threads"
    spent = f"{minutes:.1f}" if len(records[0]["seeds"]) == 1 else ""
    return f"| seqgen, {name} | {cells[0]} | {cells[1]} | {wanted} | {spent} | {told} |"


def _mean(task: Task, records: Sequence[Record], split: str) -> str:
    """The mean over parts; of several seeds the mean of these, with the least and the most."""
    by_seeds: dict[str, list[Record]] = {}
    for one in records:
        if split in one["splits"]:
            by_seeds.setdefault(str(one["seeds"]), []).append(one["splits"][split])
    most = max(map(len, by_seeds.values()), default=0)
    whole = [parts for parts in by_seeds.values() if len(parts) == most]
    if not whole:
        return "no file" if records else "not run"
    scores = [statistics.mean(part["score"] for part in parts) for parts in whole]
    of = f" ({most} of {len(task.parts)})" if most < len(task.parts) else ""
    if len(scores) > 1:
        return (f"{statistics.mean(scores):.2f} [{min(scores):.2f}, {max(scores):.2f}], "
                f"{len(scores)} seeds{of}")  # fmt: skip
    if most > 1:
        return f"{scores[0]:.2f}{of}"
    low, high = whole[0][0]["interval"]
    return f"{scores[0]:.2f} [{low:.2f}, {high:.2f}]{of}"


def _parts(task: Task, single: Sequence[Record], several: Sequence[Record]) -> list[str]:
    """A row a part."""
    lines = ["", "| | one model, dev | test | together, dev | test |", "|---|--:|--:|--:|--:|"]
    for part in task.parts:
        cells = [
            _mean(task._replace(parts=[part]), [one for one in some if one["part"] == part], split)
            for some in (single, several)
            for split in ("dev", "test")
        ]
        lines.append(f"| {part} | {' | '.join(cells)} |")
    return lines
