"""Schedules start, end and stay where they say."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.schedules import RATE_SCALINGS, SCHEDULES, decay, teacher_forcing, warmup

FALLING = sorted(SCHEDULES.keys() - {"constant"})


def test_linear_starts_falls_and_stays():
    ratio = teacher_forcing("linear", 1.0, 0.5, warmup_steps=20, steps=100)
    steps = [0, 20, 45, 70, 120, 10_000]
    assert [ratio(step) for step in steps] == [1.0, 1.0, 0.875, 0.75, 0.5, 0.5]


def test_constant_never_falls():
    ratio = teacher_forcing("constant", 0.8, 0.1, warmup_steps=3, steps=7)
    assert [ratio(step) for step in (0, 3, 10, 10_000)] == pytest.approx([0.8] * 4)


def test_exponential_loses_the_same_share_in_the_same_time():
    ratio = teacher_forcing("exponential", 1.0, 0.0, warmup_steps=0, steps=60)
    assert [ratio(step) for step in (0, 30, 60, 90)] == pytest.approx([1, 0.1, 0.01, 0.001])


def test_inverse_sigmoid_is_the_papers_curve_set_to_start_at_one():
    k = 100
    steps = 2 * k * math.log(k)
    ratio = teacher_forcing("inverse_sigmoid", 1.0, 0.0, warmup_steps=0, steps=steps)
    for i in (0, 50, 460, 700, steps):
        assert ratio(i) == pytest.approx((k + 1) / k * k / (k + math.exp(i / k)))
    assert [ratio(0), ratio(steps)] == pytest.approx([1, 0.01])


def test_inverse_sigmoid_stays_high_then_drops():
    ratio = teacher_forcing("inverse_sigmoid", 1.0, 0.0, warmup_steps=0, steps=100)
    assert ratio(25) > 0.9
    assert ratio(50) == pytest.approx(0.505)
    assert ratio(75) < 0.11


@pytest.mark.parametrize("kind", FALLING)
def test_the_end_of_the_fall_is_the_floor_or_a_hundredth_above(kind):
    ratio = teacher_forcing(kind, 0.9, 0.3, warmup_steps=11, steps=29)
    assert 0.3 <= ratio(40) <= 0.3 + 0.6 * 0.01 + 1e-12
    assert ratio(10**9) == pytest.approx(0.3)


@given(
    kind=st.sampled_from(sorted(SCHEDULES)),
    start=st.floats(0, 1),
    share=st.floats(0, 1),
    warm=st.floats(0, 1e4),
    steps=st.floats(0, 1e4),
    times=st.lists(st.floats(0, 1e7), min_size=2),
)
def test_ratios_never_rise_and_stay_between_floor_and_start(
    kind, start, share, warm, steps, times
):  # fmt: skip
    floor = start * share
    ratio = teacher_forcing(kind, start, floor, warm, steps)
    ratios = [ratio(time) for time in sorted(times)]
    assert all(later <= earlier + 1e-12 for earlier, later in itertools.pairwise(ratios))
    assert all(floor - 1e-12 <= value <= start + 1e-12 for value in ratios)
    assert ratio(warm) == start


@pytest.mark.parametrize("kind", FALLING)
def test_a_fall_over_no_steps_is_a_drop(kind):
    ratio = teacher_forcing(kind, 1.0, 0.25, warmup_steps=5, steps=0)
    assert [ratio(5), ratio(6)] == [1.0, 0.25]


def test_the_learning_rate_rises_in_a_line_and_stays():
    factor = warmup(4)
    assert [factor(update) for update in (1, 2, 3, 4, 5, 10_000)] == [0.25, 0.5, 0.75, 1, 1, 1]


def test_without_a_warm_up_the_learning_rate_is_whole_at_once():
    assert [warmup(0)(update) for update in (0, 1, 7)] == [1, 1, 1]


def test_the_learning_rate_falls_to_nothing_in_a_line_or_half_a_wave():
    # Loshchilov and Hutter (2017), equation 5, from the end of a warm-up of 20 to update 100.
    line, wave = (decay(kind, 20, last=100) for kind in ("linear", "cosine"))
    for update in (1, 20, 21):
        assert line(update) == wave(update) == 1
    assert [line(update) for update in (41, 61, 81, 101)] == pytest.approx([0.75, 0.5, 0.25, 0])
    for update in (31, 51, 91, 101):
        share = (update - 21) / 80
        assert wave(update) == pytest.approx((1 + math.cos(math.pi * share)) / 2)
    assert line(200) == wave(200) == 0
    assert [decay("none", 20, last=100)(update) for update in (1, 60, 100, 200)] == [1] * 4


def test_the_inverse_square_root_meets_the_warm_up_and_halves_in_four_times_as_many_updates():
    rate = decay("inverse_sqrt", 400, last=1000)
    assert [rate(update) for update in (1, 399, 400)] == [1, 1, 1]
    assert [rate(update) for update in (1600, 6400)] == pytest.approx([1 / 2, 1 / 4])
    assert decay("inverse_sqrt", 0, last=1000)(100) == pytest.approx(0.1)


def test_the_rate_of_a_batch_four_times_as_large():
    assert {name: scaled(4.0) for name, scaled in RATE_SCALINGS.items()} == {
        "none": 1.0, "linear": 4.0, "sqrt": 2.0
    }  # fmt: skip
