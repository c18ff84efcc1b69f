"""Settings: what is wrong with one is said with the name of the file and the setting."""

import json

import pytest

from seqgen import commands, resources
from seqgen.config import Config
from seqgen.configfiles import read_config
from seqgen.devices import pick_device
from seqgen.errors import ConfigError, DataError, SeqgenError
from seqgen.modelsection import ModelConfig
from seqgen.preparation import prepare
from seqgen.sections import DecodeConfig
from seqgen.trainsection import SamplingConfig

FILES = [
    ("a.toml", "[trian]\nepochs = 3\n", r"a\.toml: unknown section 'trian'; did you mean 'train'"),
    ("a.toml", "[train]\nepoch = 3\n", r"a\.toml: unknown option train\.epoch; did you mean 'ep"),
    ("a.toml", "[train]\nzzz = 3\n", r"unknown option train\.zzz; it takes epochs, max_steps, "),
    ("a.toml", "train = 3\n", r"a\.toml: train is 3, not a section of settings$"),
    ("a.toml", "[train]\nepochs = 'x'\n", r"a\.toml: epochs must be int; got 'x'$"),
    ("a.toml", "[train]\nepochs = 0\n", r"a\.toml: epochs must be at least 1; got 0$"),
    (
        "a.toml",
        "[model]\ncell = 'x'\n",
        r"a\.toml: cell must be one of lstm, gru, rnn, rnn_relu; got 'x'$",
    ),
    ("a.toml", "[model]\ndropout = 1\n", r"dropout must be between 0 and 0\.95; got 1\.0$"),
    ("a.toml", "[train\n", r"a\.toml: is not TOML: "),
    ("a.json", "{", r"a\.json: is not JSON: "),
    ("a.json", "[1]", r"a\.json: holds list, not sections of settings$"),
    ("a.json", "[" * 100_000, r"a\.json: is not JSON: "),
    ("a.json", json.dumps({"facts": {"length_slope": "x"}}), r"length_slope must be float; got"),
]


@pytest.mark.parametrize(("name", "content", "message"), FILES)
def test_what_is_wrong_in_a_file_is_said_with_its_name(name, content, message, tmp_path):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_config(tmp_path / name)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ModelConfig(lexical=True, attention="dot"),
         r"'dot' compares equal widths, which model\.lexical makes unequal; general att"),
        (lambda: SamplingConfig(forcing_start=0.5, forcing_floor=0.6),
         r"forcing_floor is 0\.6, above sampling\.forcing_start 0\.5; the ratio can only fall$"),
        (lambda: DecodeConfig(nbest=3, beam_size=2),
         r"nbest is 3 but decode\.beam_size is 2; --beam-size 3 or more finds that many, and"),
    ],
)  # fmt: skip
def test_settings_that_contradict_each_other_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_a_device_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"^device cuda:1: torch \S+ finds no usable GPU; --dev"):
        pick_device("cuda:1")


def test_what_does_not_ship_is_an_error():
    with pytest.raises(SeqgenError, match=r"^data/nothing: is not part of this installation of"):
        resources.find("data/nothing")


LACKING = [
    ({"validation": "a\ta\n"}, {}, r": has no pairs to train on; name them with --train-file$"),
    ({"train": "a\ta\n"}, {}, r": has no pairs to validate on; name them with --validation-file, "),
    ({"train": "a\ta\n", "validation": "abcdefg\ta\n"}, {"data.max_source_length": 5},
     r": every validation pair is too long; raise --max-source-length and --max-target-length$"),
    ({"train": "abcdefg\ta\n", "validation": "a\ta\n"}, {"data.max_source_length": 5},
     r": every pair is longer than 5 source or 256 target tokens; raise --max-source-length$"),
]  # fmt: skip


@pytest.mark.parametrize(("splits", "values", "message"), LACKING)
def test_data_that_lack_what_training_needs_are_errors(splits, values, message, tmp_path):
    for name, lines in splits.items():
        (tmp_path / f"{name}.tsv").write_text(lines, encoding="utf-8")
    config = Config().with_values({"data.dataset": str(tmp_path), "tokenizer.units": "char",
                                   **values}, "test")  # fmt: skip
    with pytest.raises(DataError, match=message):
        prepare(config)


def test_a_demo_without_its_page_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(resources, "find", lambda name: tmp_path)
    monkeypatch.setattr("seqgen.runs.find_model", lambda name: tmp_path)
    with pytest.raises(SeqgenError, match=r"app\.py: is missing; install seqgen again$"):
        commands.demo()
