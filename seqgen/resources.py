"""Where the files that ship with the package lie: in a wheel, or beside a working copy."""

from pathlib import Path

from seqgen.errors import SeqgenError

PACKAGE = Path(__file__).resolve().parent


def find(name: str) -> Path:
    """The shipped file or folder `name`, such as `data/normalize` or `app`."""
    # A wheel carries them inside the package; an editable install leaves them beside it.
    for root in (PACKAGE / "shipped", PACKAGE.parent):
        if (root / name).exists():
            return root / name
    raise SeqgenError(f"{name}: is not part of this installation of seqgen; install it again")
