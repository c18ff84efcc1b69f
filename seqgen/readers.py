"""Files to rows of texts, exactly as they are written, one row at a time.

The readers are our own because general ones change text: they take `NA` for a missing value,
`007` for the number 7, and let one lone quote swallow the lines after it.
"""

import csv
import difflib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from seqgen.errors import DataError
from seqgen.table import Row, Table, column_names, nested_columns, parquet_table, quoted

Cells = Callable[[Path], Iterator[tuple[int, list[str]]]]  # line numbers and cells of a file
Values = Callable[[Path], Iterator[tuple[int, Any]]]  # line numbers and JSON values of a file

HEAD = 1000  # objects looked at to learn their keys
CHUNK = 1 << 16  # characters of a JSON file read at a time ...
LONGEST = 1 << 26  # ... and the most that one of its elements may take
SURROGATE = re.compile("[\ud800-\udfff]")
SPACE = re.compile(r"[ \t\r\n,]*")

# A first line is taken for a header only where every cell of it is one of these words.
NAMES = """
    source target src tgt trg input output written spoken text translation class id group word
    pronunciation grapheme graphemes phoneme phonemes phone ipa lemma form inflected features tag
    tags question answer before after raw clean noisy correct incorrect misspelled misspelling
    correction sentence sentence1 sentence2 native roman romanized transliteration english german
    french spanish italian dutch russian chinese japanese korean arabic hindi turkish polish czech
    portuguese input_text target_text source_text output_text
"""
LANGUAGES = """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da
    de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz
    ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln
    lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi
    pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti
    tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu eng deu ger fra fre spa
    ita por nld dut rus zho chi jpn kor ara hin tur pol ces cze swe dan nor fin ell gre hun ron rum
    bul ukr heb vie tha ind cmn lat isl ice gle cym wel eus baq kat geo hye arm lit lav est slk slo
    slv hrv srp
"""
KNOWN_NAMES, KNOWN_LANGUAGES = frozenset(NAMES.split()), frozenset(LANGUAGES.split())


def regular(path: Path) -> Path:
    """`path` itself, if it is a file that can be read more than once."""
    if path.is_file():
        return path
    if path.is_dir():
        raise DataError(f"{path}: is a folder; give a file, or the folder as --dataset")
    if path.exists():
        raise DataError(f"{path}: is not a regular file; data is read more than once")
    if not path.parent.is_dir():
        raise DataError(f"{path}: no such file; there is no folder {str(path.parent)!r}")
    beside = sorted(item.name for item in path.parent.iterdir() if not item.name.startswith("."))
    near = difflib.get_close_matches(path.name, beside, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"its folder has {quoted(beside) or 'nothing'}"
    raise DataError(f"{path}: no such file; {hint}")


def open_table(path: Path, names: Sequence[str] = (), form: str = "") -> Table:
    """The rows of one file; `names` are columns that it is known to name.

    `form` is the format where the suffix does not tell; a file of neither is tab-separated if its
    first line is.
    """
    regular(path)
    form = form or path.suffix.lower().removeprefix(".")
    if form in ("csv", "tsv"):
        return _delimited(path, _comma_cells if form == "csv" else _tab_cells, names)
    if form in ("jsonl", "ndjson", "json"):
        return _objects(path, _json_values if form == "json" else _json_lines)
    if form == "parquet":
        return parquet_table(path)
    if "\t" in next(lines(path), (1, ""))[1]:
        return _delimited(path, _tab_cells, names)
    raise DataError(
        f"{path}: its first line has no TAB and its name does not end in one of"
        " .csv .tsv .jsonl .json .parquet; two parallel text files are given as A,B"
    )


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line, its end included; nothing but LF ends a line."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            try:
                yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                byte = error.object[error.start]
                raise DataError(
                    f"{path}:{number}: is not UTF-8 (byte 0x{byte:02x}); save the file as UTF-8"
                ) from None


def _bare(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")


def _tab_cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    for number, line in lines(path):
        text = _bare(line)
        yield number, text.split("\t") if text else []


def _comma_cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader((line for _, line in lines(path)), strict=True)
    while True:
        number = reader.line_num + 1
        try:
            yield number, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f"{path}:{number}: {error}; a text that holds a quote, a comma or a line break"
                " stands in quotes, with its own quotes doubled"
            ) from None


def is_header(cells: Sequence[str]) -> bool:
    """Whether a first line can only be a header: known names and language codes, each once."""
    words = [cell.strip().lower() for cell in cells]
    codes = [re.split("[-_]", word)[0] for word in words]
    known = [w in KNOWN_NAMES or c in KNOWN_LANGUAGES for w, c in zip(words, codes, strict=True)]
    return len(set(words)) == len(words) > 1 and all(known)


def _delimited(path: Path, cells_of: Cells, names: Sequence[str]) -> Table:
    """A table whose first line is a header if it must hold `names` or looks like one."""
    first, head = next(((n, cells) for n, cells in cells_of(path) if cells), (0, []))
    if not head:
        raise DataError(f"{path}: is empty; a pair a line is needed")
    headed = bool(names) or is_header(head)
    columns = tuple(head) if headed else tuple(str(number) for number in range(len(head)))

    def rows(chosen: Sequence[int]) -> Iterator[Row]:
        last = max(chosen)
        for number, cells in cells_of(path):
            if headed and number <= first:
                continue
            if not cells:  # a blank line is a pair of empty texts
                yield (None,) * len(chosen)
            elif last < len(cells) <= len(columns):
                yield tuple([cells[index] for index in chosen])
            else:
                raise DataError(f"{path}:{number}: {_misfit(cells, columns, chosen, first)}")

    return Table(str(path), columns, columns, rows, headed=headed)


def _misfit(cells: list[str], columns: Sequence[str], chosen: Sequence[int], first: int) -> str:
    shown = f"[{quoted(cells)}]"
    if len(cells) > len(columns):
        return f"has {len(cells)} columns where line {first} has {len(columns)}: {shown}"
    needed = " and ".join(columns[index] for index in chosen)
    return f"needs columns {needed}, has {len(cells)}: {shown}"


class Number(str):
    """A number of a JSON file, as it is spelled there."""

    __slots__ = ()


JSON = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=Number)


def _json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    for number, line in lines(path):
        if not line.isspace():
            try:
                yield number, JSON.decode(line)
            except (json.JSONDecodeError, RecursionError) as error:
                reason = getattr(error, "msg", "it is nested too deeply")
                raise DataError(f"{path}:{number}: is not JSON: {reason}") from None


def _json_values(path: Path) -> Iterator[tuple[int, Any]]:
    """Line and value of each element of a list, or of values that follow one another."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _json_elements(path, file.read)
    except UnicodeDecodeError:
        for _ in lines(path):  # raises the error that names the line
            pass
        raise


def _json_elements(path: Path, read: Callable[[int], str]) -> Iterator[tuple[int, Any]]:
    text, line, size = read(CHUNK), 1, CHUNK
    at = _skip(text, 0)
    listed = text.startswith("[", at)
    at, line = at + listed, line + text.count("\n", 0, at)
    while True:
        start = _skip(text, at)
        line += text.count("\n", at, start)
        try:
            value, at = JSON.raw_decode(text, start)
        except (json.JSONDecodeError, RecursionError) as error:
            more = read(size) if len(text) - start < LONGEST else ""
            if not more and text[start:].strip() == ("]" if listed else ""):
                return
            if not more:
                reason = getattr(error, "msg", "it is nested too deeply")
                raise DataError(f"{path}:{line}: an element is not JSON: {reason}") from None
            text, at, size = text[start:] + more, 0, 2 * size
            continue
        yield line, value
        line, size = line + text.count("\n", start, at), CHUNK


def _skip(text: str, at: int) -> int:
    found = SPACE.match(text, at)
    return found.end() if found else at


def _objects(path: Path, values_of: Values) -> Table:
    """A table of JSON objects; an object within one gives a column for each of its keys."""
    found: dict[tuple[str, ...], bool] = {}
    for number, value in islice(values_of(path), HEAD):
        for key, leaf in _leaves(path, number, value):
            is_text = isinstance(leaf, str) and not isinstance(leaf, Number)
            found[key] = found.get(key, False) or is_text
    if not found:
        raise DataError(f"{path}: is empty; an object a line is needed")
    paths = list(found)
    columns = column_names(paths)

    def rows(chosen: Sequence[int]) -> Iterator[Row]:
        for number, value in values_of(path):
            leaves = dict(_leaves(path, number, value))
            yield tuple(
                [_cell(leaves.get(paths[i]), f"{path}:{number}", columns[i]) for i in chosen]
            )

    texts = tuple(name for name, key in zip(columns, paths, strict=True) if found[key])
    return Table(str(path), columns, texts, rows, nested_columns(columns, paths))


def _leaves(path: Path, number: int, value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not isinstance(value, dict):
        raise DataError(f"{path}:{number}: needs an object such as {{...}}, has {_kind(value)}")
    for key, item in value.items():
        if isinstance(item, dict):
            yield from (((key, inner), leaf) for inner, leaf in item.items())
        else:
            yield (key,), item


def _kind(value: Any) -> str:
    kinds = {bool: "true or false", list: "a list", dict: "an object", type(None): "null"}
    return kinds.get(type(value), "a bare value")


def _cell(value: Any, where: str, column: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise DataError(f"{where}: column {column!r} holds {_kind(value)}; a text is needed")
    return str(value) if value.isascii() else SURROGATE.sub("\ufffd", value)


def parallel_table(first: Path, second: Path, columns: tuple[str, str]) -> Table:
    """The lines of two files side by side."""
    files = (regular(first), regular(second))

    def rows(chosen: Sequence[int]) -> Iterator[Row]:
        for both in zip_longest(*map(lines, files)):
            if None in both:
                counts = [f"{path} has {sum(1 for _ in lines(path))}" for path in files]
                raise DataError(f"{', '.join(counts)} lines; parallel files need a line for a line")
            yield tuple([_bare(both[index][1]) for index in chosen])

    return Table(f"{first},{second}", columns, columns, rows)
