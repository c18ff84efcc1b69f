"""What was found out, as lines of text and as one HTML page that needs nothing beside it."""

import base64
import io
import textwrap
import warnings
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from seqgen.errors import UsageError
from seqgen.terminal import one_line, printable

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem;
       color: #1c1c1e; background: #fff }
h1, h2 { font-weight: 600 } h2 { margin-top: 2rem; border-top: 1px solid #ddd; padding-top: 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
td, th { padding: .2rem .8rem .2rem 0; text-align: right; border-bottom: 1px solid #ddd }
td:first-child, th:first-child { text-align: left }
pre { background: #f5f5f7; padding: .8rem; overflow-x: auto; font-size: 13px }
img { max-width: 100% } figure { margin: 1rem 0 } figcaption { color: #555 }
"""


class Lines(NamedTuple):
    """Lines of text that stand as they are written, one below the other."""

    content: Sequence[str]

    def html(self) -> str:
        """The lines as HTML."""
        text = "\n".join(one_line(line) for line in self.content)
        return f"<pre>{escape(text)}</pre>"


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


class Picture(NamedTuple):
    """A drawing that is made where somebody looks at it."""

    caption: str
    address: Callable[[], str]  # of data that hold the drawing

    def html(self) -> str:
        """The drawing with what it shows below it."""
        caption = escape(self.caption)
        return (
            f'<figure><img alt="{caption}" src="{self.address()}">'
            f"<figcaption>{caption}</figcaption></figure>"
        )


class Section(NamedTuple):
    """A heading and what stands under it; a string is a paragraph."""

    title: str
    parts: Sequence[str | Lines | Table | Chart | Picture]

    @property
    def lines(self) -> list[str]:
        """What it says in words and figures, a line each."""
        return self.written()

    def written(self, width: int = 0) -> list[str]:
        """The same, with tables and paragraphs within `width` characters where they can be."""
        lines: list[str] = []
        for part in self.parts:
            if isinstance(part, str):
                lines += textwrap.wrap(part, width, break_on_hyphens=False) if width else [part]
            elif isinstance(part, Lines):
                lines += part.content
            elif isinstance(part, Table):
                lines += part.lines(width)
        return lines

    @property
    def pictures(self) -> list[Chart | Picture]:
        """What it shows."""
        return [part for part in self.parts if isinstance(part, Chart | Picture)]


def text(sections: Sequence[Section], width: int = 0) -> list[str]:
    """Everything but what is drawn, a line each; a section without anything else is left out.

    With a `width`, tables and paragraphs keep within so many characters where they can.
    """
    lines: list[str] = []
    for section in sections:
        if shown := section.written(width):
            lines += ["", section.title, *shown] if lines else [section.title, *shown]
    return lines


def page(title: str, sections: Sequence[Section]) -> str:
    """One HTML page. Texts may hold anything: they are text there and nothing else."""
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
