"""Plateaus: what counts as one, and batches that grow where the rate would have to fall."""

import json
import math

import pytest
import toy
from test_training import run

from seqgen import training
from seqgen.batching import Batches, Budget
from seqgen.checkpoint import Progress, checkpoints
from seqgen.config import Config
from seqgen.course import Course
from seqgen.errors import CheckpointError
from seqgen.plateaus import Verdict, grow, judge
from seqgen.preparation import prepare
from seqgen.trainsection import TrainConfig
from seqgen.updates import update
from seqgen.validation import Validation


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return toy.write_pairs(tmp_path_factory.mktemp("toy"))


def test_a_plateau_is_one_validation_too_many_without_improvement():
    progress, settings = (
        Progress(),
        TrainConfig(plateau_patience=1, plateau_factor=0.25, patience=5),
    )
    found = []
    for step, loss in enumerate([3.0, 3.5, math.nan, 3.0, 2.0, 2.0, 2.1, 2.0, 2.0, 2.0], start=1):
        progress.step = step
        found.append(judge(progress, loss, settings))
        assert progress.stopped == (step == 10)
    best, plateau = Verdict(True, False), Verdict(False, True)
    neither = Verdict(False, False)
    assert found == [best, neither, plateau, neither, best, neither, plateau, neither, plateau,
                     neither]  # fmt: skip
    assert (progress.best, progress.best_step, progress.waited) == (2.0, 5, 5)
    assert progress.scale == 0.25**3
    assert progress.grown == []


def test_batches_grow_at_the_next_epoch_and_once_an_epoch():
    progress = Progress(epoch=4, update=0)  # an epoch is over, and the next has not begun
    grow(progress)
    assert progress.grown == [4]
    for update_ in (3, 9):
        progress.update = update_
        grow(progress)
    assert progress.grown == [4, 5]
    progress.epoch, progress.update = 7, 2
    settings = TrainConfig(plateau_patience=0, plateau_growth=2, plateau_factor=1)
    assert judge(progress, math.nan, settings).plateau
    assert progress.grown == [4, 5, 8]
    assert progress.scale == 1


@pytest.mark.parametrize(
    ("scaling", "factors"), [("none", [1, 1, 1]), ("linear", [1, 3, 9]), ("sqrt", [1, 3**0.5, 3])]
)
def test_at_a_plateau_batches_grow_and_the_rate_follows_as_asked(
    scaling, factors, data, tmp_path, monkeypatch
):
    losses = iter([3.0, 4.0, 4.0, 4.0])  # plateaus after the second epoch, the third, the fourth
    monkeypatch.setattr(training, "validate",
                        lambda *_: Validation({"loss": next(losses)}, [], 0))  # fmt: skip
    seen = []

    def noted(model, group, optimizer, *rest):
        area = max(batch.target.numel() for batch in group)
        seen.append((area, optimizer.param_groups[0]["lr"]))
        return update(model, group, optimizer, *rest)

    monkeypatch.setattr(training, "update", noted)
    config = toy.config(data, train__epochs=4, train__plateau_patience=0, train__plateau_factor=1,
                        train__plateau_growth=3, train__rate_scaling=scaling)  # fmt: skip
    said = []
    run(config, tmp_path / "run", say=said.append)
    assert [line for line in said if line.startswith("plateau")] == [
        f"plateau     batches 3 times as large from epoch {epoch} on" for epoch in (2, 3, 4)
    ]
    train, blur = prepare(config).train, config.train.length_blur
    start = 0
    for epoch, factor, times in [(0, 1, 0), (1, 1, 0), (2, 3, 1), (3, 9, 2)]:
        count = sum(1 for _ in Batches(train, Budget(100 * factor), 1, blur).order(epoch))
        for area, rate in seen[start : start + count]:
            assert area <= 100 * factor
            assert rate == pytest.approx(0.004 * factors[times])
        assert max(area for area, _ in seen[start : start + count]) > 60 * factor
        start += count
    assert start == len(seen)
    progress = json.loads((checkpoints(tmp_path / "run")[-1] / "progress.json").read_text())
    assert progress["grown"] == [2, 3, 4]
    with pytest.raises(CheckpointError, match=r"begun with other settings \(train\.plateau_growth"):
        run(toy.config(data, train__plateau_growth=2.0), tmp_path / "run")


def test_the_rate_follows_batches_that_grow_from_epoch_to_epoch_until_one_holds_all(data):
    config = toy.config(data, train__batch_growth=2, train__rate_scaling="linear")
    batches = Batches(prepare(config).train, Budget.of(config.train), seed=1)
    course = Course(config, batches)
    first = batches.updates(0)
    assert 8 < first < 64
    rates = [course.rate(Progress(epoch=epoch)) / 0.004 for epoch in (0, 1, 3, 6, 50)]
    assert rates == pytest.approx([1, 2, 8, first, first])
    assert len(list(batches.order(6))) == 1, "the whole epoch"
    steady = Course(Config(), batches)
    assert steady.rate(Progress(epoch=3)) == Config().train.learning_rate


def test_a_course_warms_up_and_falls_as_the_settings_say(data):
    config = toy.config(data, train__epochs=4, train__decay="linear", train__warmup_steps=5,
                        sampling__teacher_forcing="inverse_sigmoid", sampling__forcing_warmup=1.5,
                        sampling__forcing_start=0.9, sampling__forcing_floor=0.2)  # fmt: skip
    batches = Batches(prepare(config).train, Budget.of(config.train), seed=1)
    course, epoch = Course(config, batches), batches.updates(0)
    rates = [course.rate(Progress(step=step, scale=0.5)) / 0.002 for step in (1, 4, 5, 4 * epoch)]
    assert rates == pytest.approx([2 / 5, 1, 1, 0])
    middle = 5 + (4 * epoch - 5) / 2
    assert course.rate(Progress(step=middle)) / 0.004 == pytest.approx(0.5)
    ratios = [course.forcing(Progress(step=step * epoch)).ratio for step in (0, 1.5, 2.75, 4, 99)]
    assert ratios == pytest.approx([0.9, 0.9, 0.2 + 0.7 * 0.505, 0.2 + 0.7 * 0.01, 0.2])
    every = toy.config(data, train__accumulate=3)
    assert Course(every, batches).last == 3 * -(-epoch // 3), "three batches an update, 3 epochs"


def test_a_course_is_as_long_as_its_larger_batches_leave_it(data):
    config = toy.config(data, train__epochs=4, train__decay="linear", train__plateau_growth=2)
    train = prepare(config).train
    lasts = []
    for grown in ([], [2], [2, 3]):
        batches = Batches(train, Budget.of(config.train, grown), seed=1)
        lasts.append(Course(config, batches).last / batches.updates(0))
    assert lasts == [4, 3, 2.75]
