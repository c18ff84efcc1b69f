import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqgen.corpus import HELD_OUT, SHARE, SKETCH, hold_out, read_corpus
from seqgen.errors import DataError
from seqgen.sections import DataConfig
from seqgen.table import Table

TRAPS = [("NA", "null"), ("007", "1e5"), ('a "b"', "'"), ("x, y", "2024-01-31"), ("é\u2028", "ß")]
PAIRS = [*TRAPS, *((f"word {number}", f"Wort {number}") for number in range(35))]
HELD = [("dev", "Entwicklung"), ("two", "zwei"), ("three", "drei")]
SPLITS = {"train": PAIRS, "validation": HELD}


def delimited(separator, quote=""):
    def cell(text):
        return quote + text.replace('"', '""') + quote if quote else text

    def text(pairs):
        return "".join(f"{cell(a)}{separator}{cell(b)}\n" for a, b in [("en", "de"), *pairs])

    return text


def json_lines(pairs):
    return "".join(json.dumps({"en": a, "de": b}) + "\n" for a, b in pairs)


def nested_lines(pairs):
    rows = ({"id": str(n), "translation": {"en": a, "de": b}} for n, (a, b) in enumerate(pairs))
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def json_list(pairs):
    return json.dumps([{"en": a, "de": b} for a, b in pairs], indent=1)


def as_files(suffix, text):
    def write(folder: Path):
        for name, pairs in SPLITS.items():
            (folder / f"{name}.{suffix}").write_bytes(text(pairs).encode())
        train, validation = (str(folder / f"{name}.{suffix}") for name in SPLITS)
        return {"train_file": train, "validation_file": validation}

    return write


def as_folder(suffix, text):
    def write(folder: Path):
        as_files(suffix, text)(folder)
        return {"dataset": str(folder)}

    return write


def parquet(folder: Path):
    import pyarrow as pa
    import pyarrow.parquet

    for name, pairs in SPLITS.items():
        table = pa.table({"en": [a for a, _ in pairs], "de": [b for _, b in pairs]})
        pyarrow.parquet.write_table(table, folder / f"{name}-00000-of-00001.parquet")
    return {"dataset": str(folder)}


def parallel(folder: Path):
    for name, pairs in SPLITS.items():
        for side, suffix in enumerate(("en", "de")):
            lines = "".join(pair[side] + "\n" for pair in pairs)
            (folder / f"{name}.{suffix}").write_bytes(lines.encode())
    both = {name: f"{folder}/{name}.en,{folder}/{name}.de" for name in SPLITS}
    return {"train_file": both["train"], "validation_file": both["validation"]}


def parallel_prefix(folder: Path):
    parallel(folder)
    return {"train_file": f"{folder}/train", "validation_file": f"{folder}/validation"}


def parallel_folder(folder: Path):
    parallel(folder)
    return {"dataset": str(folder)}


def saved(folder: Path):
    import datasets

    splits = {
        name: datasets.Dataset.from_dict({"en": [a for a, _ in pairs], "de": [b for _, b in pairs]})
        for name, pairs in SPLITS.items()
    }
    datasets.DatasetDict(splits).save_to_disk(str(folder / "saved"))
    return {"dataset": str(folder / "saved")}


def saved_translation(folder: Path):
    import datasets

    features = datasets.Features({"translation": datasets.Translation(languages=["en", "de"])})
    splits = {
        name: datasets.Dataset.from_dict(
            {"translation": [{"en": a, "de": b} for a, b in pairs]}, features=features
        )
        for name, pairs in SPLITS.items()
    }
    datasets.DatasetDict(splits).save_to_disk(str(folder / "saved"))
    return {"dataset": str(folder / "saved")}


FORMS = {
    "tsv": as_files("tsv", delimited("\t")),
    "csv": as_files("csv", delimited(",", quote='"')),
    "jsonl": as_files("jsonl", json_lines),
    "json": as_files("json", json_list),
    "nested": as_files("jsonl", nested_lines),
    "folder of tsv": as_folder("tsv", delimited("\t")),
    "folder of csv": as_folder("csv", delimited(",", quote='"')),
    "folder of jsonl": as_folder("jsonl", json_lines),
    "parquet": parquet,
    "parallel": parallel,
    "prefix": parallel_prefix,
    "folder of parallel": parallel_folder,
    "saved": saved,
    "saved translation": saved_translation,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_dataset_gives_the_same_pairs(tmp_path, form, capsys):
    options = FORMS[form](tmp_path)
    corpus = read_corpus(DataConfig(source="en", target="de", **options))
    assert list(corpus.train) == PAIRS
    assert list(corpus.validation) == HELD
    assert (corpus.test, corpus.source, corpus.target) == (None, "en", "de")
    assert corpus.notes == ("columns en -> de",)
    assert list(read_corpus(DataConfig(source="de", target="en", **options)).train) == [
        (b, a) for a, b in PAIRS
    ]
    assert capsys.readouterr().out == ""


# Two files side by side have no order, nor have the languages of an object within a row.
UNORDERED = ("prefix", "folder of parallel", "nested", "saved translation")


@pytest.mark.parametrize("form", [form for form in FORMS if form not in UNORDERED])
def test_two_columns_of_text_need_no_names(tmp_path, form):
    corpus = read_corpus(DataConfig(**FORMS[form](tmp_path)))
    assert list(corpus.train) == PAIRS
    assert corpus.notes == ("columns en -> de (guessed)",)


@pytest.mark.parametrize("form", FORMS)
def test_a_wrong_column_is_answered_with_those_that_exist(tmp_path, form):
    config = DataConfig(source="en", target="fr", **FORMS[form](tmp_path))
    with pytest.raises(DataError, match=r"en.*de|de.*en") as caught:
        read_corpus(config)
    assert "\n" not in str(caught.value)


def write(path: Path, text: str) -> str:
    path.write_bytes(text.encode())
    return str(path)


def corpus_of(path: Path, text: str, **options):
    return read_corpus(DataConfig(dataset=write(path, text), **options))


def test_columns_may_be_given_by_number(tmp_path):
    text = "a\tx\tb\nc\ty\td\n"
    corpus = corpus_of(tmp_path / "a.tsv", text, source="2", target="0")
    assert sorted([*corpus.train, *corpus.validation]) == [("b", "a"), ("d", "c")]
    assert corpus.notes[0] == "columns 2 -> 0, no header"


def test_a_file_without_a_header_says_so(tmp_path):
    corpus = corpus_of(tmp_path / "a.tsv", "Go.\tVa !\nHi.\tSalut !\n")
    assert corpus.notes[0] == "columns 0 -> 1 (guessed), no header"
    assert (corpus.source, corpus.target) == ("0", "1")
    assert len(corpus.train) + len(corpus.validation) == 2


@pytest.mark.parametrize(
    ("columns", "pair"),
    [
        (("class", "Written", "spoken"), ("Written", "spoken")),
        (("target", "id", "source"), ("source", "target")),
        (("id", "fr", "en"), ("fr", "en")),
        (("word", "pronunciation", "language"), ("word", "pronunciation")),
    ],
)
def test_columns_are_guessed_where_there_is_no_choice(tmp_path, columns, pair):
    rows = [dict.fromkeys(columns, str(number)) for number in range(3)]
    corpus = corpus_of(tmp_path / "a.json", json.dumps(rows))
    assert (corpus.source, corpus.target) == pair


def test_one_named_column_leaves_the_other_to_be_guessed(tmp_path):
    text = json_lines(PAIRS)
    assert corpus_of(tmp_path / "a.jsonl", text, source="de").target == "en"
    corpus = corpus_of(tmp_path / "a.jsonl", text, target="en")
    assert (corpus.source, corpus.notes[0]) == ("de", "columns de -> en (guessed)")


def test_a_guess_made_for_train_holds_for_the_other_splits(tmp_path):
    write(tmp_path / "train.jsonl", '{"en": "dog", "de": "Hund"}\n')
    write(tmp_path / "dev.jsonl", '{"de": "Katze", "en": "cat"}\n')
    corpus = read_corpus(DataConfig(dataset=str(tmp_path)))
    assert list(corpus.validation) == [("cat", "Katze")]


def three(columns):
    return "\t".join(columns) + "\n" + "x\ty\tz\n"


ERRORS = [
    (
        "train.csv",
        "english,french\na,b\n",
        {"source": "englsh", "target": "french"},
        r"^no column 'englsh' in .*train\.csv; it has 'english', 'french'; did you mean",
    ),
    (
        "a.tsv",
        "Go.\tVa !\n",
        {"source": "en", "target": "fr"},
        r"it has 'Go\.', 'Va !'; a file without a header takes numbers, such as --source 0 --ta",
    ),
    ("a.tsv", "a\tb\n", {"source": "2", "target": "0"}, r"^no column '2' in .*; it has '0', '1'$"),
    (
        "a.jsonl",
        '{"translation": {"en": "a", "de": "b"}}\n',
        {"source": "en", "target": "fr"},
        r"^no column 'fr' in .*a\.jsonl; it has 'en', 'de'$",
    ),
    (
        "a.jsonl",
        '{"translation": {"en": "a", "de": "b", "fr": "c"}}\n',
        {},
        r"a\.jsonl: has columns 'en', 'de', 'fr'; say which with --source and --target$",
    ),
    (
        "a.jsonl",
        '{"translation": {"en": "a", "de": "b"}}\n',
        {},
        r"a\.jsonl: has columns 'en', 'de'; say which with --source and --target$",
    ),
    ("a.tsv", three("abc"), {}, r": has columns '0', '1', '2'; say which .*, or by the names of"),
    ("a.tsv", three(["en", "de", "fr"]), {"source": "en"}, r"'fr'; say which with --source and"),
    ("a.csv", "only\nx\n", {}, r"a\.csv: has one column only, '0'; a pair needs two$"),
    ("a.csv", "a,b\n", {"source": "1", "target": "1"}, r"both column '1' of .*a\.csv; they must d"),
    ("a.csv", "a,a,b\n", {"source": "a", "target": "b"}, r"has more than one column 'a'; give its"),
    ("a.tsv", " \tb\nc\t\n", {}, r"a\.tsv: has no pair of texts \(2 with an empty side\); one is"),
    ("a.jsonl", '{"a": null, "b": "c"}', {"source": "a", "target": "b"}, r"\(1 with an empty side"),
    ("a.tsv", "en\tde\n", {}, r"a\.tsv: has no pair of texts; one is needed at least$"),
]


@pytest.mark.parametrize(("name", "text", "options", "message"), ERRORS)
def test_every_mistake_about_columns_is_said_in_one_line(tmp_path, name, text, options, message):
    with pytest.raises(DataError, match=message) as caught:
        corpus_of(tmp_path / name, text, **options)
    assert "\n" not in str(caught.value)


def test_pairs_with_an_empty_side_are_dropped_and_counted(tmp_path):
    rows = ["dog\tHund", "\tx", "cat\t \u3000", "", "mouse\tMaus", "a\t\ufeff"]
    train, dev = write(tmp_path / "a.tsv", "\n".join(rows)), write(tmp_path / "b.tsv", "y\tz\n")
    corpus = read_corpus(DataConfig(train_file=train, validation_file=dev))
    assert list(corpus.train) == [("dog", "Hund"), ("mouse", "Maus"), ("a", "\ufeff")]
    assert (len(corpus.train), corpus.train.dropped, corpus.validation.dropped) == (3, 3, 0)
    assert corpus.notes[1:] == ("dropped 3 pairs of train with an empty side",)


def test_parallel_text_with_a_mark_and_blank_lines_keeps_its_pairs(tmp_path):
    write(tmp_path / "t.en", "\ufeffdog\n\n\nNA\n")
    write(tmp_path / "t.de", "Hund\r\n\nallein\r\nnull\r\n")
    both = f"{tmp_path}/t.en,{tmp_path}/t.de"
    corpus = read_corpus(DataConfig(train_file=both, validation_file=both))
    assert list(corpus.train) == [("dog", "Hund"), ("NA", "null")]
    assert "dropped 2 pairs of train with an empty side" in corpus.notes


def test_nulls_are_dropped_and_counted_and_the_word_null_is_kept(tmp_path):
    rows = [("a", "b"), (None, "c"), ("d", None), ("null", "None"), ("", "e")]
    lines = "".join(json.dumps({"en": one, "de": two}) + "\n" for one, two in rows)
    path = write(tmp_path / "a.jsonl", lines)
    corpus = read_corpus(DataConfig(train_file=path, validation_file=path, source="en",
                                    target="de"))  # fmt: skip
    assert list(corpus.train) == [("a", "b"), ("null", "None")]
    assert "dropped 3 pairs of train with an empty side" in corpus.notes


def test_other_columns_stay_aligned_with_the_pairs(tmp_path):
    rows = "written\tspoken\tclass\n1\tone\tcardinal\n\tx\tlost\n2nd\tsecond\tordinal\n"
    write(tmp_path / "train.tsv", rows)
    write(tmp_path / "dev.tsv", rows + "3\tthree\t\n")
    corpus = read_corpus(DataConfig(dataset=str(tmp_path), group="class"))
    assert list(corpus.train.column("class")) == ["cardinal", "ordinal"]
    assert list(corpus.validation.column("class")) == ["cardinal", "ordinal", ""]
    assert list(corpus.train.column("0")) == ["1", "2nd"]
    with pytest.raises(DataError, match=r"^no column 'clas' in .*dev\.tsv;.* mean 'class'\?$"):
        read_corpus(DataConfig(dataset=str(tmp_path), group="clas"))


def test_limits_take_the_first_pairs_of_each_split(tmp_path):
    options = as_folder("tsv", delimited("\t"))(tmp_path)
    write(tmp_path / "test.tsv", delimited("\t")(PAIRS))
    limits = {"max_train_samples": 7, "max_eval_samples": 2, "max_predict_samples": 5}
    corpus = read_corpus(DataConfig(**options, **limits))
    assert list(corpus.train) == PAIRS[:7]
    assert list(corpus.validation) == HELD[:2]
    assert list(corpus.test) == PAIRS[:5]
    assert [len(split) for split in (corpus.train, corpus.validation, corpus.test)] == [7, 2, 5]
    more = DataConfig(**options, max_train_samples=1000)
    assert len(read_corpus(more).train) == len(PAIRS)


def test_a_limit_stops_before_what_it_leaves_out(tmp_path):
    write(tmp_path / "dev.tsv", "x\ty\n")
    write(tmp_path / "train.tsv", "a\tb\nc\td\n\n\nwrong\n")
    corpus = read_corpus(DataConfig(dataset=str(tmp_path), max_train_samples=2))
    assert (list(corpus.train), corpus.train.dropped) == ([("a", "b"), ("c", "d")], 0)


def test_what_is_held_out_shares_no_source_with_train_and_loses_nothing(tmp_path):
    pairs = [(f"source {number % 60}", f"target {number}") for number in range(300)]
    path = write(tmp_path / "a.tsv", delimited("\t")(pairs))
    corpus = read_corpus(DataConfig(dataset=path))
    train, held = list(corpus.train), list(corpus.validation)
    assert sorted([*train, *held]) == sorted(pairs)
    assert not {source for source, _ in train} & {source for source, _ in held}
    assert len({source for source, _ in held}) == 60 // SHARE
    assert corpus.notes[1] == "held out 15 pairs of train for validation, by their source"
    again = read_corpus(DataConfig(dataset=path, max_train_samples=9))
    assert list(again.validation) == held
    assert list(again.train) == train[:9]


def test_what_is_held_out_does_not_depend_on_the_order_of_the_rows(tmp_path):
    ahead = corpus_of(tmp_path / "a.tsv", delimited("\t")(PAIRS))
    back = corpus_of(tmp_path / "b.tsv", delimited("\t")(PAIRS[::-1]))
    assert sorted(ahead.validation) == sorted(back.validation)
    assert len(ahead.validation) == 2


def test_one_source_alone_is_not_held_out(tmp_path):
    corpus = corpus_of(tmp_path / "a.tsv", "en\tde\ndog\tHund\ndog\tDogge\n")
    assert (len(corpus.train), corpus.validation) == (2, None)
    assert corpus.notes[1].startswith("no validation split, and too few different sources")


def numbers(count):
    return Table("made up", ("a", "b"), ("a", "b"), lambda _: ((str(n), "x") for n in range(count)))


@pytest.mark.parametrize("count", [2, 39, 40, 1_003, SKETCH + 9_000])
def test_a_share_of_the_sources_is_held_out_up_to_a_limit(count):
    keep = hold_out(numbers(count), (0, 1))
    held = [number for number in range(count) if keep["validation"](str(number))]
    assert len(held) == min(HELD_OUT, max(1, count // SHARE))
    assert all(keep["train"](str(n)) is not keep["validation"](str(n)) for n in range(count))


def test_a_corpus_streams_and_can_be_read_again(tmp_path):
    for name, count in (("train", 50_000), ("dev", 300)):
        with (tmp_path / f"{name}.tsv").open("w", encoding="utf-8") as file:
            file.writelines(f"source {n} {'x' * 60}\ttarget {n}\n" for n in range(count))
    assert (tmp_path / "train.tsv").stat().st_size > 4_000_000
    tracemalloc.start()
    train = read_corpus(DataConfig(dataset=str(tmp_path))).train
    assert sum(1 for _ in train) == len(train) == 50_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
    assert next(iter(train)) == next(iter(train))


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)


@settings(deadline=None)
@given(pairs=st.lists(st.tuples(text, text), min_size=1))
def test_pairs_with_text_on_both_sides_are_all_there_whatever_they_hold(tmp_path_factory, pairs):
    folder = tmp_path_factory.mktemp("any")
    write(folder / "train.jsonl", json_lines([*pairs, ("a", "b")]))
    write(folder / "dev.jsonl", json_lines(HELD))
    train = read_corpus(DataConfig(dataset=str(folder))).train
    whole = [pair for pair in pairs if all(side.strip() for side in pair)]
    assert list(train) == [*whole, ("a", "b")]
    assert train.dropped == len(pairs) - len(whole)
