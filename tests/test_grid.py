"""Which runs a grid has, and what it refuses."""

import pytest

from seqgen.config import Config
from seqgen.errors import UsageError
from seqgen.grid import as_text, label, parse_vary, plan, read_study, setting_named, studies


def test_a_grid_has_every_combination_with_every_seed():
    base = Config().with_values({"train.seed": 7, "model.hidden": 62}, "here")
    varied = parse_vary(["train.clip_norm=none,5,1", "model.cell=rnn,gru"])
    runs = plan(base, varied, seeds=2)
    assert len(runs) == 3 * 2 * 2 == len({run.name for run in runs})
    assert runs[0].name == "clip_norm=0,cell=rnn,seed=7"
    assert runs[-1].name == "clip_norm=1,cell=gru,seed=8"
    last = runs[-1].config
    assert (last.train.clip_norm, last.model.cell, last.train.seed) == (1.0, "gru", 8)
    assert last.model.hidden == 62
    assert label(runs[-1].values) == "clip_norm=1, cell=gru"


def test_seeds_alone_are_a_grid_too():
    runs = plan(Config(), {}, seeds=3)
    assert [run.name for run in runs] == ["seed=1", "seed=2", "seed=3"]
    assert label(runs[0].values) == "as given"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("train.clip_norm", "train.clip_norm"),
        ("clip_norm", "train.clip_norm"),
        ("train.clip", "train.clip_norm"),  # by its flag --clip
        ("clip", "train.clip_norm"),
        ("lr", "train.learning_rate"),
        ("model.word-dropout", "model.word_dropout"),
    ],
)
def test_a_setting_is_found_by_its_path_its_name_or_its_flag(name, path):
    assert setting_named(name) == path


@pytest.mark.parametrize(
    ("setting", "texts", "values"),
    [
        ("clip", "none,5,1e0", (0.0, 5.0, 1.0)),
        ("hidden", "62, 64", (62, 64)),
        ("input_feeding", "on,off,none,TRUE", (True, False)),  # each once
        ("decay", "none,cosine", ("none", "cosine")),
    ],
)
def test_values_are_what_their_setting_takes(setting, texts, values):
    assert list(parse_vary([f"{setting}={texts}"]).values()) == [values]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["clip"], r"--vary clip: has no values; --vary SETTING=A,B"),
        (["clip="], r"--vary clip=: has no values"),
        (["train.clipnorm=1"], r"there is no such setting; did you mean train\.clip_norm\?"),
        (["model.learning_rate=1"], r"there is no such setting; did you mean train\.learning_ra"),
        (["xyzzy=1"], r"--vary xyzzy: there is no such setting; seqgen config lists what there"),
        (["train.seed=1,2"], r"--vary train\.seed: seeds vary by themselves; --seeds N says"),
        (["clip=1", "train.clip_norm=2"], r"train\.clip_norm varies already; give all values"),
        (["hidden=a"], r"--vary model\.hidden: 'a' is not a whole number"),
        (["batch_tokens=none"], r"--vary train\.batch_tokens: 'none' is not a whole number"),
        (["copy=maybe"], r"--vary model\.copy: 'maybe' is not on or off"),
    ],
)
def test_what_cannot_vary_is_refused_by_name(words, message):
    with pytest.raises(UsageError, match=message):
        parse_vary(words)


@pytest.mark.parametrize("words", [["cell=gru,gruu"], ["hidden=62,63"], ["momentum=2"]])
def test_a_combination_that_cannot_be_is_refused_before_anything_is_trained(words):
    with pytest.raises(UsageError, match=f"--vary {words[0].partition('=')[0]}="):
        plan(Config(), parse_vary(words), seeds=1)


def test_names_of_folders_are_safe_and_apart():
    runs = plan(Config(), {"data.train_file": ("a/b.tsv", "a-b.tsv", "..", "x" * 300)}, seeds=1)
    names = [run.name for run in runs]
    assert len(set(names)) == 4
    assert all("/" not in name and len(name) < 100 for name in names)
    assert names[1] == "train_file=a-b.tsv,seed=1"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0003, "0.0003"),
        (5.0, "5"),
        (1 / 3, repr(1 / 3)),
        (True, "true"),
        ("gru", "gru"),
        (3, "3"),
    ],
)
def test_values_are_written_short_and_whole(value, text):
    assert as_text(value) == text


def test_every_study_that_ships_is_a_grid():
    assert studies() == ["batch", "cell", "clipping", "rate"]
    sizes = {}
    for name in studies():
        study = read_study(name)
        assert plan(study.base, study.varied, study.seeds)
        assert study.base.train.metric == "exact"
        sizes[name] = {path: list(values) for path, values in study.varied.items()}
    assert sizes == {
        "clipping": {"train.clip_norm": [0.0, 5.0, 1.0]},
        "rate": {"train.learning_rate": [1e-3, 3e-4, 1e-4]},
        "cell": {"model.cell": ["rnn", "gru", "lstm"]},
        "batch": {"train.batch_sentences": [64, 128, 256]},
    }
    with pytest.raises(UsageError, match=r"--study cliping: there is no such study; did you mean"):
        read_study("cliping")
