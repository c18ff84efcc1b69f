"""Hard attention: what is predicted is the sum over every choice of a source state."""

import itertools

import pytest
import torch
from test_model import batch, network
from torch.nn import functional

from seqgen.errors import ConfigError
from seqgen.mixing import mixed
from seqgen.modelsection import ModelConfig
from seqgen.sampling import SEQUENTIAL, Forcing
from seqgen.vocabulary import PAD

N, S, V = 3, 4, 5


def test_predictions_are_mixed_as_probabilities():
    scores = torch.tensor([[[0.8, 0.2], [0.1, 0.9]], [[0.5, 0.5], [1.0, 0.0]]]).log()
    weights = torch.tensor([[0.75, 0.25], [1.0, 0.0]])
    expected = torch.tensor([[0.75 * 0.8 + 0.25 * 0.1, 0.75 * 0.2 + 0.25 * 0.9], [0.5, 0.5]])
    torch.testing.assert_close(mixed(scores, weights).exp(), expected)


def test_a_state_that_is_not_attended_to_changes_nothing_and_gets_no_gradient():
    torch.manual_seed(2)
    scores = torch.randn(N, S, V, dtype=torch.double, requires_grad=True)
    weights = torch.rand(N, S - 1, dtype=torch.double).softmax(-1)
    padded = functional.pad(weights, (0, 1))
    found = mixed(scores, padded)
    torch.testing.assert_close(found, mixed(scores[:, :-1], weights))
    (gradient,) = torch.autograd.grad(found.sum(), scores)
    assert gradient.isfinite().all()
    assert not gradient[:, -1].any()


def test_the_gradient_is_that_of_the_formula():
    torch.manual_seed(4)
    scores = torch.randn(N, S, V, dtype=torch.double, requires_grad=True)
    weights = torch.rand(N, S, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(mixed, (scores, weights))


def test_scores_of_bf16_are_mixed_in_fp32():
    logs = mixed(torch.randn(N, S, V).bfloat16(), torch.full((N, S), 1 / S))
    assert logs.dtype == torch.float32
    torch.testing.assert_close(logs.exp().sum(-1), torch.ones(N))


@pytest.mark.parametrize("layers", [1, 3])
def test_a_target_is_as_likely_as_all_its_alignments_together(layers):
    """Enumerated: each target token comes from one source state, in every way to choose them."""
    model = network("lstm", "additive", layers, hard_attention=True)
    given = batch((4,), (2,), seed=5)  # 4 states, 3 tokens to predict: 64 alignments
    memory, state = model.encode(given.source, given.source_lengths)
    readouts, _, weights = model.decoder(given.target[:, :-1], memory, state)
    assert tuple(readouts.shape) == (1, 3, 4, model.decoder.readout_width)
    each = model.decoder.output(readouts).softmax(-1)[0]  # [T, S, V]
    gold = given.target[0, 1:]
    ways = [
        torch.stack([weights[0, t, s] * each[t, s, gold[t]] for t, s in enumerate(places)]).prod()
        for places in itertools.product(range(4), repeat=3)
    ]
    torch.testing.assert_close(torch.stack(ways).sum().log(), model.forced(given).log_probs.sum())


def test_a_state_predicts_from_itself_alone():
    """What one state becomes changes what it predicts, and nothing that others predict."""
    model, given = network(hard_attention=True), batch()
    memory, state = model.encode(given.source, given.source_lengths)
    first = model.decoder(given.target[:, :-1], memory, state)[0]
    states = memory.states.clone()
    states[:, 1] += 1.0
    second = model.decoder(given.target[:, :-1], memory._replace(states=states), state)[0]
    changed = (first != second).any(-1).any(1)  # [B, S]
    assert changed.tolist() == [[False, True, False, False, False]] * 3


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
