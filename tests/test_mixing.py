"""Hard attention: what is predicted is the sum over every choice of a source state."""

import itertools

import pytest
import torch
from test_model import batch, network
from torch.nn import functional

from seqgen.errors import ConfigError
from seqgen.mixing import mixed, powers
from seqgen.modelsection import ModelConfig
from seqgen.sampling import SEQUENTIAL, Forcing
from seqgen.vocabulary import PAD

B, Q, S, V = 2, 3, 4, 5


def drawn():
    """Scores of steps and of states, and attention, far from even."""
    torch.manual_seed(2)
    shapes = ((B, Q, V), (B, S, V), (B, Q, S))
    steps, states, weights = (2 * torch.randn(shape, dtype=torch.double) for shape in shapes)
    return steps, states, weights.softmax(-1)


def test_predictions_are_mixed_as_probabilities():
    steps, states, weights = drawn()
    each = (steps[:, :, None] + states[:, None]).softmax(-1)  # [B, Q, S, V]
    expected = (weights[..., None] * each).sum(2)
    torch.testing.assert_close(mixed(powers(steps), powers(states), weights).exp(), expected)


def test_the_gradient_is_that_of_the_formula():
    inputs = [each.requires_grad_() for each in drawn()]

    def logs(steps, states, weights):
        return mixed(powers(steps), powers(states), weights)

    assert torch.autograd.gradcheck(logs, inputs)


def test_a_state_that_is_not_attended_to_changes_nothing_and_gets_no_gradient():
    steps, states, weights = drawn()
    padded = functional.pad(weights[..., :-1], (0, 1))
    states.requires_grad_()
    found = mixed(powers(steps), powers(states), padded)
    torch.testing.assert_close(
        found, mixed(powers(steps), powers(states[:, :-1]), weights[..., :-1])
    )
    (gradient,) = torch.autograd.grad(found.sum(), states)
    assert gradient.isfinite().all()
    assert not gradient[:, -1].any()


def test_scores_far_apart_are_finite_and_so_are_their_gradients():
    """A step and a state that exclude one another's ids: no probability is 0 over 0."""
    steps = torch.tensor([[[0.0, -200.0, -200.0]]], requires_grad=True)
    states = torch.tensor([[[-200.0, 0.0, -200.0]]], requires_grad=True)
    found = mixed(powers(steps), powers(states), torch.ones(1, 1, 1))
    assert found.isfinite().all()
    assert all(each.isfinite().all() for each in torch.autograd.grad(found.sum(), (steps, states)))


def test_scores_of_bf16_are_mixed_in_fp32():
    steps, states, weights = (each.bfloat16() for each in drawn())
    logs = mixed(powers(steps), powers(states), weights)
    assert logs.dtype == torch.float32
    torch.testing.assert_close(logs.exp().sum(-1), torch.ones(B, Q), atol=1e-2, rtol=0)


def test_autocast_does_not_round_what_is_mixed():
    steps, states, weights = (each.float() for each in drawn())
    exact = mixed(powers(steps), powers(states), weights)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(mixed(powers(steps), powers(states), weights), exact)


def test_a_target_is_as_likely_as_all_its_alignments_together():
    """Enumerated: each target token comes from one source state, in every way to choose them."""
    model = network("lstm", "additive", hard_attention=True)
    given = batch((4,), (2,), seed=5)  # 4 states, 3 tokens to predict: 64 alignments
    decoder = model.decoder
    memory, state = model.encode(given.source, given.source_lengths)
    _, _, weights = decoder(given.target[:, :-1], memory, state)
    gold = given.target[0, 1:]
    chances = []  # of the target, where all attention is on one state
    for s in range(4):
        decoder.attention.forward = lambda queries, memory, bonus, s=s: (
            queries.new_zeros(1, 3, memory.states.shape[2]),
            functional.one_hot(torch.full((1, 3), s), 4).to(queries),
        )
        alone = decoder(given.target[:, :-1], memory, state)[0][0].exp()  # [T, V]
        chances.append(alone.gather(1, gold[:, None]).squeeze(1))
    del decoder.attention.forward
    ways = [
        torch.stack([weights[0, t, s] * chances[s][t] for t, s in enumerate(places)]).prod()
        for places in itertools.product(range(4), repeat=3)
    ]
    total = torch.stack(ways).sum().log()
    torch.testing.assert_close(total, model.forced(given).log_probs.sum())


def test_label_smoothing_spreads_over_what_is_mixed():
    model, given = network(hard_attention=True).train(), batch()
    plain = model(given)
    model.label_smoothing = 0.2
    logs = model.eval().whole(given)[0]
    real = given.target[:, 1:] != PAD
    spread = -logs.mean(-1)[real].sum()
    torch.testing.assert_close(model.train()(given), 0.8 * plain + 0.2 * spread)


@pytest.mark.parametrize("passes", [SEQUENTIAL, 3])
def test_predictions_that_are_fed_back_are_those_of_a_search(passes):
    """With ratio 0 and as many passes as steps, both ways feed what the model says itself."""
    model, given = network(hard_attention=True), batch((5, 2, 4), (2, 2, 2))
    forcing = Forcing(0.0, passes)
    memory, state, inputs = model.begin(given, forcing)
    ids = given.target[:, 0]
    for t in range(3):
        torch.testing.assert_close(inputs[:, t], ids)
        log_probs, state = model.step(ids, memory, state)
        ids = log_probs.argmax(-1)


@pytest.mark.parametrize("other", ["copy", "input_feeding"])
def test_what_reads_one_readout_a_step_is_refused(other):
    with pytest.raises(ConfigError, match=rf"^model\.{other} reads one readout a step, and model"):
        ModelConfig(hard_attention=True, **{other: True})
