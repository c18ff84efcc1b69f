"""The cache folder: entries named by what they are made of, each whole or absent."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from seqgen.errors import ModelError

Entry = TypeVar("Entry")


def cache_folder() -> Path:
    """Where encoded corpora lie: `SEQGEN_CACHE`, or the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("SEQGEN_CACHE") or Path(base) / "seqgen")


def cached(
    kind: str,
    made_of: tuple[object, ...],
    read: Callable[[Path], Entry],
    write: Callable[[Path], None],
) -> Entry:
    """What `read` makes of an entry, written where it is not there yet or was cut short."""
    digest = hashlib.sha256(repr(made_of).encode()).hexdigest()[:32]
    folder = cache_folder() / f"{kind}-{digest}"
    try:
        return read(folder)
    except (FileNotFoundError, ValueError, EOFError, IndexError, ModelError):
        shutil.rmtree(folder, ignore_errors=True)
    with appearing(folder) as draft:
        write(draft)
    return read(folder)


class appearing:
    """A draft folder that takes its name when it is complete, and goes when it is not."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __enter__(self) -> Path:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=self.folder.parent))
        return self.draft

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self.draft.rename(self.folder)
        except OSError:
            # Another process may have written the same content meanwhile: then its folder stays.
            if not self.folder.exists():
                raise
        finally:
            shutil.rmtree(self.draft, ignore_errors=True)
