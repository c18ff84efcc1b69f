"""How a run begins: its folder, its device, its data, and where it left off."""

import contextlib
import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from filelock import FileLock, Timeout

from seqgen import checkpoint, distributed, tokenizer
from seqgen.averaging import Averages
from seqgen.batching import mixed
from seqgen.cells import inside
from seqgen.checkpoint import Progress
from seqgen.config import Config, options
from seqgen.devices import device_line, pick_device, precision
from seqgen.errors import CheckpointError
from seqgen.evaluation import references_in
from seqgen.model import Seq2Seq, build
from seqgen.modelsection import ModelConfig
from seqgen.optimizers import make_optimizer
from seqgen.preparation import Prepared, prepare
from seqgen.signals import Pause
from seqgen.subwords import drawn
from seqgen.trainsection import SamplingConfig, TrainConfig

METRICS_FILE = "metrics.jsonl"
MANY = 1000  # target pieces: with 4,000, an update took 2.6 times as long
WRITTEN = (
    "config.json",
    "tokenizer*.model",
    "casing.json",
    "model.safetensors",
    "README.md",
    METRICS_FILE,
    "eval_results.json",
    "generated_predictions.txt",
    "diagnosis.html",
)
# What makes a run the run it is: changed, it would be another one.
FIXED = (
    "tokenizer.",
    "model.",
    "train.seed",
    "train.batch_",
    "train.length_blur",
    "data.max_source_length",
    "data.max_target_length",
    "train.plateau_growth",
    "train.accumulate",
    "train.optimizer",
)
Say = Callable[[str], None]


class Start(NamedTuple):
    """What the training loop is given."""

    config: Config  # with the facts of the data
    device: torch.device
    data: Prepared
    model: Seq2Seq
    optimizer: torch.optim.Optimizer
    progress: Progress
    averages: Averages


@contextlib.contextmanager
def opened(run: Path, overwrite: bool) -> Iterator[None]:
    """The folder `run`, held by this process alone; emptied of an earlier run with `overwrite`."""
    if distributed.rank():
        yield  # rank 0 holds it
        return
    if run.exists() and not run.is_dir():
        raise CheckpointError(f"{run}: is a file; --output-dir names another place")
    if (
        run.exists()
        and any(run.iterdir())
        and not (run / "config.json").exists()
        and not (run / "training").exists()
    ):
        raise CheckpointError(f"{run}: holds files, but no run; --output-dir names another folder")
    try:
        (run / "training").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"{run}: cannot be made: {error.strerror}; --output-dir names another folder"
        ) from None
    lock = FileLock(run / "training" / ".lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise CheckpointError(
            f"{run}: another process trains there; wait for it, or name another "
            f"folder with --output-dir"
        ) from None
    try:
        if overwrite:
            _clear(run)
        yield
    finally:
        lock.release()


def begin(config: Config, run: Path, say: Say, pause: Pause) -> Start:
    """A run's parts as it left them, or fresh ones. `pause` may raise."""
    if config.train.threads:
        torch.set_num_threads(config.train.threads)
    device = pick_device(distributed.local_device(config.train.device))
    say(device_line(device, config.train))
    earlier = checkpoint.read_description(run) if (run / "config.json").exists() else None
    tokenizers = None
    if earlier is not None:
        tokenizers = tokenizer.load(run, earlier.facts.tokenizer_sha256, earlier.tokenizer)
        _compare(earlier, config, run, say)
    data = drawn(_prepare_in_turn(config, tokenizers, pause), config)
    if earlier is not None and earlier.facts.fingerprint != data.facts.fingerprint:
        raise CheckpointError(
            f"{run}: was trained on other pairs than {data.facts.name} holds now; "
            f"--overwrite starts afresh, --output-dir elsewhere"
        )
    model = fresh(config, data).to(device)
    for line in (*data.found, *_model_lines(model, config)):
        say(line)
    config = replace(config, facts=data.facts)
    optimizer = make_optimizer(model, config.train)
    averages = Averages(model, config.train)
    newest = checkpoint.newest(run, say)
    progress = Progress()
    if newest is not None:
        progress = checkpoint.restore(newest, model, optimizer)
        averages.restore(newest)
        if earlier is not None and earlier.train.learning_rate != config.train.learning_rate:
            # A new rate is a new beginning: what returns took from the old one is forgotten.
            progress.scale, progress.returns = progress.scale * 2**progress.returns, 0
        if not progress.finished:
            say(f"resuming    {run} after step {progress.step:,}")
    elif earlier is not None:
        say(f"resuming    {run} from the start: it has no checkpoint yet")
    if not distributed.rank():
        checkpoint.save_description(run, config, data.tokenizers)
    return Start(config, device, data, model, optimizer, progress, averages)


def fresh(config: Config, data: Prepared) -> Seq2Seq:
    """The network with the weights that the seed gives."""
    torch.manual_seed(mixed(config.train.seed, 0))
    model = build(config.model, data.tokenizers.source.size, data.tokenizers.target.size)
    model.label_smoothing = config.train.label_smoothing
    model.coverage_loss = config.train.coverage_loss
    model.r_drop = config.train.r_drop
    model.window = config.train.truncate
    model.encoder.stack.window = config.train.truncate_source
    return model


def _prepare_in_turn(
    config: Config, tokenizers: tokenizer.Tokenizers | None, pause: Pause
) -> Prepared:
    """The data; rank 0 encodes it first, and the others find it in the cache."""
    if distributed.rank():
        distributed.wait()
        return prepare(config, tokenizers, pause)
    data = prepare(config, tokenizers, pause)
    distributed.wait()
    return data


def _compare(earlier: Config, config: Config, run: Path, say: Say) -> None:
    """Say which settings have changed since the run began; refuse those that make another run."""
    changed = differences(earlier, config)
    for line in changed:
        if line.startswith(FIXED):
            raise CheckpointError(
                f"{run}: was begun with other settings ({line}); --overwrite "
                f"starts afresh, --output-dir elsewhere"
            )
    for line in changed:
        say(f"changed     {line}")


def differences(old: Config, new: Config) -> list[str]:
    """One line a user setting that is not the same in both: `train.seed: 1 -> 2`."""
    found = []
    for section, item, _ in options():
        before = getattr(getattr(old, section), item.name)
        after = getattr(getattr(new, section), item.name)
        if before != after:
            found.append(f"{section}.{item.name}: {before!r} -> {after!r}")
    return found


def _clear(run: Path) -> None:
    """Take away what an earlier run wrote, and nothing else."""
    for pattern in WRITTEN:
        for path in run.glob(pattern):
            path.unlink()
    for path in references_in(run).values():
        path.unlink()
    for folder in (*checkpoint.checkpoints(run), run / "training" / "tensorboard"):
        shutil.rmtree(folder, ignore_errors=True)


def _model_lines(model: Seq2Seq, config: Config) -> list[str]:
    count = sum(weight.numel() for weight in model.parameters())
    shape = config.model
    kind = f"{shape.cell} {shape.encoder_layers or shape.layers} x {shape.hidden} to " + (
        f"{shape.layers} x {shape.hidden}, {shape.attention} attention"
    )
    lines = [f"model       {count:,} parameters: {kind}"]
    if shape.input_feeding:
        lines.append("slower      input feeding takes target steps one by one")
    pieces = model.decoder.output.out_features
    if shape.hard_attention and pieces > MANY:
        lines.append(
            f"slower      hard attention scores {pieces:,} pieces of source tokens as well"
        )
    if shape.attention_coverage:
        lines.append("slower      coverage takes the steps of attention one by one")
    if inside(shape).stepwise:
        lines.append(f"slower      {_stepwise(shape)}: layers take their steps one by one")
    if shape.batch_norm:
        lines.append(
            "batch norm  each batch of each rank for itself: several are not one large one"
        )
    if samples(config.sampling) and (shape.input_feeding or not config.sampling.passes):
        lines.append("slower      scheduled sampling predicts step by step")
    if config.train.r_drop:
        lines.append(
            "slower      R-Drop takes every batch twice, and keeps its loss off the kernel"
        )
    lines += _window_lines(config.train)
    arithmetic = precision(config.train, shape.cell)
    return [*lines, f"seed        {config.train.seed}; precision {arithmetic}"]


def _stepwise(shape: ModelConfig) -> str:
    """What of the settings keeps layers from running all steps at once."""
    within = inside(shape)
    asked = {
        "dropout on the state": within.recurrent_dropout,
        "zoneout": within.zoneout,
        "layer norm inside cells": within.layer_norm,
    }
    return ", ".join(name for name, given in asked.items() if given)


def _window_lines(settings: TrainConfig) -> list[str]:
    windows = {"target": settings.truncate, "source": settings.truncate_source}
    told = " and ".join(f"{steps} {side} steps" for side, steps in windows.items() if steps)
    lines = [f"truncated   gradients stay in windows of {told}"] if told else []
    if settings.truncate_source:
        lines.append("slower      the encoder runs again, window by window, on the way back")
    return lines


def samples(settings: SamplingConfig) -> bool:
    """Whether the model is ever fed its own predictions."""
    falls = settings.teacher_forcing != "constant" and settings.forcing_floor < 1
    return falls or settings.forcing_start < 1


def over(progress: Progress, settings: TrainConfig) -> bool:
    """Whether a run has come to its end."""
    last = settings.max_steps or math.inf
    return progress.stopped or progress.epoch >= settings.epochs or progress.step >= last
