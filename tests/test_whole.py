"""The command in processes of its own, on a model that training made: what a shell sees."""

import os
import pickle
import random
import shutil
import subprocess
import sys
import tomllib

import numpy
import pytest
import toy
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seqgen import resources, training
from seqgen.cli import main
from seqgen.configfiles import read_config
from seqgen.progress import Silent
from seqgen.sections import DecodeConfig
from seqgen.terminal import printable
from seqgen.translator import Translator


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with data and, under `checkpoints`, a run on them."""
    path = tmp_path_factory.mktemp("whole")
    data = toy.write_pairs(path / "data", train=400)
    config = toy.config(data, tokenizer__units="unigram", train__epochs=2)
    training.train(config, path / "checkpoints" / "toy", report=Silent())
    return path


@pytest.fixture(scope="module")
def translator(place):
    return Translator.from_pretrained(place / "checkpoints" / "toy", device="cpu")


def seqgen(place, *words, stdin="", **environment):
    return subprocess.run(
        [sys.executable, "-m", "seqgen", *words], input=stdin.encode(), capture_output=True,
        cwd=place, timeout=120, check=False, env={**os.environ, **environment},
    )  # fmt: skip


def lines_of(count, seed):
    """Random lines: words, blanks, texts that start with a dash, other scripts, markup."""
    draw = random.Random(seed)
    odd = ["", "  ", "-5 degrees", "--help", "[red]x", "漢字 🙂", ":smile:", "a\tb", "é" * 9]
    rows = [source for source, _ in toy.pairs(count, seed, longest=7)]
    return [draw.choice(odd) if draw.random() < 0.3 else row for row in rows]


def test_a_pipe_gets_line_by_line_what_python_gets(place, translator):
    lines = lines_of(1000, 4)
    assert lines.count("") > 10
    ran = seqgen(place, "translate", stdin="".join(f"{line}\n" for line in lines))
    found = translator.translate(lines)
    assert ran.returncode == 0
    assert ran.stdout.decode() == "".join(printable(text) + "\n" for text in found)
    assert ran.stdout.count(b"\n") == 1000
    assert b"\x1b" not in ran.stdout + ran.stderr
    first, *rest = ran.stderr.decode().splitlines()
    assert first == "seqgen: model checkpoints/toy"
    cut = sum(row[0].cut for row in translator.hypotheses(lines))
    assert len(rest) == bool(cut)
    assert all(line.startswith(f"seqgen: {cut} of 1000 outputs were cut") for line in rest)


def test_arguments_a_file_and_stdin_agree_in_a_shell(place, translator):
    lines = lines_of(30, 5)
    content = "".join(f"{line}\n" for line in lines)
    (place / "lines.txt").write_text(content, encoding="utf-8")
    expected = "".join(printable(text) + "\n" for text in translator.translate(lines, 3)).encode()
    for words in (["--", *lines], ["--input-file", "lines.txt"], ["-"], []):
        assert seqgen(place, "translate", "--beam-size", "3", *words, stdin=content).stdout == (
            expected
        )


@pytest.mark.parametrize(
    "words", [["score", "a b", "b a"], ["evaluate"], ["inspect", "--dataset", "data"]],
    ids=lambda words: words[0],
)  # fmt: skip
def test_other_commands_put_results_on_stdout_and_no_escapes(words, place):
    ran = seqgen(place, *words)
    assert (ran.returncode, b"\x1b" in ran.stdout + ran.stderr) == (0, False)
    assert ran.stdout.count(b"\n") >= 1
    if words[0] == "score":
        assert float(ran.stdout) < 0


def test_training_prints_no_results_and_no_escapes_into_files(place, tmp_path):
    config = str(place / "checkpoints" / "toy" / "config.json")
    ran = seqgen(place, "train", "--config", config, "--max-steps", "3",
                 "--output-dir", str(tmp_path / "run"))  # fmt: skip
    assert (ran.returncode, ran.stdout) == (0, b"")
    assert ran.stderr.count(b"\n") > 5
    assert b"\x1b" not in ran.stderr


def broken(place, tmp_path, file, content):
    copy = shutil.copytree(place / "checkpoints", tmp_path / "checkpoints") / "toy"
    (copy / file).write_bytes(content)
    return tmp_path


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.model"])
def test_a_damaged_model_is_one_line_and_exit_code_one(file, place, tmp_path):
    folder = broken(place, tmp_path, file, b"\x00damaged")
    ran = seqgen(folder, "translate", "a b")
    assert (ran.returncode, ran.stdout) == (1, b"")
    assert ran.stderr.startswith(b"seqgen: ")
    assert file.encode() in ran.stderr or b"tokenizer" in ran.stderr
    assert ran.stderr.count(b"\n") == 1
    shown = seqgen(folder, "translate", "a b", "--debug").stderr.decode().splitlines()
    assert shown[0].startswith("Traceback")
    assert shown[-1] == ran.stderr.decode().rstrip("\n")


@pytest.mark.parametrize("words", [["--trust-remote-code"], ["--trust_remote_code", "true"]])
def test_code_of_others_is_never_trusted(words, place):
    ran = seqgen(place, "train", "--dataset", "someone/data", *words)
    assert (ran.returncode, ran.stdout, ran.stderr.count(b"\n")) == (2, b"", 1)


def test_the_config_of_a_run_makes_the_same_run(place, tmp_path):
    config = place / "checkpoints" / "toy" / "config.json"
    shown = seqgen(place, "config", "--config", str(config)).stdout.decode()
    ran = seqgen(place, "train", "--config", str(config), "--output-dir", str(tmp_path / "again"))
    assert ran.returncode == 0, ran.stderr
    assert read_config(tmp_path / "again" / "config.json") == read_config(config)
    assert tomllib.loads(shown)["train"]["epochs"] == 2
    for name in ("model.safetensors", "generated_predictions.txt"):
        one, two = (folder / name for folder in (config.parent, tmp_path / "again"))
        assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    ("content", "meant"),
    [("[train]\nepoch = 3\n", "epochs"), ("[trian]\nepochs = 3\n", "train"),
     ("[model]\nhiden = 3\n", "hidden")],
)  # fmt: skip
def test_a_misspelt_key_of_a_file_is_refused_with_the_nearest_name(content, meant, place, tmp_path):
    (tmp_path / "f.toml").write_text(content)
    ran = seqgen(place, "train", "--config", str(tmp_path / "f.toml"))
    assert ran.returncode in (1, 2)
    assert ran.stderr.count(b"\n") == 1
    assert f"did you mean {meant}" in ran.stderr.decode().replace("'", "")


class Bomb:
    """What unpickling turns into a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (open, (str(self.marker), "w"))


def test_no_file_that_is_read_can_run_code(place, tmp_path, monkeypatch):
    data, marker = shutil.copytree(place / "data", tmp_path / "data"), tmp_path / "ran"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQGEN_CACHE", str(tmp_path / "cache"))
    bomb = pickle.dumps(Bomb(marker))
    pickle.loads(bomb).close()
    assert marker.exists(), "no bomb"
    marker.unlink()
    numpy.save(tmp_path / "bomb.npy", numpy.array([Bomb(marker)]), allow_pickle=True)
    arrays = (tmp_path / "bomb.npy").read_bytes()
    options = ["--hidden", "16", "--embedding", "12", "--threads", "1", "--keep", "1"]
    train = ["train", "--output-dir", "run", "--dataset", str(data), *options, "--max-steps"]
    assert main([*train, "2"]) == 0
    names = {path for path in tmp_path.rglob("*") if path.is_file() and path.parent != data}
    names = {path.relative_to(tmp_path) for path in names - {tmp_path / "bomb.npy"}}
    needed = {"optimizer.safetensors", "manifest.json", "source.offsets.npy", "config.json",
              "progress.json", "tokenizer.model", "metrics.jsonl"}  # fmt: skip
    assert needed <= {path.name for path in names}
    whole = shutil.copytree(tmp_path / "run", tmp_path / "kept" / "run")
    shutil.copytree(tmp_path / "cache", tmp_path / "kept" / "cache")
    for name in sorted(names):
        for folder in ("run", "cache"):
            shutil.rmtree(tmp_path / folder)
            shutil.copytree(whole.parent / folder, tmp_path / folder)
        (tmp_path / name).write_bytes(arrays if name.suffix == ".npy" else bomb)
        assert main(["translate", "a b", "--model", "run"]) in (0, 1)
        assert main([*train, "3"]) in (0, 1)
        assert not marker.exists(), name
    for name in ("pairs.csv", "pairs.jsonl", "pairs.parquet", "pairs.tsv", "pairs.txt"):
        (tmp_path / name).write_bytes(bomb)
        assert main(["inspect", "--train-file", name]) in (0, 1, 2)
        assert not marker.exists(), name


ANY_TEXT = st.text(st.characters(), max_size=20)  # surrogates too, which st.text() leaves out


@settings(max_examples=500, deadline=None)
@given(texts=st.lists(ANY_TEXT, min_size=1, max_size=4))
@example(texts=["\ud800", "\x00", "\udcff \u202e", "e\u0301", "👩‍🚀", "\x1b[31m", " \u3000", ""])
def test_any_text_gives_texts_that_can_be_encoded(translator, texts):
    found = translator.translate(texts, settings=DecodeConfig(max_length=8))
    assert len(found) == len(texts)
    scored = translator.score(texts, texts[::-1])
    for text in (*found, *(one.text for one in scored)):
        text.encode("utf-8")


def test_a_fresh_install_translates_without_a_run(tmp_path):
    command = [sys.executable, "-m", "seqgen", "translate", "Where is the station?"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "Où est la gare ?\n")
    assert "checkpoints/en-fr, which comes with seqgen, as there is no run" in done.stderr
    held = sum(
        path.stat().st_size
        for path in (resources.PACKAGE.parent / "checkpoints" / "en-fr").iterdir()
    )
    assert held <= 12e6
