"""Instruments in a run: training is what it is without, and the log has what there was to read."""

import json
import math
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
import toy
from test_averaging import Scripted
from test_training import CLOCK, after, run, state

from seqgen import diagnostics, instruments, training
from seqgen.instruments import Instruments, embeddings, spread, told_by
from seqgen.start import begin
from seqgen.updates import update

VALUES = {"train__epochs": 3, "train__log_every": 4, "model__tie": "none"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return toy.write_pairs(tmp_path_factory.mktemp("toy"))


def rows(folder, **kind):
    """The lines of the log that have all of `kind`, without clock readings."""
    lines = map(json.loads, (folder / "metrics.jsonl").read_text("utf-8").splitlines())
    return [{name: value for name, value in line.items() if name not in CLOCK} for line in lines
            if all(line.get(name) == value for name, value in kind.items())]  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def at_each_validation():
    """The epochs of the toy are too short to be looked at each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(instruments, "PAIRS_BETWEEN", 0)
        yield


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert run(toy.config(data, **VALUES), folder).finished
    return folder


@pytest.mark.parametrize(
    "values",
    [{}, {"train__accumulate": 3, "train__clip_value": 0.05, "model__cell": "gru"},
     {"model__word_dropout": 0.2, "sampling__feedback": "sample", "train__optimizer": "sgd"}],
)  # fmt: skip
def test_training_with_instruments_is_training_without_to_the_bit(values, data, tmp_path):
    given = VALUES | {"train__epochs": 2} | values
    run(toy.config(data, **given), tmp_path / "on")
    run(toy.config(data, train__instruments=False, **given), tmp_path / "off")
    assert state(tmp_path / "on") == state(tmp_path / "off")
    others = [row for row in rows(tmp_path / "on") if "diagnosis" not in row]
    assert others == rows(tmp_path / "off")
    assert len(rows(tmp_path / "on", diagnosis=True)) > 2


def test_readings_follow_each_log_and_each_validation(whole):
    logs = [row["step"] for row in rows(whole) if "gradient_norm" in row]
    norms = [row["step"] for row in rows(whole, diagnosis=True) if "gradient_norms" in row]
    assert logs == norms
    assert len(logs) > 3
    seen = [row["step"] for row in rows(whole, diagnosis=True) if "attention_entropy" in row]
    assert seen == [row["step"] for row in rows(whole, validation=True)]
    assert len(seen) == 3


def test_resumed_readings_are_those_of_a_run_that_was_not_stopped(data, whole, tmp_path):
    config, folder = toy.config(data, **VALUES), tmp_path / "run"
    for steps in (5, 9):
        assert not run(config, folder, stop=after(steps)).finished
    assert run(config, folder).finished
    assert rows(folder) == rows(whole)


def test_norms_are_those_before_clipping_and_ratios_those_of_the_update(
    data, tmp_path, monkeypatch
):
    seen = []

    def watched(model, group, optimizer, forcing, clip):
        before = {name: one.detach().clone() for name, one in model.named_parameters()}
        gradients = {}

        def copied(given):
            gradients.update((name, one.grad.clone()) for name, one in model.named_parameters())
            return clip(given)

        done = update(model, group, optimizer, forcing, copied)
        after = dict(model.named_parameters())
        moved = {name: after[name].detach() - one for name, one in before.items()}
        seen.append((gradients, moved, before))
        return done

    monkeypatch.setattr(training, "update", watched)
    values = VALUES | {"train__clip_norm": 0.01, "train__log_every": 3, "model__tie": "target"}
    run(toy.config(data, train__max_steps=6, **values), tmp_path / "run")
    found = [row for row in rows(tmp_path / "run", diagnosis=True) if "gradient_norms" in row]
    assert [row["step"] for row in found] == [3, 6]
    for row in found:
        gradients, moved, before = seen[row["step"] - 1]
        names = [f"decoder.layers.0.cell.{kind}_{part}_l0"
                 for kind in ("weight", "bias") for part in ("ih", "hh")]  # fmt: skip
        total = sum(float(gradients[name].square().sum()) for name in names) ** 0.5
        assert row["gradient_norms"]["decoder.layers.0"] == pytest.approx(total, rel=1e-4)
        ratio = float(moved["encoder.embedding.weight"].norm())
        ratio /= float(before["encoder.embedding.weight"].norm())
        assert row["update_ratios"]["encoder.embedding"] == pytest.approx(ratio, rel=1e-4)
        assert row["gradient_norms"].keys() > row["update_ratios"].keys(), "biases have no ratio"


def test_only_the_update_that_the_log_follows_is_watched(data, tmp_path, monkeypatch):
    counted = []
    real = diagnostics.update_ratios
    monkeypatch.setattr(instruments.diagnostics, "update_ratios",
                        lambda *given: counted.append(1) or real(*given))  # fmt: skip
    run(toy.config(data, train__max_steps=9, **VALUES), tmp_path / "run")
    assert len(counted) == 2


def started(data, folder, **values):
    config = toy.config(data, **VALUES, **values)
    return begin(config, folder, lambda line: None, lambda: None)


class Log:
    """A log that is kept."""

    def __init__(self):
        self.lines = []

    def write(self, line):
        self.lines.append(line)


def test_embeddings_that_no_pair_has_used_are_counted(data, tmp_path):
    start = started(data, tmp_path)
    found = Instruments(start, tmp_path, Log(), print)
    rows_of = {name: len(one) for name, one in embeddings(start.model).items()}
    assert list(rows_of) == ["encoder.embedding", "decoder.embedding"]
    size = rows_of["encoder.embedding"] - 1  # without padding
    assert found._never_updated() == dict.fromkeys(rows_of, 1.0)
    start.model.encoder.embedding.weight.data[[4, 6, 7]] += 1e-3
    assert found._never_updated()["encoder.embedding"] == pytest.approx(1 - 3 / size)
    assert found._never_updated()["decoder.embedding"] == 1.0
    # A run that is resumed finds its first embeddings again.
    start.progress.step = 5
    again = Instruments(start, tmp_path, Log(), print)
    assert again._never_updated() == found._never_updated()
    decayed = Instruments(started(data, tmp_path, train__weight_decay=0.1), tmp_path, Log(), print)
    assert decayed._never_updated() == {}


def test_bytes_that_no_text_has_are_no_unused_embeddings(data, tmp_path):
    start = started(data, tmp_path, tokenizer__units="char")
    found = Instruments(start, tmp_path, Log(), print)
    letters = start.data.tokenizers.source.size - 260
    assert 0 < letters < 20
    weight = start.model.encoder.embedding.weight.data
    assert len(weight) == 260 + letters
    weight[-letters:] += 1e-3
    assert found._never_updated()["encoder.embedding"] == pytest.approx(3 / (3 + letters))
    weight[1:4] += 1e-3
    assert found._never_updated()["encoder.embedding"] == 0


def test_what_training_has_touched_is_no_longer_counted(whole):
    shares = [row["never_updated"] for row in rows(whole, diagnosis=True) if "keeping" in row]
    # Padding is not counted; unknown and the first token never stand in a source.
    assert shares[-1]["encoder.embedding"] == pytest.approx(2 / 11, abs=1e-5)


def test_advice_is_given_once_an_epoch_and_kind(data, tmp_path):
    said = []
    found = Instruments(started(data, tmp_path), tmp_path, Log(), said.append)
    found._norms = {"gradient_norms": {"a": torch.tensor(1.0)}}
    for epoch in (0.1, 0.5, 0.9, 1.1, 1.2):
        found._norms = {"gradient_norms": {"a": torch.tensor(1.0)}}
        found.logged({"step": 1, "epoch": epoch, "gradient_norm": 50.0, "loss": 3.0}, 3.0)
    assert len(said) == 2
    assert all(line.startswith("advice      the gradient norm is 50, above 10: ") for line in said)
    found.examined({"step": 2, "epoch": 1.3}, {"saturation": {"encoder forget": 0.99}})
    assert len(said) == 3
    shares = {"encoder forget": 0.99}
    assert found.log.lines[-1] == {"step": 2, "epoch": 1.3, "diagnosis": True, "saturation": shares}


def test_swings_go_on_over_a_resume(whole, tmp_path):
    losses = [row["loss"] for row in rows(whole, validation=True)]
    assert told_by(whole, "loss")[:2] == (losses, min(losses))
    found = [row for row in rows(whole, diagnosis=True) if "swing_mean" in row]
    assert [row["metric"] for row in found] == pytest.approx(losses, rel=1e-4)
    worse = [max(0.0, after - before) for before, after in pairwise(losses)]
    assert found[-1]["swing_largest"] == pytest.approx(max(worse), rel=1e-4)
    assert found[-1]["swing_mean"] == pytest.approx(sum(worse) / 2, rel=1e-4)
    assert told_by(tmp_path / "absent", "loss") == ([], math.inf, 0)


def test_a_damaged_log_keeps_nobody_from_training(whole, tmp_path):
    text = (whole / "metrics.jsonl").read_text("utf-8")
    (tmp_path / "metrics.jsonl").write_text("{\n" + text, "utf-8")
    assert told_by(tmp_path, "loss") == ([], math.inf, 0)


def test_epochs_of_few_updates_share_a_reading_and_the_end_has_its_own(data, tmp_path, monkeypatch):
    # 200 pairs of 3 to 4 tokens: some 20 in an update of 100 tokens, 200 in an epoch.
    monkeypatch.setattr(instruments, "PAIRS_BETWEEN", 390)
    config = toy.config(data, **VALUES | {"train__epochs": 5})
    run(config, tmp_path / "run")
    seen = [row["step"] for row in rows(tmp_path / "run", validation=True)]
    read = [row for row in rows(tmp_path / "run", diagnosis=True) if "metric" in row]
    assert [row["step"] for row in read] == seen, "the metric costs nothing"
    assert len(seen) == 5
    assert [row["step"] for row in read if "keeping" in row] == [seen[1], seen[3], seen[4]]
    # A run that was stopped between readings takes the next one where it would have been.
    again = tmp_path / "again"
    for steps in (seen[1] + 1, seen[2] + 1):
        assert not run(config, again, stop=after(steps)).finished
    assert run(config, again).finished
    assert rows(again) == rows(tmp_path / "run")


def test_a_reading_costs_the_same_share_whatever_the_batch(data, tmp_path, monkeypatch):
    monkeypatch.setattr(instruments, "PAIRS_BETWEEN", 10_000)
    found = Instruments(started(data, tmp_path), tmp_path, Log(), print)
    targets = int(found.data.train.target.offsets[-1]) - 200
    each = targets / 200  # tokens a pair
    assert not found._is_due(99, 100 * each)
    assert found._is_due(100, 100 * each)
    assert found._is_due(25, 400 * each)
    monkeypatch.setattr(instruments.distributed, "world", lambda: 2)
    assert not found._is_due(100, 100 * each), "a process has half of each update"
    found._read_at = 500
    assert found._is_due(300, each), "the run went back"


def test_the_metric_that_moves_is_that_of_the_best_weights(data, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "validate", Scripted([3.0, 2.9, 2.0, 2.5, 2.6, 2.4]))
    run(toy.config(data, **VALUES | {"train__ema": 0.5}), tmp_path / "run")
    told = [row for row in rows(tmp_path / "run", diagnosis=True) if "metric" in row]
    assert [row["metric"] for row in told] == [2.9, 2.0, 2.4]
    assert [row["swing_last"] for row in told] == [0.0, 0.0, 0.4]


def test_training_pairs_are_read_as_validation_pairs_are(data, tmp_path, monkeypatch):
    # Other pieces in each epoch, drops and smoothing: nothing of it is in either loss.
    values = VALUES | {"train__label_smoothing": 0.2, "model__dropout": 0.5}
    config = toy.config(data, **values)
    monkeypatch.setattr(instruments, "SEEN", 3)
    run(config, tmp_path / "run")
    told = [row for row in rows(tmp_path / "run", diagnosis=True) if "training_loss" in row]
    losses = [row["loss"] for row in rows(tmp_path / "run", validation=True)]
    assert [row["dev_loss"] for row in told] == pytest.approx(losses, rel=1e-4)
    assert [row["least_dev_loss"] for row in told] == pytest.approx(
        [min(losses[: count + 1]) for count in range(3)], rel=1e-4)  # fmt: skip
    # The pairs themselves, given as validation data to the same training, are as dear.
    places = spread(200, 96)
    lines = (data / "train.tsv").read_text("utf-8").splitlines(keepends=True)
    (tmp_path / "seen.tsv").write_text("".join(lines[one] for one in places), "utf-8")
    again = toy.config(data, data__validation_file=str(tmp_path / "seen.tsv"), **values)
    run(again, tmp_path / "again")
    dear = [row["loss"] for row in rows(tmp_path / "again", validation=True)]
    assert [row["training_loss"] for row in told] == pytest.approx(dear, rel=1e-4)


@pytest.mark.parametrize("off", ["setting", "rank"])
def test_switched_off_or_on_another_rank_nothing_is_read(off, data, tmp_path, monkeypatch):
    monkeypatch.setattr(instruments, "embeddings", None)
    start = started(data, tmp_path, train__instruments=off != "setting")
    found = Instruments(start, tmp_path, None if off == "rank" else Log(), print)
    clip = object()
    with found.watch(SimpleNamespace(step=3), clip) as given:
        assert given is clip
    found.logged({"step": 4, "epoch": 1.0}, 1.0)
    assert found.examine(4, 1.0, 1.0, True) == {}
    found.examined({"step": 4, "epoch": 1.0}, {})


def test_places_are_spread_over_all_there_are():
    assert spread(100, 4).tolist() == [0, 25, 50, 75]
    assert spread(3, 8).tolist() == [0, 1, 2]
    assert spread(10, 4).tolist() == [0, 2, 5, 7]


def test_slices_are_apart_and_together_all_that_is_asked_for(data, tmp_path, monkeypatch):
    found = Instruments(started(data, tmp_path), tmp_path, Log(), print)
    taken = []
    monkeypatch.setattr(type(found.data.train), "batch",
                        lambda corpus, places: taken.append(places.tolist()) or SimpleNamespace(
                            to=lambda device: None))  # fmt: skip
    found._slices()
    assert [len(one) for one in taken] == [instruments.SLICE] * instruments.SLICES
    every = sorted(place for one in taken for place in one)
    assert every == spread(200, 32).tolist()
    assert taken[0] == every[:: instruments.SLICES]


def test_a_run_says_what_would_do(data, tmp_path):
    said = []
    run(toy.config(data, **VALUES), tmp_path / "run", say=said.append)
    told = [line for line in said if line.startswith("advice")]
    assert len(told) == 2, "after the second epoch and after the third"
    assert all(line.startswith("advice      attention looks at all states") for line in told)
