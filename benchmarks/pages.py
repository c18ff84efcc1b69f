"""The results of the programs that measure, as one page of tables.

    python benchmarks/pages.py

writes `README.md` anew from what lies in `results`.
"""

import json
from pathlib import Path
from typing import Any

from goals import goals
from gpupage import on_a_gpu
from scores import quality
from speedtables import tables

Record = dict[str, Any]
RESULTS = Path(__file__).resolve().parent / "results"


def main() -> None:
    """Write the page."""
    speed, gpu = (RESULTS / name for name in ("speed.json", "gpu.json"))
    of_gpu = json.loads(gpu.read_text("utf-8")) if gpu.exists() else None
    written = page(json.loads(speed.read_text("utf-8")), of_gpu)
    (RESULTS.parent / "README.md").write_text(written, encoding="utf-8")


def page(result: Record, of_gpu: Record | None = None) -> str:
    """All that was measured, in Markdown; `of_gpu` is what gpu.py found, where it has run."""
    lines = [
        "# How fast",
        "",
        "Made by `speed.py` from `results/speed.json`; `NOTES.md` tells how it came about. Figures "
        "are medians, with the least and the most of the rounds. Marian and fairseq are not among "
        "the contestants.",
        "",
        *goals(result, of_gpu),
        *tables(result),
        *(on_a_gpu(of_gpu) if of_gpu else ()),
    ]
    lines += growth(RESULTS / "growth.json") + windows(RESULTS / "truncation.json") + instruments()
    return "\n".join(lines + texts(RESULTS / "quality.json")) + "\n"


def texts(path: Path) -> list[str]:
    """What quality.py found, if it has run."""
    return ["", *quality(json.loads(path.read_text("utf-8")))] if path.exists() else []


def growth(path: Path) -> list[str]:
    """Where the plot of growth.py stands, what it was drawn on and from where it starts."""
    found = json.loads(path.read_text("utf-8"))
    machine, base = found["machine"], found["base"]
    return [
        "",
        "## How cost grows",
        "",
        "By `growth.py`, from `results/growth.json`: tokens a second when one thing is changed of "
        f"a width of {base['width']}, {base['batch']:,} tokens a batch, {base['sentences']} "
        f"sentences decoded together, a length of {base['length']}, {base['vocabulary']:,} pieces "
        f"and beam {base['beam']}. "
        f"{machine['cpu']}, {machine['threads']} threads, torch {machine['torch']}, fp32.",
        "",
        "![Tokens a second as width, batches, length, pieces or beam grow](results/growth.png)",
    ]


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


if __name__ == "__main__":
    main()
