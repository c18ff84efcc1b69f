"""Does scheduled sampling help a recipe or harm it? Gold inputs alone against the default.

    python benchmarks/teacher_forcing.py RUNS normalize-quick
    python benchmarks/teacher_forcing.py RUNS pronunciation TRAIN VALIDATION TEST

trains the recipe twice in the folder RUNS, with ratio 1 all the time and falling to 0.75, where
it has not done so before, and writes the scores of the test split with their bootstrap intervals
to benchmarks/results/. Only the ratio differs: seed, data and order are the same.
"""

import json
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from seqgen import __version__, recipes, training
from seqgen.config import Config
from seqgen.configfiles import read_config

FLOORS = (1.0, 0.75)
RESULTS = Path(__file__).parent / "results"
METRICS = ("exact", "wer", "per", "cer")


def main(runs: str, recipe: str, files: Sequence[str]) -> None:
    """Train, or find trained, both runs and write what they reached."""
    base = read_config(recipes.path(recipe))
    names = ("data.train_file", "data.validation_file", "data.test_file")
    given = dict(zip(names, files, strict=bool(files)))
    found = [
        scores(base.with_values({**given, "sampling.forcing_floor": floor}, recipe), Path(runs))
        for floor in FLOORS
    ]
    result = {
        "recipe": recipe,
        "data": [Path(file).name for file in files] or ["data/normalize"],
        "seqgen": __version__,
        "torch": torch.__version__,
        "machine": platform.machine(),
        "runs": found,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"teacher_forcing_{recipe}.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"wrote {path}")


def scores(config: Config, runs: Path) -> dict[str, Any]:
    """The test scores of one run, which is trained unless it is there."""
    floor = config.sampling.forcing_floor
    data = Path(config.data.train_file).stem or "normalize"
    run = runs / f"{data}-{floor}"
    training.train(config, run)
    report = json.loads((run / "eval_results.json").read_text("utf-8"))
    print(f"{data}: floor {floor}: exact {report['scores']['exact']:.2f}")
    return {
        "forcing_floor": floor,
        "seed": config.train.seed,
        "sources": report["sources"],
        "beam_size": report["settings"]["beam_size"],
        **{name: figures(report, name) for name in METRICS},
    }


def figures(report: dict[str, Any], name: str) -> list[float]:
    """The score and the ends of its interval."""
    return [round(value, 3) for value in (report["scores"][name], *report["intervals"][name])]


if __name__ == "__main__":
    if len(sys.argv) not in (3, 6):
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
