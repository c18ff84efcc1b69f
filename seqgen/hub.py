"""Datasets that the `datasets` library reads: saved to disk by it, or named on the Hub."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from seqgen.errors import DataError
from seqgen.sections import DataConfig
from seqgen.table import ROWS, Table, arrow_table, concatenated

Splits = Mapping[str, Callable[[], Table]]  # opened only when asked for


def saved_splits(path: Path) -> Splits:
    """The splits of a folder that `save_to_disk` wrote, mapped into memory."""
    import datasets

    try:
        saved = datasets.load_from_disk(str(path))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{path}: cannot be read as a saved dataset: {one_line(error)}; save it again"
        ) from None
    return _arrow_splits(saved, str(path))


def _arrow_splits(loaded: Any, where: str) -> Splits:
    splits = loaded if isinstance(loaded, dict) else {"train": loaded}
    return {
        str(name): partial(_arrow_split, split, f"{where} split {name}")
        for name, split in splits.items()
    }


def _arrow_split(split: Any, where: str) -> Table:
    def batches(tops: list[str]) -> Iterator[Any]:
        yield from split.select_columns(tops).with_format("arrow").iter(batch_size=ROWS)

    return arrow_table(where, split.features.arrow_schema, batches)


def hub_splits(config: DataConfig) -> Splits:
    """The splits of a dataset on the Hub, from its cache where it has been loaded before."""
    import datasets
    from huggingface_hub.errors import HfHubHTTPError

    # Neither is needed to load data, and both tell other hosts what is being loaded.
    datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False
    datasets.config.USE_PARQUET_EXPORT = False
    errors = (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError, HfHubHTTPError)
    try:
        loaded = datasets.load_dataset(
            config.dataset, config.dataset_config or None, revision=config.revision or None
        )
    except errors as error:
        raise DataError(f"dataset {config.dataset!r}: {_remedy(error, config)}") from None
    commit = _pinned(config)
    # Prepared data lies in a folder that has the name of its commit.
    found = {Path(file["filename"]).parent.name for file in next(iter(loaded.values())).cache_files}
    if not found or commit in ("", *found):
        return _arrow_splits(loaded, config.dataset)
    return _prepared(config, commit)


def _pinned(config: DataConfig) -> str:
    """The commit that the revision meant when the Hub was last asked; "" where it never was."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    folder = repo_folder_name(repo_id=config.dataset, repo_type="dataset")
    reference = Path(constants.HF_HUB_CACHE, folder, "refs", config.revision or "main")
    return reference.read_text(encoding="utf-8") if reference.is_file() else config.revision


def _prepared(config: DataConfig, commit: str) -> Splits:
    """The splits of one commit, where `datasets` offers the newest it has for want of the Hub."""
    from datasets import Dataset
    from datasets import config as settings

    pattern = f"*/{config.dataset_config or '*'}/*/{commit}/*.arrow"
    shards: dict[str, list[Path]] = {}
    for path in sorted(Path(settings.HF_DATASETS_CACHE).glob(pattern)):
        stem = re.sub(r"-\d{5}-of-\d{5}$", "", path.stem)
        shards.setdefault(stem.rpartition("-")[2], []).append(path)
    if not shards or len({path.parent for paths in shards.values() for path in paths}) > 1:
        raise DataError(
            f"dataset {config.dataset!r}: revision {config.revision or 'main'!r} is not in the"
            " cache, and the Hub cannot be reached; load it once with a connection, or name"
            " another --revision"
        )

    def opened(name: str, paths: list[Path]) -> Table:
        where = f"{config.dataset} split {name}"
        return concatenated([_arrow_split(Dataset.from_file(str(p)), where) for p in paths])

    return {name: partial(opened, name, paths) for name, paths in shards.items()}


def one_line(error: BaseException) -> str:
    """What an error says, on one line, without the signed part of any address."""
    text = re.sub(r"\?\S+", "", " ".join(str(error).split()))
    return text if len(text) <= 300 else text[:297] + "..."


def _remedy(error: Exception, config: DataConfig) -> str:
    from datasets import config as settings
    from datasets.exceptions import DatasetNotFoundError

    own = "or give your own files with --train-file"
    says = one_line(error)
    if isinstance(error, ConnectionError) or "OfflineModeIsEnabled" in says:
        offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON")
        why = "HF_HUB_OFFLINE is set" if offline else "the Hub cannot be reached"
        cache = settings.HF_DATASETS_CACHE
        return f"{why} and it is not in the cache {cache}; load it once with a connection, {own}"
    if "gated dataset" in says:
        return f"access is restricted; ask for it on its page, then `hf auth login`, {own}"
    if isinstance(error, DatasetNotFoundError) and "Revision" in says:
        return f"it has no revision {config.revision!r}; leave --revision out or correct it"
    if isinstance(error, DatasetNotFoundError):
        return f"is no folder or file here and no public dataset on the Hub; correct it, {own}"
    if "scripts are no longer supported" in says:
        return f"it needs a loading script, and no script is ever run; take another copy, {own}"
    return f"{says}; correct --dataset, --dataset-config or --revision, {own}"
