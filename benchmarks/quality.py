"""How good the models of the recipes are on public tasks, beside what was published.

    python benchmarks/quality.py TASK --data FOLDER --out FOLDER [--seeds 5]
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
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from pages import page
from scores import quality
from tasks import QUICK, TASKS, Task, write_words

from seqgen import recipes, training
from seqgen.config import Config
from seqgen.configfiles import read_config
from seqgen.corpus import read_corpus
from seqgen.evaluation import evaluate
from seqgen.translator import Translator

HERE = Path(__file__).resolve().parent
RESULTS, SPEED, TABLE = HERE / "results" / "quality.json", HERE / "results" / "speed.json", HERE
SHRUNK = {"model.hidden": 16, "model.embedding": 8, "train.epochs": 2, "train.batch_tokens": 200,
          "tokenizer.source_form": "NFD"}  # fmt: skip
Record = dict[str, Any]


def main() -> None:
    """Run what is not there yet, in the order of the table."""
    options = arguments()
    if options.quick:
        with tempfile.TemporaryDirectory() as folder:
            write_words(Path(folder))
            found = run(QUICK, Path(folder), Path(folder) / "out", 2, [], quick=True)
            print("\n".join(quality(found)))
        return
    records = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else []
    run(TASKS[options.task], options.data, options.out, options.seeds, records)


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", nargs="?", choices=list(TASKS))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if not options.quick and not (options.task and options.data and options.out):
        parser.error("TASK, --data and --out, or --quick")
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
            folders = [out / task.name / part / str(seed) for seed in members]
            alone = len(members) == 1
            spent = trained(config, folders[0], members[0]) if alone else 0.0
            begun = time.perf_counter()
            splits = measured(task, config, folders)
            record = marks | {
                "splits": splits,
                "minutes": round(spent / 60, 2),
                "minutes_decoding": round((time.perf_counter() - begun) / 60, 2),
                "commit": commit(),
                "machine": machine(),
            }
            records.append(record)
            print(json.dumps(record), flush=True)
            if not quick:
                keep(records)
    return records


def trained(config: Config, folder: Path, seed: int) -> float:
    """The seconds that training took, those before an interruption included."""
    clock = folder.with_name(f"{seed}.seconds")
    before = float(clock.read_text("utf-8")) if clock.exists() else 0.0
    begun = time.perf_counter()
    try:
        training.train(config.with_values({"train.seed": seed}, "seed"), folder)
    finally:
        spent = before + time.perf_counter() - begun
        clock.parent.mkdir(parents=True, exist_ok=True)
        clock.write_text(f"{spent:.1f}\n", encoding="utf-8")
    return spent


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
    """Of all settings but where the data lie, the seed and the threads."""
    values = asdict(config)
    del values["data"], values["facts"], values["train"]["seed"], values["train"]["threads"]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def measured(task: Task, config: Config, folders: list[Path]) -> Record:
    """Score and interval of the splits that are there."""
    translator = Translator.from_pretrained(folders)
    corpus = read_corpus(config.data, config.train.seed)
    found = {}
    for name, split in (("dev", corpus.validation), ("test", corpus.test)):
        if split is not None:
            report = evaluate(translator, split, config.decode, tokenize=task.tokenize)
            score, (low, high) = report.scores[task.score], report.intervals[task.score]
            if task.errors:
                score, low, high = 100 - score, 100 - high, 100 - low
            found[name] = {"score": round(score, 3), "interval": [round(low, 3), round(high, 3)],
                           "sources": report.sources}  # fmt: skip
    return found


def keep(records: list[Record]) -> None:
    """Write the records, and the page that is made of them."""
    draft = RESULTS.with_suffix(".draft")
    draft.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
    draft.replace(RESULTS)
    speed = json.loads(SPEED.read_text("utf-8"))
    (TABLE / "README.md").write_text(page(speed), encoding="utf-8")


def commit() -> str:
    """What the code was, with a + where a program had changed since."""
    git = ["git", "-C", str(HERE.parent)]
    words = [*git, "describe", "--always", "--abbrev=12"]
    name = subprocess.run(words, capture_output=True, text=True).stdout.strip()
    # What this program writes is no change of what it ran.
    code = [*git, "diff", "--quiet", "HEAD", "--", "seqgen", "data", "benchmarks/*.py"]
    return name + "+" * (subprocess.run(code, capture_output=True).returncode != 0)


def machine() -> Record:
    """What it ran on."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    return {"cores": os.cpu_count(), "threads": torch.get_num_threads(), "gpu": gpu,
            "processor": platform.machine(), "torch": torch.__version__}  # fmt: skip


if __name__ == "__main__":
    main()
