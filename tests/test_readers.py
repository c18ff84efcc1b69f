import json
import os
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqgen.errors import DataError
from seqgen.readers import is_header, lines, open_table, parallel_table

# Texts that general readers change: missing values, numbers, quotes, what looks like a line end.
TRAPS = [
    ("NA", "null"),
    ("None", "nan"),
    ("007", "1e5"),
    ("2024-01-31", "1,000.0"),
    ('one " quote', '"quoted"'),
    ("'", '""'),
    ("a,b", "a;b"),
    ("carriage\rreturn", "next\u0085line"),
    ("separator\u2028line", "form\x0cfeed"),
    ("nul\x00nul", "escape\x1b[31m"),
    ("\ufeffmark inside", "e\u0301 combining"),
    (" leading", "trailing "),
    ("#comment", "-5"),
]


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def read(path: Path, names=()):
    return list(open_table(path, names).rows((0, 1)))


def csv_cell(text):
    return '"' + text.replace('"', '""') + '"'


WRITERS = {
    "pairs.tsv": lambda pairs: "".join(f"{a}\t{b}\n" for a, b in pairs),
    "windows.tsv": lambda pairs: "\ufeff" + "".join(f"{a}\t{b}\r\n" for a, b in pairs),
    "pairs.csv": lambda pairs: "".join(f"{csv_cell(a)},{csv_cell(b)}\n" for a, b in pairs),
    "windows.csv": lambda pairs: (
        "\ufeff" + "".join(f"{csv_cell(a)},{csv_cell(b)}\r\n" for a, b in pairs)
    ),
    "pairs.jsonl": lambda pairs: "".join(json.dumps({"a": a, "b": b}) + "\n" for a, b in pairs),
    "plain.jsonl": lambda pairs: "\r\n".join(
        json.dumps({"a": a, "b": b}, ensure_ascii=False) for a, b in pairs
    ),
    "list.json": lambda pairs: json.dumps([{"a": a, "b": b} for a, b in pairs]),
    "indented.json": lambda pairs: json.dumps([{"a": a, "b": b} for a, b in pairs], indent=2),
    "lines.json": lambda pairs: "".join(json.dumps({"a": a, "b": b}) + "\n" for a, b in pairs),
    "pairs.train": lambda pairs: "".join(f"{a}\t{b}\n" for a, b in pairs),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_texts_as_they_were_written(tmp_path, name):
    assert read(write(tmp_path / name, WRITERS[name](TRAPS))) == TRAPS


def test_parallel_text_gives_texts_as_they_were_written(tmp_path):
    first = write(tmp_path / "a.txt", "".join(a + "\n" for a, _ in TRAPS))
    second = write(tmp_path / "b.txt", "\r\n".join(b for _, b in TRAPS))
    table = parallel_table(first, second, ("source", "target"))
    assert list(table.rows((0, 1))) == TRAPS
    assert list(table.rows((1,))) == [(b,) for _, b in TRAPS]


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
flat = texts.filter(lambda text: not set(text) & set("\t\n\r"))


def same_pairs(tmp_path_factory, name, pairs):
    path = write(tmp_path_factory.mktemp("pairs") / name, WRITERS[name](pairs))
    assert read(path) == pairs


@settings(deadline=None)
@given(pairs=st.lists(st.tuples(texts, texts), min_size=1))
@pytest.mark.parametrize("name", ["pairs.jsonl", "plain.jsonl", "list.json", "pairs.csv"])
def test_any_texts_come_back(tmp_path_factory, name, pairs):
    if name == "pairs.csv":  # a first row of known names would be a header, a first mark a BOM
        pairs = [("first", "row"), *pairs]
    same_pairs(tmp_path_factory, name, pairs)


@settings(deadline=None)
@given(pairs=st.lists(st.tuples(flat, flat), min_size=1))
def test_any_texts_without_tab_and_line_end_come_back_from_tsv(tmp_path_factory, pairs):
    same_pairs(tmp_path_factory, "pairs.tsv", [("first", "row"), *pairs])


def test_csv_keeps_line_ends_inside_quotes(tmp_path):
    path = write(tmp_path / "a.csv", '"one\ntwo","three\r\nfour"\nfive,six\n')
    assert read(path) == [("one\ntwo", "three\r\nfour"), ("five", "six")]


def test_json_numbers_keep_their_spelling_and_lone_surrogates_are_replaced(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"a": 1.50, "b": "x\\ud800y"}\n{"a": 7, "b": null}\n{}\n')
    table = open_table(path)
    assert list(table.rows((0, 1))) == [("1.50", "x\ufffdy"), ("7", None), (None, None)]
    assert table.texts == ("b",)


def test_keys_of_an_object_within_an_object_are_columns(tmp_path):
    rows = [{"id": "1", "translation": {"en": "dog", "de": "Hund"}, "other": {"en": "x", "n": 3}}]
    table = open_table(write(tmp_path / "a.json", json.dumps(rows)))
    assert table.columns == ("id", "translation.en", "de", "other.en", "n")
    assert list(table.rows((1, 2))) == [("dog", "Hund")]


def test_a_key_that_appears_later_is_a_column(tmp_path):
    table = open_table(write(tmp_path / "a.jsonl", '{"a": "x"}\n\n{"a": "y", "b": "z"}\n'))
    assert list(table.rows((1, 0))) == [(None, "x"), ("z", "y")]


@pytest.mark.parametrize(
    ("cells", "header"),
    [
        (["source", "target"], True),
        (["EN", "de-AT"], True),
        (["English", "French", "id"], True),
        (["Go.", "Va !"], False),
        (["cat", "dog"], False),
        (["la", "la"], False),
        (["text", "tɛkst"], False),
        (["source"], False),
    ],
)
def test_a_first_line_is_a_header_when_all_its_cells_are_known_names(cells, header):
    assert is_header(cells) is header


def test_named_columns_make_the_first_line_a_header(tmp_path):
    path = write(tmp_path / "a.csv", "question_text,sql\nhow many,count\n")
    assert open_table(path).columns == ("0", "1")
    table = open_table(path, ["sql"])
    assert table.columns == ("question_text", "sql")
    assert list(table.rows((0, 1))) == [("how many", "count")]


def test_a_blank_line_is_an_empty_pair(tmp_path):
    path = write(tmp_path / "a.tsv", "\nen\tde\n\ndog\tHund\n\n")
    assert read(path) == [(None, None), ("dog", "Hund"), (None, None)]


def test_lines_end_with_line_feed_only(tmp_path):
    path = write(tmp_path / "a.txt", "a\x0bb\x1cc\u2029d\re\nlast")
    assert list(lines(path)) == [(1, "a\x0bb\x1cc\u2029d\re\n"), (2, "last")]


DEEP = '{"a": ' + "[" * 200_000

ERRORS = [
    ("a.tsv", "", r"a\.tsv: is empty; a pair a line is needed$"),
    ("a.csv", "\n\n", r"a\.csv: is empty; a pair a line is needed$"),
    ("a.jsonl", "", r"a\.jsonl: is empty; an object a line is needed$"),
    ("a.json", "[]", r"a\.json: is empty; an object a line is needed$"),
    ("a.tsv", "a\tb\nc\n", r"a\.tsv:2: needs columns 0 and 1, has 1: \['c'\]$"),
    ("a.tsv", "en\tde\n\nc\n", r"a\.tsv:3: needs columns en and de, has 1: \['c'\]$"),
    ("a.tsv", "a\tb\nc\td\t\x1b", r":2: has 3 columns where line 1 has 2: \['c', 'd', '\\x1b'\]$"),
    ("a.csv", 'a,b\n"c"d,e\n', r"a\.csv:2: ',' expected after '\"'; a text that holds a quote"),
    ("a.csv", 'a,b\nc,"d\ne,f\n', r"a\.csv:2: unexpected end of data; .*quotes doubled$"),
    ("a.csv", "a,b\nc\rd,e\n", r"a\.csv:2: new-line character seen in unquoted field"),
    ("a.jsonl", '{"a": "x"}\n{"a" 1}\n', r"a\.jsonl:2: is not JSON: Expecting ':' delimiter$"),
    ("a.jsonl", DEEP, r"a\.jsonl:1: is not JSON: it is nested too deeply$"),
    ("a.jsonl", "[1]\n", r"a\.jsonl:1: needs an object such as \{\.\.\.\}, has a list$"),
    ("a.jsonl", "7\n", r"a\.jsonl:1: needs an object such as \{\.\.\.\}, has a bare value$"),
    ("a.jsonl", "null\n", r"a\.jsonl:1: needs an object such as \{\.\.\.\}, has null$"),
    ("a.json", '[\n{"a": "x"},\n{"a"', r"a\.json:3: an element is not JSON: Expecting ':'"),
    ("a.json", '[{"a": "x"},\n', r"a\.json:2: an element is not JSON: Expecting value$"),
    ("a.json", '\n[\n"x"]', r"a\.json:3: needs an object"),
    ("a.jsonl", '{"a": "x", "b": [1]}', r"a\.jsonl:1: column 'b' holds a list; a text is needed$"),
    ("a.jsonl", '{"a": true, "b": "x"}', r":1: column 'a' holds true or false; a text is needed$"),
    ("a.txt", "no tab\n", r"a\.txt: its first line has no TAB and its name does not end in one of"),
]


@pytest.mark.parametrize(("name", "text", "message"), ERRORS)
def test_every_mistake_in_a_file_is_named_with_its_line(tmp_path, name, text, message):
    with pytest.raises(DataError, match=message) as caught:
        read(write(tmp_path / name, text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.jsonl", "a.json"])
def test_bytes_that_are_not_utf_8_are_named_with_their_line(tmp_path, name):
    rows = {"a.tsv": b"a\tb\n\xff\tc\n", "a.csv": b"a,b\n\xff,c\n"}
    (tmp_path / name).write_bytes(rows.get(name, b'{"a": "x"}\n{"a": "\xff"}\n'))
    with pytest.raises(DataError, match=rf"{name}:2: is not UTF-8 \(byte 0xff\); save the file"):
        read(tmp_path / name)


def test_parallel_files_of_unequal_length_are_refused_with_both_counts(tmp_path):
    first, second = write(tmp_path / "t.en", "a\nb\nc\n"), write(tmp_path / "t.de", "a\nb\n")
    for files in ((first, second), (second, first)):
        table = parallel_table(*files, ("en", "de"))
        with pytest.raises(DataError, match=r"t\.en has 3.* lines; parallel files need a line"):
            list(table.rows((0, 1)))
        with pytest.raises(DataError, match=r"t\.de has 2"):
            list(table.rows((0, 1)))


def test_a_missing_file_is_named_with_its_neighbors(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    write(tmp_path / "train.tsv", "a\tb\n")
    os.mkfifo(tmp_path / "pipe")
    for name, message in [
        ("trian.tsv", r"trian\.tsv: no such file; did you mean 'train\.tsv'\?$"),
        ("x", r"x: no such file; its folder has 'empty', 'pipe', 'train\.tsv'$"),
        ("empty/x", r"x: no such file; its folder has nothing$"),
        ("none/x", r"x: no such file; there is no folder '.*none'$"),
        ("empty", r"empty: is a folder; give a file, or the folder as --dataset$"),
        ("pipe", r"pipe: is not a regular file; data is read more than once$"),
    ]:
        with pytest.raises(DataError, match=message):
            open_table(tmp_path / name)


@pytest.mark.parametrize("name", ["pairs.tsv", "pairs.csv", "pairs.jsonl", "list.json"])
def test_reading_holds_no_more_of_a_long_file_than_of_a_short_one(tmp_path, name):
    peaks = []
    for count in (3_000, 30_000):
        pairs = [(f"source {number} " * 5, f"target {number} " * 5) for number in range(count)]
        path = write(tmp_path / name, WRITERS[name](pairs))
        del pairs
        tracemalloc.start()
        assert sum(1 for _ in open_table(path).rows((0, 1))) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert path.stat().st_size > 3_500_000
    assert all(after < 1.2 * before + 100_000 for before, after in pairwise(peaks)), peaks
