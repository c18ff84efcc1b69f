import pyarrow as pa
import pyarrow.parquet
import pytest

from seqgen.errors import DataError
from seqgen.readers import open_table
from seqgen.table import ROWS, Table, concatenated, quoted

ENGLISH, GERMAN = ["NA", None, "007", ""], ["nein", "ja", None, "x\u2028y"]


def parquet(path, **columns):
    pyarrow.parquet.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_parquet_gives_flat_columns_whatever_kind_of_text_they_hold(tmp_path, kind):
    path = parquet(tmp_path / "a.parquet", n=[1, 2, 3, 4], en=pa.array(ENGLISH, kind), de=GERMAN)
    table = open_table(path)
    assert table.columns == ("n", "en", "de")
    assert table.texts == ("en", "de")
    assert list(table.rows((2, 1))) == list(zip(GERMAN, ENGLISH, strict=True))


def test_parquet_gives_the_languages_of_a_nested_translation(tmp_path):
    pairs = zip(ENGLISH, GERMAN, strict=True)
    nested = [{"en": en, "de": de} for en, de in pairs] + [None]
    table = open_table(parquet(tmp_path / "a.parquet", translation=nested, id=list("vwxyz")))
    assert table.columns == ("en", "de", "id")
    assert list(table.rows((0, 1))) == [*zip(ENGLISH, GERMAN, strict=True), (None, None)]


def test_parquet_numbers_become_text_where_they_are_asked_for(tmp_path):
    path = parquet(tmp_path / "a.parquet", number=[7, None], text=["x", "y"])
    assert list(open_table(path).rows((0, 1))) == [("7", "x"), (None, "y")]


def test_a_dictionary_of_texts_is_text(tmp_path):
    path = parquet(tmp_path / "a.parquet", a=pa.array(["x", "y", "x"]).dictionary_encode())
    table = open_table(path)
    assert table.texts == ("a",)
    assert list(table.rows((0,))) == [("x",), ("y",), ("x",)]


def test_parquet_is_read_on_beyond_one_batch(tmp_path):
    texts = [str(number) for number in range(2 * ROWS + 17)]
    path = parquet(tmp_path / "a.parquet", a=texts)
    assert [row[0] for row in open_table(path).rows((0,))] == texts


def test_parquet_columns_without_text_are_refused(tmp_path):
    path = parquet(tmp_path / "a.parquet", a=[["x"], ["y"]], b=["x", "y"])
    with pytest.raises(DataError, match=r"a\.parquet: column 'a' holds list<.*; a text is needed$"):
        list(open_table(path).rows((0, 1)))


def test_parquet_text_that_is_not_utf_8_is_refused(tmp_path):
    offsets = pa.py_buffer(b"\x00\x00\x00\x00\x01\x00\x00\x00")
    wrong = pa.StringArray.from_buffers(1, offsets, pa.py_buffer(b"\xff"))
    path = parquet(tmp_path / "a.parquet", a=wrong)
    with pytest.raises(DataError, match=r"a\.parquet: a text after row 0 is not UTF-8$"):
        list(open_table(path).rows((0,)))


def test_a_file_that_is_not_parquet_is_refused_in_one_line(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no more than that")
    with pytest.raises(DataError, match=r"a\.parquet: is not a parquet file: .+$") as caught:
        open_table(tmp_path / "a.parquet")
    assert "\n" not in str(caught.value)


def test_tables_are_joined_by_the_names_of_their_columns(tmp_path):
    (tmp_path / "a.tsv").write_text("en\tde\none\teins\n")
    (tmp_path / "b.tsv").write_text("de\ten\nzwei\ttwo\n")
    (tmp_path / "c.tsv").write_text("en\tfr\nthree\ttrois\n")
    first, second, third = (open_table(tmp_path / name) for name in ("a.tsv", "b.tsv", "c.tsv"))
    assert concatenated([first]) is first
    joined = concatenated([first, second])
    assert list(joined.rows((0, 1))) == [("one", "eins"), ("two", "zwei")]
    assert list(joined.rows((1,))) == [("eins",), ("zwei",)]
    assert joined.where == f"{tmp_path / 'a.tsv'} and 1 more"
    message = r"c\.tsv: has no column 'de' as .*a\.tsv has; it has 'en', 'fr'$"
    with pytest.raises(DataError, match=message):
        list(concatenated([first, third]).rows((0, 1)))


def test_quoted_names_are_escaped_and_kept_short():
    assert quoted(["a", "\x1b[31m"]) == r"'a', '\x1b[31m'"
    assert quoted(["x" * 50]) == "'" + "x" * 37 + "...'"
    assert quoted([str(number) for number in range(20)]).endswith(", '11', ...")


def test_a_table_is_read_anew_on_every_pass(tmp_path):
    path = parquet(tmp_path / "a.parquet", a=["x", "y"])
    table: Table = open_table(path)
    assert list(table.rows((0,))) == list(table.rows((0,))) == [("x",), ("y",)]
