"""A look inside a network: what is read is what there is, and nothing is touched."""

import math

import numpy
import pytest
import torch
from test_model import batch, network
from torch.nn import functional

from seqgen import probes
from seqgen.recurrent import Recurrent
from seqgen.vocabulary import EOS, PAD

KINDS = [
    ("lstm", {"layers": 3}),
    ("gru", {"layers": 1, "bidirectional": False}),
    ("lstm", {"input_feeding": True}),
    ("rnn", {"copy": True}),
    ("gru", {"layers": 2}),
]
GATED = [("lstm", ["input", "forget", "output"]), ("gru", ["reset", "update"])]


def everything(model):
    return [*(one.clone() for one in model.parameters()), torch.get_rng_state()]


@pytest.mark.parametrize(("cell", "values"), KINDS)
def test_looking_touches_no_weight_no_gradient_no_random_state_and_no_mode(cell, values):
    model = network(cell, **values).train()
    model.decoder.dropout.share = model.word_dropout = 0.5
    given = batch()
    model(given).backward()
    before, gradients = everything(model), [one.grad.clone() for one in model.parameters()]
    found = []
    for _ in range(2):
        found.append([probes.look(model, given), probes.reach(model, given),
                      probes.gradient_noise(model, [given, batch(seed=5)]),
                      probes.exposure(model, given)])  # fmt: skip
    assert found[0] == found[1]
    assert all(one.equal(other) for one, other in zip(before, everything(model), strict=True))
    after = (one.grad for one in model.parameters())
    assert all(one.equal(other) for one, other in zip(gradients, after, strict=True))
    assert all(module.training for module in model.modules())
    assert model.encoder.stack.pack is None
    assert not any(module._forward_hooks for module in model.modules())


def by_hand(cell, inputs, state):
    """Squashing gates [T, gates, H] of one sentence, step by step after the formulas."""
    weight_ih, weight_hh, bias_ih, bias_hh = cell.all_weights[0]
    gates = []
    for read in inputs:
        hidden = state[0]
        given = functional.linear(read, weight_ih, bias_ih).view(-1, len(hidden))
        carried = functional.linear(hidden, weight_hh, bias_hh).view(-1, len(hidden))
        if len(state) == 2:
            entering, forget, new, leaving = given + carried
            entering, forget, leaving = (one.sigmoid() for one in (entering, forget, leaving))
            memory = forget * state[1] + entering * new.tanh()
            state = (leaving * memory.tanh(), memory)
            gates.append(torch.stack([entering, forget, leaving]))
        else:
            reset, update = (given + carried)[:2].sigmoid()
            new = (given[2] + reset * carried[2]).tanh()
            state = ((1 - update) * new + update * hidden,)
            gates.append(torch.stack([reset, update]))
    return torch.stack(gates)


@pytest.mark.parametrize("feeding", [False, True])
@pytest.mark.parametrize(("cell", "gates"), GATED)
def test_gates_are_those_of_the_formulas_step_by_step(cell, gates, feeding, monkeypatch):
    model, given = network(cell, input_feeding=feeding), batch()
    heard = {}
    real = Recurrent.forward

    def heard_too(layer, inputs, state=None, chance=None):
        heard.setdefault(id(layer), []).append((inputs, state))
        return real(layer, inputs, state, chance)

    monkeypatch.setattr(Recurrent, "forward", heard_too)
    found = probes.look(model, given)
    sides = {
        "encoder.stack.forwards.0": given.source_lengths,
        "encoder.stack.backwards.0": given.source_lengths,
        "decoder.layers.0": (given.target != PAD).sum(1) - 1,
    }
    for name, lengths in sides.items():
        layer = model.get_submodule(name)
        inputs = torch.cat([one for one, _ in heard[id(layer)]], dim=1)
        start = heard[id(layer)][0][1] or (torch.zeros(1, 3, layer.cell.hidden_size).double(),) * 2
        parts = start[: layer.parts]
        rows = [by_hand(layer.cell, inputs[row, :length], [one[0, row] for one in parts])
                for row, length in enumerate(lengths.tolist())]  # fmt: skip
        each = torch.cat(rows).detach()
        outside = ((each < 0.05) | (each > 0.95)).float().mean((0, 2)).tolist()
        assert [found.saturation[f"{name} {gate}"] for gate in gates] == pytest.approx(outside)
        assert found.keeping[name] == pytest.approx(float(each[:, 1].mean()))
    assert len(found.saturation) == 3 * len(gates)
    assert 0 < sum(found.saturation.values()) < len(found.saturation), "some are, some are not"


def test_a_vanilla_network_has_no_gates():
    assert probes.look(network("rnn"), batch())[:2] == ({}, {})


def test_attention_that_looks_at_all_alike_has_the_largest_entropy():
    model, given = network(), batch()
    model.decoder.attention.key.weight.data.zero_()
    found = probes.look(model, given)
    tokens = (given.target[:, 1:] != PAD).sum(1)
    nats = (given.source_lengths.double().log() * tokens).sum() / tokens.sum()
    assert found.entropy == pytest.approx(float(nats))
    assert found.spread == pytest.approx(1.0)
    sharper = network()
    sharper.decoder.attention.key.weight.data *= 9
    assert probes.look(sharper, given).spread < 0.9


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_neighbours_and_padding_change_no_reading(cell):
    model, both = network(cell, layers=2), batch()
    alone = [both._replace(source=both.source[row:row + 1, :length],
                           source_lengths=both.source_lengths[row:row + 1],
                           target=both.target[row:row + 1, :tokens + 1], tokens=tokens)
             for row, (length, tokens) in enumerate([(5, 5), (2, 7), (4, 2)])]  # fmt: skip
    tokens = [one.tokens for one in alone]
    looks = [probes.look(model, one) for one in alone]
    mean = sum(look.entropy * count for look, count in zip(looks, tokens, strict=True))
    assert probes.look(model, both).entropy == pytest.approx(mean / sum(tokens))
    curves = [probes.reach(model, one) for one in alone]
    together = probes.reach(model, both)
    for distance, value in enumerate(together):
        here = [curve[distance] for curve in curves if len(curve) > distance]
        assert value == pytest.approx(sum(here) / len(here))


def test_the_gradient_falls_with_the_distance_as_the_weights_say():
    # A rectified layer whose states are positive is linear: each step back multiplies by 0.7.
    model = network("rnn_relu", bidirectional=False)
    layer = model.encoder.stack.forwards[0].cell
    layer.weight_hh_l0.data = 0.7 * torch.eye(10).double()
    layer.weight_ih_l0.data.abs_()
    model.encoder.embedding.weight.data.abs_()
    layer.bias_ih_l0.data.fill_(0.1)
    layer.bias_hh_l0.data.zero_()
    # The loss depends on the last state alone: what attention gives is not read.
    model.decoder.readout.weight.data[:, 10:] = 0
    curve = probes.reach(model, batch((6, 6), (3, 4)))
    assert len(curve) == 6
    assert curve[0] > 1e-3
    assert curve == pytest.approx([curve[0] * 0.7**distance for distance in range(6)])


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_the_gradient_at_a_state_is_that_of_the_loss_when_the_state_is_moved(cell):
    model, given = network(cell, bidirectional=False), batch((4,), (3,))
    layer, size, step = model.encoder.stack.forwards[0], 1e-6, 1

    def moved(part, entry, by):
        """The loss with one entry of the state after `step` moved."""

        def hook(layer, read, gave):
            state, outputs = None, []
            for number in range(4):
                _, state = layer.forward(read[0][:, number : number + 1], state)
                if number == step:
                    state = tuple(one.clone() for one in state)
                    state[part][0, 0, entry] += by
                outputs.append(state[0].transpose(0, 1))
            return torch.cat(outputs, 1), state

        handle = layer.register_forward_hook(hook)
        model.encoder.stack.pack = False
        with torch.no_grad():
            loss = float(model(given))
        model.encoder.stack.pack = None
        handle.remove()
        return loss

    slopes = [(moved(part, entry, size) - moved(part, entry, -size)) / (2 * size)
              for part in range(layer.parts) for entry in range(10)]  # fmt: skip
    expected = math.sqrt(sum(slope**2 for slope in slopes))
    assert probes.reach(model, given)[4 - 1 - step] == pytest.approx(expected, rel=1e-5)


def test_noise_is_that_of_the_gradients_of_the_parts_and_the_whole():
    model = network()
    parts = [batch(seed=seed, target_lengths=(4, 6, seed)) for seed in (1, 2, 5)]

    def squared(given):
        loss = sum(model(one) for one in given) / sum(one.tokens for one in given)
        found = torch.autograd.grad(loss, list(model.parameters()))
        return sum(float(one.square().sum()) for one in found)

    small = sum(squared([one]) for one in parts) / 3
    few, many = 3 / sum(1 / one.tokens for one in parts), sum(one.tokens for one in parts)
    assert len({one.tokens for one in parts}) == 3
    signal = (many * squared(parts) - few * small) / (many - few)
    found = probes.gradient_noise(model, parts)
    assert found.signal == pytest.approx(signal)
    assert found.variance == pytest.approx((small - squared(parts)) / (1 / few - 1 / many))


def test_equal_batches_have_no_noise():
    model, given = network(), batch()
    found = probes.gradient_noise(model, [given] * 3)
    assert found.variance == pytest.approx(0, abs=1e-9 * found.signal)
    assert found.signal > 0


def learn(model, given, updates):
    optimizer = torch.optim.Adam(model.parameters(), 0.03)
    for _ in range(updates):
        optimizer.zero_grad()
        model(given).backward()
        optimizer.step()


def test_exposure_counts_right_tokens_by_position():
    model, given = network("lstm", layers=2), batch()
    learn(model, given, 15)
    found = probes.exposure(model, given)
    assert 0 < found.totals[1] < found.totals[0] < 1, "or what is counted could be anything"
    real = given.target[:, 1:] != PAD
    assert found.tokens == real.sum(0).tolist() == [3, 3, 2, 2, 2, 1, 1]
    forced = model.forced(given).correct.sum(0) / real.sum(0)
    assert found.forced == pytest.approx(forced.tolist())
    right = numpy.zeros(7)
    for row in range(3):  # alone, one token after the other
        source = given.source[row : row + 1, : given.source_lengths[row]]
        memory, state = model.encode(source, given.source_lengths[row : row + 1])
        ids, ended = given.target[row, :1], False
        for step, gold in enumerate(given.target[row, 1:][real[row]].tolist()):
            scores, state = model.step(ids, memory, state)
            ids = scores.argmax(-1)
            right[step] += not ended and int(ids) == gold
            ended = ended or int(ids) == EOS
    assert found.free == pytest.approx((right / real.sum(0).numpy()).tolist())
    every = [float(model.forced(given).correct.sum()), right.sum()]
    assert found.totals == pytest.approx([one / int(real.sum()) for one in every])
    made = probes.Exposure([1.0, 0.5], [0.5, 0.0], [4, 2])
    assert made.totals == pytest.approx((5 / 6, 2 / 6)), "by tokens, not by positions"


def test_a_model_that_knows_its_targets_has_no_exposure_gap():
    model, given = network(), batch()
    learn(model, given, 60)
    assert probes.exposure(model, given).totals == (1.0, 1.0)
