"""A run folder: the best model so far, and checkpoints that are whole or absent."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import save as tensor_bytes
from torch import Tensor, nn

from seqgen import smallweights
from seqgen.config import Config
from seqgen.configfiles import read_config, to_json
from seqgen.errors import CheckpointError, ModelError
from seqgen.sections import Weights
from seqgen.tokenizer import CASING, JOINT, SOURCE, TARGET, Tokenizers

WEIGHTS, CONFIG, MANIFEST = "model.safetensors", "config.json", "manifest.json"
DESCRIPTIONS = ("README.md", "eval_results.json", "generated_predictions.txt")
MODEL_FILES = [CONFIG, WEIGHTS, "tokenizer*.model", CASING, *DESCRIPTIONS]
PROGRESS, OPTIMIZER = "progress.json", "optimizer.safetensors"
Files = Iterable[tuple[str, Mapping[str, Tensor]]]  # by name, made one after the other


@dataclass
class Progress:
    """How far a run has come: all that resuming needs beside weights and optimizer."""

    step: int = 0  # updates made
    epoch: int = 0
    update: int = 0  # updates of this epoch made
    best: float | None = None  # value of the watched dev metric
    best_step: int = 0
    best_weights: str = "raw"  # which of the weights of that step, as `averaging` names them
    waited: int = 0  # validations since the best, for early stopping
    plateau: int = 0  # validations since the best or the last drop of the learning rate
    scale: float = 1.0  # what plateaus and returns have left of the learning rate
    stopped: bool = False  # early stopping has ended the run
    finished: bool = False
    seconds: float = 0.0  # spent training
    log_bytes: int = 0  # length of metrics.jsonl
    interval: list[float] = field(default_factory=list)  # sums not yet in the log
    norms: list[float | None] = field(default_factory=list)  # recent ones of the gradient
    returns: int = 0  # to the last good state
    learned: bool = False  # whether the loss has been below that of a guess
    grown: list[int] = field(default_factory=list)  # epochs that batches are larger from


def weights(model: nn.Module) -> dict[str, Tensor]:
    """Every weight and running statistic under one name; a tied one under its first."""
    kept = (*model.named_parameters(), *model.named_buffers())
    return {name: value.detach() for name, value in kept}


def load_weights(model: nn.Module, tensors: Mapping[str, Tensor], where: Path) -> None:
    """Fill the model with `tensors`; each must be there, of its shape, and no other."""
    wanted = weights(model)
    for name in sorted(wanted.keys() | tensors.keys()):
        if name not in tensors:
            raise ModelError(f"{where}: lacks the tensor {name}; copy the file again")
        if name not in wanted:
            raise ModelError(
                f"{where}: has a tensor {name}, which this model has no place for; config.json is "
                f"of another run, or the run of another version of seqgen: copy the whole folder "
                f"again, or train again"
            )
        if wanted[name].shape != tensors[name].shape:
            raise ModelError(
                f"{where}: {name} has the shape {list(tensors[name].shape)}, but "
                f"config.json asks for {list(wanted[name].shape)}; copy the whole folder again"
            )
        wanted[name].copy_(tensors[name])


def save_model(
    folder: Path,
    model: nn.Module,
    config: Config,
    tokenizers: Tokenizers,
    kind: Weights = "float32",
) -> None:
    """What `Translator.from_pretrained` reads."""
    save_description(folder, config, tokenizers)
    write(folder / WEIGHTS, tensor_bytes(smallweights.smaller(_on_cpu(weights(model)), kind)))


def note_weights(card: Path, kind: Weights) -> None:
    """Say on a model card, where there is one, that its scores are those of other weights."""
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    told = (
        f"\nExported with weights stored as {kind}; the scores are those of weights of 32 bits.\n"
    )
    if text and told not in text:
        write(card, (text + told).encode())


def check_place(folder: Path) -> None:
    """Refuse to write a model over something that is none."""
    if folder.exists() and not folder.is_dir():
        raise ModelError(f"{folder}: is a file; a model is a folder, so name another place")
    there = [name for name in ("README.md", WEIGHTS) if (folder / name).exists()]
    if there and not (folder / CONFIG).exists():
        raise ModelError(f"{folder}: holds a {there[0]} of no model; name another folder")


def save_description(folder: Path, config: Config, tokenizers: Tokenizers) -> None:
    """The settings and the tokenizers, without weights: enough to resume from the start."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in tokenizers.files().items():
        write(folder / name, content)
    write(folder / CONFIG, to_json(config).encode())


def replace_descriptions(folder: Path, origin: Path | None, tokenizers: Tokenizers) -> None:
    """The card and the results of `origin`; nothing of a model that was in the folder before."""
    for name in DESCRIPTIONS:
        if origin and (origin / name).is_file():
            write(folder / name, (origin / name).read_bytes())
        else:
            (folder / name).unlink(missing_ok=True)
    for name in {JOINT, SOURCE, TARGET, CASING} - set(tokenizers.files()):
        (folder / name).unlink(missing_ok=True)


def download(name: str, revision: str) -> Path:
    """The model folder of a Hub repository, from the cache where it is there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        found = snapshot_download(name, revision=revision or None, allow_patterns=MODEL_FILES)
    except HFValidationError:
        raise ModelError(
            f"{name}: is no folder and no Hub name; train a model with "
            f"`seqgen train`, or give the folder of a run"
        ) from None
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(
            f"{name}: is no folder here, and the Hub gave none: {reason}; give the folder of a run"
        ) from None
    return Path(found)


def read_description(folder: Path) -> Config:
    """The settings of a model folder."""
    if not (folder / CONFIG).is_file():
        raise ModelError(
            f"{folder}: is no model folder: it has no {CONFIG}; train one with `seqgen train`"
        )
    return read_config(folder / CONFIG)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file."""
    try:
        return read_tensors(path.read_bytes())
    except FileNotFoundError:
        raise ModelError(
            f"{path}: is missing; training writes it at the first validation"
        ) from None
    except (OSError, SafetensorError, ValueError) as error:
        raise ModelError(
            f"{path}: cannot be read as weights: {error}; copy the file again"
        ) from None


def save(
    run: Path,
    progress: Progress,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    keep: int,
    beside: Files = (),
) -> Path:
    """Write `training/step-N`, which is there whole or not at all; older ones beyond `keep` go.

    Beside what `restore` takes back it holds the files of tensors `beside`.
    """
    done = run / "training" / f"step-{progress.step:08d}"
    draft = done.with_name(f".{done.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)  # left by a run that was killed while saving
    draft.mkdir(parents=True)
    sums = {}
    for name, content in _contents(progress, model, optimizer, beside):
        write(draft / name, content)
        sums[name] = hashlib.sha256(content).hexdigest()
        del content  # before the next is made
    write(draft / MANIFEST, json.dumps(sums, indent=2).encode())
    if done.exists():  # the same step again, after a resume: the newer one holds more progress
        shutil.rmtree(done)
    draft.rename(done)  # the one moment at which the checkpoint appears
    _sync(done.parent)
    for old in checkpoints(run)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return done


def _contents(
    progress: Progress, model: nn.Module, optimizer: torch.optim.Optimizer, beside: Files
) -> Iterator[tuple[str, bytes]]:
    """The files of a checkpoint, one after the other, so that memory holds one at a time."""
    yield WEIGHTS, tensor_bytes(_on_cpu(weights(model)))
    yield OPTIMIZER, tensor_bytes(_on_cpu(optimizer_tensors(optimizer)))
    for name, tensors in beside:
        yield name, tensor_bytes(_on_cpu(tensors))
    yield PROGRESS, json.dumps(asdict(progress), indent=2).encode()


def checkpoints(run: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    return sorted(
        path for path in (run / "training").glob("step-*") if re.fullmatch(r"step-\d+", path.name)
    )


def newest(run: Path, say: Callable[[str], None]) -> Path | None:
    """The newest whole checkpoint; damaged ones are passed over, and it is said why."""
    for path in reversed(checkpoints(run)):
        fault = damage(path)
        if fault is None:
            return path
        say(f"{path}: {fault}; trying the one before it")
    return None


def damage(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint, or None."""
    try:
        sums = json.loads((checkpoint / MANIFEST).read_bytes())
        for name in dict.fromkeys([WEIGHTS, OPTIMIZER, PROGRESS, *sums]):
            if hashlib.sha256((checkpoint / name).read_bytes()).hexdigest() != sums[name]:
                return f"{name} is not what was written"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"incomplete: {type(error).__name__} {error}"
    return None


def restore(checkpoint: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Fill model and optimizer from a checkpoint; how far it had come."""
    load_weights(model, read_weights(checkpoint / WEIGHTS), checkpoint / WEIGHTS)
    load_optimizer(optimizer, read_weights(checkpoint / OPTIMIZER))
    values = json.loads((checkpoint / PROGRESS).read_bytes())
    # One of an earlier version lacks what came later, which then had its default.
    if not isinstance(values, dict) or values.keys() - {one.name for one in fields(Progress)}:
        raise CheckpointError(
            f"{checkpoint / PROGRESS}: was written by another version of seqgen; "
            f"start afresh with --overwrite"
        )
    return Progress(**values)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's state by `parameter number.name`."""
    return {
        f"{number}.{name}": value
        for number, entries in optimizer.state_dict()["state"].items()
        for name, value in entries.items()
        if isinstance(value, Tensor)
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Take back what `optimizer_tensors` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def write(path: Path, content: bytes) -> None:
    """Put `content` at `path` at once and for good: a reader sees the old file or the new one."""
    if path.exists() and not path.is_file():
        raise CheckpointError(f"{path}: is no regular file; move it away")
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        free = shutil.disk_usage(path.parent).free
        raise CheckpointError(
            f"{path}: cannot be written: {error.strerror}; it needs "
            f"{len(content):,} bytes, {free:,} are free"
        ) from None


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
