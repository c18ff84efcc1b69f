"""The results of the programs that measure, as one page of tables."""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from goals import goals
from tasks import QUICK, TASKS, Task

Record = dict[str, Any]
RESULTS = Path(__file__).resolve().parent / "results"


def page(result: Record, qualities: Sequence[Record] = ()) -> str:
    """All that was measured, in Markdown."""
    parts = {
        "training": training,
        "words": words,
        "models": models,
        "decoding": decoding,
        "start": start,
    }
    lines = [
        "# How fast",
        "",
        "Made by `speed.py` from `results/speed.json`; `NOTES.md` tells how it came about. Figures "
        "are medians, with the least and the most of the rounds.",
        "",
        *goals(result),
    ]
    for name, lines_of in parts.items():
        if result.get(name):
            title, *rest = lines_of(result[name])
            lines += ["", f"## {title}", "", on(**result["on"][name]), *rest]
    growth = [
        "",
        "## How cost grows",
        "",
        "By `growth.py`, from `results/growth.json`: tokens a second when one thing is changed.",
        "",
        "![Tokens a second against width, batch, length, vocabulary and beam](results/growth.png)",
    ]
    good = ["", *quality(qualities)] if qualities else []
    return (
        "\n".join(lines + growth + windows(RESULTS / "truncation.json") + instruments() + good)
        + "\n"
    )


def windows(path: Path) -> list[str]:
    """What truncation.py measured, if it has."""
    if not path.exists():
        return []
    found = json.loads(path.read_text("utf-8"))
    machine, network = found["machine"], found["network"]
    by = {(row["long"], row["steps"], row["window"]): row for row in found["rows"]}
    sizes = sorted({window for _, _, window in by if window})
    works = list(dict.fromkeys((long, steps) for long, steps, _ in by))
    heads = [*(f"windows of {size}" for size in sizes), "no windows"]
    return [
        "",
        "## Truncated back-propagation",
        "",
        "By `truncation.py`, from `results/truncation.json`: the most MiB that an update keeps for "
        "the way back at a time, by how many more the process grows, gaps included, and the "
        f"seconds of an update. {network['layers']} layers of {network['cell']}, "
        f"width {network['hidden']}, {found['sentences']} sentences, {found['vocabulary']:,} "
        f"pieces; what is not long has {found['short']} steps; windows are those of source and "
        f"target alike. {machine['cpu']}, {machine['threads']} thread, torch {machine['torch']}.",
        "",
        f"| long | steps | {' | '.join(heads)} |",
        f"|---|--:|{'--:|' * len(heads)}",
        *(
            f"| {long} | {steps:,} | "
            + " | ".join(
                "{kept_mib:,.0f} / {peak_mib:,} MiB, {seconds:.2f} s".format(
                    **by[long, steps, window]
                )
                for window in (*sizes, 0)
            )
            + " |"
            for long, steps in works
        ),
    ]


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
             "|---|--:|--:|--:|--:|---|", *rows]  # fmt: skip
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


def on(machine: Record, limits: Record, seqgen: str) -> str:
    """What was measured on."""
    products = f"{limits['float32']:,.0f} GFLOP/s"
    if machine.get("bf16"):
        products += f", {limits['bfloat16']:,.0f} of bf16"
    return (
        f"seqgen {seqgen} on {machine['cpu']}, {machine['cores']} cores, {machine['threads']} "
        f"threads, torch {machine['torch']}, Python {machine['python']}. Matrix products: "
        f"{products}; memory: {limits['copy']} GB/s."
    )


def training(measured: Record) -> list[str]:
    """Target tokens a second, beside the fastest peer and the ceiling."""
    rows = measured["rows"]
    fastest = max(row["median"] for name, row in rows.items() if "seqgen" not in name)
    ceiling = statistics.median(measured["ceilings"])
    waits = f"Making batches takes {rows['seqgen']['waiting']:.2%} of seqgen's time."
    return [
        "Training, fp32 where a row says nothing else",
        "",
        f"The rate of matrix products beside each round allows {ceiling:,.0f} target tokens a "
        f"second without input feeding. {waits}",
        "",
        "| | target tokens/s | of the fastest peer | of the ceiling | peak MiB | differs |",
        "|---|--:|--:|--:|--:|---|",
        *(
            f"| {name} | {shown(row)} | {row['median'] / fastest:.2f} | "
            f"{row['median'] / ceiling:.0%} | {row['peak_mib']:,} | {'; '.join(row['differs'])} |"
            for name, row in rows.items()
        ),
    ]


def words(rows: Record) -> list[str]:
    """Target symbols a second on words of characters."""
    return [
        "Training on words of characters, 256 at a time, fp32",
        "",
        "| | target symbols/s | of yoyodyne | peak MiB | differs |",
        "|---|--:|--:|--:|---|",
        *(
            f"| {name} | {shown(row)} | {of_peer(rows, name)} | {row['peak_mib']:,} | "
            f"{'; '.join(row['differs'])} |"
            for name, row in rows.items()
        ),
    ]


def of_peer(rows: Record, name: str) -> str:
    """How many times as fast as yoyodyne of the same width."""
    peer = rows.get(name.replace("seqgen", "yoyodyne"))
    return f"{rows[name]['median'] / peer['median']:.2f}" if peer else ""


def models(losses: Record) -> list[str]:
    """The dev losses of the models that decode."""
    return [
        "Models",
        "",
        "| | dev loss, nats a token | epochs |",
        "|---|--:|--:|",
        *(f"| {name} | {one['dev_loss']:.3f} | {one['epochs']} |" for name, one in losses.items()),
    ]


def decoding(measured: Record) -> list[str]:
    """Output pieces a second, and what they are worth."""
    fastest = {
        how: max(
            (
                by[how]["median"]
                for name, by in measured.items()
                if "seqgen" not in name and how in by
            ),
            default=None,
        )
        for how in measured["seqgen"]
    }
    return [
        "Decoding test_2016_flickr",
        "",
        "| | sentences at a time / beam | output pieces/s | of the fastest peer | BLEU |",
        "|---|---|--:|--:|--:|",
        *(
            f"| {name} | {how} | {shown(row)} | "
            f"{row['median'] / fastest[how] if fastest[how] else 1:.2f} | {row['bleu']:.1f} |"
            for name, by in measured.items()
            for how, row in by.items()
        ),
    ]


def instruments() -> list[str]:
    """What the instruments of training cost, where that was measured."""
    path = Path(__file__).resolve().parent / "results" / "instruments.json"
    if not path.exists():
        return []
    found = json.loads(path.read_text("utf-8"))
    machine = found["machine"]
    return [
        "",
        "## Instruments",
        "",
        "By `instruments.py`, from `results/instruments.json`: what they add to the time of "
        f"training, wanted under 3 %. {machine['cpu']}, {machine['threads']} threads, torch "
        f"{machine['torch']}.",
        "",
        "| | an update, ms | watching one, ms | reading at a validation, ms | of all |",
        "|---|--:|--:|--:|--:|",
        *(
            f"| {name} | {1e3 * row['update']:.0f} | {1e3 * row['watching']:.1f} once in "
            f"{row['log_every']} | {1e3 * row['reading']:.0f} once in {row['updates']:,} | "
            f"{row['share']:.2%} |"
            for name, row in found["rows"].items()
        ),
    ]


def start(seconds: Record) -> list[str]:
    """How long processes take that begin from nothing."""
    rows = (f"| `{name}` | {shown(row, 2)} |" for name, row in seconds.items())
    return ["Start, seconds of wall clock", "", "| | |", "|---|--:|", *rows]


def shown(row: Record, digits: int = 0) -> str:
    """The median, with the least and the most."""
    median, least, most = (f"{row[name]:,.{digits}f}" for name in ("median", "least", "most"))
    return f"{median} [{least}, {most}]"
