import pytest

from seqgen.errors import DataError
from seqgen.sections import DataConfig
from seqgen.splits import locate, role_of


def fill(folder, **files):
    """Write files; in a name, two underscores stand for a dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return folder


def sources(config):
    """The first column of each split."""
    _, tables = locate(config)
    return {role: [row[0] for row in table.rows((0,))] for role, table in tables.items()}


@pytest.mark.parametrize("word", ["validation", "dev", "val", "valid"])
def test_a_folder_has_the_splits_that_its_files_are_named_for(tmp_path, word):
    files = {"train__tsv": "a\tb\n", f"{word}__tsv": "c\td\n", "test__tsv": "e\tf\n"}
    folder = fill(tmp_path / "data", README__md="# no data", **files)
    expected = {"train": ["a"], "validation": ["c"], "test": ["e"]}
    assert sources(DataConfig(dataset=str(folder))) == expected


def test_shards_of_a_split_are_read_in_order(tmp_path):
    fill(tmp_path / "data", **{"train-00001-of-00002__tsv": "b\tx\n"})
    fill(tmp_path / "data", **{"train-00000-of-00002__tsv": "a\tx\n"})
    assert sources(DataConfig(dataset=str(tmp_path))) == {"train": ["a", "b"]}


def test_a_file_may_take_its_split_from_its_folder(tmp_path):
    fill(tmp_path / "train", x__tsv="a\tb\n", y__tsv="c\td\n")
    fill(tmp_path / "dev", x__tsv="e\tf\n")
    assert sources(DataConfig(dataset=str(tmp_path))) == {"train": ["a", "c"], "validation": ["e"]}


def test_a_split_may_be_named_by_its_file(tmp_path):
    fill(tmp_path, kor_train__tsv="k\tx\n", ady_train__tsv="a\tx\n", odd__tsv="o\tx\n")
    assert sources(DataConfig(dataset=str(tmp_path))) == {"train": ["a", "k"]}
    chosen = DataConfig(dataset=str(tmp_path), train_split="kor_train", test_split="odd")
    assert sources(chosen) == {"train": ["k"], "test": ["o"]}


def test_a_folder_without_named_splits_is_all_train(tmp_path):
    fill(tmp_path, x__csv="a,b\n", y__csv="c,d\n", dataset_infos__json="{}", notes__txt="x\ty\n")
    assert sources(DataConfig(dataset=str(tmp_path))) == {"train": ["a", "c"]}


def test_a_folder_of_parallel_text_has_a_split_for_each_prefix(tmp_path):
    files = {"train__en": "a\n", "train__de": "b\n", "test__en": "c\n", "test__de": "d\n"}
    folder = fill(tmp_path / "data", train__fr="e\n", **files)
    config = DataConfig(dataset=str(folder), source="de", target="en")
    assert sources(config) == {"train": ["b"], "test": ["d"]}


def test_a_file_is_train_and_files_stand_in_for_splits(tmp_path):
    fill(tmp_path, a__tsv="a\tb\n", b__tsv="c\td\n")
    first, second = str(tmp_path / "a.tsv"), str(tmp_path / "b.tsv")
    assert sources(DataConfig(dataset=first)) == {"train": ["a"]}
    assert sources(DataConfig(dataset=first, test_file=second)) == {"train": ["a"], "test": ["c"]}
    assert sources(DataConfig(validation_file=second)) == {"validation": ["c"]}


def test_the_name_of_a_format_tells_how_to_read_the_files(tmp_path):
    fill(tmp_path, pairs="a,b\n", text="a\tb\n")
    assert sources(DataConfig(dataset="csv", train_file=str(tmp_path / "pairs"))) == {
        "train": ["a"]
    }
    assert sources(DataConfig(dataset="text", train_file=str(tmp_path / "text"))) == {
        "train": ["a"]
    }
    with pytest.raises(DataError, match=r"^dataset 'csv' is a format; give its files, such as --t"):
        locate(DataConfig(dataset="csv"))


def test_no_dataset_is_the_embedded_one(tmp_path, monkeypatch):
    folder = fill(tmp_path / "normalize", train__tsv="written\tspoken\n1\tone\n")
    monkeypatch.setattr("seqgen.resources.find", {"data/normalize": folder}.__getitem__)
    assert locate(DataConfig())[0] == "normalize"
    assert sources(DataConfig()) == {"train": ["1"]}


CARD = """---
license: mit
configs:
- config_name: small
  data_files:
  - split: train
    path: few/*.tsv
- config_name: large
  default: true
  data_files:
  - split: train
    path: ["many/1.tsv", "many/2.tsv"]
  - split: test
    path: held.tsv
---
text
"""


def test_the_card_of_a_folder_maps_its_files(tmp_path):
    fill(tmp_path, README__md=CARD, held__tsv="h\tx\n")
    fill(tmp_path / "few", a__tsv="f\tx\n")
    fill(tmp_path / "many", **{"1__tsv": "m\tx\n", "2__tsv": "n\tx\n"})
    folder = str(tmp_path)
    assert sources(DataConfig(dataset=folder)) == {"train": ["m", "n"], "test": ["h"]}
    assert sources(DataConfig(dataset=folder, dataset_config="small")) == {"train": ["f"]}
    with pytest.raises(DataError, match=r"no configuration 'big'; it has 'small', 'large'$"):
        locate(DataConfig(dataset=folder, dataset_config="big"))


def card(files, more=""):
    return f"---\nconfigs:\n- config_name: one\n  data_files: {files}\n{more}---\n"


def test_a_card_may_give_one_pattern_and_a_data_folder(tmp_path):
    fill(tmp_path / "in", a__tsv="a\tb\n")
    fill(tmp_path, README__md=card('"*.tsv"', "  data_dir: in\n"))
    assert sources(DataConfig(dataset=str(tmp_path))) == {"train": ["a"]}


def test_a_card_without_a_mapping_leaves_it_to_the_names(tmp_path):
    fill(tmp_path, README__md="---\nconfigs:\n- config_name: one\n---\n", train__tsv="a\tb\n")
    assert sources(DataConfig(dataset=str(tmp_path))) == {"train": ["a"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (card('"*.csv"'), r"README\.md: names '\*\.csv', and there is no such file$"),
        (card('"../*"'), r"README\.md: names '\.\./\*', which lies outside of the folder$"),
        (card("/etc/passwd"), r"names '/etc/passwd', which lies outside of the folder$"),
        (card("https://x/y.csv"), r"names 'https://x/y\.csv', which lies outside of the folder$"),
        (card("a.tsv", "- config_name: two\n"), r"configurations 'one', 'two'; name one with --da"),
        (card("[a", "'\n"), r"README\.md: its front matter is not YAML: .+$"),
    ],
)
def test_every_mistake_in_a_card_is_said(tmp_path, text, message):
    fill(tmp_path, README__md=text, a__tsv="a\tb\n")
    with pytest.raises(DataError, match=message) as caught:
        locate(DataConfig(dataset=str(tmp_path)))
    assert "\n" not in str(caught.value)


def test_a_folder_with_a_script_of_its_name_is_refused_and_nothing_is_run(tmp_path):
    marker = tmp_path / "ran"
    script = f"open({str(marker)!r}, 'w')\n"
    folder = fill(tmp_path / "pairs", pairs__py=script, train__tsv="a\tb\n")
    with pytest.raises(DataError, match=r"pairs: holds a loading script, pairs\.py, and no script"):
        locate(DataConfig(dataset=str(folder)))
    (folder / "pairs.py").rename(folder / "train.py")
    fill(folder, __init____py=script, dataset__py=script, conftest__py=script)
    assert sources(DataConfig(dataset=str(folder))) == {"train": ["a"]}
    assert not marker.exists()


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        ({"a__md": ""}, {}, r": holds no data; files such as train\.tsv and validation\.tsv, of"),
        ({"train__en": "", "train__de": ""}, {}, r"holds parallel text in 'de', 'en'; say which"),
        (
            {"train__en": "", "train__de": ""},
            {"source": "en", "target": "fr"},
            r": no text in 'fr'; it has 'de', 'en'; say which with --source and --target$",
        ),
        ({"train__csv": "", "train__tsv": ""}, {}, r"train is there as '\.csv', '\.tsv'; give one"),
        ({"dev__tsv": "a\tb"}, {"test_split": "tset"}, r": no split 'tset'; it has 'dev'$"),
        ({"test__tsv": "a\tb"}, {"train_split": "tset"}, r"has 'test'; did you mean 'test'\?$"),
    ],
)
def test_every_mistake_about_a_folder_is_said(tmp_path, files, options, message):
    folder = fill(tmp_path / "data", **files)
    with pytest.raises(DataError, match=message):
        locate(DataConfig(dataset=str(folder), **options))


def test_parallel_text_is_given_as_two_files_or_their_prefix(tmp_path):
    fill(tmp_path, t__en="a\n", t__de="b\n", x__txt="c\n", y__txt="d\n", t__fr="e\n")
    prefix, both = str(tmp_path / "t"), f"{tmp_path}/t.en,{tmp_path}/t.de"
    cases = [
        (DataConfig(train_file=prefix, source="en", target="de"), ("en", "de")),
        (DataConfig(train_file=both), ("en", "de")),
        (DataConfig(train_file=f"{tmp_path}/x.txt,{tmp_path}/y.txt"), ("source", "target")),
        (
            DataConfig(train_file=f"{tmp_path}/x.txt,{tmp_path}/y.txt", source="it", target="1"),
            ("it", "target"),
        ),
    ]
    for config, columns in cases:
        assert locate(config)[1]["train"].columns == columns
    with pytest.raises(
        DataError, match=r"t: no such file; t\.\* is there of 'de', 'en', 'fr'; say"
    ):
        locate(DataConfig(train_file=prefix))
    with pytest.raises(
        DataError, match=r"t: no such file; t\.\* is there of 'de', 'en', 'fr'; say"
    ):
        locate(DataConfig(train_file=prefix, source="en", target="it"))


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"dataset": "{}/My Data (v2)"}, "my-data-v2"),
        ({"dataset": "{}/My Data (v2)/"}, "my-data-v2"),
        ({"dataset": "{}/one.TSV"}, "one"),
        ({"train_file": "{}/My Data (v2)/train.tsv"}, "my-data-v2"),
        ({"train_file": "{}/one.TSV"}, "one"),
        ({"dataset": "tsv", "train_file": "{}/one.TSV"}, "one"),
    ],
)
def test_a_dataset_has_a_short_name_that_is_fit_for_a_folder(tmp_path, options, name):
    fill(tmp_path / "My Data (v2)", train__tsv="a\tb\n")
    fill(tmp_path, one__TSV="a\tb\n")
    options = {key: value.format(tmp_path) for key, value in options.items()}
    assert locate(DataConfig(**options))[0] == name


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("train-00000-of-00002", "train"),
        ("kor_dev", "validation"),
        ("test_2016_flickr", "test"),
        ("latest", ""),
        ("evaluation", ""),
    ],
)
def test_a_role_is_a_word_of_the_name(name, role):
    assert role_of(name) == role
