"""Where a dataset lies: the tables of its splits, from files, folders, saved datasets, the Hub."""

import difflib
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from seqgen.errors import DataError
from seqgen.hub import Splits, hub_splits, one_line, saved_splits
from seqgen.readers import open_table, parallel_table, regular
from seqgen.sections import DataConfig
from seqgen.table import Table, concatenated, quoted

EMBEDDED = "data/normalize"
FORMATS = ("csv", "tsv", "json", "jsonl", "parquet", "text")
SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
ROLES = {
    "train": ("train", "training"),
    "validation": ("validation", "dev", "val", "valid"),
    "test": ("test", "testing"),
}
CHOOSE = "say which with --source and --target"
SHARD = re.compile(r"-\d{5}-of-\d{5}$")


def locate(config: DataConfig) -> tuple[str, dict[str, Table]]:
    """The dataset's name and the tables it has among train, validation and test."""
    wanted = {
        "train": "" if config.train_split == "train" else config.train_split,
        "validation": config.validation_split,
        "test": config.test_split,
    }
    files = {
        "train": config.train_file,
        "validation": config.validation_file,
        "test": config.test_file,
    }
    form = config.dataset if config.dataset in FORMATS else ""
    if form and not any(files.values()):
        raise DataError(f"dataset {form!r} is a format; give its files, such as --train-file")
    only_files = any(files.values()) and config.dataset == form
    located: Splits = {} if only_files else _dataset(config)
    tables = {}
    for role in ROLES:
        if files[role]:
            tables[role] = from_files(files[role], config, form)
        elif located and (found := _pick(located, wanted[role], role, config)):
            tables[role] = found
    if not tables:
        raise DataError(
            f"{config.dataset}: no split 'train'; it has {quoted(list(located))};"
            " name one with --train-split"
        )
    return _name(config), tables


def role_of(name: str) -> str:
    """train, validation or test, after the first word of a name that says so; else nothing."""
    for word in re.split(r"[^a-z]+", name.lower()):
        for role, words in ROLES.items():
            if word in words:
                return role
    return ""


def _pick(splits: Splits, wanted: str, role: str, config: DataConfig) -> Table | None:
    """The split of this name, or the splits whose names mean this role, one after another."""
    if wanted:
        if wanted not in splits:
            near = difflib.get_close_matches(wanted, list(splits), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            has = f"it has {quoted(list(splits))}{hint}"
            raise DataError(f"{config.dataset or EMBEDDED}: no split {wanted!r}; {has}")
        return splits[wanted]()
    exact = [name for name in ROLES[role] if name in splits]
    names = exact[:1] or [name for name in splits if role_of(name) == role]
    return concatenated([splits[name]() for name in names]) if names else None


def _name(config: DataConfig) -> str:
    """A short name, fit for a folder: lower case, and nothing but letters, digits and -._"""
    given = config.dataset if config.dataset not in FORMATS else ""
    files = (config.train_file or config.validation_file or config.test_file).split(",")
    path = Path(given or (files[0] if files[0] else EMBEDDED))
    stem = path.stem if path.suffix.lower() in SUFFIXES or not given else path.name
    if not given and role_of(stem) == stem.lower():
        stem = path.expanduser().resolve().parent.name
    if stem in ("", ".", ".."):
        stem = path.resolve().name
    return re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).strip("-.") or "data"


def _explicit(config: DataConfig) -> list[str]:
    """The columns that the settings name, by a name and not a number."""
    given = (config.source, config.target, config.group)
    return [name for name in given if name and not name.isdecimal()]


def _dataset(config: DataConfig) -> Splits:
    if not config.dataset:
        from seqgen.resources import find

        return from_folder(find(EMBEDDED), config)
    path = Path(config.dataset).expanduser()
    if path.is_dir():
        return from_folder(path, config)
    is_name = re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", config.dataset)
    if path.exists() or not is_name or path.suffix.lower() in SUFFIXES:
        return {"train": partial(open_table, regular(path), _explicit(config))}
    return hub_splits(config)


def from_files(given: str, config: DataConfig, form: str = "") -> Table:
    """The table of one file, of two parallel text files `A,B`, or of those with one prefix."""
    path, parts = Path(given).expanduser(), given.split(",")
    if path.is_file():
        return open_table(path, _explicit(config), "" if form == "text" else form)
    if len(parts) == 2:
        first, second = (Path(part.strip()).expanduser() for part in parts)
        return parallel_table(first, second, _parallel_columns(first, second, config))
    source, target = config.source, config.target
    sides = [path.with_name(f"{path.name}.{side}") for side in (source, target)]
    if source and target and all(side.is_file() for side in sides):
        return parallel_table(sides[0], sides[1], (source, target))
    beside = sorted(item.suffix[1:] for item in path.parent.glob("*") if item.stem == path.name)
    if beside:
        raise DataError(
            f"{path}: no such file; {path.name}.* is there of {quoted(beside)}; {CHOOSE}"
        )
    return open_table(path, _explicit(config), form)


def _parallel_columns(first: Path, second: Path, config: DataConfig) -> tuple[str, str]:
    """What to call two files: after their suffixes, else as the settings do."""
    suffixes = (first.suffix[1:], second.suffix[1:])
    if all(suffixes) and suffixes[0] != suffixes[1]:
        return suffixes
    source, target = ("" if s.isdecimal() else s for s in (config.source, config.target))
    return source or "source", target or "target"


def from_folder(path: Path, config: DataConfig) -> Splits:
    """The splits of a folder: saved by `datasets`, mapped by its card, or told by file names."""
    name = path.resolve().name
    if (path / f"{name}.py").exists():
        raise DataError(
            f"{path}: holds a loading script, {name}.py, and no script is ever run;"
            " convert the data to csv, jsonl or parquet files"
        )
    if (path / "dataset_dict.json").exists() or (path / "state.json").exists():
        return saved_splits(path)
    files = _card_files(path, config.dataset_config) or _named_files(path)
    if files:
        tables = {name: partial(_shards, some, config) for name, some in files.items()}
        if not any(role_of(name) for name in files):
            return {"train": lambda: concatenated([table() for table in tables.values()])}
        return tables
    return _parallel_files(path, config)


def _shards(files: Sequence[Path], config: DataConfig) -> Table:
    return concatenated([open_table(file, _explicit(config)) for file in files])


def _listing(path: Path) -> list[Path]:
    """The files of a folder and of the folders in it, none of them hidden."""
    found = [*sorted(path.glob("*")), *sorted(path.glob("*/*"))]
    return [
        item
        for item in found
        if item.is_file() and not any(part.startswith(".") for part in item.relative_to(path).parts)
    ]


def _named_files(path: Path) -> dict[str, list[Path]]:
    """Data files by split: the name of a file, without a shard's number, or of its folder."""
    files: dict[str, list[Path]] = {}
    for item in _listing(path):
        stem = SHARD.sub("", item.stem)
        folder = item.parent.name if item.parent != path else ""
        is_text = item.suffix == ".txt" and role_of(stem)
        if (item.suffix.lower() in SUFFIXES or is_text) and not stem.startswith("dataset_info"):
            name = folder if role_of(folder) and not role_of(stem) else stem
            files.setdefault(name, []).append(item)
    for name, some in files.items():
        kinds = sorted({item.suffix for item in some})
        if len(kinds) > 1:
            raise DataError(f"{path}: {name} is there as {quoted(kinds)}; give one by --train-file")
    return files


def _parallel_files(path: Path, config: DataConfig) -> Splits:
    """Pairs of files that differ in their suffix, such as train.en and train.de."""
    sides: dict[str, dict[str, Path]] = {}
    for item in _listing(path):
        if len(item.suffix) > 1:
            sides.setdefault(item.stem, {})[item.suffix[1:]] = item
    source, target = config.source, config.target
    splits = {
        stem: partial(parallel_table, some[source], some[target], (source, target))
        for stem, some in sides.items()
        if source in some and target in some
    }
    if splits:
        return splits
    suffixes = sorted({suffix for some in sides.values() if len(some) > 1 for suffix in some})
    if suffixes and (source or target):
        wrong = source if source not in suffixes else target
        raise DataError(f"{path}: no text in {wrong!r}; it has {quoted(suffixes)}; {CHOOSE}")
    if suffixes:
        raise DataError(f"{path}: holds parallel text in {quoted(suffixes)}; {CHOOSE}")
    raise DataError(
        f"{path}: holds no data; files such as train.tsv and validation.tsv, of"
        " csv tsv jsonl json or parquet, or train.en and train.de would do"
    )


def _card_files(path: Path, wanted: str) -> dict[str, list[Path]]:
    """Files by split as the front matter of the folder's README.md maps them, if it does."""
    configs = _card_configs(path / "README.md")
    names = [str(item.get("config_name", "default")) for item in configs]
    if not configs and not wanted:
        return {}
    if wanted and wanted not in names:
        raise DataError(f"{path}: no configuration {wanted!r}; it has {quoted(names) or 'none'}")
    if not wanted and len(configs) > 1:
        first = [n for n, item in zip(names, configs, strict=True) if item.get("default")]
        wanted = (first or [name for name in names if name == "default"] or [""])[0]
        if not wanted:
            raise DataError(
                f"{path}: has configurations {quoted(names)}; name one with --dataset-config"
            )
    chosen = configs[names.index(wanted)] if wanted else configs[0]
    mapping = chosen.get("data_files")
    if not mapping:
        return {}
    root = path / str(chosen.get("data_dir", ""))
    entries = mapping if isinstance(mapping, list) else [mapping]
    splits: dict[str, list[Path]] = {}
    for entry in entries:
        entry = entry if isinstance(entry, dict) else {"split": "train", "path": entry}
        patterns = entry.get("path", [])
        for pattern in patterns if isinstance(patterns, list) else [patterns]:
            found = _matching(root, str(pattern))
            splits.setdefault(str(entry.get("split", "train")), []).extend(found)
    return splits


def _card_configs(card: Path) -> list[dict[str, Any]]:
    if not card.is_file() or "\nconfigs:" not in card.read_text(encoding="utf-8", errors="replace"):
        return []
    from huggingface_hub import metadata_load
    from yaml import YAMLError

    try:
        configs = (metadata_load(card) or {}).get("configs")
    except (YAMLError, ValueError) as error:
        raise DataError(f"{card}: its front matter is not YAML: {one_line(error)}") from None
    configs = configs if isinstance(configs, list) else []
    return [item for item in configs if isinstance(item, dict)]


def _matching(root: Path, pattern: str) -> list[Path]:
    if pattern.startswith(("/", "~")) or ".." in Path(pattern).parts or "://" in pattern:
        raise DataError(f"{root}/README.md: names {pattern!r}, which lies outside of the folder")
    found = sorted(item for item in root.glob(pattern) if item.is_file())
    if not found:
        raise DataError(f"{root}/README.md: names {pattern!r}, and there is no such file")
    return found
