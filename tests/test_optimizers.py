"""Muon: what a step is, which weights it moves, and that it learns."""

import pytest
import torch
import toy

from seqgen.model import build
from seqgen.modelsection import ModelConfig
from seqgen.optimizers import Muon, make_optimizer, orthogonal
from seqgen.progress import Silent
from seqgen.training import train
from seqgen.trainsection import TrainConfig

RATE, DECAY = 0.01, 0.1


def network(cell="lstm", layers=1):
    config = ModelConfig(cell=cell, embedding=7, hidden=10, layers=layers, attention="additive")
    torch.manual_seed(3)
    return build(config, 17, 19)


def held(model):
    """The weights by name, as they are now."""
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def stepped(model, gradients, **settings):
    """The weights by name after steps with these gradients of every weight."""
    given = {"optimizer": "muon", "learning_rate": RATE, "momentum": 0.5, **settings}
    optimizer = make_optimizer(model, TrainConfig(**given))
    for found in gradients:
        for name, weight in model.named_parameters():
            weight.grad = found[name].clone()
        optimizer.step()
    return held(model)


def noise(model, seed):
    torch.manual_seed(seed)
    return {name: torch.randn_like(weight) for name, weight in model.named_parameters()}


@pytest.mark.parametrize("shape", [(1, 5, 11), (3, 11, 5), (2, 7, 7)])
def test_singular_values_come_near_1_and_the_directions_stay(shape):
    torch.manual_seed(1)
    least = min(shape[1:])
    left = torch.linalg.qr(torch.randn(shape[0], shape[1], least)).Q
    right = torch.linalg.qr(torch.randn(shape[0], shape[2], least)).Q
    values = torch.logspace(0, -2.5, least)  # the least is a 300th of the largest
    found = orthogonal(50 * (left * values) @ right.mT)
    inside = left.mT @ found @ right
    after = inside.diagonal(dim1=1, dim2=2)
    torch.testing.assert_close(inside, torch.diag_embed(after), atol=1e-4, rtol=0)
    assert after.min() > 0.13
    assert after.max() < 1.88
    assert values.max() / values.min() > 20 * after.max() / after.min()


def test_nothing_comes_of_nothing():
    assert torch.equal(orthogonal(torch.zeros(2, 3, 5)), torch.zeros(2, 3, 5))


@pytest.mark.parametrize(("cell", "gates"), [("lstm", 4), ("gru", 3), ("rnn", 1)])
def test_a_step_turns_each_gate_of_recurrent_layers_and_the_readout_and_no_other(cell, gates):
    model = network(cell, layers=2)
    before = held(model)
    first, second = noise(model, 1), noise(model, 2)
    muon = stepped(model, [first, second])
    adam = stepped(network(cell, layers=2), [first, second], optimizer="adamw")
    turned = 0
    for name, weight in muon.items():
        parts = {"readout.weight": 1}.get(name.partition(".")[2], gates * ("cell.weight" in name))
        if not parts:
            assert torch.equal(weight, adam[name]), name
            continue
        turned += 1
        # Momentum 0.5: velocities g and g/2 + h, each step of the gradient and half its velocity.
        one, two = 1.5 * first[name], second[name] + 0.5 * (0.5 * first[name] + second[name])
        for now, start, *found in zip(
            *(matrix.chunk(parts) for matrix in (weight, before[name], one, two)), strict=True
        ):
            longer = max(now.shape) ** 0.5
            expected = sum(orthogonal(gradient[None])[0] for gradient in found)
            torch.testing.assert_close(now, start - RATE * longer * expected)
    assert turned == 2 * 2 * 2 + 2 * 2 + 1  # two directions and layers, the decoder's, the readout


def test_a_step_has_about_the_rate_for_a_root_mean_square():
    model = network()
    before = held(model)
    after = stepped(model, [noise(model, 1)])
    for name in ("encoder.stack.forwards.0.cell.weight_ih_l0", "decoder.readout.weight"):
        root = (after[name] - before[name]).square().mean().sqrt()
        assert 0.9 * RATE < float(root) < 1.5 * RATE, name


def test_weights_decay_apart_from_the_gradient_and_biases_are_spared():
    model = network()
    before = held(model)
    nothing = {name: torch.zeros_like(weight) for name, weight in before.items()}
    after = stepped(model, [nothing], weight_decay=DECAY)
    for name, weight in after.items():
        left = 1 - RATE * DECAY if weight.dim() > 1 else 1.0
        torch.testing.assert_close(weight, left * before[name])


def test_a_weight_without_a_gradient_stays():
    model = network()
    optimizer = make_optimizer(model, TrainConfig(optimizer="muon"))
    assert isinstance(optimizer, Muon)
    before = held(model)
    optimizer.step()
    assert all(torch.equal(weight, before[name]) for name, weight in model.named_parameters())


def test_muon_learns_to_reverse(tmp_path):
    data = toy.write_pairs(tmp_path / "data", train=800, held=60)
    config = toy.config(data, train__optimizer="muon", train__momentum=0.95, train__epochs=8,
                        model__hidden=32, model__dropout=0.0, train__metric="exact")  # fmt: skip
    outcome = train(config, tmp_path / "run", report=Silent())
    assert outcome.scores["exact"] >= 80
