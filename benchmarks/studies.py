"""The four studies that ship, on Dutch words and their sounds (SIGMORPHON 2020), and what they say.

    python benchmarks/studies.py DATA RUNS [--jobs N] [--quick]

trains the grids of `seqgen ablate --study batch|cell|clipping|rate` into folders of RUNS, three
seeds each, where they are not there yet: the same command goes on. DATA is a folder with
train/dut_train.tsv, dev/dut_dev.tsv and test/dut_test.tsv. The figures go to
benchmarks/results/study_<name>.json, and benchmarks/STUDIES.md is made of them. --quick makes
three updates a run and writes nothing but RUNS.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
from beliefs import verdicts
from machine import machine

from seqgen import cli, grid

HERE = Path(__file__).resolve().parent
RESULTS, PAGE = HERE / "results", HERE / "STUDIES.md"
FILES = {"train": "train/dut_train.tsv", "validation": "dev/dut_dev.tsv",
         "test": "test/dut_test.tsv"}  # fmt: skip
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
QUICK = ["--max-steps", "3", "--validate-every", "1", "--seeds", "1", "--hidden", "8"]

Record = dict[str, Any]


def main() -> int:
    """Train, or find trained, all four, and write what came of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--jobs", default="1")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    for role, file in FILES.items():
        if not (given.data / file).is_file():
            sys.exit(f"{given.data / file}: is missing; {role} pairs are wanted there")
    results = {}
    for name in grid.studies():
        words = command(name, given.data, given.runs / name, given.jobs)
        code = cli.main(words + QUICK * given.quick)
        if code in (130, 143):
            return code
        results[name] = result(name, given.runs / name)
    told = page(results)
    if given.quick:
        print(told)
        return 0
    RESULTS.mkdir(exist_ok=True)
    for name, found in results.items():
        text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
        (RESULTS / f"study_{name}.json").write_text(text, encoding="utf-8")
    PAGE.write_text(told, encoding="utf-8")
    return 0


def command(name: str, data: Path, folder: Path, jobs: str) -> list[str]:
    """The words after `seqgen` that make a study."""
    files = [word for role, file in FILES.items() for word in (f"--{role}-file", str(data / file))]
    return ["ablate", "--study", name, *files, "--jobs", jobs, "--output-dir", str(folder)]


def result(name: str, folder: Path) -> Record:
    """The figures of a study, on what they were measured, and the command that remakes them."""
    found = json.loads((folder / "ablation.json").read_text("utf-8"))
    words = command(name, Path("DATA"), Path(f"RUNS/{name}"), "1")
    return {
        "command": " ".join(["seqgen", *words]),
        "data": "SIGMORPHON 2020 grapheme to phoneme, Dutch",
        "torch": torch.__version__,
        "machine": machine()["cpu"],
        **found,
    }


def page(results: Record) -> str:
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
        lines += table(result)
    return "\n".join(lines) + "\n"


def table(result: Record) -> list[str]:
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


if __name__ == "__main__":
    sys.exit(main())
