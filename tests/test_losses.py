"""The loss of the output projection is torch's, value and gradient."""

import pytest
import torch
from torch.nn import functional

from seqgen import losses
from seqgen.losses import CrossEntropy

N, R, V = 7, 5, 11


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("rows", [1, 3, N])
def test_the_loss_and_its_gradients_are_those_of_torch(smoothing, rows, monkeypatch):
    monkeypatch.setattr(losses, "CACHED", rows * V)
    torch.manual_seed(1)
    leaves = [torch.randn(shape, dtype=torch.double, requires_grad=True)
              for shape in ((N, R), (V, R), (V,))]  # fmt: skip
    readouts, weight, bias = leaves
    wanted = torch.tensor([3, 0, 10, 3, 7, 1, 3])  # one id several times
    each = torch.randn(N, dtype=torch.double)  # tokens need not weigh the same
    nats, spread = CrossEntropy.apply(readouts, weight, bias, wanted, bool(smoothing), False)
    found = (1 - smoothing) * nats + smoothing * spread
    expected = functional.cross_entropy(
        functional.linear(readouts, weight, bias), wanted,
        reduction="none", label_smoothing=smoothing,
    )  # fmt: skip
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        torch.autograd.grad((found * each).sum(), leaves),
        torch.autograd.grad((expected * each).sum(), leaves),
    )


@pytest.mark.parametrize("count", [1, 63, 64, 65])
@pytest.mark.parametrize("smoothing", [False, True])
def test_products_of_bf16_are_near_those_of_fp32_for_any_number_of_rows(count, smoothing):
    torch.manual_seed(count)
    leaves = [torch.randn(shape, requires_grad=True) for shape in ((count, R), (V, R), (V,))]
    wanted, each = torch.randint(V, (count,)), torch.rand(count)
    both = []
    for bf16 in (False, True):
        nats, spread = CrossEntropy.apply(*leaves, wanted, smoothing, bf16)
        both.append((nats, spread, *torch.autograd.grad(((nats + spread) * each).sum(), leaves)))
    for exact, near in zip(*both, strict=True):
        # Numbers of 8 bits, and sums of them.
        torch.testing.assert_close(near, exact, rtol=0.03, atol=0.02 * count**0.5)


def test_scores_may_be_far_apart():
    readouts = torch.tensor([[1.0], [-1.0]], requires_grad=True)
    weight = torch.tensor([[2000.0], [0.0]], requires_grad=True)
    nats, _ = CrossEntropy.apply(
        readouts, weight, torch.zeros(2), torch.tensor([0, 0]), False, False
    )
    assert nats.tolist() == [0.0, 2000.0]
    (gradient,) = torch.autograd.grad(nats.sum(), readouts)
    assert gradient.flatten().tolist() == [0.0, -2000.0]
