"""Curves and heat maps as pictures that a page holds within itself."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from seqgen.pictures import attention_figure, drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from seqgen.translator import Alignment

Points = Sequence[tuple[float, float | None]]  # what is None was no number
WIDE = (8.0, 3.0)  # inches
COLORS = {
    "vanishing": "#4a6fa5",
    "healthy": "#2e8b57",
    "warning": "#d98e04",
    "exploding": "#b3261e",
}


def curves(lines: Mapping[str, Points], across: str = "step", logarithmic: bool = False) -> str:
    """Lines over what is `across`, as the address of a picture."""
    with drawing():
        figure, axes = _axes(across)
        _draw(axes, lines)
        if logarithmic:
            axes.set_yscale("log", nonpositive="mask")
        return address(figure)


def banded(points: Points, bounds: Sequence[float]) -> str:
    """Gradient norms with the bounds between vanishing, healthy, warning and exploding."""
    with drawing():
        figure, axes = _axes("step")
        axes.set_yscale("log", nonpositive="mask")
        low, high, exploding = bounds
        norms = [value for _, value in points if value]  # what is 0 has no place among powers
        least, most = min([low / 2, *norms]), max([2 * exploding, *norms])
        if least:
            axes.axhspan(least, low, color=COLORS["vanishing"], alpha=0.12, label="vanishing")
        axes.axhspan(low, high, color=COLORS["healthy"], alpha=0.12, label="healthy")
        axes.axhspan(high, exploding, color=COLORS["warning"], alpha=0.15, label="warning")
        axes.axhspan(exploding, most, color=COLORS["exploding"], alpha=0.12, label="exploding")
        _draw(axes, {"norm before clipping": points})
        return address(figure)


def heat_map(steps: Sequence[int], rows: Mapping[str, Sequence[float | None]]) -> str:
    """A row a part of the network and a column a step; colours are powers of ten."""
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    values = [[value or float("nan") for value in row] for row in rows.values()]
    known = [value for row in values for value in row if value > 0]
    with drawing():
        figure = Figure(figsize=(8, 1 + 0.28 * len(rows)), layout="constrained")
        axes = figure.subplots()
        scale = LogNorm(min(known, default=1), max(known, default=1) * 1.0001)
        image = axes.imshow(
            values, aspect="auto", cmap="magma", norm=scale, interpolation="nearest"
        )
        axes.set_yticks(range(len(rows)), list(rows), parse_math=False)
        places = sorted({round(part * (len(steps) - 1) / 5) for part in range(6)})
        axes.set_xticks(places, [f"{steps[place]:,}" for place in places])
        axes.set_xlabel("step")
        figure.colorbar(image)
        return address(figure)


def attention(alignment: "Alignment") -> str:
    """Where the model looked."""
    with drawing():
        return address(attention_figure(alignment))


def address(figure: "Figure") -> str:
    """The figure as a picture that needs no file: SVG in a data address."""
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()


def _axes(across: str) -> tuple["Figure", "Axes"]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=WIDE, layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(across)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _draw(axes: "Axes", lines: Mapping[str, Points]) -> None:
    for name, points in lines.items():
        known = [(place, value) for place, value in points if value is not None]
        mark = "." if len(known) < 40 else ""
        axes.plot([one[0] for one in known], [one[1] for one in known], marker=mark, label=name)
    if lines:
        axes.legend(frameon=False, fontsize=8)
