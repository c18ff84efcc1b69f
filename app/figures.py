"""What the page draws: an attention heat map, and the curves of a training run."""

import functools
import math
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas
from matplotlib import font_manager
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from seqgen.curves import Log, read_log

if TYPE_CHECKING:
    from seqgen.translator import Alignment

MAX_TOKENS_DRAWN = 64
MAX_LABEL = 14
MAX_POINTS = 400
INDIGO, AMBER, GRAY = "#6d72f0", "#d98a1f", "#8a8f9c"  # readable on white and on black
# The last ones are what systems ship for scripts that matplotlib's own font lacks.
FONTS = (
    "DejaVu Sans",
    "Noto Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "WenQuanYi Zen Hei",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Hiragino Sans",
    "Arial Unicode MS",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Unifont",
)
MEASURES = {  # keys of metrics.jsonl, in the order in which a reader asks
    "loss": "Loss, nats a token",
    "exact": "Exact match",
    "cer": "Character error rate",
    "wer": "Word error rate",
    "per": "Phoneme error rate",
    "bleu": "BLEU",
    "chrf": "chrF",
    "accuracy": "Token accuracy",
    "perplexity": "Perplexity",
    "learning_rate": "Learning rate",
    "gradient_norm": "Gradient norm",
    "teacher_forcing": "Teacher-forcing ratio",
}
OF_TRAINING = ("learning_rate", "gradient_norm", "teacher_forcing")


class Curve(NamedTuple):
    """One measure over the steps of training: columns step, value, part."""

    title: str
    points: pandas.DataFrame


def heat_map(alignment: "Alignment") -> Figure:
    """The weights as a picture, source tokens across and output tokens down."""
    source = [label(token) for token in alignment.source[:MAX_TOKENS_DRAWN]]
    target = [label(token) for token in alignment.target[:MAX_TOKENS_DRAWN]]
    weights = [row[: len(source)] for row in alignment.weights[: len(target)]]
    cell = min(0.28, 8.4 / len(source), 14 / len(target))  # inches: fills a page, at most
    points = min(9.0, cell * 72 * 0.62)
    across, down = (max(map(len, labels)) * points / 110 for labels in (target, source))
    size = (1.1 + across + cell * len(source), 0.6 + down + cell * len(target))
    figure = Figure(figsize=size, dpi=192, layout="compressed", facecolor="none")
    axes = figure.subplots()
    axes.set_facecolor("none")
    # From transparent, so that the page's own background, light or dark, means no weight.
    colors = LinearSegmentedColormap.from_list("weight", [INDIGO + "00", INDIGO + "ff"])
    image = axes.imshow(weights, cmap=colors, vmin=0, aspect="equal")
    # parse_math: a dollar sign in a token is a dollar sign.
    style: dict[str, Any] = {"family": fonts(), "size": points, "color": GRAY}
    axes.set_xticks(range(len(source)), source, rotation=90, parse_math=False, **style)
    axes.set_yticks(range(len(target)), target, parse_math=False, **style)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set(color=GRAY, alpha=0.4)
    longest = max(len(alignment.source), len(alignment.target))
    if longest > MAX_TOKENS_DRAWN:
        axes.set_xlabel(f"the first {MAX_TOKENS_DRAWN} of {longest} tokens", size=9, color=GRAY)
    bar = figure.colorbar(image, ax=axes, fraction=0.03, pad=0.02, aspect=24)
    bar.locator = MaxNLocator(3)
    bar.ax.set_facecolor("none")
    bar.ax.tick_params(colors=GRAY, labelsize=8, length=0)
    bar.outline.set_visible(False)
    return figure


def label(token: str) -> str:
    """A token as a font can draw it: what is invisible or has no glyph by its number."""
    shown = "".join(drawable(character) for character in token[:MAX_LABEL])
    return shown + "…" if len(token) > MAX_LABEL else shown


def drawable(character: str) -> str:
    """The character, or its escape where no font here has it."""
    if character == " ":
        return "␣"
    visible = unicodedata.category(character)[0] not in "CZ"
    if visible and any(ord(character) in glyphs for glyphs in glyph_tables()):
        return character
    return f"\\u{ord(character):04x}"


@functools.cache
def fonts() -> list[str]:
    """The families of FONTS that are installed; matplotlib brings the first."""
    installed = set(font_manager.get_font_names())
    return [family for family in FONTS if family in installed]


@functools.cache
def glyph_tables() -> tuple[Mapping[int, int], ...]:
    """The characters that each of the installed families has."""
    return tuple(
        font_manager.get_font(font_manager.findfont(family)).get_charmap() for family in fonts()
    )


def curves(folder: Path | None) -> list[Curve]:
    """Every measure that the run in `folder` wrote down, in the order of MEASURES."""
    log = read_log(folder, lenient=True) if folder else Log([], [], [])
    points: dict[str, list[tuple[float, float, str]]] = {}
    for part, rows in (("training", log.steps), ("validation", log.validations)):
        for row in rows:
            for key in MEASURES:
                if finite(row.get(key)) and not (key in OF_TRAINING and part == "validation"):
                    points.setdefault(key, []).append((row["step"], row[key], part))
    return [Curve(MEASURES[key], thin(points[key])) for key in MEASURES if key in points]


def finite(value: object) -> bool:
    """Whether it is a number that can be drawn."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)  # type: ignore[arg-type]


def thin(points: list[tuple[float, float, str]]) -> pandas.DataFrame:
    """At most MAX_POINTS rows a part, evenly spaced, the last among them."""
    kept: list[tuple[float, float, str]] = []
    for part in ("training", "validation"):
        rows = [row for row in points if row[2] == part]
        stride = math.ceil(len(rows) / MAX_POINTS) or 1
        kept += rows[::-1][::stride][::-1]
    return pandas.DataFrame(kept, columns=["step", "value", "part"])
