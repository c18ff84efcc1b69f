"""Where runs and models lie: what to call a new one, and which one is meant."""

import re
from pathlib import Path

from seqgen import resources
from seqgen.errors import ModelError
from seqgen.sections import DataConfig

RUNS = Path("checkpoints")
SHIPPED = ("en-fr",)  # models that come with the package, by their folders' names
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def default_folder(data: DataConfig) -> Path:
    """`./checkpoints/<dataset name>`, where a run goes when nobody says otherwise."""
    where = data.train_file.split(",")[0] or data.dataset or "normalize"
    path = Path(where)
    name = path.name.split(".")[0] if data.train_file or path.exists() else path.name
    if name in ("train", ""):  # says nothing; the folder that it lies in does
        name = path.resolve().parent.name if name else path.resolve().name
    return RUNS / (name or "run")


def is_finished(folder: Path) -> bool:
    """Whether `folder` holds a model that can be loaded."""
    return (folder / "config.json").is_file() and (folder / "model.safetensors").is_file()


def run_folder(name: str) -> Path | None:
    """The run, finished or not, that `name` means: a folder, or one under `./checkpoints`."""
    folders = (Path(name).expanduser(), RUNS / name)
    return next((folder for folder in folders if (folder / "config.json").is_file()), None)


def find_model(name: str = "") -> str | Path:
    """The run folder or Hub name that `name` means; without one the newest run, or the shipped.

    A bare word is a run under `./checkpoints`, or a model that ships; nothing is looked up on the
    Hub here.
    """
    if not name:
        return _newest()
    for folder in (Path(name).expanduser(), RUNS / name):
        if is_finished(folder):
            return folder
        if folder.is_dir():
            raise ModelError(f"{folder}: holds no finished run, config.json and "
                             "model.safetensors; 'seqgen train' writes them")  # fmt: skip
    for folder in _shipped():
        if folder.name == name:
            return folder
    # A name such as checkpoints/speling is a slip in a folder's name, not a Hub name.
    if HUB_NAME.fullmatch(name) and not Path(name).parent.is_dir() and name[0] not in ".~":
        return name
    raise ModelError(f"{name}: there is no such folder, nor {RUNS / name}; "
                     "a model on the Hub is named owner/name")  # fmt: skip


def is_shipped(model: str | Path) -> bool:
    """Whether `model` came with the package, where nothing may be written."""
    return isinstance(model, Path) and model.resolve() in _shipped()


def _newest() -> Path:
    """The run that was written last, under `./checkpoints` or else with the package."""
    # In a working copy the models that ship lie among the runs of whoever works there.
    shipped = _shipped()
    own = [run for run in RUNS.glob("*") if is_finished(run) and run.resolve() not in shipped]
    found = own or shipped
    if found:
        return max(found, key=lambda run: (run / "model.safetensors").stat().st_mtime)
    raise ModelError(f"no model: {RUNS.resolve()} holds no finished run; 'seqgen train' makes "
                     "one, --model takes a folder or a Hub name")  # fmt: skip


def _shipped() -> list[Path]:
    """The models that came with the package: in a wheel, or beside a working copy."""
    roots = (resources.PACKAGE / "shipped", resources.PACKAGE.parent)
    folders = (root / "checkpoints" / name for root in roots for name in SHIPPED)
    return [folder for folder in folders if is_finished(folder)]
