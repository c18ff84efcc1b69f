"""What was found out, as lines of text and as one HTML page that needs nothing beside it."""

import base64
import io
import textwrap
import warnings
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from seqgen.errors import UsageError
from seqgen.terminal import printable

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
td, th { padding: .2rem .8rem .2rem 0; text-align: right; border-bottom: 1px solid #ddd }
td:first-child, th:first-child { text-align: left }
img { width: 100%; max-width: 54rem }
"""


class Table(NamedTuple):
    """Cells of text under a heading each; the first column names the row."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def lines(self, width: int = 0) -> list[str]:
        """The table in columns, a line a row; columns beyond `width` characters go below."""
        cells = [[printable(cell) for cell in row] for row in (self.header, *self.rows)]
        names, *columns = ([row[place] for row in cells] for place in range(len(self.header)))
        blocks: list[list[str]] = []
        for column in columns or [[""] * len(names)]:
            side = max(map(len, column)) + 2
            if not blocks or (width and len(blocks[-1][0]) + side > width):
                blocks.append([name.ljust(max(map(len, names))) for name in names])
            blocks[-1] = [line + cell.rjust(side)
                          for line, cell in zip(blocks[-1], column, strict=True)]  # fmt: skip
        return [line.rstrip() for block in blocks for line in block]

    def html(self) -> str:
        """The table as HTML."""
        head = "".join(f"<th>{escape(cell)}</th>" for cell in self.header)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>\n"
            for row in self.rows
        )
        return f"<table>\n<tr>{head}</tr>\n{body}</table>"


class Curve(NamedTuple):
    """A line of a chart; NaN leaves a gap."""

    label: str
    across: Sequence[float]
    up: Sequence[float]


class Chart(NamedTuple):
    """Curves over each other."""

    title: str
    curves: Sequence[Curve]
    logarithmic: str = ""  # the axes that are: x, y or xy
    across: str = "step"

    def svg(self) -> bytes:
        """The chart as a drawing; the same curves give the same bytes."""
        import matplotlib
        from matplotlib.figure import Figure

        with warnings.catch_warnings(), matplotlib.rc_context({"svg.hashsalt": "seqgen"}):
            # A script that no font here covers is drawn as boxes; the chart is still of use.
            warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")
            figure = Figure(figsize=(9, 3.6), layout="constrained")
            axes = figure.subplots()
            drawn = [axes.plot(one.across, one.up, linewidth=1)[0] for one in self.curves]
            axes.set_title(_plain(self.title), loc="left", fontsize=10)
            axes.set_xlabel(_plain(self.across))
            axes.set_xscale("log" if "x" in self.logarithmic else "linear")
            axes.set_yscale("log" if "y" in self.logarithmic else "linear")
            axes.grid(alpha=0.3)
            if drawn:
                labels = [_plain(one.label) for one in self.curves]
                figure.legend(drawn, labels, loc="outside right upper", fontsize=8)
            buffer = io.BytesIO()
            figure.savefig(buffer, format="svg", metadata={"Date": None})
        return buffer.getvalue()

    def html(self) -> str:
        """The chart as an image inside the page, in which nothing can run."""
        content = base64.b64encode(self.svg()).decode()
        return f'<img alt="{escape(self.title)}" src="data:image/svg+xml;base64,{content}">'


class Section(NamedTuple):
    """A heading and what stands under it; a string is a paragraph."""

    title: str
    parts: Sequence[str | Table | Chart]


def text(sections: Sequence[Section], width: int = 0) -> list[str]:
    """Everything but the charts, a line each; a section without anything else is left out.

    With a `width`, tables and paragraphs keep within so many characters where they can.
    """
    lines: list[str] = []
    for section in sections:
        shown = [part for part in section.parts if not isinstance(part, Chart)]
        if not shown:
            continue
        lines += ["", section.title] if lines else [section.title]
        for part in shown:
            if isinstance(part, str):
                lines += textwrap.wrap(part, width) if width else [part]
            else:
                lines += part.lines(width)
    return lines


def page(title: str, sections: Sequence[Section]) -> str:
    """One HTML page. Texts may hold anything: they are escaped."""
    body = [f"<h1>{escape(title)}</h1>"]
    for section in sections:
        body.append(f"<h2>{escape(section.title)}</h2>")
        for part in section.parts:
            body.append(f"<p>{escape(part)}</p>" if isinstance(part, str) else part.html())
    # The page fetches nothing and runs nothing, whatever the names of runs may say.
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return "\n".join([
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>",
        *body,
        "</body>\n</html>\n",
    ])  # fmt: skip


def check_page(name: str) -> Path | None:
    """Where a page goes, if anywhere; says now, not after the work, that it cannot."""
    if not name:
        return None
    path = Path(name)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(f"{name}: is no file that can be written; name one in a folder that is")
    return path


def _plain(label: str) -> str:
    # A dollar sign would start a formula.
    return printable(label).replace("$", r"\$")
