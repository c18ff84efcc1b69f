"""The range test of rates: its losses are those of training, its suggestion where they fall."""

import math

import pytest
import toy

from seqgen import ratetest, training
from seqgen.curves import read_log
from seqgen.errors import TrainingError, UsageError
from seqgen.progress import Silent
from seqgen.ratetest import Sweep, draw, range_test, smooth


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    data = toy.write_pairs(tmp_path_factory.mktemp("toy"))
    return toy.config(data, train__log_every=1)


@pytest.fixture(scope="module")
def found(config):
    return range_test(config, 1e-5, 10.0, 120)


def test_the_suggestion_lies_where_the_loss_falls(found):
    place = min(range(len(found.rates)), key=lambda n: abs(found.rates[n] - found.suggestion))
    assert 0 < place < found.lowest
    before, at, after = (found.smoothed[place + shift] for shift in (-5, 0, 5))
    assert before > at > after
    assert found.smoothed[found.lowest] < 0.8 * found.smoothed[0]
    assert 1e-4 < found.suggestion < 0.1
    assert found.rates[found.steepest] < found.rates[found.lowest]


def test_the_same_seed_gives_the_same_losses(config, found):
    again = range_test(config, 1e-5, 10.0, 120)
    assert again == found


def test_a_rate_that_stays_gives_the_losses_of_training(config, tmp_path):
    training.train(config, tmp_path / "run", report=Silent())
    log = read_log(tmp_path / "run").curve("loss")[1]
    rate = config.train.learning_rate
    tested = range_test(config, rate, rate * (1 + 1e-9), 12)
    assert tested.losses == pytest.approx(log[:12], rel=1e-5)
    assert tested.losses[-1] < tested.losses[0]


def test_rates_rise_by_a_constant_factor_to_the_last(config):
    tested = range_test(config, 1e-4, 1e-2, 3)
    assert tested.rates == pytest.approx([1e-4, 1e-3, 1e-2])
    assert not tested.stopped


def test_the_test_ends_where_the_loss_is_four_times_its_least(config, monkeypatch):
    monkeypatch.setattr(ratetest, "_losses", lambda *_: iter([2.0] + [1.0] * 30 + [100.0] * 30))
    tested = range_test(config, 1e-4, 1.0, 61)
    assert tested.stopped
    # 30 ones leave 1.04 (2 weighs little); the first 100 lifts the mean by a tenth of the rest.
    assert len(tested.losses) == 32
    assert tested.smoothed[-1] > 4 * min(tested.smoothed)
    assert "stopped     at" in tested.lines()[-1]


def test_a_loss_that_is_no_number_ends_the_test(config, monkeypatch):
    monkeypatch.setattr(ratetest, "_losses", lambda *_: iter([2.0, 1.0, math.nan, 1.0]))
    assert range_test(config, 1e-4, 1.0, 4).losses == [2.0, 1.0]
    monkeypatch.setattr(ratetest, "_losses", lambda *_: iter([math.nan]))
    with pytest.raises(TrainingError, match="first update has no finite loss at any rate"):
        range_test(config, 1e-4, 1.0, 4)


def test_a_burst_of_the_gradient_ends_the_test_within_its_steps(config):
    tested = range_test(config, 1.0, 1e30, 40)
    assert tested.stopped
    assert len(tested.losses) < 40


def test_nothing_is_written_but_the_cache(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    range_test(config, 1e-4, 1e-2, 2)
    assert list(tmp_path.iterdir()) == []


def test_smoothing_is_a_mean_that_forgets():
    assert smooth([3.0]) == 3.0
    assert smooth([1.0, 2.0]) == pytest.approx((0.9 * 1 + 2) / 1.9)
    assert smooth([5.0] * 7) == pytest.approx(5.0)


def test_what_is_said_follows_the_rule():
    tested = Sweep([1e-4, 1e-3, 3.21e-2, 1e-1], [9.0] * 4, [4.0, 3.5, 1.5, 2.0], False)
    assert tested.lines() == [
        "suggestion  --learning-rate 0.0032, a tenth of the rate where the smoothed loss is least",
        "least       1.5000 at 3.2e-02, from 4.0000 at first",
        "steepest    at 1.0e-03",
        "ended       at 1.0e-01",
    ]
    falling = tested._replace(smoothed=[4.0, 3.0, 2.0, 1.0])
    assert falling.lines()[-1].endswith("where the loss still fell; a higher --to tells more")
    rising = tested._replace(smoothed=[1.0, 2.0, 3.0, 4.0])
    assert rising.steepest == rising.lowest == 0


@pytest.mark.parametrize("limits", [(0.0, 1.0, 9), (1.0, 1.0, 9), (1e-3, 1.0, 1)])
def test_rates_that_do_not_rise_are_refused(limits, config):
    with pytest.raises(UsageError, match="it must rise from above 0, over 2 steps or more"):
        range_test(config, *limits)


def test_the_plot_is_a_picture(found, tmp_path):
    draw(found, tmp_path / "rates.png")
    assert (tmp_path / "rates.png").read_bytes().startswith(b"\x89PNG")
