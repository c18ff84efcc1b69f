"""The results of the programs that measure, as one page of tables.

    python benchmarks/pages.py

writes `README.md` anew from what lies in `results`.
"""

import json
import statistics
from pathlib import Path
from typing import Any

from goals import goals
from gpupage import on_a_gpu
from scores import quality

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
        *goals(result, of_gpu),
    ]
    for name, lines_of in parts.items():
        if result.get(name):
            title, *rest = lines_of(result[name])
            # Each model's row tells what it was trained on.
            where = [] if name == "models" else [on(**result["on"][name])]
            lines += ["", f"## {title}", "", *where, *rest]
    lines += on_a_gpu(of_gpu) if of_gpu else []
    growth = [
        "",
        "## How cost grows",
        "",
        "By `growth.py`, from `results/growth.json`: tokens a second when one thing is changed.",
        "",
        "![Tokens a second against width, batch, length, vocabulary and beam](results/growth.png)",
    ]
    lines += growth + windows(RESULTS / "truncation.json") + instruments()
    return "\n".join(lines + texts(RESULTS / "quality.json")) + "\n"


def texts(path: Path) -> list[str]:
    """What quality.py found, if it has run."""
    return ["", *quality(json.loads(path.read_text("utf-8")))] if path.exists() else []


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
        "| | dev loss, nats a token | epochs | trained on |",
        "|---|--:|--:|---|",
        *(
            f"| {name} | {one['dev_loss']:.3f} | {one['epochs']} | {one['cpu']} |"
            for name, one in losses.items()
        ),
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


if __name__ == "__main__":
    main()
