"""The command line: what it prints where, what it exits with, what it says when it fails."""

import io
import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import time
import tomllib
import tracemalloc
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqgen import __version__, commands, flags, recipes, runs, texts
from seqgen.cli import COMMANDS, TRAINING, asked, explain, main
from seqgen.config import Config, options
from seqgen.configfiles import read_config, to_json
from seqgen.errors import CheckpointError, ModelError, UsageError
from seqgen.sections import DataConfig, DecodeConfig
from seqgen.terminal import printable

TRICKY = ["[/foo]", "[red]x", ":smile:", "\x1b[31mred", "a\tb", "  two  ", "\\n", "$HOME", "%s",
          "{}", "\u2028x", "\x85y", "\x0bz", "<s>", "e\u0301", "👩‍🚀", "漢字", "\u202eabc",
          '"', "'"]  # fmt: skip


class Hypothesis(NamedTuple):
    text: str
    score: float
    ranked: float
    tokens: list[str]
    token_scores: list[float]
    cut: bool


class Copying:
    """A translator that gives back what it gets, and says that long texts were cut."""

    config = Config()
    folder: Path | None = None
    seen: tuple[object, ...] = ()

    @classmethod
    def from_pretrained(cls, model, *, device="auto"):
        cls.folder = model
        return cls()

    def why_not_int8(self):
        return "torch is too new"

    def hypotheses(self, texts, decode):
        Copying.seen = (*Copying.seen, decode)
        return [[self.of(text, rank) for rank in range(decode.nbest)] for text in texts]

    def score(self, sources, targets, settings=None):
        Copying.seen = (*Copying.seen, settings)
        return [
            self.of(target, len(source)) for source, target in zip(sources, targets, strict=True)
        ]

    def of(self, text, rank):
        return Hypothesis(
            text, -0.5 - rank, -0.25 - rank, [text, "</s>"], [-0.5, 0.0 - rank], len(text) > 99
        )

    def attention(self, text, decode):
        if text == "nothing":
            return None
        return SimpleNamespace(source=[text], target=[text], weights=[[1.0]])


@pytest.fixture(autouse=True)
def no_model_ships(monkeypatch):
    monkeypatch.setattr("seqgen.runs.SHIPPED", ())


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make_run(folder):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(to_json(Config()), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"")
    return folder


@pytest.fixture
def copying(elsewhere, monkeypatch):
    """A finished run whose model copies; gives what stdin is to hold."""
    module = ModuleType("seqgen.translator")
    module.Translator = Copying
    monkeypatch.setitem(sys.modules, "seqgen.translator", module)
    Copying.config, Copying.seen = Config(), ()
    make_run(elsewhere / "checkpoints" / "run")

    def stdin(content, terminal=False):
        binary = content if isinstance(content, bytes) else content.encode()
        fake = io.TextIOWrapper(io.BytesIO(binary), encoding="utf-8")
        fake.isatty = lambda: terminal
        monkeypatch.setattr(sys, "stdin", fake)

    stdin("")
    return stdin


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys):
    def ran(*words):
        code = main(words)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return ran


def seqgen(*words, **environment):
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "seqgen", *words],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment},
    )  # fmt: skip


# What it costs to ask.


ANSWERED_AT_ONCE = [["--help"], ["train", "--help"], ["train", "--hiden", "3"],
                    ["train", "--hidden", "x"], ["trian"], ["--version"], ["config"]]  # fmt: skip


# How long it takes is measured by benchmarks/speed.py; what it imports is what makes it long.
@pytest.mark.parametrize("words", ANSWERED_AT_ONCE, ids=" ".join)
def test_help_and_usage_errors_import_typer_alone(words, typer):
    assert foreign("from seqgen.cli import main; main(sys.argv[1:])", *words)[0] == typer


@pytest.fixture(scope="module")
def typer():
    """The package and what it needs itself."""
    found, _ = foreign("import typer")
    assert "typer" in found
    return found


def foreign(code, *words, **environment):
    """The packages that code imports and that neither Python nor seqgen brings; its output."""
    code = (
        "import atexit, sys; begun = set(sys.modules);"
        "atexit.register(lambda: print('loaded', *set(sys.modules) - begun, file=sys.stderr));"
        f"{code}"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True,
                          env={**os.environ, **environment})  # fmt: skip
    said, *loaded = done.stderr.splitlines()[-1].split()
    assert said == "loaded"
    packages = {name.partition(".")[0] for name in loaded}
    return packages - sys.stdlib_module_names - {"seqgen"}, done.stdout


@pytest.mark.parametrize(
    ("words", "completion"),
    [("seqgen tr", "train\ntranslate"), ("seqgen train --cel", "--cell"),
     ("seqgen train --cell g", "gru"), ("seqgen translate --beam", "--beam-size")],
)  # fmt: skip
def test_the_shell_completes_commands_options_and_choices(words, completion):
    count = str(len(words.split()) - 1)
    done = seqgen(_SEQGEN_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=count)
    assert done.stdout.strip() == completion


def test_completion_imports_typer_alone(typer):
    words = {"COMP_WORDS": "seqgen tr", "COMP_CWORD": "1", "_SEQGEN_COMPLETE": "complete_bash"}
    found, said = foreign("from seqgen.cli import main; main([])", **words)
    assert said.split() == ["train", "translate"]
    assert found == typer


# Help.


def test_no_words_and_help_say_the_same(run):
    assert run() == run("--help")
    assert run("--help").code == 0
    assert all(f"\n  {name} " in run("--help").out for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_lists_every_option_of_a_command_with_its_default(run, command):
    shown = run(command, "--help").out
    sections = COMMANDS[command][1]
    for section, item, kind in options():
        flag = "--" + item.name.replace("_", "-")
        if section in sections:
            assert re.search(rf"{flag}[ ,\n]", shown), flag
            assert all(other in shown for other in item.metadata["flags"])
            if kind in (int, float):
                assert f"[{item.default}]" in shown
    assert "\x1b" not in shown


def test_names_of_settings_are_unique_so_that_each_has_its_flag():
    names = [item.name for _, item, _ in options()]
    assert len(names) > 80
    assert len(names) == len(set(names))


def test_version_is_printed(run):
    assert run("--version") == Ran(0, f"seqgen {__version__}\n", "")


# Failures.


ONE_MODEL = "seqgen: --ensemble is of no use without a second --model; give both or none\n"
FAILURES = [
    (["trian"], 2, r"no such command 'trian'\. Did you mean 'train'\?"),
    (["train", "--hiden", "3"], 2, r"no such option: --hiden; did you mean --hidden\?"),
    (["config", "--what"], 2, r"no such option: --what; seqgen config --help lists what there is"),
    (["translate", "-hz"], 2, r"no such option: -z; seqgen translate --help lists what there is"),
    (["translate", "--beem", "3"], 2, r"no such option: --beem; did you mean --beam-size\?"),
    (["score", "-5", "a b"], 2,
     r"no such option: -5; a text that starts with - goes after --: seqgen score -- -5 'a b'"),
    (["translate", "--nbest", "3", "a"], 2,
     r"command line: decode\.nbest is 3 but .* is 1; --beam-size 3 or more finds that many, .*"),
    (["translate", "--top-k", "3", "a"], 2,
     r"--top-k is of no use without --sample; give both or none"),
    (["evaluate", "--length-penalty", "0"], 2,
     r"--length-penalty is of no use without --beam-size; give both or none"),
    (["translate", "a", "-5 b", "c", "--json"], 2,
     r"no such option: -5; a text that starts with - goes after --: "
     r"seqgen translate a --json -- '-5 b' c"),
    (["translate", "--beam_sise", "3"], 2, r"no such option: --beam-sise; did you mean --beam-s.*"),
    (["train", "--no-byte-fallbak"], 2, r"no such option: .* did you mean --no-byte-fallback\?"),
    (["train", "--copy", "--no-joint"], 2,
     r"command line: model\.copy needs one vocabulary for both sides; --joint makes it, .*"),
    (["evaluate", "--sample", "--beam-size", "3"], 2,
     r"--beam-size searches and --sample draws; give --no-sample, or no beam"),
    (["translate", "--attention", "no/x.png", "a"], 2, r"no/x\.png: no is no folder; make it, .*"),
    (["translate", "--attention", "x.foo", "a"], 2, r"x\.foo: pictures end in .*\.png.*"),
    (["--what"], 2, r"no such option: --what; seqgen --help lists what there is"),
    (["config", "--hidden", "x"], 2, r"--hidden takes a whole number; got 'x'"),
    (["config", "--dropout", "x"], 2, r"--dropout takes a number; got 'x'"),
    (["config", "--cell", "x"], 2, r"command line: cell must be one of lstm, gru, rnn.*; got 'x'"),
    (["config", "--hidden", "63"], 2, r"command line: model\.hidden must be even.*; got 63"),
    (["config", "--hidden"], 2, r"option '--hidden' requires an argument; seqgen config --help .*"),
    (["config", "x"], 2, r"got unexpected extra argument.*x.*; seqgen config --help lists .*"),
    (["config", "--recipe", "pronounciation"], 2,
     r"--recipe pronounciation: there is no such recipe; did you mean 'pronunciation'\?"),
    (["config", "--recipe", "x"], 2, r"--recipe x: there is no such recipe; there are .*"),
    (["config", "--config", "no.toml"], 1, r"no\.toml: No such file.*; `seqgen config > FILE` .*"),
    (["translate", "-5 degrees"], 2, r"no such option: -5; a text that starts with - goes "
     r"after --: seqgen translate -- '-5 degrees'"),
    (["translate", "--", "x"], 1, r"no model: .*checkpoints holds no finished run; .*"),
    (["translate", "x", "--model", "nope"], 1, r"nope: there is no such folder, nor checkpoints.*"),
    (["translate", "x", "--input-file", "f"], 2, r"texts and --input-file exclude each other; .*"),
    (["translate", "-", "x"], 2, r"'-' reads stdin and stands alone; .*"),
    (["translate", "--input-file", "f"], 1, r"f: No such file.*; name a text file, or - for stdin"),
    (["evaluate", "--split", "dev"], 2, r"--split is train, validation or test; got 'dev'"),
    (["score", "a"], 2, r"score takes two texts, source and target; got 1"),
    (["score", "a", "b", "--input-file", "f"], 2, r"a pair as arguments, .* exclude each .*"),
    (["score", "--source-file", "f"], 2, r"--source-file and --target-file go together; .*"),
    (["demo", "--port", "x"], 2, r"--port takes a number from 0 to 65535; got 'x'"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "code", "line"), FAILURES, ids=lambda value: str(value)[:40])
def test_a_failure_is_one_line_on_stderr_and_its_exit_code(run, words, code, line):
    ran = run(*words)
    assert re.fullmatch(f"seqgen: {line}\n", ran.err)
    assert (ran.code, ran.out) == (code, "")


@pytest.mark.parametrize("words", [["train", "--hidden", "63"], ["trian"]])
def test_a_process_fails_in_the_same_way(words):
    done = seqgen(*words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UsageError("wrong"), 2, "wrong"),
        (ModelError("damaged"), 1, "damaged"),
        (FileNotFoundError(2, "No such file", "a/b"), 1, "a/b: No such file"),
        (OSError(28, "No space left on device"), 1,
         "No space left on device; make room, or write elsewhere"),
        (NotADirectoryError(20, "Not a directory", "a/b"), 1,
         "a/b: Not a directory; name another folder"),
        (MemoryError(), 1, "out of memory; smaller batches would do: --batch-tokens N "
                           "for training, --batch-size N otherwise"),
        (ModuleNotFoundError("x", name="gradio.blocks"), 1,
         "gradio is not installed; pip install gradio would do"),
        (ModuleNotFoundError("x", name="tensorboard"), 1,
         "tensorboard is not installed; pip install 'seqgen[tensorboard]' would do"),
        (ValueError("odd"), 1,
         "ValueError: odd (this is a defect of seqgen; seqgen --debug shows where)"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)  # fmt: skip
def test_every_error_has_its_exit_code_and_line(error, code, line):
    assert explain(error, ["train"]) == (code, line)


@pytest.mark.parametrize("words", [["--debug", "translate", "x"], ["translate", "x", "--debug"]])
def test_debug_shows_the_traceback_and_then_the_line(run, words):
    shown = run(*words).err
    assert shown.startswith("Traceback")
    assert shown.splitlines()[-1].startswith("seqgen: no model: ")


def test_debug_after_two_dashes_is_a_text(run, copying):
    assert run("translate", "--", "--debug").out == "--debug\n"


def test_an_error_of_several_lines_is_printed_on_one(run, monkeypatch):
    def fail(*_):
        raise CheckpointError("first\n  second \x1b[31m")

    monkeypatch.setattr(commands, "resolve", fail)
    assert run("config").err == "seqgen: first second \\u001b[31m\n"


# Options and the configuration.


def resolved(run, *words):
    ran = run("config", *words)
    assert (ran.code, ran.err) == (0, "")
    return ran.out


def test_config_prints_what_config_takes_back(run, elsewhere):
    first = resolved(
        run, "--hidden", "64", "--no-split-digits", "--source", 'a"b\\ü', "--lr", "3e-4"
    )
    (elsewhere / "settings.toml").write_text(first, encoding="utf-8")
    assert resolved(run, "--config", "settings.toml") == first
    values = tomllib.loads(first)
    assert values["model"]["hidden"] == 64
    assert values["tokenizer"]["split_digits"] is False
    assert values["data"]["source"] == 'a"b\\ü'
    assert values["train"]["learning_rate"] == 3e-4


def test_the_config_of_a_run_resolves_to_itself(run, elsewhere):
    config = Config().with_values({"model.hidden": 62, "train.seed": 5}, "here")
    (elsewhere / "config.json").write_text(to_json(config), encoding="utf-8")
    (elsewhere / "printed.toml").write_text(resolved(run, "--config", "config.json"), "utf-8")
    assert read_config(elsewhere / "printed.toml") == config


def test_flags_go_over_a_file_over_a_recipe_over_the_defaults(run, elsewhere):
    (elsewhere / "f.toml").write_text("[model]\nhidden = 10\nembedding = 11\n", encoding="utf-8")
    shown = resolved(run, "--recipe", "translation", "--config", "f.toml", "--hidden", "12")
    model = tomllib.loads(shown)["model"]
    recipe = tomllib.loads(recipes.path("translation").read_text("utf-8"))["model"]
    assert (model["hidden"], model["embedding"]) == (12, 11)
    assert model["dropout"] == recipe["dropout"] != Config().model.dropout
    assert model["cell"] == Config().model.cell


# The words of run_translation.py.
FAMILIAR = {
    "--source_lang": ("data.source", "en"), "--target_lang": ("data.target", "de"),
    "--dataset_config_name": ("data.dataset_config", "x"), "--train_file": ("data.train_file", "a"),
    "--validation_file": ("data.validation_file", "b"), "--test_file": ("data.test_file", "c"),
    "--max_train_samples": ("data.max_train_samples", 10),
    "--max_eval_samples": ("data.max_eval_samples", 11),
    "--max_predict_samples": ("data.max_predict_samples", 12),
    "--preprocessing_num_workers": ("data.num_proc", 2),
    "--max_source_length": ("data.max_source_length", 13),
    "--max_target_length": ("data.max_target_length", 14),
    "--num_beams": ("decode.beam_size", 5), "--num_train_epochs": ("train.epochs", 6),
    "--per_device_train_batch_size": ("train.batch_sentences", 7),
    "--per_device_eval_batch_size": ("decode.batch_size", 8),
    "--gradient_accumulation_steps": ("train.accumulate", 2),
    "--learning_rate": ("train.learning_rate", 0.5), "--weight_decay": ("train.weight_decay", 0.1),
    "--max_grad_norm": ("train.clip_norm", 2.5), "--max_steps": ("train.max_steps", 9),
    "--warmup_steps": ("train.warmup_steps", 4), "--seed": ("train.seed", 42),
    "--eval_steps": ("train.validate_every", 3), "--save_steps": ("train.save_every", 15),
    "--logging_steps": ("train.log_every", 16), "--save_total_limit": ("train.keep", 17),
}  # fmt: skip


@pytest.mark.parametrize("dashes", [False, True])
def test_the_flags_of_run_translation_are_understood_in_both_spellings(run, dashes):
    words = []
    for flag, (_, value) in FAMILIAR.items():
        words += [flag.replace("_", "-") if dashes else flag, str(value)]
    values = tomllib.loads(resolved(run, *words))
    for path, value in FAMILIAR.values():
        section, _, name = path.partition(".")
        assert values[section][name] == value, path


def test_every_setting_can_be_given_as_a_flag_and_arrives(run):
    for section, item, kind in options():
        flag = "--" + item.name.replace("_", "-")
        if kind is bool:
            words = ["--no" + flag[1:]] if item.default else [flag]
            value = not item.default
        else:
            value = item.default if kind in (int, float) else ("rnn" if item.name == "cell" else "")
            if item.name not in ("cell", "source", "dataset") and kind not in (int, float):
                continue
            words = [flag, str(value)]
        if item.name == "joint":  # what the recipe shares is not shared then
            words += ["--no-copy", "--no-follow", "--tie", "none"]
        if item.name == "hard_attention":  # the recipe copies
            words += ["--no-copy"]
        if item.name == "monotonic":
            words += ["--hard-attention", "--no-copy"]
        if item.name == "batch_norm":
            words += ["--layers", "2"]
        if item.name == "nesterov":
            words += ["--optimizer", "sgd"]
        if item.name == "recase":
            words += ["--lowercase", "both"]
        assert tomllib.loads(resolved(run, *words))[section][item.name] == value


def test_every_recipe_says_what_it_is_for_and_holds_known_settings(run):
    found = recipes.names()
    assert found
    for name, meaning in found:
        assert len(meaning) > 20
        assert read_config(recipes.path(name)) != Config()
        assert f"{name:<28} {meaning}\n" in run("recipes").out


# Translating.


def test_arguments_stdin_and_files_agree(run, copying, elsewhere):
    lines = ["one", "", "two  words ", "漢字", "", "  "]
    content = "".join(f"{line}\n" for line in lines)
    (elsewhere / "lines").write_text(content, encoding="utf-8")
    (elsewhere / "crlf").write_bytes(content.replace("\n", "\r\n").encode())
    assert run("translate", *lines).out == content
    for words in (["--input-file", "lines"], ["--input_file", "crlf"]):
        assert run("translate", *words).out == content
    for words in ([], ["-"], ["--input-file", "-"]):
        copying(content)
        assert run("translate", *words).out == content
    copying(content.rstrip("\n"))
    assert run("translate").out == content


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r"))))
def test_as_many_lines_come_out_as_go_in_and_in_their_order(lines):
    content = "".join(f"{line}\n" for line in lines).removeprefix("\ufeff")
    with swapped(content.encode()) as out:
        sources = texts.read_sources([], "")
        for number, source in enumerate(sources):
            texts.write_hypotheses(number, source, [Copying().of(source, 0)], "plain")
    assert out.getvalue() == content


@contextmanager
def swapped(content):
    before, out = (sys.stdin, sys.stdout), io.StringIO()
    sys.stdin, sys.stdout = io.TextIOWrapper(io.BytesIO(content)), out
    try:
        yield out
    finally:
        sys.stdin, sys.stdout = before


def test_a_thousand_lines_keep_their_places_over_several_batches(run, copying):
    lines = [str(number) if number % 7 else "" for number in range(1000)]
    copying("\n".join(lines) + "\n")
    assert run("translate", "--batch-size", "3").out.split("\n") == [*lines, ""]
    assert len(Copying.seen) > 10


@pytest.mark.parametrize("text", TRICKY)
def test_a_text_is_never_markup_and_passes_a_pipe_unchanged(run, copying, text):
    assert run("translate", "--", text).out == text + "\n"
    copying(text + "\n")
    assert run("translate").out == text + "\n"


@pytest.mark.parametrize("text", ["-5 degrees", "--model", "-"])
def test_a_text_that_starts_with_a_dash_goes_after_two(run, copying, text):
    copying("-\n")
    assert run("translate", "--", text).out == text + "\n"


def test_bytes_that_are_not_utf_8_become_replacement_characters(run, copying):
    copying(b"a\xffb\n\xc3\x28\n")
    piped = run("translate").out
    assert piped == "a\ufffdb\n\ufffd(\n"
    assert run("translate", "a\udcffb", "\udcc3(").out == piped


def test_a_byte_order_mark_is_no_text(run, copying):
    copying(b"\xef\xbb\xbfa\nb\n")
    assert run("translate").out == "a\nb\n"


def test_a_line_break_in_an_output_is_spelt_out(run, copying):
    assert run("translate", "a\nb\rc", "d").out == "a\\nb\\rc\nd\n"


def test_nothing_in_nothing_out(run, copying):
    assert run("translate") == Ran(0, "", f"seqgen: model {runs.RUNS / 'run'}\n")


def test_json_has_scores_per_output_and_per_token(run, copying):
    (line,) = run("translate", "--json", "a\x1b").out.splitlines()
    assert json.loads(line) == {
        "source": "a\x1b", "text": "a\x1b", "score": -0.5, "ranked": -0.25, "cut": False,
        "tokens": [{"token": "a\x1b", "score": -0.5}, {"token": "</s>", "score": 0.0}],
    }  # fmt: skip


def test_a_text_too_long_to_be_one_is_refused_with_its_length(run, copying, elsewhere):
    (elsewhere / "long").write_bytes(b"short\n" + b"x" * 10_000_000 + b"\n")
    tracemalloc.start()
    ran = run("translate", "--input-file", "long")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ran.code == 1
    assert ran.out == "short\n"
    assert "seqgen: long:2: has 10,000,000 characters, more than the 100,000 of a text" in ran.err
    assert peak < 100e6
    two = ("--source-file", "long", "--target-file", "long")
    assert "long:2: has 10,000,000 characters" in run("score", *two).err
    (elsewhere / "pairs").write_bytes(b"a\tb\nc\t" + b"x" * 100_001)
    assert "pairs:2: has 100,001 characters" in run("score", "--input-file", "pairs").err


def test_json_of_an_nbest_list_has_the_same_form_for_every_text(capsys):
    for found in ([Copying().of("a", 0)], [Copying().of("a", 0), Copying().of("b", 1)]):
        texts.write_hypotheses(0, "a", found, "json", 2)
        assert list(json.loads(capsys.readouterr().out)) == ["source", "hypotheses"]


def test_json_of_an_nbest_list_has_all_hypotheses(run, copying):
    shown = run("translate", "--json", "--nbest", "2", "--beam-size", "3", "a", "b").out
    entries = [json.loads(line) for line in shown.splitlines()]
    assert [entry["source"] for entry in entries] == ["a", "b"]
    assert [[found["score"] for found in entry["hypotheses"]] for entry in entries] == [
        [-0.5, -1.5]
    ] * 2


def test_nbest_gives_number_text_and_score(run, copying):
    shown = run("translate", "--nbest", "2", "--num-beams", "2", "a", "b").out
    assert shown.splitlines() == [
        "0 ||| a ||| -0.5000", "0 ||| a ||| -1.5000", "1 ||| b ||| -0.5000", "1 ||| b ||| -1.5000",
    ]  # fmt: skip


def test_options_are_checked_against_the_settings_of_the_model(run, copying):
    folder = runs.RUNS / "run"
    config = replace(Config(), decode=DecodeConfig(beam_size=5))
    (folder / "config.json").write_text(to_json(config), encoding="utf-8")
    Copying.config = config
    assert run("translate", "--nbest", "3", "--length-penalty", "0", "a").code == 0
    drawing = replace(Config(), decode=DecodeConfig(sample=True))
    (folder / "config.json").write_text(to_json(drawing), encoding="utf-8")
    Copying.config = drawing
    assert run("translate", "--temperature", "2", "a").code == 0
    assert "give --no-sample, or no beam" in run("translate", "--beam-size", "5", "a").err


def test_search_settings_default_to_those_of_the_run(run, copying):
    decode = replace(Config().decode, beam_size=7, length_penalty=0.5)
    Copying.config = replace(Config(), decode=decode)
    config = runs.RUNS / "run" / "config.json"
    config.write_text(to_json(Copying.config), encoding="utf-8")
    run("translate", "--length-penalty", "0.75", "a")
    assert Copying.seen == (replace(decode, length_penalty=0.75),)


def test_outputs_that_were_cut_are_counted_once_on_stderr(run, copying):
    ran = run("translate", "--model", "run", "a" * 100, "b", "c" * 100)
    assert ran.err == ("seqgen: 2 of 3 outputs were cut at the length limit; "
                       "--max-length N sets another\n")  # fmt: skip


def test_attention_of_the_first_text_that_is_not_blank_is_drawn(run, copying, elsewhere):
    assert run("translate", "--attention", "a.png", "", "x").code == 0
    assert (elsewhere / "a.png").stat().st_size > 1000
    assert "there was none" in run("translate", "--attention", "a.png", "").err
    assert "has no output to draw" in run("translate", "--attention", "a.png", "nothing").err


def test_a_prompt_answers_line_by_line(run, copying):
    copying("one\ntwo", terminal=True)
    ran = run("translate", "--model", "run")
    assert (ran.code, ran.out, ran.err) == (0, "one\ntwo\n", "> > > \n")


def test_which_model_answers_is_said_unless_it_was_named(run, copying):
    assert run("translate", "a").err == f"seqgen: model {runs.RUNS / 'run'}\n"
    assert run("translate", "a", "--model", "checkpoints/run").err == ""


def test_several_models_are_an_ensemble_that_writes_into_no_run(run, evaluated):
    other = make_run(runs.RUNS / "other")
    words = ("--model", "run", "-m", "checkpoints/other")
    ran = run("translate", *words, "--ensemble", "log_probability", "a")
    assert (ran.code, ran.out, ran.err) == (0, "a\n", "")
    assert Copying.folder == [runs.RUNS / "run", other]
    assert Copying.seen[-1].ensemble == "log_probability"
    ran = run("translate", "--model", "run", "--ensemble", "probability", "a")
    assert (ran.code, ran.err) == (2, ONE_MODEL)
    assert run("score", *words, "--ensemble", "log_probability", "ab", "x").out == "-2.5000\n"
    assert Copying.seen[-1].ensemble == "log_probability"
    assert run("score", *words, "ab", "x").out == "-2.5000\n"
    assert Copying.seen[-1].ensemble == "probability"
    ran = run("score", "--model", "run", "--ensemble", "probability", "ab", "x")
    assert (ran.code, ran.err) == (2, ONE_MODEL)
    assert "are not written; --output-dir FOLDER says where to" in run("evaluate", *words).err
    assert evaluated.written is None
    run("evaluate", *words, "--output-dir", "out")
    assert evaluated.written[1] == Path("out")


def test_scores_of_pairs_come_a_line_each(run, copying, elsewhere):
    (elsewhere / "p.tsv").write_text("ab\tx\nc\ty\n", encoding="utf-8")
    (elsewhere / "s").write_text("ab\nc\n", encoding="utf-8")
    (elsewhere / "t").write_text("x\ny\n", encoding="utf-8")
    assert run("score", "ab", "x").out == "-2.5000\n"
    assert run("score", "--input-file", "p.tsv").out == "-2.5000\n-1.5000\n"
    assert run("score", "--source-file", "s", "--target-file", "t").out == "-2.5000\n-1.5000\n"
    copying("ab\tx\n", terminal=True)
    ran = run("score", "--model", "run")
    assert (ran.code, ran.out) == (0, "-2.5000\n")
    assert "reads pairs, a source, a tab and a target a line; Ctrl-D ends" in ran.err
    copying("ab\tx\n")
    assert json.loads(run("score", "--json").out)["target"] == "x"


def test_pairs_that_are_not_pairs_are_named_by_line(run, copying, elsewhere):
    (elsewhere / "p.tsv").write_text("a\tx\nb\n", encoding="utf-8")
    (elsewhere / "s").write_text("a\n", encoding="utf-8")
    ran = run("score", "--input-file", "p.tsv", "--model", "run")
    assert (ran.code, ran.err) == (
        1, "seqgen: p.tsv:2: needs a source, a tab and a target; has 1 columns\n"
    )  # fmt: skip
    ran = run("score", "--source-file", "s", "--target-file", "p.tsv", "--model", "run")
    assert ran.err == ("seqgen: s:2: has no line to match the other file; "
                       "both must have as many lines\n")  # fmt: skip


# Evaluating, inspecting, the demo: that the parts get what they are to get.


@pytest.fixture
def evaluated(copying, monkeypatch):
    calls = SimpleNamespace(data=None, written=None)
    split = SimpleNamespace(name="test")
    corpus = ModuleType("seqgen.corpus")
    evaluation = ModuleType("seqgen.evaluation")

    def read_corpus(data):
        calls.data = data
        return SimpleNamespace(name="toy", notes=("columns a -> b",), test=split, train=None)

    corpus.read_corpus = read_corpus
    evaluation.evaluate = lambda *words: SimpleNamespace(
        lines=lambda: ["exact  50.0"], of=words, cut=3, sources=4000
    )
    evaluation.write = lambda report, folder: setattr(calls, "written", (report.of, folder))
    monkeypatch.setitem(sys.modules, "seqgen.corpus", corpus)
    monkeypatch.setitem(sys.modules, "seqgen.evaluation", evaluation)
    monkeypatch.setattr("seqgen.corpus", corpus, raising=False)
    monkeypatch.setattr("seqgen.evaluation", evaluation, raising=False)
    return calls


def test_why_weights_keep_32_bits_is_one_line(run, copying):
    ran = run("translate", "--model", "run", "--int8", "a")
    assert (ran.code, ran.out) == (0, "a\n")
    assert ran.err == "seqgen: int8: torch is too new; decoding goes on in fp32\n"
    assert run("translate", "--model", "run", "a").err == ""


def test_evaluate_prints_the_report_and_writes_into_the_run(run, evaluated):
    ran = run("evaluate", "--model", "run", "--group", "class", "-b", "4")
    assert (ran.code, ran.out) == (0, "exact  50.0\n")
    assert "columns a -> b" in ran.err
    assert "3 of 4,000 outputs were cut at the length limit; --max-length" in ran.err
    (_, split, decode, group, tokenize), folder = evaluated.written
    assert (split.name, decode.beam_size, group, folder) == ("test", 4, "class", runs.RUNS / "run")
    assert tokenize == "13a"


def test_evaluate_on_other_data_keeps_only_the_columns_of_the_run(run, evaluated):
    data = DataConfig(
        dataset="old", source="a", train_file="f", group="class", bleu_tokenizer="none"
    )
    Copying.config = replace(Config(), data=data)
    run("evaluate", "--dataset", "new", "--output-dir", "out")
    assert evaluated.data == DataConfig(dataset="new", source="a", bleu_tokenizer="none")
    assert evaluated.written[1] == Path("out")
    run("evaluate", "--test-file", "g")
    assert evaluated.data == DataConfig(source="a", test_file="g", bleu_tokenizer="none")
    run("evaluate", "--test-file", "g", "--bleu-tokenizer", "char")
    assert evaluated.written[0][4] == "char"
    run("evaluate", "--split", "validation")
    assert evaluated.data == data


def test_evaluate_names_a_split_that_is_missing(run, evaluated):
    ran = run("evaluate", "--split", "train")
    assert ran.code == 2
    assert ran.err.endswith("seqgen: toy: has no train split; --split or --test-file names one\n")


def test_inspect_prints_what_training_would_find(run, monkeypatch):
    preparation = ModuleType("seqgen.preparation")
    preparation.inspect = lambda config: [f"{config.data.dataset}: 3 pairs"]
    monkeypatch.setitem(sys.modules, "seqgen.preparation", preparation)
    monkeypatch.setattr("seqgen.preparation", preparation, raising=False)
    assert run("inspect", "--dataset", "toy").out == "toy: 3 pairs\n"


def test_demo_hands_its_options_to_the_page(run, copying, elsewhere, monkeypatch):
    (elsewhere / "app.py").write_text("def launch(*words): print(words)", encoding="utf-8")
    monkeypatch.setattr("seqgen.resources.find", lambda name: elsewhere)
    assert run("demo", "--model", "run", "--port", "0").out == (
        f"({runs.RUNS / 'run'!r}, '127.0.0.1', 0, False)\n"
    )


# Which model, which folder.


def test_the_newest_finished_run_is_the_model(elsewhere):
    for age, name in ((30, "old"), (10, "new"), (20, "middle")):
        made = time.time() - age
        os.utime(make_run(elsewhere / "checkpoints" / name) / "model.safetensors", (made, made))
    (elsewhere / "checkpoints" / "unfinished").mkdir()
    assert runs.find_model() == runs.RUNS / "new"
    assert runs.find_model("old") == runs.RUNS / "old"
    assert runs.find_model("checkpoints/old") == Path("checkpoints/old")
    with pytest.raises(ModelError, match=r"unfinished: holds no finished run"):
        runs.find_model("unfinished")


def test_a_hub_name_is_left_to_the_hub_and_a_slip_is_not(elsewhere):
    make_run(elsewhere / "checkpoints" / "a")
    assert runs.find_model("owner/name") == "owner/name"
    for name in ("checkpoints/slip", "./owner/name", "word", "/no/where"):
        with pytest.raises(ModelError, match=r"there is no such folder.*owner/name"):
            runs.find_model(name)


def test_without_runs_the_shipped_model_answers_and_nothing_is_written_to_it(
    elsewhere, monkeypatch
):
    monkeypatch.setattr("seqgen.runs.SHIPPED", ("en-fr",))
    package = elsewhere / "seqgen"
    shipped = make_run(package / "shipped" / "checkpoints" / "en-fr")
    monkeypatch.setattr("seqgen.resources.PACKAGE", package)
    assert runs.find_model() == runs.find_model("en-fr") == shipped
    assert runs.is_shipped(shipped)
    own = make_run(elsewhere / "checkpoints" / "run")
    assert not runs.is_shipped(own)
    assert runs.find_model() == runs.RUNS / "run"
    assert runs.find_model("en-fr") == shipped


def test_beside_a_working_copy_a_model_that_ships_is_no_run_of_the_users_own(
    elsewhere, monkeypatch
):
    monkeypatch.setattr("seqgen.runs.SHIPPED", ("en-fr",))
    monkeypatch.setattr("seqgen.resources.PACKAGE", elsewhere / "seqgen")
    shipped = make_run(elsewhere / "checkpoints" / "en-fr")
    assert runs.find_model() == shipped
    assert runs.is_shipped(runs.RUNS / "en-fr")
    own = make_run(elsewhere / "checkpoints" / "own")
    made = time.time() - 1000
    os.utime(own / "model.safetensors", (made, made))
    assert runs.find_model() == runs.RUNS / "own", "older, as a clone is new, but the user's"
    (elsewhere / "seqgen").mkdir()
    monkeypatch.chdir(elsewhere / "seqgen")
    assert runs.find_model() == shipped, "from another folder the runs of this one are not seen"


def test_it_is_said_when_a_model_that_ships_answers(run, copying, elsewhere, monkeypatch):
    monkeypatch.setattr("seqgen.runs.SHIPPED", ("en-fr",))
    package = elsewhere / "seqgen"
    make_run(package / "shipped" / "checkpoints" / "en-fr")
    monkeypatch.setattr("seqgen.resources.PACKAGE", package)
    assert "comes with seqgen" not in run("translate", "a").err
    (runs.RUNS / "run" / "config.json").unlink()
    ran = run("translate", "a")
    assert (ran.code, ran.out) == (0, "a\n")
    assert "en-fr, which comes with seqgen, as there is no run" in ran.err
    assert run("translate", "--model", "en-fr", "a").err == ""


def test_models_that_ship_pass_the_ignored_ones():
    root = Path(__file__).parent.parent
    names = ["en-fr/model.safetensors", "en-fr/training/step-1/x", "own/model.safetensors"]
    done = subprocess.run(
        ["git", "check-ignore", *(f"checkpoints/{name}" for name in names)],
        cwd=root, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode == 128:
        pytest.skip("no working copy")
    assert done.stdout.split() == [f"checkpoints/{name}" for name in names[1:]]


def test_export_writes_elsewhere_and_says_how_much(run, copying, elsewhere, monkeypatch):
    def save_pretrained(self, folder, weights):
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(bytes(1_500_000))
        Copying.seen = (Copying.folder, weights)

    monkeypatch.setattr(Copying, "save_pretrained", save_pretrained, raising=False)
    ran = run("export", "run", "small", "--weights", "int8")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.endswith("run is in small: 1.5 MB, weights as int8\n")
    assert Copying.seen == (runs.RUNS / "run", "int8")
    assert run("export", "run").err == (
        "seqgen: export takes a run and the folder to write; got 1\n"
    )
    ran = run("export", "run", "other", "--weights", "int4")
    assert (ran.code, ran.err) == (
        2, "seqgen: --weights is float32, float16, int8; got 'int4'\n"
    )  # fmt: skip
    (elsewhere / "going" / "training").mkdir(parents=True)
    for place in ("going", "checkpoints/run"):
        assert (
            "is a run, whose weights are to stay; name another" in run("export", "run", place).err
        )


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (DataConfig(), "normalize"),
        (DataConfig(dataset="bentrevett/multi30k"), "multi30k"),
        (DataConfig(train_file="data/pairs.tsv"), "pairs"),
        (DataConfig(train_file="raw/train.en,raw/train.de"), "raw"),
        (DataConfig(train_file="raw/train"), "raw"),
    ],
)
def test_a_run_is_called_by_its_dataset(data, name):
    assert runs.default_folder(data) == runs.RUNS / name


# Signals, pipes, terminals: in processes of their own.


TRAINING_FOR_TEST = """
import sys, time, types
module = types.ModuleType("seqgen.training")
def train(config, run, overwrite, report, stop):
    print("ready", flush=True)
    while not stop():
        time.sleep(0.01)
    time.sleep({after})
    print("saved", flush=True)
    return types.SimpleNamespace(finished=False, steps=1234)
module.train = train
sys.modules["seqgen.training"] = module
import seqgen
seqgen.training = module
from seqgen.cli import main
sys.exit(main(["train"]))
"""


@contextmanager
def started(code):
    process = subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 0)]
)
def test_training_that_is_asked_to_stop_saves_and_says_how_it_ended(number, code):
    with started(TRAINING_FOR_TEST.format(after=0)) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (code, "saved\n")
    assert re.fullmatch(r"seqgen: stopped after step 1,234; .* is saved: the same .* on\n", err)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_closed_streams_are_no_defect(closed):
    command = f"{shlex.quote(sys.executable)} -m seqgen recipes {closed}"
    ran = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert bool(ran.stdout) == (closed != ">&-")


def test_a_second_signal_ends_at_once():
    with started(TRAINING_FOR_TEST.format(after=30)) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")


WAITING = """
import sys, time
from seqgen import commands, cli
def wait():
    print("ready", flush=True)
    time.sleep(30)
cli.COMMANDS["recipes"] = (wait, ())
sys.exit(cli.main(["recipes"]))
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_other_commands_end_without_a_word(number, code):
    with started(WAITING) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == code


def test_a_reader_who_leaves_is_no_error():
    command = f"{sys.executable} -m seqgen config | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert (done.stdout.count("\n"), done.stderr) == (1, "")
    code = "import time; from seqgen import cli; time.sleep(0.2); cli.main(['config'])"
    piped = ["bash", "-c", f'"{sys.executable}" -c "{code}" | true']
    assert subprocess.run(piped, capture_output=True, text=True, timeout=60).stderr == ""


def test_control_characters_reach_no_terminal():
    code = (
        r"from seqgen.terminal import write_result; write_result('\x1b]0;x\x07 \x9b \u202e [red]')"
    )
    leader, follower = pty.openpty()
    subprocess.run([sys.executable, "-c", code], stdout=follower, check=True, timeout=60)
    os.close(follower)
    shown = os.read(leader, 1000).decode()
    os.close(leader)
    assert shown == "\\u001b]0;x\\u0007 \\u009b \\u202e [red]\r\n"


@given(st.text())
def test_what_is_printable_holds_no_control_and_json_reads_it_back(text):
    shown = printable(json.dumps(text, ensure_ascii=False))
    assert shown.encode()
    assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e]", shown)
    assert json.loads(shown) == text


def test_the_command_is_the_first_word_that_is_no_option():
    assert asked(["--debug", "train", "--hidden", "3"]) == "train"
    assert asked(["--help"]) == ""


def test_training_gets_every_section():
    assert set(TRAINING) == {section for section, _, _ in options()}
    given = {"data.train_file": "pairs.tsv"}
    assert flags.resolve(given) == Config().with_values(given, "test")


def test_the_embedded_data_bring_their_own_recipe():
    embedded = flags.resolve({})
    assert embedded == flags.resolve({}, recipe="normalize-quick") != Config()
    assert flags.resolve({}, recipe="normalize").train.epochs > embedded.train.epochs
    assert flags.resolve({"train.epochs": 9}).train.epochs == 9
    assert flags.resolve({"data.dataset": "owner/name"}).data.group == ""
