"""Advice: none within the bands, one line beyond each, and every setting it names exists."""

import re

import pytest

from seqgen.advice import ADVICE, advice, band
from seqgen.config import Config, options
from seqgen.errors import ConfigError
from seqgen.trainsection import TrainConfig

HEALTHY = {
    "epoch": 5.0, "loss": 1.0, "learned": False, "recent_norm": 1.0, "gradient_norm": 1.0,
    "clipped": 0.9,
    "gradient_norms": {"encoder.embedding": 1e-4, "decoder.layers.0": 0.02,
                       "decoder.layers.1": 1.0},
    "update_ratios": {"encoder": 1e-3, "decoder": None}, "spectral_radius": {"encoder state": 1.1},
    "saturation": {"encoder input": 0.3}, "keeping": {"encoder": 0.6}, "attention_spread": 0.4,
    "never_updated": {"encoder.embedding": 0.1}, "gradient_by_distance": [1.0, 0.5, 0.2, 0.1, 0.05],
    "noise_scale": 5000.0, "batch_tokens": 3000.0, "metric": 2.0, "swing_last": 0.1,
    "forced_accuracy": 90.0, "free_accuracy": 80.0, "training_loss": 1.0, "dev_loss": 1.5,
    "least_dev_loss": 1.4,
}  # fmt: skip
LEAVES = [
    ("gradient", {"gradient_norm": 11.0}, {}, "above 10: --learning-rate 0.00033 would tame it"),
    ("gradient", {"gradient_norm": 11.0}, {"train.clip_norm": 0.0}, "above 10: --clip-norm 1"),
    ("gradient", {"gradient_norm": 7.0}, {"train.clip_norm": 0.0}, "above 5: --clip-norm 1"),
    ("gradient", {"gradient_norm": 0.05}, {"model.cell": "gru"}, "0.1: --cell lstm or --learning"),
    ("gradient", {"gradient_norm": 0.05}, {}, "0.1: --bridge mean or --learning-rate 0.003 "),
    ("clipping", {"clipped": 1.0, "gradient_norm": 3.0}, {},
     "100% of updates are clipped to 1: --clip-norm 5 would"),
    ("layers", {"gradient_norms": {"decoder.layers.0": 0.002, "decoder.layers.1": 0.3}}, {},
     r"norm of decoder\.layers\.0 is 0.002, that of decoder\.layers\.1 0.3: --residual would"),
    ("layers", {"gradient_norms": {"encoder.stack.forwards.0": 0.5,
                                   "encoder.stack.forwards.1": 1e-4}},
     {"model.residual": True}, "1 is 0.0001, .*: --layer-norm between would"),
    ("updates", {"update_ratios": {"a": 0.2, "b": 0.01}}, {}, "moves a by 20% of its weights"),
    ("updates", {"update_ratios": {"a": 1e-9}}, {}, "--learning-rate 0.003 would move them"),
    ("recurrence", {"spectral_radius": {"encoder state": 2.0}, "recent_norm": 6.0},
     {"model.cell": "rnn"}, "state of encoder grows 2 times a step"),
    ("recurrence", {"spectral_radius": {"encoder state": 0.4}}, {"model.cell": "rnn"},
     "state of encoder shrinks to 0.4 a step"),
    ("gates", {"saturation": {"encoder input": 0.9}}, {}, "90% of the encoder input gates"),
    ("gates", {"keeping": {"encoder": 0.05}}, {},
     "encoder forgets: it keeps 5.0% of its state a step; --forget-bias 1 would"),
    ("gates", {"keeping": {"encoder": 0.999}}, {}, "never forgets: .* --forget-bias 0 would"),
    ("gates", {"keeping": {"encoder": 0.999}}, {"model.cell": "gru"}, "never forgets: .*--cell ls"),
    ("attention", {"attention_spread": 0.99}, {}, "all states alike .*--attention additive or"),
    ("attention", {"attention_spread": 0.99}, {"model.attention": "additive"}, "alike .*--lexical"),
    ("embeddings", {"never_updated": {"encoder.embedding": 0.7}}, {}, "70% of encoder.embedding"),
    ("distance", {"gradient_by_distance": [1.0, 0.1, 1e-5, 1e-6, 1e-7]}, {"model.cell": "rnn"},
     "2 steps before the end .*1e-05 of its largest: --cell lstm"),
    ("noise", {"noise_scale": 100_000.0}, {}, "100,000 tokens, a batch has 3,000: --accumulate 4"),
    ("swing", {"swing_last": 0.4}, {}, "loss got worse by 0.4 .*a larger --batch-tokens"),
    ("swing", {"swing_last": 7.0, "metric": 80.0},
     {"train.metric": "exact", "train.clip_norm": 5.0}, "exact got worse by 7 .*--clip-norm 1"),
    ("exposure", {"free_accuracy": 50.0}, {}, "90 % of tokens .* 50 % .*--forcing-floor 0.5"),
    ("fit", {"dev_loss": 1.6}, {"model.dropout": 0.3},
     "cost 1.6 nats a token, 1.4 at best, training pairs 1: .*--dropout 0.5 would hold"),
    ("fit", {"dev_loss": 1.6}, {"model.dropout": 0.5}, "--weight-dropout 0.3 would hold"),
    ("fit", {"dev_loss": 1.05, "least_dev_loss": 1.05, "learned": True},
     {"model.dropout": 0.5, "model.hidden": 320, "train.epochs": 10},
     "cost 1.05 nats a token, training pairs 1: hardly .*--dropout 0.25 or --hidden 640 would"),
    ("fit", {"dev_loss": 0.9, "least_dev_loss": 0.9, "learned": True},
     {"model.dropout": 0.0, "model.hidden": 320, "train.epochs": 10},
     "by heart; --hidden 640 would"),
]  # fmt: skip


def test_within_the_bands_there_is_no_advice():
    for cell in ("lstm", "gru", "rnn"):
        assert advice(HEALTHY, Config().with_values({"model.cell": cell}, "test")) == {}


def test_what_was_not_read_gives_no_advice():
    assert advice({}, Config()) == advice(dict.fromkeys(HEALTHY), Config()) == {}


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_what_was_not_finite_gives_no_advice(cell):
    # In the log it is None, within a reading as well.
    lost = {name: dict.fromkeys(value) if isinstance(value, dict)
            else [None, *value] if isinstance(value, list) else None
            for name, value in HEALTHY.items() if name != "epoch"}  # fmt: skip
    config = Config().with_values({"model.cell": cell}, "test")
    assert advice({"epoch": 5.0, **lost}, config) == {}


@pytest.mark.parametrize(("kind", "readings", "values", "line"), LEAVES)
def test_a_reading_out_of_its_band_gives_one_line_that_names_a_setting(
    kind, readings, values, line
):
    found = advice(HEALTHY | readings, Config().with_values(values, "test"))
    assert list(found) == [kind]
    assert re.search(line, found[kind]), found[kind]
    flags = {f"--{item.name.replace('_', '-')}" for _, item, _ in options()}
    named = re.findall(r"--[a-z-]+", found[kind])
    assert named
    assert set(named) <= flags


def test_every_kind_of_advice_is_given_by_a_case():
    assert {kind for kind, *_ in LEAVES} == set(ADVICE)


def test_what_is_early_or_has_learned_is_left_alone():
    early = {"attention_spread": 0.99, "free_accuracy": 0.0, "swing_last": 9.0, "epoch": 1.0}
    assert advice(HEALTHY | early, Config()) == {}
    assert advice(HEALTHY | {"gradient_norm": 0.01, "learned": True}, Config()) == {}
    assert advice(HEALTHY | {"gradient_norm": 3.0, "clipped": 1.0, "epoch": 0.9}, Config()) == {}
    alike = HEALTHY | {"dev_loss": 1.0, "least_dev_loss": 1.0, "learned": True}
    ten, eleven = (Config().with_values({"train.epochs": count}, "test") for count in (10, 11))
    assert list(advice(alike, ten)) == ["fit"]
    assert advice(alike, eleven) == {}, "the losses part later"
    assert advice(alike | {"forced_accuracy": 99.5}, ten) == {}
    assert advice(alike | {"learned": False}, ten) == {}, "first it has to learn at all"
    assert advice(HEALTHY | {"dev_loss": 1.6, "epoch": 1.9}, Config()) == {}


def test_the_bands_are_settings():
    config = Config().with_values({"train.norm_vanishing": 1, "train.norm_warning": 2,
                                   "train.norm_exploding": 3}, "test")  # fmt: skip
    norms = (0.9, 1.5, 2.5, 3.5, float("nan"))
    assert [band(norm, config) for norm in norms] == [
        "vanishing", "healthy", "warning", "exploding", "exploding"]  # fmt: skip
    defaults = [band(norm, Config()) for norm in (0.09, 0.11, 4.9, 5.1, 9.9, 10.1)]
    assert defaults == ["vanishing", "healthy", "healthy", "warning", "warning", "exploding"]


def test_bands_that_do_not_rise_are_refused():
    with pytest.raises(ConfigError, match=r"and train\.norm_exploding have to rise; got 0\.1, 20"):
        TrainConfig(norm_warning=20)
