"""Sections as text and as a page: nothing is lost, nothing is run, nothing is fetched."""

import base64
import re

import pytest

from seqgen.errors import UsageError
from seqgen.webpage import Chart, Curve, Lines, Picture, Section, Table, check_page, page, text

NASTY = "<script>alert(1)</script>&\"'"
TABLE = Table(["", "score", "p"], [["a", "7.25", "0.5"], ["longer", "12.00", ""]])
CHART = Chart("loss", [Curve("_one", [1, 2, 3], [3.0, float("nan"), 1.0]),
                       Curve("a$b$", [1, 2], [2.0, 1.0])])  # fmt: skip

DRAWN = "data:image/svg+xml;base64,PHN2Zy8+"


def drawings(html):
    return [base64.b64decode(found).decode() for found in
            re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', html)]  # fmt: skip


def test_a_table_is_in_columns():
    assert TABLE.lines() == ["        score    p", "a        7.25  0.5", "longer  12.00"]


def test_text_has_everything_but_drawings():
    drawn = [CHART, Picture("looked", lambda: DRAWN)]
    sections = [Section("One", ["said", TABLE]), Section("Two", drawn),
                Section("Three", ["x", Lines(["y", " z"]), *drawn])]  # fmt: skip
    assert text(sections) == ["One", "said", *TABLE.lines(), "", "Three", "x", "y", " z"]
    assert [one.pictures for one in sections] == [[], drawn, drawn]


def test_a_picture_is_drawn_for_a_page_and_for_nothing_else():
    drawn = []
    sections = [Section("One", ["said", Picture("looked", lambda: drawn.append(1) or DRAWN)])]
    assert text(sections) == ["One", "said"]
    assert not drawn
    html = page("Title", sections)
    assert drawn == [1]
    assert f'<img alt="looked" src="{DRAWN}">' in html
    assert "<figcaption>looked</figcaption>" in html


def test_lines_stand_as_they_are_written_one_below_the_other():
    assert "<pre>a\n  b c\n\\u001b</pre>" in page(
        "T", [Section("O", [Lines(["a", "  b\nc", "\x1b"])])]
    )


def test_a_page_has_every_part_in_order_and_each_chart_as_a_drawing():
    html = page("Title", [Section("One", ["said", TABLE]), Section("Two", [CHART])])
    parts = ["<h1>Title</h1>", "<h2>One</h2>", "<p>said</p>", "<td>7.25</td>", "<h2>Two</h2>",
             '<img alt="loss"']  # fmt: skip
    places = [html.find(part) for part in parts]
    assert -1 not in places
    assert places == sorted(places)
    (drawn,) = drawings(html)
    # matplotlib leaves what begins with _ out of legends, and sets what is between $ as a formula.
    assert "<!-- _one -->" in drawn
    assert "<!-- a$b$ -->" in drawn


def test_nothing_in_a_page_can_run_or_be_fetched():
    table = Table([NASTY], [[NASTY]])
    chart = Chart(NASTY, [Curve(NASTY, [1, 2], [1, 2])])
    others = [Lines([NASTY]), Picture(NASTY, lambda: DRAWN)]
    html = page(NASTY, [Section(NASTY, [NASTY, table, chart, *others])])
    # Title, h1, h2, paragraph, heading, cell, chart; line, picture and its caption.
    assert html.count("&lt;script&gt;") == 10
    assert "<script" not in html
    assert not re.search(r"(src|href)=\"(?!data:image/svg)", html)
    assert "default-src 'none'" in html
    assert all("<script" not in drawn for drawn in drawings(html))


def test_the_same_chart_is_the_same_drawing():
    assert CHART.svg() == CHART.svg() != CHART._replace(logarithmic="y").svg()


def test_where_a_page_goes_is_checked_before_the_work(tmp_path):
    assert check_page("") is None
    assert check_page(str(tmp_path / "x.html")) == tmp_path / "x.html"
    for name in (tmp_path, tmp_path / "no" / "x.html"):
        with pytest.raises(UsageError, match="is no file that can be written; name one in"):
            check_page(str(name))


def test_a_table_wider_than_the_terminal_goes_on_below():
    rows = [["row", "1", "22", "333"], ["r", "-", "", "5"]]
    table = Table(["", "one", "second", "third"], rows)
    assert table.lines() == [
        "     one  second  third",
        "row    1      22    333",
        "r      -              5",
    ]  # fmt: skip
    narrow = ["     one  second", "row    1      22", "r      -",
              "     third", "row    333", "r        5"]  # fmt: skip
    assert table.lines(16) == narrow
    single = [
        Table(["", table.header[at]], [[row[0], row[at]] for row in rows]) for at in (1, 2, 3)
    ]
    assert table.lines(3) == [line for one in single for line in one.lines()]
    assert Table(["a"], [["b"]]).lines() == ["a", "b"]
    shown = text([Section("S", ["one two three four", table])], 16)
    assert shown == ["S", "one two three", "four", *narrow]
    assert text([Section("S", ["a two-sided p"])], 10) == ["S", "a", "two-sided", "p"]
