"""Hard attention that never goes back: the sum over every chain of states that does not."""

import itertools

import pytest
import torch
from test_model import MONOTONIC, batch, network
from torch.nn import functional

from seqgen import monotonic
from seqgen.errors import ConfigError
from seqgen.mixing import powers
from seqgen.modelsection import ModelConfig

B, Q, S, V = 2, 4, 3, 5
REAL = torch.tensor([[True, True, True], [True, True, False]])


def drawn():
    """Scores of steps, of states and of attention, far from even; what is written, first BOS."""
    torch.manual_seed(2)
    shapes = ((B, Q, V), (B, S, V), (B, Q, S))
    steps, states, scores = (2 * torch.randn(shape, dtype=torch.double) for shape in shapes)
    return steps, states, scores, torch.randint(V, (B, Q + 1))


def attention(scores):
    return scores.masked_fill(~REAL[:, None], float("-inf")).softmax(-1)


def found(steps, states, weights, written, before=None):
    """Log-probabilities [B, Q, V], the chances of states, and what to go on from."""
    of_steps, of_states = powers(steps), powers(states)
    before = monotonic.start(B, S, of_steps) if before is None else before
    return monotonic.mixed(of_steps, of_states, weights, written[:, :-1], REAL, before)


def test_a_target_is_as_likely_as_all_chains_that_never_go_back():
    steps, states, scores, written = drawn()
    weights = attention(scores)
    logs, each, _ = found(steps, states, weights, written)
    assert tuple(each.shape) == (B, Q, S)
    torch.testing.assert_close(each.sum(-1), torch.ones(B, Q).double())
    torch.testing.assert_close(logs.exp().sum(-1), torch.ones(B, Q).double())
    predicted = (steps[:, :, None] + states[:, None]).softmax(-1)  # [B, Q, S, V]
    for row in range(B):
        total = torch.zeros(()).double()
        for places in itertools.combinations_with_replacement(range(int(REAL[row].sum())), Q):
            way, last = torch.ones(()).double(), 0
            for t, s in enumerate(places):
                way = way * weights[row, t, s] / weights[row, t, last:].sum()
                way = way * predicted[row, t, s, written[row, t + 1]]
                last = s
            total = total + way
        gold = logs[row].gather(1, written[row, 1:, None]).sum()
        torch.testing.assert_close(gold, total.log())


def test_no_chance_is_left_of_states_before_one_that_is_sure():
    """The first id comes from the second state alone: the next comes from no earlier one."""
    far = 60.0
    steps = torch.zeros(B, Q, V).double()
    states = far * functional.one_hot(torch.arange(S), V).double().expand(B, S, V)
    written = torch.tensor([[0, 1, 1, 1, 1], [0, 1, 1, 1, 1]])
    _, each, _ = found(steps, states, attention(torch.zeros(B, Q, S).double()), written)
    torch.testing.assert_close(each[:, 0], REAL / REAL.sum(1, keepdim=True).double())
    expected = torch.tensor([[0, 1 / 2, 1 / 2], [0, 1, 0]]).double()
    for t in range(1, Q):
        torch.testing.assert_close(each[:, t], expected, atol=1e-9, rtol=0)


def test_it_goes_on_from_where_it_was():
    steps, states, scores, written = drawn()
    whole, _, ended = found(steps, states, attention(scores), written)
    first, _, before = found(steps[:, :1], states, attention(scores)[:, :1], written[:, :2])
    rest, _, after = found(steps[:, 1:], states, attention(scores)[:, 1:], written[:, 1:], before)
    torch.testing.assert_close(torch.cat([first, rest], dim=1), whole)
    torch.testing.assert_close(after, ended)


def test_the_gradient_is_that_of_the_formula():
    *inputs, written = drawn()

    def logs(steps, states, scores):
        return found(steps, states, attention(scores), written)[0]

    assert torch.autograd.gradcheck(logs, [each.requires_grad_() for each in inputs])


@pytest.mark.parametrize("apart", [30.0, 300.0])
def test_attention_that_wants_to_go_back_has_finite_gradients(apart):
    steps, states, scores, written = (
        each.float() if each.is_floating_point() else each for each in drawn()
    )
    scores = -apart * torch.arange(S) + 0 * scores  # to the first, at every step
    states = states + apart * functional.one_hot(torch.arange(S).flip(0), V)
    inputs = [each.requires_grad_() for each in (steps, states, scores)]
    logs = found(*inputs[:2], attention(inputs[2]), written)[0]
    assert logs.isfinite().all()
    gradients = torch.autograd.grad(logs.gather(2, written[:, 1:, None]).sum(), inputs)
    assert all(each.isfinite().all() for each in gradients)


def test_autocast_rounds_no_chance():
    steps, states, scores, written = (
        each.float() if each.is_floating_point() else each for each in drawn()
    )
    exact = found(steps, states, attention(scores), written)[0]
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(found(steps, states, attention(scores), written)[0], exact)


def test_the_decoder_weighs_states_by_their_chances():
    model, given = network("lstm", "additive", **MONOTONIC), batch()
    weights = model.forced(given).weights
    free = network("lstm", "additive", hard_attention=True).forced(given).weights
    torch.testing.assert_close(weights[:, 0], free[:, 0])
    places = torch.arange(weights.shape[2]).double()
    means, before = ((each * places).sum(-1) for each in (weights, free))
    assert (means[:, -1] > before[:, -1] + 0.1).any()


def test_monotonic_attention_is_hard():
    with pytest.raises(ConfigError, match=r"^model\.monotonic is for model\.hard_attention"):
        ModelConfig(monotonic=True)
