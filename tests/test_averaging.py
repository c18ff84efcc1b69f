"""Means of the weights: what they are means of, and that the best weights of all are kept."""

import json
import math
from pathlib import Path

import pytest
import torch
import toy
from safetensors.torch import load_file
from test_training import run

from seqgen import checkpoint, training
from seqgen.averaging import Averages, best_of, holding, kept, mean
from seqgen.checkpoint import Progress, checkpoints, weights
from seqgen.divergence import returned
from seqgen.model import build
from seqgen.optimizers import make_optimizer
from seqgen.trainsection import TrainConfig
from seqgen.updates import update
from seqgen.validation import Validation

TAKEN, SKIPPED = torch.tensor(False), torch.tensor(True)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return toy.write_pairs(tmp_path_factory.mktemp("toy"))


def network(tie="target"):
    torch.manual_seed(3)
    config = toy.config(Path(), model__tie=tie, model__embedding=16)
    return build(config.model, 13, 13)


def move(model):
    """Other weights, as an update would leave them; a copy of them."""
    for value in weights(model).values():
        value.add_(torch.randn_like(value))
    return copied(model)


def copied(model):
    return {name: value.clone() for name, value in weights(model).items()}


def ema(averages):
    """What is evaluated under this name."""
    return averages._means()["ema"]


def same(one, other):
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)


def test_the_moving_average_is_the_recurrence_over_the_updates_that_were_made():
    model, decay = network(), 0.75
    averages = Averages(model, TrainConfig(ema=decay))
    sums = {name: torch.zeros_like(value) for name, value in weights(model).items()}
    for made in range(1, 6):
        moved = move(model)
        averages.follow(TAKEN)
        sums = {name: decay * sums[name] + (1 - decay) * moved[name] for name in sums}
        expected = {name: value / (1 - decay**made) for name, value in sums.items()}
        torch.testing.assert_close(ema(averages), expected)
        if made == 1:
            assert same(ema(averages), moved), "the initial weights are no part of it"
        before = {name: value.clone() for name, value in ema(averages).items()}
        averages.follow(SKIPPED)
        assert same(ema(averages), before)


def test_before_the_first_update_the_average_is_what_there_is():
    model = network()
    averages = Averages(model, TrainConfig(ema=0.9))
    averages.follow(SKIPPED)
    assert same(ema(averages), copied(model))


def test_a_weight_in_several_places_is_averaged_once_and_stands_in_all_of_them():
    model = network(tie="all")
    assert len(model.state_dict()) > len(weights(model))
    averages = Averages(model, TrainConfig(ema=0.9))
    averages.follow(TAKEN)
    assert ema(averages).keys() == weights(model).keys()
    others = {name: torch.full_like(value, 2.0) for name, value in weights(model).items()}
    with holding(model, others):
        assert all(bool((value == 2).all()) for value in model.state_dict().values())


def test_a_model_has_its_own_weights_again_whatever_happens():
    model = network()
    own, others = copied(model), {name: value + 1 for name, value in copied(model).items()}
    with pytest.raises(ZeroDivisionError), holding(model, others):  # noqa: PT012
        assert same(copied(model), others)
        raise ZeroDivisionError
    assert same(copied(model), own)


def test_nothing_is_kept_or_evaluated_beside_the_weights_where_nothing_is_asked_for():
    model, scored = network(), []
    averages = Averages(model, TrainConfig())

    def score():
        scored.append(1)
        return Validation({"loss": 2.5, "bleu": 7.0}, [], 3)

    for step in (1, 2, 3):
        averages.follow(TAKEN)
        found = averages.validate(step, score)
        assert found == (2.5, {}, {"loss": 2.5, "bleu": 7.0}, [], 3)
    assert len(scored) == 3
    assert list(averages.files()) == []


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [
        ("loss", {"raw": 3.0, "ema": 2.0, "average": 2.5}, "ema"),
        ("bleu", {"raw": 3.0, "ema": 2.0, "average": 3.5}, "average"),
        ("bleu", {"raw": 3.0, "ema": 2.0}, "raw"),
        ("loss", {"raw": 2.0, "ema": 2.0}, "raw"),
        ("loss", {"raw": math.nan, "ema": 9.0}, "ema"),
        ("loss", {"raw": 9.0, "ema": math.nan}, "raw"),
        ("loss", {"raw": math.nan, "ema": math.nan}, "raw"),
    ],
)
def test_the_best_weights_are_those_that_the_metric_prefers(metric, values, best):
    found = {name: Validation({metric: value}, [], 0) for name, value in values.items()}
    assert best_of(metric, found) == best


class Scripted:
    """Validations with given losses, that note which weights they were asked about."""

    def __init__(self, losses):
        self.losses, self.held = iter(losses), []

    def __call__(self, translator, *_):
        self.held.append(copied(translator.model))
        return Validation({"loss": next(self.losses)}, [], 0)


def validations(folder):
    rows = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [row for row in rows if row.get("validation")]


def test_the_average_is_the_mean_of_the_weights_at_the_last_validations(
    data, tmp_path, monkeypatch
):
    scripted = Scripted([1.0] * 100)
    monkeypatch.setattr(training, "validate", scripted)
    config = toy.config(data, train__average=3, train__validate_every=2, train__max_steps=8,
                        train__keep=9)  # fmt: skip
    run(config, tmp_path / "run")
    raw = [load_file(one / "model.safetensors") for one in checkpoints(tmp_path / "run")]
    assert len(raw) == 4
    expected = [raw[0], raw[1], mean(raw[:2]), raw[2], mean(raw[:3]), raw[3], mean(raw[1:])]
    assert len(scripted.held) == 7
    for held, wanted in zip(scripted.held, expected, strict=True):
        torch.testing.assert_close(held, wanted)
    name = "decoder.output.bias"
    torch.testing.assert_close(
        scripted.held[-1][name], (raw[1][name] + raw[2][name] + raw[3][name]) / 3
    )
    assert not torch.equal(raw[1][name], raw[3][name])


def test_the_kept_model_is_the_best_of_all_weights_and_patience_goes_by_it(
    data, tmp_path, monkeypatch
):
    # raw, ema; then raw, ema, average three times: the best is the ema of step 2, the average of
    # step 4, which the ema of step 6 and the raw weights of step 8 are not better than.
    losses = [3.0, 2.9, 2.8, 2.7, 2.5, 2.8, 2.6, 2.7, 2.5, 2.6, 2.7]
    scripted = Scripted(losses)
    monkeypatch.setattr(training, "validate", scripted)
    config = toy.config(data, train__ema=0.9, train__average=2, train__validate_every=2,
                        train__patience=2, train__max_steps=20)  # fmt: skip
    folder = tmp_path / "run"
    assert run(config, folder).steps == 8
    rows = validations(folder)
    assert [(row["weights"], row["best"]) for row in rows] == [
        ("ema", True), ("average", True), ("ema", False), ("raw", False)
    ]  # fmt: skip
    assert [row["loss"] for row in rows] == [3.0, 2.8, 2.8, 2.5]
    assert [row["ema_loss"] for row in rows] == [2.9, 2.7, 2.6, 2.6]
    assert [row.get("average_loss") for row in rows] == [None, 2.5, 2.7, 2.7]
    assert same(load_file(folder / "model.safetensors"), scripted.held[4])
    assert not same(scripted.held[4], scripted.held[2]), "the weights differ"
    progress = json.loads((checkpoints(folder)[-1] / "progress.json").read_text())
    assert progress["best_weights"] == "average"
    card = (folder / "README.md").read_text("utf-8")
    assert (
        "The model has the mean of the weights at the last validations, 2 at most, up to step 4."
        in card
    )
    assert (progress["best"], progress["best_step"], progress["waited"]) == (2.5, 4, 2)


@pytest.mark.parametrize(
    ("kind", "best", "told"),
    [
        ("raw", 2.5, "the weights of step 1,200"),
        ("ema", 2.5, "the moving average (decay 0.999) of the weights at step 1,200"),
        (
            "average",
            2.5,
            "the mean of the weights at the last validations, 5 at most, up to step 1,200",
        ),
        ("raw", None, "the weights of step 3,400"),
    ],
)
def test_it_is_said_which_weights_a_model_has(kind, best, told):
    progress = Progress(step=3400, best=best, best_step=1200, best_weights=kind)
    assert kept(progress, TrainConfig(ema=0.999, average=5)) == told


def test_a_run_that_goes_back_keeps_the_best_weights_there_were():
    left = Progress(step=9, best=2.5, best_step=4, best_weights="ema")
    assert returned(Progress(step=2), left).best_weights == "ema"


def test_means_change_nothing_of_the_training(data, tmp_path):
    ends = []
    for name, values in {"with": {"ema": 0.9, "average": 2}, "without": {}}.items():
        given = {f"train__{key}": value for key, value in values.items()}
        config = toy.config(data, train__max_steps=6, train__validate_every=2, **given)
        run(config, tmp_path / name)
        newest = checkpoints(tmp_path / name)[-1]
        ends.append(load_file(newest / "model.safetensors"))
        kept = sorted(one.name for one in newest.glob("*.safetensors"))
        means = ["ema.safetensors", "validated-00000004.safetensors",
                 "validated-00000006.safetensors"]  # fmt: skip
        both = ["model.safetensors", "optimizer.safetensors"]
        assert kept == sorted(both + means * bool(values))
    assert same(*ends)
    rows = [validations(tmp_path / name) for name in ("with", "without")]
    assert [row["bleu"] for row in rows[0]] == [row["bleu"] for row in rows[1]]
    assert rows[0][-1]["ema_loss"] != rows[0][-1]["average_loss"] != rows[0][-1]["loss"]
    assert not any("weights" in row or "ema_loss" in row for row in rows[1])


def test_a_plateau_goes_back_to_the_best_weights_and_means_begin_again(data, tmp_path, monkeypatch):
    scripted = Scripted([3.0, 2.0, 2.5, 2.5, 2.6, 2.6, 2.6])  # raw, ema, then with the average
    monkeypatch.setattr(training, "validate", scripted)
    taken = []

    def noted(model, *rest):
        taken.append(copied(model))
        return update(model, *rest)

    monkeypatch.setattr(training, "update", noted)
    config = toy.config(data, train__validate_every=2, train__plateau_patience=0, train__ema=0.5,
                        train__average=4, train__plateau_revert=True,
                        train__max_steps=5)  # fmt: skip
    run(config, tmp_path / "run")
    # Plateaus at steps 4 and 5, the first of which goes back to the ema of step 2.
    assert same(taken[4], scripted.held[1])
    assert not same(taken[4], scripted.held[2])
    # One update later the ema is the weights, and there is no other validation to average with.
    assert len(scripted.held) == 7
    assert same(scripted.held[5], scripted.held[6])


@pytest.mark.parametrize("kept", [3, 2, 0])
def test_means_come_back_from_a_checkpoint(kept, tmp_path):
    model, settings = network(), TrainConfig(ema=0.9, average=3)
    averages, optimizer = Averages(model, settings), make_optimizer(network(), settings)
    seen = {}
    for step in (8, 9, 10, 11):
        seen[step] = move(model)
        averages.follow(TAKEN)
        averages.validate(step, lambda: Validation({"loss": 1.0}, [], 0))
    saved = checkpoint.save(
        tmp_path, Progress(step=11), model, optimizer, keep=1, beside=averages.files()
    )
    other = network()
    back = Averages(other, TrainConfig(ema=0.9, average=kept))
    checkpoint.restore(saved, other, optimizer)
    back.restore(saved)
    assert same(ema(back), ema(averages))
    wanted = [9, 10, 11][3 - kept :]
    assert list(back._validated) == wanted
    assert all(same(back._validated[step], seen[step]) for step in wanted)
    move(model)
    for one, value in zip(weights(other).values(), weights(model).values(), strict=True):
        one.copy_(value)
    averages.follow(TAKEN)
    back.follow(TAKEN)
    assert same(ema(back), ema(averages))


def test_a_checkpoint_without_means_is_where_they_begin(tmp_path):
    model, optimizer = network(), make_optimizer(network(), TrainConfig())
    saved = checkpoint.save(tmp_path, Progress(), model, optimizer, keep=1)
    own = copied(model)
    averages = Averages(model, TrainConfig(ema=0.9, average=2))
    move(model)
    averages.follow(TAKEN)
    checkpoint.restore(saved, model, optimizer)
    averages.restore(saved)
    assert same(ema(averages), own)
    moved = move(model)
    averages.follow(TAKEN)
    assert same(ema(averages), moved)


def test_a_run_that_diverges_has_the_means_of_where_it_goes_back_to(data, tmp_path, monkeypatch):
    step = [0]

    def broken(model, group, *rest):
        step[0] += 1
        bias = model.decoder.output.bias.data
        own = bias.clone()
        if 8 <= step[0] < 13:
            bias[7] = math.nan
        done = update(model, group, *rest)
        if 8 <= step[0] < 13:
            bias.copy_(own)
        return done

    monkeypatch.setattr(training, "update", broken)
    said = []
    config = toy.config(data, train__save_every=6, train__max_steps=12, train__ema=0.5,
                        train__average=2, train__validate_every=3)  # fmt: skip
    run(config, tmp_path / "run", say=said.append)
    assert any(line.startswith("diverged") and line.endswith("to step 6") for line in said)
    newest = checkpoints(tmp_path / "run")[-1]
    assert load_file(newest / "ema.safetensors")["updates"] == 12
    assert [one.name for one in sorted(newest.glob("validated-*"))] == [
        "validated-00000009.safetensors", "validated-00000012.safetensors"
    ]  # fmt: skip
