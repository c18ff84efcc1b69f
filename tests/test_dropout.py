"""Dropout drops the share that was asked for, keeps the mean, and rests outside training."""

import pytest
import torch

from seqgen.dropout import Dropout

SHAPE = (7, 1001, 13)  # not a multiple of the coins of a draw


@pytest.mark.parametrize("share", [0.1, 0.3, 0.95])
def test_a_share_is_dropped_and_the_rest_makes_up_for_it(share):
    torch.manual_seed(1)
    dropped = Dropout(share).train()(torch.ones(SHAPE))
    count = dropped.numel()
    error = 5 * (share * (1 - share) / count) ** 0.5
    assert float((dropped == 0).double().mean()) == pytest.approx(share, abs=error)
    torch.testing.assert_close(dropped.unique(), torch.tensor([0, 1 / (1 - share)]),
                               atol=0, rtol=1e-3)  # fmt: skip
    # Neighbours, and the four coins of a draw, fall on their own.
    flat = (dropped == 0).double().flatten()
    for distance in (1, 2, 3, 4, 13):
        both = float((flat[:-distance] * flat[distance:]).mean())
        assert both == pytest.approx(share**2, abs=10 * error)


def test_the_seed_decides_and_the_gradient_passes_where_the_value_did():
    values = torch.randn(SHAPE, requires_grad=True)
    torch.manual_seed(2)
    first = Dropout(0.3)(values)
    torch.manual_seed(2)
    assert torch.equal(Dropout(0.3)(values), first)
    assert not torch.equal(Dropout(0.3)(values), first)
    (gradient,) = torch.autograd.grad(first.sum(), values)
    torch.testing.assert_close(gradient * values, first)


def test_nothing_is_dropped_outside_training_or_where_nothing_is_to_be():
    values = torch.randn(3, 5)
    assert torch.equal(Dropout(0.5).eval()(values), values)
    assert torch.equal(Dropout(0.0)(values), values)
    assert not Dropout(0.0).active
    assert not Dropout(0.5).eval().active
