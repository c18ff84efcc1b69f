"""Pictures for people: where the decoder looked."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqgen.errors import UsageError
from seqgen.terminal import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from seqgen.translator import Alignment

# A character is looked up in these, in this order; the first comes with matplotlib.
FONTS = ("DejaVu Sans", "Noto Sans CJK JP", "Noto Sans CJK SC", "Arial Unicode MS")


def check_path(path: Path) -> None:
    """Refuse a picture that could not be written."""
    from matplotlib.figure import Figure

    known = sorted(Figure().canvas.get_supported_filetypes())
    if path.suffix.lstrip(".").lower() not in known:
        raise UsageError(f"{path}: pictures end in {', '.join('.' + kind for kind in known)}")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path}: {path.parent} is no folder; make it, or name another")


def attention_picture(alignment: "Alignment", path: Path) -> None:
    """Write the attention matrix, target pieces down and source pieces across, to `path`."""
    check_path(path)
    with drawing():
        attention_figure(alignment).savefig(path, dpi=120)


@contextmanager
def drawing() -> Iterator[None]:
    """Figures are made and written in here, with the fonts that there are."""
    import matplotlib
    from matplotlib.font_manager import get_font_names

    fonts = [name for name in FONTS if name in get_font_names()] or ["sans-serif"]
    # SVG keeps its letters, which the browser has fonts for, and is the same every time.
    values: Any = {"font.family": fonts, "svg.fonttype": "none", "svg.hashsalt": "seqgen"}
    with warnings.catch_warnings(), matplotlib.rc_context(values):
        # A script that no font here covers is drawn as boxes; the picture is still of use.
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")
        yield


def attention_figure(alignment: "Alignment") -> "Figure":
    """The attention matrix, to be made within `drawing`."""
    from matplotlib.figure import Figure

    rows, columns = len(alignment.target), len(alignment.source)
    across, down = (max(map(len, pieces)) for pieces in (alignment.target, alignment.source))
    # Labels take room of their own, of which small matrices have none.
    size = (min(2 + 0.35 * columns + 0.08 * across, 60), min(1.5 + 0.35 * rows + 0.08 * down, 60))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(alignment.weights, cmap="viridis", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(columns), [_label(piece) for piece in alignment.source], rotation=90)
    axes.set_yticks(range(rows), [_label(piece) for piece in alignment.target])
    axes.xaxis.tick_top()
    figure.colorbar(image, shrink=0.6)
    return figure


def _label(piece: str) -> str:
    # A dollar sign would start a formula.
    return printable(piece).replace("$", r"\$")
