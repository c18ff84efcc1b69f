"""From text files to a BLEU, nothing cached: how long, stage by stage, and which BLEU."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any

from gpuparts import madeup
from gpuparts.work import Notes, Record, Work, lines
from seqgen import checkpoint, ending, preparation, tokenizer, training
from seqgen.config import Config
from seqgen.metrics import bleu
from seqgen.progress import LineReporter
from seqgen.sections import DecodeConfig
from seqgen.translator import Translator

# Large batches, so that the device has enough to do, and few enough updates for a minute. Text
# this short and few overfits soon: hence the dropout and the smoothing.
SETTINGS: dict[str, Any] = {
    "tokenizer.units": "bpe",
    "tokenizer.vocabulary": 8000,
    "tokenizer.split_digits": False,
    "model.cell": "lstm",
    "model.embedding": 256,
    "model.hidden": 512,
    "model.attention": "general",
    "model.dropout": 0.5,
    "model.tie": "all",
    "sampling.forcing_floor": 1.0,
    "train.epochs": 30,
    "train.batch_tokens": 6000,
    "train.learning_rate": 2e-3,
    "train.beta2": 0.98,
    "train.warmup_steps": 200,
    "train.decay": "cosine",
    "train.plateau_factor": 1.0,
    "train.patience": 0,
    "train.label_smoothing": 0.1,
    "train.metric": "bleu",
    "train.validate_every": 500,
    "train.validation_decode": 0,
    "train.keep": 1,
    "train.log_every": 100,
    "decode.beam_size": 5,
    "decode.batch_size": 1024,
}
QUICK = {"tokenizer.units": "word", "tokenizer.vocabulary": 0, "model.embedding": 16,
         "model.hidden": 32, "train.epochs": 2, "train.batch_tokens": 500,
         "train.validate_every": 20, "train.log_every": 10}  # fmt: skip
TARGET = {"bleu": 39, "seconds": 60, "row": "beam_5"}
RESERVED = 25  # seconds for decoding, where training has to be stopped

# What is timed apart from the rest of training. Stages wait for the device before they begin.
STAGES: dict[str, tuple[tuple[ModuleType, str], ...]] = {
    "tokenizer": ((tokenizer, "train"),),
    "encoding": ((preparation, "encode"),),
    "validations": ((training, "validate"),),
    "checkpoints": ((checkpoint, "save"), (checkpoint, "save_model")),
    "own_evaluation": ((ending, "evaluate"), (ending, "write_card")),
}


def measure(work: Work, notes: Notes) -> None:
    """Train with `seqgen.training.train`, then decode the test split twice."""
    files = texts(work)
    if not files:
        notes.add("left_out", "no --data: there is no text to learn from")
        return
    config = settings(work, files)
    notes.add("settings", {**SETTINGS, **(QUICK if work.quick else {}), **work.changes})
    notes.add("target", TARGET)
    run = work.folder / "run"
    begun = work.age()
    with stopwatches(work) as seconds:
        outcome = training.train(
            config, run, overwrite=True, report=LineReporter(sys.stderr),
            stop=lambda: work.left() < RESERVED,
        )  # fmt: skip
        work.wait()
    ended = work.age()  # the wall clock: imports, the start of CUDA, the run's own evaluation
    stages = {"start": begun, **seconds, "updates": ended - begun - sum(seconds.values())}
    stages = {name: round(value, 2) for name, value in stages.items()}
    notes.add("training", {"finished": outcome.finished, "updates": outcome.steps,
                           "seconds": stages})  # fmt: skip
    for beam in (5, 1):
        found = decoded(work, run, files["test"], beam)
        found["seconds_from_text"] = round(ended + found["seconds"], 2)
        notes.add(f"beam_{beam}", found)


def decoded(work: Work, run: Path, files: tuple[Path, Path], beam: int) -> Record:
    """The BLEU of the test split as it is tokenized, and what loading and decoding took."""
    sources, references = (lines(file) for file in files)
    begun = time.perf_counter()
    translator = Translator.from_pretrained(run, device=str(work.device))
    loaded = time.perf_counter()
    found = translator.translate(sources, settings=DecodeConfig(beam_size=beam, batch_size=1024))
    ended = time.perf_counter()
    score = bleu("none").score(found, [[one] for one in references])
    return {
        "bleu": round(score, 2),
        "loading": round(loaded - begun, 2),
        "decoding": round(ended - loaded, 2),
        "seconds": round(time.perf_counter() - begun, 2),
    }


@contextmanager
def stopwatches(work: Work) -> Iterator[dict[str, float]]:
    """The seconds spent in each of `STAGES` so far; what is called is put back at the end."""
    seconds = dict.fromkeys(STAGES, 0.0)
    kept = [(module, name, getattr(module, name)) for places in STAGES.values()
            for module, name in places]  # fmt: skip
    for stage, places in STAGES.items():
        for module, name in places:
            setattr(module, name, _timed(getattr(module, name), stage, seconds, work))
    try:
        yield seconds
    finally:
        for module, name, function in kept:
            setattr(module, name, function)


def _timed(
    function: Callable[..., Any], stage: str, seconds: dict[str, float], work: Work
) -> Callable[..., Any]:
    @wraps(function)
    def called(*words: Any, **options: Any) -> Any:
        work.wait()
        begun, inside = time.perf_counter(), sum(seconds.values())
        found = function(*words, **options)
        work.wait()
        # A stage within a stage counts once.
        seconds[stage] += time.perf_counter() - begun - (sum(seconds.values()) - inside)
        return found

    return called


def settings(work: Work, files: dict[str, tuple[Path, Path]]) -> Config:
    """The settings of the run."""
    names = {f"data.{split}_file": ",".join(map(str, both)) for split, both in files.items()}
    values = {**names, **SETTINGS, "train.device": str(work.device),
              "train.precision": "fp32" if work.device.type == "cpu" else "bf16",
              **(QUICK if work.quick else {}), **work.changes}  # fmt: skip
    return Config().with_values(values, "gpu.py")


def texts(work: Work) -> dict[str, tuple[Path, Path]]:
    """The files of each split; made-up ones where a quick look has none."""
    if work.data is None and not work.quick:
        return {}
    if work.data is None or work.quick:
        counts = {"train": 400, "validation": 20, "test": 20}
        return {split: tuple(madeup.write_text(work.folder / "text", split, count))
                for split, count in counts.items()}  # fmt: skip
    names = {"train": "train", "validation": "val", "test": "test_2016_flickr"}
    return {split: (work.data / f"{name}.en", work.data / f"{name}.de")
            for split, name in names.items()}  # fmt: skip
