"""Figures of a log: hand-computed."""

import json

import pytest

from seqgen.curves import Steadiness, read_log, steadiness, swing_readings
from seqgen.errors import CheckpointError


def write_log(run, *rows):
    run.mkdir(exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (run / "metrics.jsonl").write_text(text, encoding="utf-8")


def step(number, norm, clipped=0.0, skipped=0.0):
    return {"step": number, "loss": 1.0, "gradient_norm": norm, "clipped": clipped,
            "skipped": skipped}  # fmt: skip


def validation(number, exact, loss=1.0):
    return {"step": number, "validation": True, "loss": loss, "exact": exact}


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    write_log(
        folder,
        step(1, 4.0, clipped=1.0), step(2, 2.0), validation(2, 50.0),
        step(3, 1.0), step(4, None, skipped=1.0), validation(4, 44.0),
        step(5, 3.0, clipped=1.0), validation(5, 60.0), validation(6, 59.0),
    )  # fmt: skip
    checkpoint = folder / "training" / "step-00000005"
    checkpoint.mkdir(parents=True)
    (checkpoint / "progress.json").write_text('{"seconds": 7.5, "returns": 1}', "utf-8")
    return folder


def test_figures_of_a_run_are_what_a_hand_computes(run):
    found = steadiness(run, read_log(run), "exact")
    assert found == Steadiness(
        best=60.0,
        best_step=5,
        best_weights="raw",
        largest_swing=6.0,
        mean_swing=pytest.approx(7 / 3),  # 6, 0 and 1
        norm_median=2.5,  # of 1, 2, 3, 4: what is not finite has no place
        norm_99=pytest.approx(3.97),
        norm_spread=pytest.approx(2**0.5),  # of 1 and 3, those of the second half
        clipped=pytest.approx(40.0),
        skipped=pytest.approx(20.0),
        seconds=7.5,
        returns=1,
    )


def test_swings_are_told_as_the_last_the_largest_and_the_mean():
    found = swing_readings([70.0, 64.0, 75.0, 73.0], "exact")
    assert found == {"metric": 73.0, "swing_last": 2.0, "swing_largest": 6.0,
                     "swing_mean": pytest.approx(8 / 3)}  # fmt: skip
    assert swing_readings([3.0, 1.0, 1.5], "loss")["swing_last"] == 0.5
    first = {"metric": 70.0, "swing_last": 0.0, "swing_largest": 0.0, "swing_mean": 0.0}
    assert swing_readings([70.0], "exact") == first
    assert swing_readings([70.0, 60.0, float("nan")], "exact")["swing_last"] == 0.0


def test_means_of_the_weights_count_where_they_did_best(tmp_path):
    folder = tmp_path / "run"
    write_log(
        folder,
        validation(1, 50.0) | {"weights": "raw", "ema_exact": 40.0},
        validation(2, 44.0) | {"weights": "ema", "ema_exact": 57.0},
        validation(3, 61.0) | {"weights": "average", "ema_exact": 58.0, "average_exact": 66.0},
        validation(4, 64.0) | {"weights": "raw", "ema_exact": 59.0, "average_exact": 63.0},
    )  # fmt: skip
    log = read_log(folder)
    assert log.curve("dev exact") == ([1, 2, 3, 4], [50.0, 57.0, 66.0, 64.0])
    found = steadiness(folder, log, "exact")
    assert (found.best, found.best_step, found.best_weights) == (66.0, 3, "average")
    assert found.largest_swing == 2.0, "the weights themselves lost 6 points"


def test_a_run_without_a_log_has_no_figures(tmp_path):
    found = steadiness(tmp_path, read_log(tmp_path), "exact")
    assert found == Steadiness(*[None] * len(Steadiness._fields))


def test_curves_of_training_and_of_validation_are_told_apart(run):
    log = read_log(run)
    assert log.health == []
    assert log.curve("loss") == ([1, 2, 3, 4, 5], [1.0] * 5)
    assert log.curve("dev exact") == ([2, 4, 5, 6], [50.0, 44.0, 60.0, 59.0])
    assert log.curve("dev nothing") == ([], [])


def test_a_line_that_is_being_written_is_left_and_a_broken_one_is_named(run):
    path = run / "metrics.jsonl"
    whole = read_log(run)
    path.write_text(path.read_text("utf-8") + '{"step": 7, "lo', "utf-8")
    assert read_log(run) == whole
    for broken in ('{"st', "[" * 100_000, "7", '{"loss": 1.0}', '{"step": "4"}'):
        path.write_text(f'{{"step": 1}}\n{broken}\n{{"step": 3}}\n', "utf-8")
        with pytest.raises(CheckpointError, match=r"metrics\.jsonl:2: is no line of a log; copy"):
            read_log(run)
