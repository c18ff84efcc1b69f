"""How good the models of the recipes are on public tasks, beside what was published.

    python benchmarks/quality.py TASK --data FOLDER --out FOLDER [--seeds 5] [--parts ...]
    python benchmarks/quality.py --quick

TASK is a recipe: g2p-sigmorphon, g2p-sigmorphon-multilingual, g2p-cmudict, multi30k-en-de,
multi30k-en-fr or tatoeba-en-fr. FOLDER of --data has the files that `tasks.py` names; runs lie in
--out, where an interrupted one goes on. Each seed of each part is trained, then evaluated on dev,
and on test where the file is there; then all seeds decode together. What each reached goes at once
to benchmarks/results/quality.json, from which the tables of benchmarks/README.md are made: what
stands there with the same settings is not done again. --quick runs all of it on little, writes
nothing.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from filelock import FileLock
from machine import machine as described
from scores import quality
from tasks import QUICK, TASKS, Task, write_words

from seqgen import checkpoint, recipes, training
from seqgen.config import Config, options
from seqgen.configfiles import read_config
from seqgen.corpus import read_corpus
from seqgen.evaluation import evaluate
from seqgen.signals import StopRequest
from seqgen.translator import Translator

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "quality.json"
NOTED = 20  # seconds between notes of what a training has taken
SHRUNK = {"model.hidden": 16, "model.embedding": 8, "train.epochs": 2, "train.batch_tokens": 200,
          "tokenizer.source_form": "NFD"}  # fmt: skip
Record = dict[str, Any]


def main() -> None:
    """Run what is not there yet, in the order of the table."""
    given = arguments()
    if given.quick:
        with tempfile.TemporaryDirectory() as folder:
            write_words(Path(folder))
            found = run(QUICK, Path(folder), Path(folder) / "out", 2, [], quick=True)
            print("\n".join(quality(found)))
        return
    task = TASKS[given.task]
    run(task._replace(parts=given.parts or task.parts), given.data, given.out, given.seeds, known())


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", nargs="?", choices=list(TASKS))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--parts", nargs="+", help="some parts, as of several processes at once")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if not options.quick and not (options.task and options.data and options.out):
        parser.error("TASK, --data and --out, or --quick")
    there = TASKS[options.task].parts if options.task else []
    if unknown := set(options.parts or []) - set(there):
        parser.error(f"--parts {' '.join(sorted(unknown))}: {options.task} has {' '.join(there)}")
    return options


def run(
    task: Task, data: Path, out: Path, seeds: int, records: list[Record], quick: bool = False
) -> list[Record]:
    """Every member, then every ensemble; records are kept as soon as they are known."""
    for members in planned(seeds):
        for part in task.parts:
            config = settings(task, data, out, part, quick)
            marks = {"task": task.name, "part": part, "seeds": members, "settings": digest(config)}
            if any(all(one[name] == marks[name] for name in marks) for one in records):
                continue
            # Other settings have folders of their own: none goes on where others were.
            place = out / task.name / str(marks["settings"]) / part
            folders = [place / str(seed) for seed in members]
            alone = len(members) == 1
            cost = trained(config, folders[0], members[0]) if alone else Cost(0.0, commit(), True)
            begun = time.perf_counter()
            splits = measured(task, config, folders)
            record = marks | {
                "splits": splits,
                "minutes": round(cost.seconds / 60, 2),
                "minutes_decoding": round((time.perf_counter() - begun) / 60, 2),
                "commit": cost.commit,
                "machine": machine(),
            }
            records.append(record)
            print(json.dumps(record), flush=True)
            if not quick:
                keep(record)
    return records


class Cost(NamedTuple):
    """What a member took, all stretches of its training together."""

    seconds: float
    commit: str  # of the code that it began with
    finished: bool


def trained(config: Config, folder: Path, seed: int) -> Cost:
    """Train a member to its end; a signal saves it and ends the program."""
    file = folder.with_name(f"{seed}.cost.json")
    cost = Cost(0.0, commit(), False)
    if file.exists():
        cost = Cost(**json.loads(file.read_text("utf-8")))
    if cost.finished:
        return cost
    file.parent.mkdir(parents=True, exist_ok=True)
    begun = noted = time.perf_counter()

    def note(finished: bool = False) -> Cost:
        spent = cost.seconds + time.perf_counter() - begun
        found = Cost(round(spent, 1), cost.commit, finished)
        checkpoint.write(file, json.dumps(found._asdict()).encode())
        return found

    def asked() -> bool:
        nonlocal noted
        # What a killed process has not noted is lost.
        if time.perf_counter() - noted > NOTED:
            noted = time.perf_counter()
            note()
        return bool(stop)

    with StopRequest() as stop:
        member = config.with_values({"train.seed": seed}, "seed")
        outcome = training.train(member, folder, stop=asked)
    found = note(outcome.finished)
    if not outcome.finished:
        raise SystemExit(stop.exit_code)
    return found


def planned(seeds: int) -> Iterator[list[int]]:
    """The seeds one by one, then together."""
    yield from ([seed] for seed in range(1, seeds + 1))
    if seeds > 1:
        yield list(range(1, seeds + 1))


def settings(task: Task, data: Path, out: Path, part: str, quick: bool) -> Config:
    """The recipe with the files of a part."""
    files = {f"data.{name}": str(file) for name, file in task.files(data, out, part).items()}
    config = read_config(recipes.path(task.recipe)).with_values(files, task.name)
    return config.with_values(SHRUNK, "quick") if quick else config


def digest(config: Config) -> str:
    """Of all settings that are not defaults, but where the data lie, the seed and the threads.

    So an option that is new changes nothing as long as it is not used.
    """
    given = {
        f"{section}.{item.name}": value
        for section, item, _ in options()
        if section != "data" and item.name not in ("seed", "threads")
        if (value := getattr(getattr(config, section), item.name)) != item.default
    }
    return hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()[:12]


def measured(task: Task, config: Config, folders: list[Path]) -> Record:
    """Score and interval of the splits that are there."""
    translator = Translator.from_pretrained(folders)
    corpus = read_corpus(config.data)
    found = {}
    for name, split in (("dev", corpus.validation), ("test", corpus.test)):
        if split is not None:
            report = evaluate(translator, split, config.decode)
            score, (low, high) = report.scores[task.score], report.intervals[task.score]
            if task.errors:
                score, low, high = 100 - score, 100 - high, 100 - low
            found[name] = {"score": round(score, 3), "interval": [round(low, 3), round(high, 3)],
                           "sources": report.sources}  # fmt: skip
    return found


def keep(record: Record) -> None:
    """Add a record to those that are there now, and make the page anew."""
    with FileLock(Path(tempfile.gettempdir()) / "seqgen-quality.lock"):
        records = [*known(), record]
        checkpoint.write(RESULTS, (json.dumps(records, indent=1) + "\n").encode())
        # By the code as it is now, which may be newer than this process.
        subprocess.run([sys.executable, str(HERE / "pages.py")], check=True)


def known() -> list[Record]:
    """What was found before."""
    found: list[Record] = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else []
    return found


def commit() -> str:
    """What the code was, with a + where a program had changed since."""
    git = ["git", "-C", str(HERE.parent)]
    words = [*git, "describe", "--always", "--abbrev=12"]
    name = subprocess.run(words, capture_output=True, text=True).stdout.strip()
    # What this program writes is no change of what it ran.
    code = [*git, "diff", "--quiet", "HEAD", "--", "seqgen", "data", "benchmarks/*.py"]
    return name + "+" * (subprocess.run(code, capture_output=True).returncode != 0)


def machine() -> Record:
    """What it ran on; two processors may differ threefold in what a training takes."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    return {**described(), "threads": torch.get_num_threads(), "gpu": gpu}


if __name__ == "__main__":
    main()
