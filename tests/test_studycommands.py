"""The commands compare, ablate and find-lr: results on stdout, the rest on stderr, exit codes."""

import json
import re
import signal

import pytest
import toy

from seqgen import training
from seqgen.cli import main

SMALL = ["--units", "word", "--hidden", "16", "--embedding", "12", "--device", "cpu",
         "--threads", "1", "--epochs", "2", "--batch-tokens", "100"]  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return toy.write_pairs(tmp_path_factory.mktemp("toy"), train=60, held=12)


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def ran(*words):
        code = main(words)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return ran


def options(data):
    files = [word for role in ("train", "validation", "test")
             for word in (f"--{role}-file", str(data / f"{role}.tsv"))]  # fmt: skip
    return files + SMALL


def test_ablate_trains_a_grid_and_compare_sets_two_of_it_side_by_side(run, data, tmp_path):
    words = [
        "ablate",
        *options(data),
        "--vary",
        "clip=none,0.1",
        "--seeds",
        "2",
        "--metric",
        "exact",
    ]
    code, out, err = run(*words)
    assert code == 0
    folder = tmp_path / "checkpoints" / f"{data.name}-ablation"
    assert err.count("\n") == 5
    assert f"4 runs, 1 at a time, in checkpoints/{data.name}-ablation" in err
    rows = [line for line in out.splitlines() if line.startswith("clip_norm=")]
    assert [row.split()[:2] for row in rows] == [["clip_norm=0", "2"], ["clip_norm=0.1", "2"]]
    found = json.loads((folder / "ablation.json").read_bytes())
    assert found["combinations"][0]["figures"]["clipped"] == [0.0, 0.0]
    assert found["combinations"][1]["figures"]["clipped"][0] > 0
    # a line an update, so that the percentiles are of updates
    log = (folder / "clip_norm=0,seed=1" / "metrics.jsonl").read_text("utf-8").splitlines()
    steps = [
        row["step"] for row in map(json.loads, log) if "loss" in row and "validation" not in row
    ]
    assert steps == list(range(1, len(steps) + 1))
    assert "<h2>Curves</h2>" in (folder / "ablation.html").read_text("utf-8")
    # the same command again trains nothing and says the same
    assert run(*words)[:2] == (0, out)

    names = [str(folder / f"clip_norm={clip},seed=1") for clip in (0, 0.1)]
    code, out, err = run("compare", *names, "--html", "page.html")
    assert (code, err) == (0, "seqgen: the page is page.html\n")
    assert re.search(r"^train\.clip_norm +0\.0 +0\.1$", out, re.MULTILINE)
    assert re.search(r"on the same \d+ sources, with the two-sided p", out)
    assert (tmp_path / "page.html").read_text("utf-8").count("<img") >= 3


def without_seconds(folder):
    """What the table of a grid is made of, without what a clock told."""
    found = json.loads((folder / "ablation.json").read_bytes())
    for row in found["combinations"]:
        assert row["figures"].pop("seconds")
        assert all(one.pop("seconds") for one in row["runs"])
    return found


def test_a_grid_that_ctrl_c_stopped_within_a_run_ends_in_the_same_table(
    run, data, tmp_path, monkeypatch
):
    words = ["ablate", *options(data), "--vary", "cell=gru,rnn", "--seeds", "2"]
    updates, real = [0], training.update

    def counted(*given):
        updates[0] += 1
        if updates[0] == interrupted:
            signal.raise_signal(signal.SIGINT)
        return real(*given)

    monkeypatch.setattr(training, "update", counted)
    interrupted = 0
    code, whole, _ = run(*words, "--output-dir", "whole")
    made = updates[0]
    assert (code, made % 4) == (0, 0)

    # in the middle of the second run
    interrupted, updates[0] = made // 4 + made // 8, 0
    code, out, err = run(*words, "--output-dir", "cut")
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == (
        "seqgen: stopped after 1 of 4 runs; cut is saved: the same command goes on"
    )
    assert updates[0] == interrupted, "no update after the one that was at work"
    assert not (tmp_path / "cut" / "ablation.json").exists()

    interrupted = 0
    code, out, _ = run(*words, "--output-dir", "cut")
    assert code == 0
    assert updates[0] == made, "what was finished was not made again"
    assert without_seconds(tmp_path / "cut") == without_seconds(tmp_path / "whole")
    rows = [[line.split()[:-2] for line in table.splitlines()] for table in (out, whole)]
    assert rows[0] == rows[1]


def test_a_study_brings_its_grid_and_options_go_over_it(run, data, tmp_path):
    code, out, _ = run("ablate", "--study", "clipping", *options(data), "--seeds", "1",
                       "--output-dir", "out", "--vary", "cell=gru", "--max-steps", "3")  # fmt: skip
    assert code == 0
    config = json.loads((tmp_path / "out/clip_norm=5,cell=gru,seed=1/config.json").read_bytes())
    assert config["model"]["hidden"] == 16
    assert config["model"]["cell"] == "gru"
    assert config["sampling"]["teacher_forcing"] == "constant"
    assert out.count("clip_norm=") == 3


def test_what_was_chosen_is_what_a_grid_trains_with(run, data, tmp_path):
    words = [*options(data), "--max-steps", "2", "--instruments", "--output-dir", "out"]
    assert run("ablate", *words, "--vary", "log_every=1,2")[0] == 0
    for number in (1, 2):
        folder = tmp_path / f"out/log_every={number},seed=1"
        train = json.loads((folder / "config.json").read_bytes())["train"]
        assert (train["log_every"], train["instruments"]) == (number, True)
        assert '"diagnosis": true' in (folder / "metrics.jsonl").read_text("utf-8")


def test_ablate_fails_where_no_run_was_finished(run, data):
    code, out, err = run("ablate", *options(data), "--vary", "device=cuda:77,nowhere",
                         "--output-dir", "out")  # fmt: skip
    assert code == 1
    assert out.count("1 failed") == 2
    assert err.splitlines()[-1] == "seqgen: out: no run was finished; out/logs says why"


def test_find_lr_prints_a_suggestion_and_draws(run, data, tmp_path):
    words = ["find-lr", *options(data), "--from", "1e-4", "--to", "1e-1", "--steps", "20"]
    code, out, err = run(*words, "--plot", "rates.png")
    assert (code, err) == (0, "seqgen: the plot is rates.png\n")
    assert re.match(r"suggestion  --learning-rate [\d.e-]+, a tenth of the rate where", out)
    assert [path.name for path in tmp_path.iterdir()] == ["rates.png"]
    assert run(*words)[1] == out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ablate"], r"one run is no ablation; --vary SETTING=A,B, --seeds N or --study NAME .*"),
        (
            ["ablate", "--vary", "clip=1,2", "--seeds", "0"],
            r"--seeds takes a whole number from .*",
        ),
        (["ablate", "--vary", "clip=1,2", "--jobs", "x"], r"--jobs takes a whole number from 1 .*"),
        (["ablate", "--vary", "clp=1,2"], r"--vary clp: there is no such setting; did you .*"),
        (["ablate", "--study", "x"], r"--study x: there is no such study; there are batch, .*"),
        (["compare", "x", "--html", "no/x.html"], r"no/x\.html: is no file that can be written.*"),
        (["compare"], r"compare takes two runs or more; got 0"),
        (["find-lr", "--from", "x"], r"--from takes a rate, such as 1e-4; got 'x'"),
        (["find-lr", "--plot", "x.foo"], r"x\.foo: pictures end in .*"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_usage_is_one_line_before_any_work(words, message, run):
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert re.fullmatch(f"seqgen: {message}\n", err)
