"""The network: step by step = whole, neighbours do not matter, the loss is what it says."""

import copy
import itertools

import numpy
import pytest
import torch
from torch.nn import functional

from seqgen import copying
from seqgen.batching import Batch
from seqgen.blended import Blended
from seqgen.decoder import Decoder
from seqgen.decoding import padded
from seqgen.dropout import Dropout
from seqgen.errors import ConfigError
from seqgen.following import Following, before_each
from seqgen.model import build
from seqgen.modelsection import ModelConfig
from seqgen.recurrent import Recurrent
from seqgen.sampling import Forcing
from seqgen.vocabulary import BOS, EOS, PAD, UNK

SOURCES, TARGETS = 19, 23  # vocabularies
CELLS, ATTENTIONS, DEPTHS = (
    ("lstm", "gru", "rnn"),
    ("additive", "general", "dot", "scaled_dot"),
    (1, 3),
)
MONOTONIC = {"hard_attention": True, "monotonic": True}
EVERY = [
    *itertools.product(CELLS, ATTENTIONS, DEPTHS, [{}]),
    *itertools.product(CELLS, ["general"], DEPTHS, [{"copy": True}]),
    *itertools.product(CELLS, ["general"], DEPTHS, [{"input_feeding": True}]),
    *itertools.product(CELLS, ["general", "additive"], DEPTHS, [{"hard_attention": True}]),
    *itertools.product(["lstm", "gru"], ["general", "additive"], DEPTHS, [MONOTONIC]),
    ("lstm", "dot", 3, {"hard_attention": True, "attention_coverage": True}),
    ("gru", "general", 1, {**MONOTONIC, "attention_coverage": True, "follow": True,
                           "tie": "all"}),
    ("gru", "general", 1, {"hard_attention": True, "follow": True, "lexical": True, "tie": "all"}),
    ("gru", "additive", 3, {"input_feeding": True, "copy": True, "tie": "all"}),
    ("rnn_relu", "general", 3, {"recurrent_initialization": "identity"}),
    ("lstm", "general", 1, {"activation": "elu", "input_feeding": True}),
    *(("gru", "dot", 1, {"activation": name, "bridge": "mean"})
      for name in ("relu", "leaky_relu", "silu")),
    ("lstm", "general", 3, {"bridge": "learned"}),
    *itertools.product(["lstm"], ATTENTIONS, [3], [{"attention_coverage": True}]),
    ("lstm", "general", 1, {"attention_coverage": True, "input_feeding": True}),
    ("gru", "additive", 1, {"attention_coverage": True, "input_feeding": True, "copy": True}),
    *itertools.product([*CELLS, "rnn_relu"], ["general"], [3], [
        {"layer_norm": "both", "zoneout": 0.3, "recurrent_dropout": 0.2, "weight_dropout": 0.4},
        {"batch_norm": True, "residual": False}]),
    ("gru", "dot", 1, {"layer_norm": "inside", "input_feeding": True}),
    ("lstm", "general", 3, {"layer_norm": "between", "input_feeding": True}),
    ("lstm", "general", 1, {"zoneout": 0.2, "input_feeding": True}),
    ("lstm", "additive", 1, {"layer_norm": "inside", "copy": True}),
]  # fmt: skip


def network(cell="gru", attention="general", layers=1, **values):
    torch.manual_seed(3)
    copy = values.get("copy", False)  # what copies follows as well, unless it is told not to
    settings = {"hidden": 10, "embedding": 7, "dropout": 0.0, "residual": layers > 1,
                "follow": copy, **values}  # fmt: skip
    config = ModelConfig(cell=cell, attention=attention, layers=layers, **settings)
    targets = SOURCES if config.tie == "all" or config.copy or config.follow else TARGETS
    model = build(config, SOURCES, targets).double()
    # Far from symmetric, so that an equality cannot hold because all is near zero.
    for weight in model.parameters():
        weight.data += 0.3 * torch.randn_like(weight)
    for statistic in model.buffers():
        statistic += torch.rand_like(statistic)
    return model.eval()


def batch(source_lengths=(5, 2, 4), target_lengths=(4, 6, 1), seed=0):
    draw = numpy.random.default_rng(seed)
    sources = [draw.integers(4, SOURCES, n - 1).tolist() for n in source_lengths]
    targets = [draw.integers(4, SOURCES, n).tolist() for n in target_lengths]
    for source, target in zip(sources, targets, strict=True):  # what is followed stands in both
        target[: len(source)] = source[: len(target)]
    source, lengths = padded([[*ids, EOS] for ids in sources])
    target, _ = padded([[BOS, *ids, EOS] for ids in targets])
    return Batch(source, lengths, target, sum(n + 1 for n in target_lengths))


@pytest.mark.parametrize(("cell", "attention", "layers", "extra"), EVERY)
def test_step_by_step_equals_the_whole_sequence(cell, attention, layers, extra):
    model, given = network(cell, attention, layers, **extra), batch()
    whole = model.forced(given).log_probs
    memory, state = model.encode(given.source, given.source_lengths)
    for t in range(given.target.shape[1] - 1):
        log_probs, state = model.step(given.target[:, t], memory, state)
        gold = given.target[:, t + 1]
        one = log_probs.gather(1, gold[:, None]).squeeze(1) * (gold != PAD)
        torch.testing.assert_close(one, whole[:, t])
        one_vocabulary = extra.get("copy") or extra.get("tie") == "all"
        assert tuple(log_probs.shape) == (3, SOURCES if one_vocabulary else TARGETS)
        torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(3).double())
        recurrent = state[: model.decoder.recurrent_parts]
        assert {tuple(part.shape) for part in recurrent} == {(layers, 3, 10)}
        others = [part.shape[2] for part in state[len(recurrent) :]]
        kept = sum(bool(extra.get(name)) for name in ("attention_coverage", "monotonic"))
        kept += model.decoder.follow is not None
        fed = [model.decoder.readout_width] * bool(extra.get("input_feeding"))
        assert others == [5] * kept + fed


@pytest.mark.parametrize(("cell", "attention", "layers", "extra"), EVERY)
def test_a_sentence_does_not_depend_on_its_neighbours(cell, attention, layers, extra):
    model, given = network(cell, attention, layers, **extra), batch()
    together = model.forced(given)
    for row in range(3):
        length = int(given.source_lengths[row])
        size = int((given.target[row] != PAD).sum())
        alone = model.forced(
            Batch(
                given.source[row : row + 1, :length],
                given.source_lengths[row : row + 1],
                given.target[row : row + 1, :size],
                size - 1,
            )
        )
        torch.testing.assert_close(together.log_probs[row, : size - 1], alone.log_probs[0])
        torch.testing.assert_close(
            together.weights[row, : size - 1, :length], alone.weights[0], atol=1e-12, rtol=1e-9
        )


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("extra", [{}, {"lexical": True}, {"copy": True}, {"input_feeding": True},
                                   {"hard_attention": True}, MONOTONIC])  # fmt: skip
def test_a_beam_of_rows_shares_one_memory(cell, extra):
    model, given = network(cell, layers=3, **extra), batch()
    memory, state = model.encode(given.source, given.source_lengths)
    rows = torch.tensor([0, 0, 1, 1, 2, 2])
    ids = torch.tensor([4, 5, 6, 7, 8, 9])
    wide = tuple(part[:, rows] for part in state)
    log_probs, _ = model.step(ids, memory, wide)
    for place, row in enumerate(rows.tolist()):
        one = torch.tensor([row])
        alone, _ = model.step(
            ids[place : place + 1], memory.select(one), tuple(part[:, one] for part in state)
        )
        torch.testing.assert_close(log_probs[place : place + 1], alone)


@pytest.mark.parametrize("cell", CELLS)
def test_packed_and_padded_give_one_loss_and_one_gradient(cell):
    model, given = network(cell, layers=3).train(), batch()
    results = []
    for model.encoder.stack.pack in (True, False):
        model.zero_grad()
        loss = model(given)
        loss.backward()
        results.append([loss.detach(), *(weight.grad for weight in model.parameters())])
    torch.testing.assert_close(results[0], results[1])


@pytest.mark.parametrize("extra", [{"copy": True}, {"hard_attention": True}, MONOTONIC, {}])
def test_the_loss_is_the_summed_negative_log_likelihood(extra):
    model, given = network(**extra), batch()
    expected = -model.forced(given).log_probs.sum()
    torch.testing.assert_close(model(given), expected)
    torch.testing.assert_close(model.train()(given), expected)


def test_label_smoothing_counts_in_training_only():
    model, given = network(), batch()
    plain = model(given)
    model.label_smoothing = 0.1
    torch.testing.assert_close(model(given), plain)
    memory, state = model.encode(given.source, given.source_lengths)
    readouts, _, _ = model.decoder(given.target[:, :-1], memory, state)
    gold = given.target[:, 1:]
    scores = model.decoder.output(readouts)[gold != PAD]
    smooth = -(0.9 * scores.log_softmax(-1).gather(1, gold[gold != PAD][:, None]).sum()
               + 0.1 * scores.log_softmax(-1).mean(-1).sum())  # fmt: skip
    torch.testing.assert_close(model.train()(given), smooth)


def test_copying_is_its_formula():
    model, given = network(copy=True).requires_grad_(False), batch()
    memory, state = model.encode(given.source, given.source_lengths)
    readouts, _, weights = model.decoder(given.target[:, :-1], memory, state)
    writing = torch.sigmoid(readouts @ model.decoder.gate.weight[0] + model.decoder.gate.bias)
    written = model.decoder.output(readouts).softmax(-1)
    found = model.forced(given).log_probs
    for row, ids in enumerate(given.target[:, 1:].tolist()):
        for t, gold in enumerate(ids):
            if gold == PAD:
                continue
            copied = sum(
                float(weight)
                for weight, one in zip(weights[row, t], given.source[row], strict=True)
                if one == gold
            )
            share = float(writing[row, t])
            expected = share * float(written[row, t, gold]) + (1 - share) * copied
            assert float(found[row, t].exp()) == pytest.approx(expected)
    plain = model(given)
    model.label_smoothing = 0.1
    torch.testing.assert_close(model(given), plain)
    spread = written.log()[given.target[:, 1:] != PAD].mean(-1).sum()
    torch.testing.assert_close(model.train()(given), 0.9 * plain - 0.1 * spread)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "extra", [{"copy": True}, {"input_feeding": True}, {"attention_coverage": True}, {}]
)
def test_bf16_on_the_cpu_gives_nearly_the_same_loss_and_gradient(cell, extra):
    model, given = network(cell, **extra).float().train(), batch()
    model.label_smoothing = 0.1
    losses, gradients = [], []
    for mixed in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            loss = model(given)
            losses.append(float(loss.detach()))
            found = torch.autograd.grad(loss, list(model.parameters()))
        gradients.append([each.flatten() for each in found])
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert losses[1] != losses[0], "something was rounded to 8 bits"
    for exact, mixed in zip(*gradients, strict=True):
        assert float(functional.cosine_similarity(exact, mixed, dim=0)) > 0.99


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_attention_follows_what_was_written_last(attention):
    model = network("gru", attention, follow=True).requires_grad_(False)
    source, lengths = padded([[8, 5, 6, 8, 5, 6, 5, EOS], [7, EOS]])
    target, _ = padded([[BOS, 8, 5, 6, 5, EOS], [BOS, 9, 7, EOS]])
    given = Batch(source, lengths, target, 8)
    # How many pieces before each place are those written last; the beginning stands before both.
    pieces = torch.zeros(2, 5, 8, dtype=torch.long)
    pieces[0, 0, 0] = 1
    pieces[0, 1, 1], pieces[0, 1, 4] = 2, 1
    pieces[0, 2, 2], pieces[0, 2, 5], pieces[0, 2, 7] = 3, 2, 1
    pieces[0, 3, 3], pieces[0, 3, 6] = 3, 3  # of four and of three
    pieces[0, 4, 2], pieces[0, 4, 5], pieces[0, 4, 7] = 1, 1, 3
    pieces[1, 0, 0] = pieces[1, 2, 1] = 1
    memory, state = model.encode(given.source, given.source_lengths)
    states, _ = model.decoder.layers[0](
        model.decoder.embedding(target[:, :-1]), state[: model.decoder.recurrent_parts]
    )
    levels = model.decoder.follow.levels(states).cumsum(-1)  # of one piece, of two, of three
    bonus = functional.pad(levels, (1, 0)).gather(2, pieces)
    scores = model.decoder.attention.scores(states, memory.keys) + bonus
    expected = scores.masked_fill(source[:, None] == PAD, -torch.inf).softmax(-1)
    real = target[:, 1:] != PAD
    torch.testing.assert_close(model.forced(given).weights[real], expected[real])


def test_what_is_followed_does_not_depend_on_how_many_steps_there_are_at_once():
    torch.manual_seed(4)
    follow = Following(3).double().requires_grad_(False)
    source, target = torch.randint(4, 6, (2, 7)), torch.randint(4, 6, (4, 11))  # two rows each
    target[1, -3:] = source[0, 2:5]
    queries, before = torch.randn(4, 11, 3).double(), before_each(source)

    def walk(*sizes):
        repeated, found = follow.start(4, 7).double(), []
        for ids, read in zip(target.split(sizes, 1), queries.split(sizes, 1), strict=True):
            bonus, repeated = follow(ids, read.reshape(2, -1, 3), before, repeated)
            found.append(bonus.view(4, -1, 7))
        return torch.cat(found, dim=1), repeated

    whole, after = walk(11)
    assert after.max() == 3
    for sizes in ((1,) * 11, (4, 5, 2)):
        parts = walk(*sizes)
        torch.testing.assert_close(parts[0], whole)
        torch.testing.assert_close(parts[1], after)


def test_input_feeding_is_its_formula():
    model, given = network("rnn", "dot", input_feeding=True).requires_grad_(False), batch()
    decoder, inputs = model.decoder, given.target[:, :-1]
    memory, (hidden, fed) = model.encode(given.source, given.source_lengths)
    assert not fed.any()
    hidden, fed = hidden[0], fed[0]
    cell = decoder.layers[0].cell
    expected = []
    for t in range(inputs.shape[1]):
        below = torch.cat([decoder.embedding(inputs[:, t]), fed], dim=1)
        hidden = torch.tanh(below @ cell.weight_ih_l0.T + cell.bias_ih_l0
                            + hidden @ cell.weight_hh_l0.T + cell.bias_hh_l0)  # fmt: skip
        scores = torch.einsum("bh,bsh->bs", hidden, memory.states)
        weights = scores.masked_fill(~memory.mask, -torch.inf).softmax(1)
        context = torch.einsum("bs,bsh->bh", weights, memory.states)
        fed = torch.tanh(decoder.readout(torch.cat([hidden, context], dim=1)))
        expected.append(fed)
    readouts, _, _ = decoder(inputs, *model.encode(given.source, given.source_lengths))
    torch.testing.assert_close(readouts, torch.stack(expected, dim=1))


@pytest.mark.parametrize("attention", ["general", "dot", "scaled_dot"])
@pytest.mark.parametrize(("copy", "kind"), [(False, torch.float64), (True, torch.float64),
                                            (False, torch.float32)])  # fmt: skip
def test_input_feeding_at_once_equals_the_loop(attention, copy, kind, monkeypatch):
    model = network("lstm", attention, input_feeding=True, copy=copy, follow=False).train()
    model.to(kind)
    given = batch()
    results = []
    for at_once in (True, False):
        if not at_once:
            monkeypatch.setattr(Decoder, "_has_kernel", lambda *_: False)
        model.zero_grad()
        memory, state = model.encode(given.source, given.source_lengths)
        readouts, ended, weights = model.decoder(given.target[:, :-1], memory, state)
        loss = model(given)
        loss.backward()
        gradients = {name: weight.grad for name, weight in model.named_parameters()}
        results.append([readouts.detach(), *(part.detach() for part in ended), weights.detach(),
                        loss.detach(), gradients])  # fmt: skip
    assert model.decoder._has_kernel(given.target) is False
    single = {"atol": 1e-5, "rtol": 1e-4} if kind == torch.float32 else {}
    torch.testing.assert_close(results[0], results[1], **single)


def test_input_feeding_at_once_drops_and_learns():
    model, given = network("lstm", input_feeding=True, dropout=0.5).train(), batch()
    torch.manual_seed(1)
    loss = model(given)
    loss.backward()
    torch.manual_seed(1)
    torch.testing.assert_close(model(given), loss)
    torch.manual_seed(2)
    assert not torch.isclose(model(given), loss)
    # A small step against the gradient lowers the loss under the same coins.
    with torch.no_grad():
        for weight in model.parameters():
            weight -= 1e-4 * weight.grad
    torch.manual_seed(1)
    assert model(given).detach() < loss.detach()


def test_only_shared_pieces_can_be_copied():
    with pytest.raises(ConfigError, match=r"model\.follow compares pieces, .* have 19 and 23 of"):
        build(ModelConfig(follow=True), SOURCES, TARGETS)
    with pytest.raises(ConfigError, match=r"copies pieces, .* have 19 and 23 of their own; token"):
        build(ModelConfig(copy=True), SOURCES, TARGETS)


def sequential(model, given, coins, pick):
    """Scheduled sampling as Bengio et al. (2015) define it: one step after the other.

    `pick` chooses ids [B] for a step out of their log-probabilities.
    """
    memory, state = model.encode(given.source, given.source_lengths)
    inputs = given.target[:, :1]
    ids = inputs[:, 0]
    for t in range(1, given.target.shape[1] - 1):
        log_probs, state = model.step(ids, memory, state)
        own = pick(log_probs, t)
        ids = torch.where(coins[:, t], given.target[:, t], own)
        inputs = torch.cat([inputs, ids[:, None]], dim=1)
    memory, state = model.encode(given.source, given.source_lengths)
    gold, total = given.target[:, 1:], 0.0
    for t in range(gold.shape[1]):
        log_probs, state = model.step(inputs[:, t], memory, state)
        right = log_probs.gather(1, gold[:, t, None]).squeeze(1)
        total = total - right[gold[:, t] != PAD].sum()
    return total


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("feedback", ["argmax", "sample", "top_k"])
@pytest.mark.parametrize("ratio", [0.6, 0.0])
@pytest.mark.parametrize(
    ("passes", "extra"),
    [
        (7, {}),
        (9, {}),
        (7, {"copy": True}),
        (0, {"copy": True}),
        (1, {"input_feeding": True}),
        (7, {"attention_coverage": True}),
        (0, {"attention_coverage": True}),
        (7, {"layer_norm": "both"}),
    ],
)
def test_as_many_passes_as_steps_equal_the_sequential_loop(cell, feedback, ratio, passes, extra):
    model = network(cell, layers=3, **extra).train()
    given = batch(target_lengths=(4, 6, 2))
    steps = given.target.shape[1] - 1
    assert steps == 7
    torch.manual_seed(5)
    mixed = model(given, Forcing(ratio, passes, feedback, k=3))
    torch.manual_seed(5)
    inputs = given.target[:, :-1]
    own = (torch.rand(3, steps) >= ratio) & (inputs != PAD) & (inputs != EOS)
    own[:, 0] = False
    draws = torch.ones(3, steps)
    if feedback != "argmax":  # of what is predicted alone, row by row
        draws[own] = 1 - torch.rand(int(own.sum()))

    def pick(log_probs, t):
        if feedback == "argmax":
            return log_probs.argmax(-1)
        picked = []
        for chances, draw in zip(log_probs.exp().tolist(), draws[:, t].tolist(), strict=True):
            ids = list(range(len(chances)))
            if feedback == "top_k":
                ids = sorted(ids, key=chances.__getitem__, reverse=True)[:3]
            left = draw * sum(chances[one] for one in ids)
            for one in ids:
                left -= chances[one]
                if left <= 1e-12:
                    break
            picked.append(one)
        return torch.tensor(picked)

    torch.testing.assert_close(mixed, sequential(model, given, ~own, pick))


def mixed_one_by_one(model, given, own, temperature):
    """The loss where the mean of all embeddings is fed where `own` [B, T], one after the other.

    Each mean is one more row of the embedding, with an id of its own.
    """
    model, rows, steps = copy.deepcopy(model).requires_grad_(False), *own.shape
    table = model.decoder.embedding.weight
    wide = torch.cat([table, torch.zeros(rows * steps, table.shape[1]).double()])
    model.decoder.embedding = torch.nn.Embedding.from_pretrained(wide)
    numbers = len(table) + torch.arange(rows * steps).view(rows, steps)
    total = torch.zeros(()).double()
    memory, state = model.encode(given.source, given.source_lengths)
    for t in range(steps):
        ids = torch.where(own[:, t], numbers[:, t], given.target[:, t])
        log_probs, state = model.step(ids, memory, state)
        if t + 1 < steps:
            shares = (log_probs / temperature).softmax(-1)
            model.decoder.embedding.weight[numbers[:, t + 1]] = shares @ table
        gold = given.target[:, t + 1]
        total -= log_probs.gather(1, gold[:, None])[gold != PAD].sum()
    return total


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("ratio", [0.6, 0.0])
@pytest.mark.parametrize(
    ("passes", "extra"),
    [
        (7, {}),
        (0, {}),
        (9, {"copy": True, "follow": False}),
        (0, {"copy": True, "follow": False}),
        (1, {"input_feeding": True}),
        (7, {"attention_coverage": True}),
    ],
)
def test_mixed_feedback_is_the_mean_embedding_by_what_was_predicted(cell, ratio, passes, extra):
    model = network(cell, layers=3, tie="none", **extra).train()
    given = batch(target_lengths=(4, 6, 2))
    torch.manual_seed(5)
    found = model(given, Forcing(ratio, passes, "mixed", temperature=0.7))
    torch.manual_seed(5)
    inputs = given.target[:, :-1]
    own = (torch.rand(inputs.shape) >= ratio) & (inputs != PAD) & (inputs != EOS)
    own[:, 0] = False
    torch.testing.assert_close(found, mixed_one_by_one(model, given, own, 0.7))


@pytest.mark.parametrize("extra", [{"copy": True}, {"copy": True, "input_feeding": True}])
def test_mixed_feedback_follows_the_likeliest(extra):
    model, given = network(**extra).train(), batch(target_lengths=(4, 6, 2))
    found = []
    for passes in (7, 0):
        torch.manual_seed(5)
        found.append(model(given, Forcing(0.3, passes, "mixed")))
    torch.testing.assert_close(*found)
    # Vectors that are the embeddings of their ids change nothing, wherever ids are looked at.
    inputs = given.target[:, :-1]
    places = torch.tensor([1, 4, 9, 16])
    table = model.decoder.embedding.weight
    blended = Blended(inputs, places, table[inputs.flatten()[places]])
    memory, state = model.encode(given.source, given.source_lengths)
    plain = model.decoder(inputs, memory, state)
    torch.testing.assert_close(model.decoder(blended, memory, state), plain)
    other = Blended(inputs, places, torch.ones(4, 7).double())
    assert not torch.allclose(model.decoder(other, memory, state)[0], plain[0])


def test_mixed_feedback_is_the_likeliest_when_it_is_cold():
    model, given = network("lstm").train(), batch()
    losses = []
    for forcing in (Forcing(0.2, 9), Forcing(0.2, 9, "mixed", temperature=1e-5)):
        torch.manual_seed(5)
        losses.append(model(given, forcing))
    torch.testing.assert_close(*losses)
    torch.manual_seed(5)
    assert not torch.isclose(model(given, Forcing(0.2, 9, "mixed")), losses[0])


def test_no_gradient_flows_through_what_is_mixed():
    model, given = network("lstm").train(), batch()
    mixed, seen = model._mixed, []
    model._mixed = lambda *given: seen.append(mixed(*given)) or seen[-1]
    gradients = []
    for _ in range(2):
        torch.manual_seed(5)
        loss = model(given, Forcing(0.2, 2, "mixed"))
        gradients.append(torch.autograd.grad(loss, list(model.parameters())))
        model._mixed = lambda *given: seen[0]  # as if it had been data
    assert len(seen[0].places) > 4
    assert not seen[0].vectors.requires_grad
    torch.testing.assert_close(*gradients)


def test_word_dropout_hides_what_is_mixed_as_well():
    torch.manual_seed(5)
    model = network("lstm", word_dropout=0.4).train()
    ids = torch.randint(EOS + 1, SOURCES, (8, 30))
    blended = Blended(ids, torch.arange(60, 180), torch.randn(120, 7).double())
    found = model._hidden(blended)
    gone = (found.ids == UNK).flatten()[60:180]
    assert 20 < int(gone.sum()) < 80
    table = model.decoder.embedding.weight
    torch.testing.assert_close(found.vectors[gone], table[UNK].expand(int(gone.sum()), 7))
    assert torch.equal(found.vectors[~gone], blended.vectors[~gone])
    assert model.eval()._hidden(blended) is blended


def test_ratio_one_is_teacher_forcing_and_ratio_zero_runs_free():
    model, given = network().train(), batch()
    torch.testing.assert_close(model(given, Forcing(1.0, passes=9)), model(given))
    assert not torch.isclose(model(given, Forcing(0.0, passes=9)), model(given))


def test_prediction_passes_leave_no_gradient_and_no_mode_behind():
    model, given = network(dropout=0.5).train(), batch()
    model(given, Forcing(0.5)).backward()
    assert model.decoder.training
    assert model.decoder.dropout.training


@pytest.mark.parametrize("feeding", [True, False])
def test_dropout_is_on_embeddings_between_layers_and_on_the_output(feeding, monkeypatch):
    model, given = network(layers=3, encoder_layers=2, dropout=0.4, input_feeding=feeding), batch()
    dropped = []

    def noted(self, values):
        dropped.extend(values.shape[-1:] if self.active else [])
        return values

    monkeypatch.setattr(Dropout, "forward", noted)
    model.train()(given)
    embedding, hidden, readout = 7, 10, 7  # a readout is as wide as the embedding it is tied to
    above, steps = [2 * hidden] * 2, given.target.shape[1] - 1
    encoder = [embedding, hidden]
    assert dropped == [*encoder, embedding, *[*above, readout] * (steps if feeding else 1)]
    dropped.clear()
    model.eval()(given)
    assert not dropped


def test_initial_weights_are_as_the_settings_say():
    config = ModelConfig(hidden=60, embedding=50, layers=2, initialization="uniform", copy=True,
                         recurrent_initialization="gaussian", forget_bias=2.5, tie="none",
                         embedding_std=0.3)  # fmt: skip
    model = build(config, SOURCES, SOURCES)
    spreads = {}
    for name, weight in model.named_parameters():
        if weight.dim() == 2 and weight.numel() > 100:
            kind = next((one for one in ("weight_hh", "embedding") if one in name), "others")
            spreads.setdefault(kind, []).append(float(weight.detach().std()))
    assert {kind: len(found) for kind, found in spreads.items()} == {
        "weight_hh": 6, "embedding": 2, "others": 6 + 4
    }  # fmt: skip
    wanted = {"weight_hh": 0.01, "embedding": 0.3, "others": 0.08 / 3**0.5}
    for kind, found in spreads.items():
        assert found == pytest.approx([wanted[kind]] * len(found), rel=0.1), kind
    for layer in (module for module in model.modules() if isinstance(module, Recurrent)):
        wide = layer.cell.hidden_size
        both = layer.cell.bias_ih_l0 + layer.cell.bias_hh_l0
        assert set(both[wide : 2 * wide].tolist()) == {2.5}


def test_a_layer_that_is_residual_adds_what_it_read():
    # A layer whose weights are 0 gives 0: what goes through is what it was added to.
    model, given = network(layers=3, residual=True), batch()
    stack, decoder = model.encoder.stack, model.decoder
    for layer in (*stack.forwards[1:], *stack.backwards[1:], *decoder.layers[1:]):
        for weight in layer.parameters():
            weight.data.zero_()
    inputs = torch.randn(3, 5, 7).double()
    found = stack(inputs, given.source_lengths)
    stack.forwards, stack.backwards, stack.norms = (one[:1] for one in (stack.forwards,
                                                    stack.backwards, stack.norms[:0]))  # fmt: skip
    torch.testing.assert_close(found, stack(inputs, given.source_lengths))
    memory, state = model.encode(given.source, given.source_lengths)
    state = (torch.cat([state[0][:1], torch.zeros_like(state[0][1:])]),)
    deep = decoder(given.target, memory, state)[0]
    decoder.layers = decoder.layers[:1]
    decoder.norms = decoder.norms[:0]
    torch.testing.assert_close(deep, decoder(given.target, memory, state)[0])


def test_tying_shares_the_weights_it_names():
    tied = network(tie="target")
    assert tied.decoder.output.weight is tied.decoder.embedding.weight
    assert tied.encoder.embedding.weight is not tied.decoder.embedding.weight
    shared = network(tie="all")
    assert shared.encoder.embedding.weight is shared.decoder.output.weight
    free = network(tie="none")
    assert free.decoder.output.weight is not free.decoder.embedding.weight
    with pytest.raises(ConfigError, match=r"19 and 23 pieces; tokenizer\.joint makes them one$"):
        build(ModelConfig(tie="all"), SOURCES, TARGETS)


@pytest.mark.parametrize("bridge", ["last", "mean", "zero"])
def test_bridges_fill_every_layer_of_the_state(bridge):
    model, given = network("lstm", layers=3, bridge=bridge), batch()
    _, state = model.encode(given.source, given.source_lengths)
    assert [tuple(part.shape) for part in state] == [(3, 3, 10)] * 2
    assert any(part.any() for part in state) == (bridge != "zero")


def test_padding_is_embedded_as_nothing_and_never_learns():
    model, given = network(tie="none").train(), batch()
    model(given).backward()
    assert not model.encoder.embedding.weight.grad[PAD].any()
    assert not model.decoder.embedding.weight.grad[PAD].any()


def test_the_readout_and_the_bridge_squash_with_what_is_set():
    found = []
    formulas = {
        "tanh": torch.tanh,
        "relu": lambda x: x.clamp_min(0),
        "leaky_relu": lambda x: torch.where(x > 0, x, 0.01 * x),
        "elu": lambda x: torch.where(x > 0, x, x.exp() - 1),
        "silu": lambda x: x * torch.sigmoid(x),
    }
    for name, formula in formulas.items():
        model, given = network(activation=name).requires_grad_(False), batch()
        memory, state = model.encode(given.source, given.source_lengths)
        _, summary = model.encoder(given.source, given.source_lengths)
        torch.testing.assert_close(state[0][0], formula(model.bridge.project(summary)))
        ids = given.target[:, :1]
        readouts, _, weights = model.decoder(ids, memory, state)
        hidden, _ = model.decoder.layers[0](model.decoder.embedding(ids), state)
        both = torch.cat([hidden, weights @ memory.states], dim=-1)
        torch.testing.assert_close(readouts, formula(model.decoder.readout(both)))
        found.append(readouts)
    assert not any(torch.allclose(*two) for two in itertools.combinations(found, 2))


def test_a_learned_start_is_the_same_for_all_sentences_and_is_learned():
    model, given = network("lstm", layers=3, bridge="learned").train(), batch()
    _, state = model.encode(given.source, given.source_lengths)
    for part in state:
        assert torch.equal(part, part[:, :1].expand_as(part))
    model(given).backward()
    assert int((model.bridge.learned.grad != 0).sum()) == 2 * 3 * 10  # parts, layers, width


def test_identity_keeps_what_a_relu_cell_has_seen():
    # Le, Jaitly and Hinton (2015), section 3: without inputs the state stays as it is.
    model = build(ModelConfig(cell="rnn_relu", hidden=6, recurrent_initialization="identity"), 9, 9)
    layer = model.decoder.layers[0]
    state = (torch.rand(1, 2, 6),)
    outputs, after = layer(torch.zeros(2, 5, layer.cell.input_size), state)
    torch.testing.assert_close(after, state)
    torch.testing.assert_close(outputs, state[0].transpose(0, 1).expand(2, 5, 6))


def test_word_dropout_hides_words_in_training_and_nothing_else(monkeypatch):
    torch.manual_seed(5)
    model = network("lstm", copy=True, word_dropout=0.4).requires_grad_(False)
    ids = torch.randint(EOS + 1, SOURCES, (50, 40))
    ids[:, 0], ids[:, 30], ids[:, 31:] = BOS, EOS, PAD
    assert torch.equal(model._dropped(ids), ids), "not in evaluation"
    dropped = model.train()._dropped(ids)
    hidden = dropped != ids
    assert set(dropped[hidden].tolist()) == {UNK}
    assert not hidden[:, 0].any()
    assert not hidden[:, 30:].any()
    assert float(hidden[:, 1:30].float().mean()) == pytest.approx(0.4, abs=0.03)
    # What is hidden from the encoder can be copied all the same.
    seen = {}
    encode, either = model.encode, copying.either
    model.encode = lambda source, lengths: seen.update(source=source) or encode(source, lengths)
    monkeypatch.setattr(
        copying, "either", lambda *given: seen.update(copied=given[2]) or either(*given)
    )
    given = batch(source_lengths=(9,), target_lengths=(8,))
    given = given._replace(target=torch.cat([given.target[:, :1], given.source], dim=1), tokens=9)
    model.word_dropout = 0.9
    model(given)
    assert int((seen["source"] == UNK).sum()) > 3
    assert bool((seen["copied"] > 0).all())
