"""Grids of runs: each is the run that train would make, whatever happens to the others."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import toy

from seqgen import training
from seqgen.ablation import logged, run_grid, shared
from seqgen.ablationtable import mean_and_spread, sections, state_line, summary, to_json
from seqgen.config import Config
from seqgen.errors import CheckpointError
from seqgen.grid import parse_vary, plan
from seqgen.progress import Silent
from seqgen.webpage import text

VARIED = parse_vary(["cell=gru,rnn"])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return toy.write_pairs(tmp_path_factory.mktemp("toy"), train=60, held=12)


def planned(data, words=VARIED, seeds=1, **values):
    given = {"train__metric": "exact", "train__epochs": 2, **values}
    return plan(toy.config(data, **given), words, seeds)


def weights(folder, plans):
    return [(folder / one.name / "model.safetensors").read_bytes() for one in plans]


def never():
    return False


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """A grid that was trained in one go."""
    folder = tmp_path_factory.mktemp("whole")
    plans = planned(data, seeds=2)
    return folder, plans, list(run_grid(plans, folder, 1, never))


def test_each_run_of_a_grid_is_the_run_that_train_makes(whole, tmp_path):
    folder, plans, ran = whole
    assert [one.planned.name for one in ran] == [
        "cell=gru,seed=1", "cell=gru,seed=2", "cell=rnn,seed=1", "cell=rnn,seed=2"
    ]  # fmt: skip
    assert all(one.finished and not one.reason for one in ran)
    training.train(plans[3].config, tmp_path / "alone", report=Silent())
    assert weights(folder, plans[3:]) == [(tmp_path / "alone/model.safetensors").read_bytes()]
    assert len(set(weights(folder, plans))) == 4


def test_a_grid_that_was_stopped_goes_on_to_the_same_end(whole, tmp_path):
    folder, plans, _ = whole
    asked = iter([False] * 9)  # which ends in the first run or the second
    first = list(run_grid(plans, tmp_path, 1, lambda: next(asked, True)))
    assert not first[-1].finished
    assert not first[-1].reason
    again = list(run_grid(plans, tmp_path, 1, never))
    assert [one.finished for one in again] == [True] * 4
    assert weights(tmp_path, plans) == weights(folder, plans)


def test_finished_runs_are_left_as_they_are(whole):
    folder, plans, _ = whole
    times = [(folder / one.name / "model.safetensors").stat().st_mtime_ns for one in plans]
    again = list(run_grid(plans, folder, 1, never))
    assert [one.finished for one in again] == [True] * 4
    after = [(folder / one.name / "model.safetensors").stat().st_mtime_ns for one in plans]
    assert after == times


def test_runs_side_by_side_are_those_one_after_another(whole, tmp_path):
    folder, plans, _ = whole
    ran = list(run_grid(plans[1:3], tmp_path, 2, never))
    assert sorted(one.planned.name for one in ran if one.finished) == [
        "cell=gru,seed=2", "cell=rnn,seed=1"
    ]  # fmt: skip
    assert weights(tmp_path, plans[1:3]) == weights(folder, plans[1:3])
    assert "epoch" in (tmp_path / "logs" / "cell=rnn,seed=1.log").read_text("utf-8")


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_run_that_fails_is_a_row_and_stops_no_other(jobs, data, tmp_path):
    words = parse_vary(["learning_rate=1e38,0.004"])
    plans = planned(data, words, train__epochs=40, train__max_steps=60)
    blocked = plans[1]._replace(name="blocked")
    (tmp_path / "blocked").write_text("no folder", "utf-8")
    ran = list(run_grid([plans[0], blocked, plans[1]], tmp_path, jobs, never))
    by_name = {one.planned.name: one for one in ran}
    assert "after 3 returns with half the rate" in by_name[plans[0].name].reason
    blocked_folder = tmp_path / "blocked"
    assert by_name["blocked"].reason.startswith(f"{blocked_folder}: is a file; ")
    assert by_name[plans[1].name].finished
    result = summary([by_name[plans[0].name], by_name[plans[1].name]], tmp_path, words)
    first, second = result["combinations"]
    assert (first["finished"], first["runs"][0]["state"]) == (0, "diverged")
    assert (second["finished"], second["runs"][0]["state"]) == (1, "finished")
    lines = text(sections(result, tmp_path))
    assert any(line.startswith("learning_rate=1e+38  0 of 1, 1 diverged") for line in lines)
    assert any(line.startswith(f"{plans[0].name}: diverged: ") for line in lines)
    assert "3 returns" in state_line(by_name[plans[0].name], tmp_path)


def test_means_and_spreads_are_over_the_seeds_and_of_the_runs_own_figures(whole):
    folder, plans, ran = whole
    result = json.loads(to_json(summary(ran, folder, VARIED)))
    assert result["vary"] == {"model.cell": ["gru", "rnn"]}
    gru = result["combinations"][0]
    reports = [json.loads((folder / one.name / "eval_results.json").read_bytes())
               for one in plans[:2]]  # fmt: skip
    tests = [report["scores"]["exact"] for report in reports]
    assert [run["test"] for run in gru["runs"]] == tests
    assert gru["figures"]["test"] == mean_and_spread(tests)
    assert gru["figures"]["seconds"][0] > 0
    lines = text(sections(result, folder))
    assert lines[2].split()[:4] == ["runs", "test", "exact", "best"]
    assert lines[3].startswith("cell=gru     2")


def test_without_test_data_there_is_no_score_of_the_test(data, tmp_path):
    plans = planned(data, data__test_file="", train__max_steps=2)
    ran = list(run_grid(plans, tmp_path, 1, never))
    scored = json.loads((tmp_path / plans[0].name / "eval_results.json").read_bytes())
    assert scored["split"] == "validation"
    lines = [*text(sections(summary(ran, tmp_path, VARIED), tmp_path)),
             *(state_line(one, tmp_path) for one in ran)]  # fmt: skip
    assert any("dev exact" in line for line in lines)
    assert not any("test" in line for line in lines)


def test_the_mean_and_the_spread_of_a_sample():
    assert mean_and_spread([1.0, 3.0]) == [2.0, pytest.approx(2**0.5)]
    assert mean_and_spread([4.0]) == [4.0, 0.0]
    assert mean_and_spread([1.0, None]) is None
    assert mean_and_spread([]) is None


def test_a_folder_of_another_grid_is_refused_and_a_longer_one_is_not(whole, data):
    folder, _, _ = whole
    other = planned(data, model__dropout=0.5)
    message = r"seed=1: was begun with other settings \(model\.dropout: 0\.2 -> 0\.5\)"
    with pytest.raises(CheckpointError, match=message):
        next(run_grid(other, folder, 1, never))
    longer = planned(data, train__epochs=3, train__threads=2)
    assert next(run_grid(longer, folder, 1, lambda: True), None) is None


def test_each_update_has_its_line_and_what_was_chosen_stays():
    def settings(chosen, words=VARIED, **values):
        base = Config().with_values({f"train.{name}": value for name, value in values.items()}, "x")
        found = [one.config.train for one in logged(plan(base, words, 1), chosen)]
        return [(one.log_every, one.instruments) for one in found]

    assert settings({}) == [(1, False)] * 2
    assert settings({"train.log_every"}) == [(50, True)] * 2, "the default, but asked for"
    assert settings({}, log_every=7) == [(7, True)] * 2, "as a file may say"
    assert settings({"train.instruments"}) == [(1, True)] * 2
    varied = parse_vary(["log_every=3,50"])
    assert settings(varied, varied) == [(3, True), (50, True)]
    varied = parse_vary(["instruments=on,off"])
    assert settings(varied, varied) == [(1, True), (1, False)]


def test_runs_side_by_side_share_the_cores(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    plans = plan(Config(), VARIED, 1)
    assert {one.config.train.threads for one in shared(plans, 3)} == {2}
    assert {one.config.train.threads for one in shared(plans, 9)} == {1}
    assert shared(plans, 1) == plans
    given = plan(Config().with_values({"train.threads": 5}, "here"), VARIED, 1)
    assert shared(given, 3) == given


def command(data, folder, *words):
    files = [word for role in ("train", "validation", "test")
             for word in (f"--{role}-file", str(data / f"{role}.tsv"))]  # fmt: skip
    small = [
        "--units",
        "word",
        "--hidden",
        "16",
        "--embedding",
        "12",
        "--device",
        "cpu",
        "--threads",
        "1",
    ]
    return [sys.executable, "-m", "seqgen", "ablate", *files, *small, *words,
            "--output-dir", str(folder)]  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_all_runs_at_work(number, data, tmp_path):
    words = ["--vary", "cell=gru,rnn", "--jobs", "2", "--epochs", "100000"]
    process = subprocess.Popen(
        command(data, tmp_path / "out", *words), stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        until = time.monotonic() + 60
        logs = [tmp_path / "out" / name / "metrics.jsonl"
                for name in ("cell=gru,seed=1", "cell=rnn,seed=1")]  # fmt: skip
        while not all(log.exists() and log.stat().st_size for log in logs):
            assert time.monotonic() < until
            time.sleep(0.1)
        # As a terminal does for Ctrl-C, and a scheduler for SIGTERM: to all of the session.
        os.killpg(process.pid, number)
        said = process.communicate(timeout=60)[1].decode()
    finally:
        process.kill()
    assert process.returncode == 128 + number
    assert "stopped after 0 of 2 runs" in said
    for log in logs:
        assert list((log.parent / "training").glob("step-*/progress.json"))
        told = (tmp_path / "out" / "logs" / f"{log.parent.name}.log").read_text("utf-8")
        assert "is saved: the same command goes on" in told.splitlines()[-1]
