"""Attention that sees where it has been: by hand, in every network and search, and its loss."""

import math

import pytest
import torch
from test_model import ATTENTIONS, SOURCES, batch, network

from seqgen.attention import ATTENTIONS as KINDS
from seqgen.attention import Dot
from seqgen.batching import Batch
from seqgen.coverage import Coverage, repeated
from seqgen.decoding import decode, padded
from seqgen.inference import ready
from seqgen.model import build
from seqgen.modelsection import ModelConfig
from seqgen.sections import DecodeConfig
from seqgen.vocabulary import BOS, EOS, PAD

# Two states and padding; the first query prefers the first state 3 to 1, the others neither.
WEIGHTS = [[0.75, 0.25, 0.0], [0.75, 0.25, 0.0], [0.9, 0.1, 0.0]]


def test_coverage_by_hand():
    attention = Dot(2, 2)
    coverage = Coverage(attention, 2)
    # After the first step coverage is 3/4 and 1/4, half of which is 1 apart: 3 to 1 again. Then it
    # is 3/2 and 1/2: 9 to 1.
    coverage.weight.data.fill_(2 * math.log(3))
    memory = attention.remember(
        torch.tensor([[[1.0, 0.0], [0.0, 1.0], [5.0, 5.0]]]), torch.tensor([[7, EOS, PAD]])
    )
    queries = torch.tensor([[[math.log(3), 0.0], [0.0, 0.0], [0.0, 0.0]]])
    found = coverage(attention, queries, memory, None, coverage.start(1, 3))
    contexts, weights, after = found
    torch.testing.assert_close(weights, torch.tensor([WEIGHTS]))
    torch.testing.assert_close(contexts, torch.tensor([WEIGHTS])[..., :2])
    torch.testing.assert_close(after, torch.tensor([[[2.4, 0.6, 0.0]]]))
    # Step by step it is the same.
    covered = coverage.start(1, 3)
    for step in range(3):
        one = queries[:, step : step + 1]
        _, alone, covered = coverage(attention, one, memory, None, covered)
        torch.testing.assert_close(alone[0, 0], weights[0, step])


@pytest.mark.parametrize("name", ATTENTIONS)
def test_where_coverage_enters_is_the_formula_written_out(name):
    torch.manual_seed(1)
    width, rows, steps, length = 7, 2, 3, 5
    attention = KINDS[name](width, width).double()
    coverage = Coverage(attention, width).double()
    coverage.weight.data.normal_()
    ids = torch.tensor([[8, 9, 5, 4, EOS], [8, 9, EOS, PAD, PAD]])
    memory = attention.remember(torch.randn(2, length, width).double(), ids)
    queries = torch.randn(2, rows * steps, width).double()
    bonus = torch.randn(2, rows * steps, length).double()
    start = torch.rand(1, 2 * rows, length).double()
    _, weights, after = coverage(attention, queries, memory, bonus, start)
    for sentence, row in ((sentence, row) for sentence in range(2) for row in range(rows)):
        covered = start[0, sentence * rows + row]
        for place in range(row * steps, row * steps + steps):
            query, scores = queries[sentence, place], []
            for s in range(int((ids[sentence] != PAD).sum())):
                key, seen = memory.keys[sentence, s], covered[s]
                if name == "additive":
                    inner = torch.tanh(attention.query(query) + key + coverage.weight * seen)
                    score = attention.energy.weight[0] @ inner
                else:
                    scale = math.sqrt(width) if name == "scaled_dot" else 1
                    score = query @ key / scale + coverage.weight[0] * seen
                scores.append(score + bonus[sentence, place, s])
            expected = torch.zeros(length).double()
            expected[: len(scores)] = torch.stack(scores).softmax(0)
            torch.testing.assert_close(weights[sentence, place], expected)
            covered = covered + expected
        torch.testing.assert_close(after[0, sentence * rows + row], covered)


def test_attention_that_repeats_costs_what_a_plain_loop_adds_up():
    torch.testing.assert_close(
        repeated(torch.tensor([WEIGHTS]), torch.tensor([[True, True, False]])), torch.tensor(1.0)
    )
    torch.manual_seed(2)
    weights, real = torch.rand(3, 6, 5), torch.tensor([6, 2, 1])[:, None] > torch.arange(6)
    total = 0.0
    for row in range(3):
        covered = [0.0] * 5
        for step in range(6):
            for place, weight in enumerate(weights[row, step].tolist()):
                total += min(weight, covered[place]) * bool(real[row, step])
                covered[place] += weight
    assert float(repeated(weights, real)) == pytest.approx(total)


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"attention_coverage": True},
        {"input_feeding": True},
        {"attention_coverage": True, "input_feeding": True},
    ],
)
def test_the_loss_of_coverage_is_added_in_training_alone(extra):
    model, given = network("lstm", **extra).train(), batch()
    plain = model(given)
    found = model.forced(given)
    model.coverage_loss = 0.3
    more = 0.3 * repeated(found.weights, given.target[:, 1:] != PAD)
    assert more > 0.1
    torch.testing.assert_close(model(given), plain + more)
    torch.testing.assert_close(model.forced(given).log_probs, found.log_probs)
    torch.testing.assert_close(model.eval()(given), plain)


def test_the_loss_of_coverage_is_that_of_each_sentence_alone():
    model, given = network("lstm", attention_coverage=True).train(), batch()
    model.coverage_loss = 1.0
    total = 0.0
    for row in range(3):
        length = int(given.source_lengths[row])
        size = int((given.target[row] != PAD).sum())
        source, target = given.source[row : row + 1, :length], given.target[row : row + 1, :size]
        alone = Batch(source, given.source_lengths[row : row + 1], target, size - 1)
        total = total + model(alone)
    torch.testing.assert_close(model(given), total)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_coverage_begins_as_if_there_were_none_and_is_learned(attention):
    config = ModelConfig(attention=attention, hidden=10, embedding=7, dropout=0.0)
    torch.manual_seed(4)
    plain = build(config, SOURCES, SOURCES)
    assert not any("coverage" in name for name, _ in plain.named_parameters())
    assert plain.decoder.coverage is None
    torch.manual_seed(4)
    covering = build(ModelConfig(**{**vars(config), "attention_coverage": True}), SOURCES, SOURCES)
    given = batch()
    loss = covering.train()(given)
    torch.testing.assert_close(loss, plain.train()(given))
    loss.backward()
    assert covering.decoder.coverage.weight.grad.abs().min() > 0


@pytest.mark.parametrize("extra", [{}, {"input_feeding": True, "copy": True}])
@pytest.mark.parametrize("attention", ["general", "additive"])
def test_the_gradient_of_the_whole_is_that_of_the_steps(attention, extra):
    model, given = network("lstm", attention, attention_coverage=True, **extra).train(), batch()
    weights = list(model.parameters())
    whole = torch.autograd.grad(model(given), weights, allow_unused=True)
    memory, state = model.encode(given.source, given.source_lengths)
    total = 0.0
    for t in range(given.target.shape[1] - 1):
        log_probs, state = model.step(given.target[:, t], memory, state)
        gold = given.target[:, t + 1]
        total = total - (log_probs.gather(1, gold[:, None]).squeeze(1) * (gold != PAD)).sum()
    torch.testing.assert_close(torch.autograd.grad(total, weights, allow_unused=True), whole)


@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize("extra", [{}, {"input_feeding": True, "copy": True}])
def test_what_search_finds_scores_as_it_does_when_forced_and_alone(beam, extra):
    model = network("lstm", attention_coverage=True, **extra)
    sources = [[4, 5, 6, 7], [8], [5, 4]]  # one leaves before the others, in some order
    settings = DecodeConfig(beam_size=beam, nbest=beam)
    found = decode(model, sources, [6, 2, 4], settings)
    assert [[one.ids for one in row] for row in found] == [
        [one.ids for one in row] for row in decode(ready(model), sources, [6, 2, 4], settings)
    ]
    for source, limit, row in zip(sources, [6, 2, 4], found, strict=True):
        (alone,) = decode(model, [source], [limit], settings)
        assert [one.ids for one in alone] == [one.ids for one in row]
        for one in row:
            target, _ = padded([[BOS, *one.ids]])
            rows, lengths = padded([[*source, EOS]])
            forced = model.forced(Batch(rows, lengths, target, len(one.ids))).log_probs[0]
            assert one.token_scores == pytest.approx(forced.tolist())
