"""Validation: every source once, with all its references; the loss of every pair."""

import pytest
import torch
import toy
from sacrebleu.metrics.bleu import BLEU
from test_model import batch, network

from seqgen.batching import Budget
from seqgen.decoding import padded
from seqgen.model import build
from seqgen.preparation import prepare
from seqgen.translator import Translator
from seqgen.validation import teacher_forced, validate
from seqgen.vocabulary import PAD

PAIRS = [("a b", "b a"), ("c", "c"), ("a b", "x y"), ("d", "d"), ("c", "c c c"), ("a b", "b a")]


@pytest.fixture
def untrained(tmp_path):
    data = toy.write_pairs(tmp_path / "data")
    lines = "".join(f"{source}\t{target}\n" for source, target in PAIRS)
    (data / "validation.tsv").write_text(lines, encoding="utf-8")
    config = toy.config(data, model__dropout=0.0)
    prepared = prepare(config)
    sizes = (side.size for side in prepared.tokenizers)
    model = build(config.model, *sizes).double().eval()
    return Translator(config, prepared.tokenizers, model), prepared


def budget(translator):
    return Budget.of(translator.config.train)


def test_a_source_is_decoded_once_and_any_reference_is_right(untrained, monkeypatch):
    translator, data = untrained
    asked = []

    def translate(texts, beam_size):
        asked.append((texts, beam_size))
        return [{"a b": "x y", "c": "wrong", "d": "d"}[text] for text in texts]

    monkeypatch.setattr(translator, "translate", translate)
    seen = validate(translator, data, 0, budget(translator))
    assert asked == [(["a b", "c", "d"], 1)]
    assert seen.decoded == 3
    assert seen.scores["exact"] == pytest.approx(200 / 3)
    assert ("a b", "b a", "x y") in seen.samples
    # The first source alone, of whose references the second is met.
    seen = validate(translator, data, 1, budget(translator))
    assert (seen.decoded, seen.scores["exact"], seen.scores["cer"]) == (1, 100.0, 0.0)


@pytest.mark.parametrize("tokenizer", ["13a", "none", "char"])
def test_bleu_takes_texts_apart_as_the_settings_say(tokenizer, untrained, monkeypatch):
    translator, data = untrained
    output, references = "one two, three four five!", ["one two, three four five", "five four"]
    monkeypatch.setattr(translator, "translate", lambda texts, beam_size: [output])
    split = [("a b", one) for one in references]
    data = data._replace(corpus=data.corpus._replace(validation=split))
    values = {"data.bleu_tokenizer": tokenizer}
    translator.config = translator.config.with_values(values, "test")
    seen = validate(translator, data, 0, budget(translator))
    expected = BLEU(tokenize=tokenizer, force=True).corpus_score(
        [output], [[one] for one in references]
    )
    assert seen.scores["bleu"] == pytest.approx(expected.score)
    assert {"13a": 70, "none": 60, "char": 90}[tokenizer] < expected.score < 100


def test_the_loss_is_of_every_pair(untrained):
    translator, data = untrained
    one = validate(translator, data, 1, budget(translator)).scores
    every = validate(translator, data, 0, budget(translator)).scores
    scored = translator.score(*zip(*PAIRS, strict=True))
    tokens = sum(len(each.tokens) for each in scored)
    assert every["loss"] == pytest.approx(-sum(each.score for each in scored) / tokens)
    assert {name: one[name] for name in ("loss", "perplexity", "accuracy")} == {
        name: every[name] for name in ("loss", "perplexity", "accuracy")
    }
    ids = data.tokenizers.target.encode([target for _, target in PAIRS])
    assert padded(ids)[1].sum() + len(PAIRS) == tokens
    assert torch.is_inference_mode_enabled() is False


def test_targets_that_were_fed_are_summed_over_all_batches_with_nothing_dropped_or_kept():
    model, parts = network().train(), [batch(), batch((3, 6), (2, 5), seed=5)]
    model.decoder.dropout.share = model.word_dropout = 0.5
    model(parts[0]).backward()
    before, gradients = torch.get_rng_state(), [each.grad.clone() for each in model.parameters()]
    nats, correct, tokens = teacher_forced(model, iter(parts))
    assert torch.get_rng_state().equal(before)
    after = (each.grad for each in model.parameters())
    assert all(one.equal(other) for one, other in zip(gradients, after, strict=True))
    assert all(module.training for module in model.modules())
    model.eval()
    assert nats == pytest.approx(sum(float(model(one).detach()) for one in parts))
    assert tokens == sum(int((one.target[:, 1:] != PAD).sum()) for one in parts)
    assert correct == sum(int(model.forced(one).correct.sum()) for one in parts)
