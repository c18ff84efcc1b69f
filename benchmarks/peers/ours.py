"""seqgen on the work of benchmarks/speed.py; the command line is measure.py's, with options.

`train` takes --set for settings of seqgen, and `decode` takes --int8.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import measure
import torch
from measure import Result, Stopwatch, Translate

# isort: split
from seqgen import course, training
from seqgen.batching import Batch, Batches
from seqgen.config import Config
from seqgen.progress import Silent
from seqgen.sections import DecodeConfig
from seqgen.training import update
from seqgen.translator import Translator

# The network of the work. Pieces are words of a vocabulary that holds them all.
SETTINGS: dict[str, Any] = {
    "tokenizer.units": "word",
    "tokenizer.vocabulary": 8000,
    "tokenizer.joint": True,
    "tokenizer.split_digits": False,
    "tokenizer.coverage": 1.0,
    "model.cell": "lstm",
    "model.embedding": 256,
    "model.hidden": 512,
    "model.attention": "general",
    "model.dropout": 0.3,
    "model.tie": "none",
    # As the peers start, from numbers near 0: the loss falls sooner than from Xavier's.
    "model.initialization": "uniform",
    "model.recurrent_initialization": "uniform",
    "model.embedding_std": 0.05,
    "model.forget_bias": 0.0,
    "sampling.forcing_floor": 1.0,
    "train.batch_tokens": 1180,  # padding included: about 1,000 of them are none, as in the peers
    "train.learning_rate": 1e-3,
    "train.clip_norm": 1.0,
    "train.plateau_factor": 1.0,
    "train.patience": 0,
    "train.validation_decode": 8,
    "train.log_every": 20,
    "train.device": "cpu",
    "train.precision": "fp32",
}
MARK = "\u2581"  # with which a piece begins a word; SentencePiece takes it for a space
STAND_IN = "\u2582"
ENDLESS = 10_000  # epochs
NEVER = 10**9  # updates


def train(options: argparse.Namespace, watch: Stopwatch) -> Result:
    """Train with seqgen's own loop, and validate after whole epochs."""
    files = written(options.work, options.out / "data")
    values = {
        **SETTINGS,
        **files,
        "train.epochs": options.epochs or ENDLESS,
        "train.threads": options.threads,
        # Within a time, as the peers: neither validation nor checkpoints.
        **({} if options.epochs else {"train.validate_every": NEVER, "train.save_every": NEVER}),
        **dict(map(given, options.set)),
    }
    config = Config().with_values(values, "ours.py")
    models = []

    def counted(model: Any, group: Any, *rest: Any) -> Any:
        if not models:
            models.append(model)
        watch.saw(sum(batch.tokens for batch in group))
        return update(model, group, *rest)

    training.update = counted  # type: ignore[attr-defined]
    course.Batches = Waited  # type: ignore[misc]
    run = options.out / "run"
    training.train(config, run, overwrite=True, report=Silent(), stop=lambda: watch.up)
    result = watch.result(models[0], [])
    assert Waited.spans, "batches were made elsewhere"
    making = sum(ended - started for started, ended in Waited.spans)
    first, _ = Waited.spans[0]  # texts are read and cut before it
    result["making"] = round(making / (watch.last - first), 5)
    if options.epochs:
        result |= measure.validation(last_loss(run))
    return result


class Waited(Batches):
    """Batches that tell when they were made."""

    spans: ClassVar[list[tuple[float, float]]] = []  # readings of the clock

    def groups(self, *given: Any) -> Iterator[list[Batch]]:
        """The updates of an epoch."""
        groups = super().groups(*given)
        while True:
            started = time.perf_counter()
            group = next(groups, None)
            self.spans.append((started, time.perf_counter()))
            if group is None:
                return
            yield group

    def updates(self, *given: Any) -> int:
        """How many updates an epoch has, for which its batches are laid out."""
        started = time.perf_counter()
        found = super().updates(*given)
        self.spans.append((started, time.perf_counter()))
        return found


def load(options: argparse.Namespace) -> Translate:
    """Translate as `seqgen translate` does."""
    translator = Translator.from_pretrained(options.out / "run", device="cpu")
    settings = DecodeConfig(
        beam_size=options.beam, batch_size=options.batch, int8=options.int8, length_penalty=1.0
    )

    def translate(sources: list[str]) -> list[str]:
        texts = [source.replace(MARK, STAND_IN) for source in sources]
        found = translator.translate(texts, settings=settings)
        return [text.replace(STAND_IN, MARK) for text in found]

    return translate


def written(work: Path, folder: Path) -> Mapping[str, str]:
    """The pieces as words, in parallel files, and the settings that name them."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "val"):
        for side in ("en", "de"):
            text = (work / f"{split}.{side}").read_text("utf-8")
            (folder / f"{split}.{side}").write_text(text.replace(MARK, STAND_IN), "utf-8")
    return {
        f"data.{name}_file": f"{folder / split}.en,{folder / split}.de"
        for name, split in (("train", "train"), ("validation", "val"))
    }


def given(words: str) -> tuple[str, Any]:
    """A setting of the command line, `model.hidden=64`."""
    name, _, value = words.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def last_loss(run: Path) -> float:
    """The dev loss of the last validation."""
    lines = (run / "metrics.jsonl").read_text("utf-8").splitlines()
    return float([json.loads(line)["loss"] for line in lines if '"validation"' in line][-1])


def more(train: argparse.ArgumentParser, decode: argparse.ArgumentParser) -> None:
    """Options of seqgen alone."""
    train.add_argument("--set", action="append", default=[], metavar="SECTION.NAME=VALUE")
    decode.add_argument("--int8", action="store_true", help="weights of 8 bits")


if __name__ == "__main__":
    torch.set_flush_denormal(True)
    sys.exit(measure.main(train, load, more))
