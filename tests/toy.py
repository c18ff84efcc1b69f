"""A task whose right answer is obvious: the words of the source in reverse."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seqgen.config import Config

WORDS = "abcdefgh"


def pairs(count: int, seed: int = 0, longest: int = 5) -> list[tuple[str, str]]:
    """Sentences of one-letter words and their reverse."""
    draw = random.Random(seed)
    rows = [[draw.choice(WORDS) for _ in range(draw.randint(1, longest))] for _ in range(count)]
    return [(" ".join(row), " ".join(reversed(row))) for row in rows]


def write_pairs(folder: Path, train: int = 200, held: int = 30) -> Path:
    """A folder with train, validation and test as TSV."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (split, count) in enumerate(
        (("train", train), ("validation", held), ("test", held))
    ):
        text = "".join(f"{source}\t{target}\n" for source, target in pairs(count, number))
        (folder / f"{split}.tsv").write_text(text, encoding="utf-8")
    return folder


def rewrite(data: Path, change: Callable[[str], str]) -> None:
    """Change the text of each file that `write_pairs` has written."""
    for file in data.glob("*.tsv"):
        file.write_text(change(file.read_text("utf-8")), encoding="utf-8")


def config(data: Path, **values: Any) -> Config:
    """A small network on the toy; `values` by `section.name` with two underscores for the dot."""
    settings = {
        "data.train_file": str(data / "train.tsv"),
        "data.validation_file": str(data / "validation.tsv"),
        "data.test_file": str(data / "test.tsv"),
        "tokenizer.units": "word",
        "model.embedding": 12,
        "model.hidden": 16,
        "model.dropout": 0.2,
        "train.epochs": 3,
        "train.batch_tokens": 100,
        "train.learning_rate": 0.004,
        "train.log_every": 3,
        "train.threads": 1,
        "train.device": "cpu",
        "train.precision": "fp32",  # the same on processors that multiply bf16
    }
    given = {name.replace("__", "."): value for name, value in values.items()}
    return Config().with_values(settings | given, "toy")
