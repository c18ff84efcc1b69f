"""The results of speed.py and of studies.py as pages of tables."""

import statistics
from typing import Any

from beliefs import verdicts
from goals import goals

Record = dict[str, Any]


def page(result: Record) -> str:
    """All that was measured, in Markdown."""
    parts = {
        "training": training,
        "words": words,
        "models": models,
        "decoding": decoding,
        "start": start,
    }
    lines = head(result["machine"], result["limits"]) + goals(result)
    for name, lines_of in parts.items():
        if result.get(name):
            lines += lines_of(result[name])
    growth = [
        "",
        "## How cost grows",
        "",
        "By `growth.py`, from `results/growth.json`: tokens a second when one thing is changed.",
        "",
        "![Tokens a second against width, batch, length, vocabulary and beam](results/growth.png)",
    ]
    return "\n".join(lines + growth) + "\n"


def head(machine: Record, limits: Record) -> list[str]:
    """What was measured on."""
    return [
        "# How fast",
        "",
        "Made by `speed.py` from `results/speed.json`; `NOTES.md` tells how it came about. Figures "
        "are medians, with the least and the most of the rounds.",
        "",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads, torch "
        f"{machine['torch']}, Python {machine['python']}. Matrix products: {limits['float32']} "
        f"GFLOP/s; memory: {limits['copy']} GB/s.",
        "",
    ]


def training(measured: Record) -> list[str]:
    """Target tokens a second, beside the fastest peer and the ceiling."""
    rows = measured["rows"]
    fastest = max(row["median"] for name, row in rows.items() if "seqgen" not in name)
    ceiling = statistics.median(measured["ceilings"])
    waits = f"Making batches takes {rows['seqgen']['waiting']:.2%} of seqgen's time."
    return [
        "## Training, fp32",
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
        "",
        "## Training on words of characters, 256 at a time, fp32",
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
        "",
        "## Models",
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
        "",
        "## Decoding test_2016_flickr",
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


def start(seconds: Record) -> list[str]:
    """How long processes take that begin from nothing."""
    rows = (f"| `{name}` | {shown(row, 2)} |" for name, row in seconds.items())
    return ["", "## Start, seconds of wall clock", "", "| | |", "|---|--:|", *rows]


def shown(row: Record, digits: int = 0) -> str:
    """The median, with the least and the most."""
    median, least, most = (f"{row[name]:,.{digits}f}" for name in ("median", "least", "most"))
    return f"{median} [{least}, {most}]"


# Figure of a run, heading, digits.
STUDIED = (
    ("test", "test exact", 1),
    ("best", "best dev exact", 1),
    ("largest_swing", "largest swing", 1),
    ("mean_swing", "mean swing", 2),
    ("norm_median", "norm, median", 2),
    ("norm_99", "norm, 99 %", 2),
    ("norm_spread", "norm, spread", 3),
    ("clipped", "clipped, %", 1),
    ("seconds", "seconds", 0),
)


def studies_page(results: Record) -> str:
    """The four studies, in Markdown: first what they say of the usual beliefs."""
    lines = [
        "# Steadier training: what holds",
        "",
        "Made by `studies.py` from `results/study_*.json`; `beliefs.py` judges. Means over the "
        "seeds, ± their standard deviation. A swing is how many points of exact match a validation "
        "lost on the one before; norms are of the gradient of an update before clipping.",
        "",
        "| belief | verdict | figures |",
        "|---|---|---|",
        *(f"| {one.belief} | {one.verdict} | {one.figures} |" for one in verdicts(results)),
    ]
    for name, result in results.items():
        lines += ["", f"## {name.capitalize()}", "", f"{result['data']}. `{result['command']}`", ""]
        lines += study_table(result)
    return "\n".join(lines) + "\n"


def study_table(result: Record) -> list[str]:
    """A row a combination, and a line for each run that was not finished or went back."""
    lines = [
        "| | runs | " + " | ".join(heading for _, heading, _ in STUDIED) + " |",
        "|---|--:|" + "--:|" * len(STUDIED),
    ]
    notes = []
    for one in result["combinations"]:
        cells = []
        for name, _, digits in STUDIED:
            found = one["figures"][name]
            shown = f"{found[0]:.{digits}f} ± {found[1]:.{digits}f}" if found else "-"
            cells.append(shown)
        lines.append(f"| {one['label']} | {one['finished']} of {len(one['runs'])} | "
                     f"{' | '.join(cells)} |")  # fmt: skip
        for run in one["runs"]:
            if run["state"] != "finished":
                notes += ["", f"{run['folder']}: {run['state']}."]
            elif run["returns"]:
                notes += ["", f"{run['folder']}: went back {run['returns']} times."]
    return lines + notes
