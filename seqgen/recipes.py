"""Settings that ship with the package, each a TOML file for `--recipe NAME`."""

import difflib
from pathlib import Path

from seqgen.errors import UsageError

EMBEDDED = "normalize-quick"  # what the embedded dataset is trained with, unless another is named
FOLDER = Path(__file__).resolve().parent / "recipe_files"


def names(folder: Path = FOLDER) -> list[tuple[str, str]]:
    """The recipes and what each is for, which its first line, a comment, says."""
    return [(file.stem, _first_comment(file)) for file in sorted(folder.glob("*.toml"))]


def path(name: str, folder: Path = FOLDER, option: str = "--recipe") -> Path:
    """The file of the recipe `name`."""
    known = [stem for stem, _ in names(folder)]
    if name in known:
        return folder / f"{name}.toml"
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known) or 'none'}"
    raise UsageError(f"{option} {name}: there is no such {option.lstrip('-')}; {hint}")


def _first_comment(file: Path) -> str:
    with file.open(encoding="utf-8") as lines:
        return next(lines, "").lstrip("#").strip()
