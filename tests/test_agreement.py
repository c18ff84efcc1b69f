"""R-Drop: two passes that agree cost what one costs, and others what the paper's formula says."""

import math

import pytest
import torch
from test_model import batch, network
from torch.nn import functional

from seqgen import agreement, losses
from seqgen.agreement import Agreement, Scored, TwoPasses, disagreement
from seqgen.sampling import Forcing
from seqgen.vocabulary import PAD

N, R, V = 7, 5, 11
KINDS = [("gru", {}), ("lstm", {"copy": True}), ("lstm", {"input_feeding": True}),
         ("lstm", {"hard_attention": True})]  # fmt: skip


def test_disagreement_is_the_mean_divergence_both_ways():
    first = torch.tensor([[0.5, 0.5], [0.3, 0.7]]).log()
    second = torch.tensor([[0.25, 0.75], [0.3, 0.7]]).log()
    there = 0.5 * math.log(2) + 0.5 * math.log(2 / 3)
    back = 0.25 * math.log(1 / 2) + 0.75 * math.log(3 / 2)
    assert disagreement(first, second).tolist() == pytest.approx([(there + back) / 2, 0])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("rows", [1, 3, N])
def test_the_loss_and_its_gradients_are_those_of_torch(smoothing, rows, monkeypatch):
    monkeypatch.setattr(agreement, "HELD", rows * V)
    torch.manual_seed(1)
    leaves = [torch.randn(shape, dtype=torch.double, requires_grad=True)
              for shape in ((N, R), (N, R), (V, R))]  # fmt: skip
    one, two, weight = leaves
    wanted = torch.tensor([3, 0, 10, 3, 7, 1, 3])
    most = []

    def score(readouts):
        most.append(len(readouts))
        return Scored(*[functional.linear(readouts, weight).log_softmax(-1)] * 2)

    found = Agreement(3.0, smoothing).loss(score, (one,), (two,), wanted, V)
    logs = [(each @ weight.t()).log_softmax(-1) for each in (one, two)]
    costs = [functional.cross_entropy(each, wanted, reduction="sum", label_smoothing=smoothing)
             for each in logs]  # fmt: skip
    apart = [functional.kl_div(a, b, reduction="sum", log_target=True)
             for a, b in (logs, logs[::-1])]  # fmt: skip
    expected = (sum(costs) + 3.0 * sum(apart) / 2) / 2  # half of the paper's
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, leaves), torch.autograd.grad(expected, leaves)
    )
    assert max(most) == rows


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize(("held", "cached"), [(2 * V, 2 * V), (10**6, 3 * V), (10**6, 10**6)])
def test_two_passes_at_once_and_their_gradients(smoothing, held, cached, monkeypatch):
    monkeypatch.setattr(agreement, "ROUND", 2)
    monkeypatch.setattr(agreement, "HELD", held)
    monkeypatch.setattr(losses, "CACHED", cached)
    torch.manual_seed(1)
    leaves = [torch.randn(shape, dtype=torch.double, requires_grad=True)
              for shape in ((N, R), (N, R), (V, R), (V,))]  # fmt: skip
    one, two, weight, bias = leaves
    wanted = torch.tensor([3, 0, 10, 3, 7, 1, 3])

    def score(readouts):
        return Scored(*[functional.linear(readouts, weight, bias).log_softmax(-1)] * 2)

    wished = Agreement(3.0, smoothing)
    expected = wished.loss(score, (one,), (two,), wanted, V)
    found = TwoPasses.apply(*wished, False, wanted, *leaves)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        torch.autograd.grad(found * 7, leaves), torch.autograd.grad(expected * 7, leaves)
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize(("cell", "extra"), KINDS)
def test_without_dropout_r_drop_is_the_plain_loss(cell, extra, smoothing):
    model, given = network(cell, **extra).train(), batch()
    model.label_smoothing = smoothing
    found = []
    for weight in (0.0, 5.0):
        model.r_drop = weight
        loss = model(given)
        assert loss.dim() == 0
        found.append([loss.detach(), *torch.autograd.grad(loss, list(model.parameters()))])
    torch.testing.assert_close(found[0], found[1])


@pytest.mark.parametrize(("cell", "extra"), KINDS)
def test_two_passes_under_dropout_cost_what_the_formula_says(cell, extra):
    model, given = network(cell, dropout=0.4, word_dropout=0.2, **extra).train(), batch()
    plain = model.eval()(given)
    model.train().r_drop = 3.0
    torch.manual_seed(4)
    found = model(given)
    torch.manual_seed(4)
    real = given.target[:, 1:] != PAD
    passes = []
    for _ in range(2):
        memory, state = model.encode(model._dropped(given.source), given.source_lengths)
        memory = memory._replace(ids=given.source)
        readouts, _, weights = model.decoder(model._dropped(given.target[:, :-1]), memory, state)
        passes.append(model._log_probs(readouts, weights, given.source)[real])
    gold = given.target[:, 1:][real][:, None]
    cost = -sum(each.gather(1, gold).sum() for each in passes) / 2
    apart = sum(functional.kl_div(a, b, reduction="sum", log_target=True)
                for a, b in (passes, passes[::-1])) / 2  # fmt: skip
    assert float(apart.detach()) > 0.5
    torch.testing.assert_close(found, cost + 3.0 / 2 * apart)
    torch.testing.assert_close(model.eval()(given), plain)


def test_evaluation_takes_one_pass():
    model, given = network("gru"), batch()
    model.r_drop = 1.0
    passes = []
    encode = model.encode
    model.encode = lambda *given: passes.append(1) or encode(*given)
    model(given)
    assert len(passes) == 1
    model.train()(given)
    assert len(passes) == 3


@pytest.mark.parametrize("copy", [False, True])
def test_in_bf16_what_passes_disagree_on_is_exact(copy):
    model, given = network("lstm", dropout=0.1, copy=copy).float().train(), batch()
    model.r_drop, losses = 5.0, []
    for mixed in (False, True):
        torch.manual_seed(3)
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            losses.append(model(given))
    assert {loss.dtype for loss in losses} == {torch.float32}
    torch.testing.assert_close(*losses, rtol=0.02, atol=0)


def test_both_passes_read_the_same_predictions():
    model, given = network("gru", dropout=0.4).train(), batch((6, 4, 5), (9, 8, 7))
    model.r_drop = 1.0
    read = []
    forward = model.decoder.forward

    def listened(inputs, *rest):
        if model.decoder.training:
            read.append(inputs)
        return forward(inputs, *rest)

    model.decoder.forward = listened
    model(given, Forcing(0.2, passes=2))
    assert len(read) == 2
    assert torch.equal(*read)
    assert not torch.equal(read[0], given.target[:, :-1]), "some of them were predicted"


def test_bf16_gives_nearly_the_same_loss_and_gradient():
    model, given = network("lstm").float().train(), batch()
    model.r_drop, model.label_smoothing = 2.0, 0.1
    found = []
    for mixed in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            loss = model(given)
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        found.append((float(loss.detach()), torch.cat([each.flatten() for each in gradients])))
    (exact, of_exact), (rounded, of_rounded) = found
    assert rounded == pytest.approx(exact, rel=0.02)
    assert rounded != exact
    assert float(functional.cosine_similarity(of_exact, of_rounded, dim=0)) > 0.99
