"""Layers over a source that is alone give what they give in a batch."""

import pytest
import torch

from seqgen.alone import Alone, Arranged, Plain
from seqgen.cells import Inside
from seqgen.normalization import Between
from seqgen.recurrent import CELLS, Recurrent
from seqgen.stack import Stack

S, H, E, L = 7, 10, 5, 3

needs_onednn = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available()
    or not hasattr(torch.ops.mkldnn, "_reorder_mkldnn_rnn_layer_weight"),
    reason="this torch cannot arrange weights for oneDNN",
)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
@pytest.mark.parametrize("inside", [Inside(), Inside(layer_norm=True)], ids=["fused", "unrolled"])
@pytest.mark.parametrize("length", [1, S])
def test_a_source_alone_is_read_as_one_in_a_batch(cell, both, precision, inside, length):
    torch.manual_seed(2)
    between = Between(0.0, residual=True, layer_norm=True)
    stack = Stack(cell, E, H, L, both, between, inside).to(precision).eval()
    for weight in stack.parameters():
        weight.data += 0.3 * torch.randn_like(weight)
    inputs, lengths = torch.randn(3, S, E, dtype=precision), torch.tensor([4, length, S])
    with torch.inference_mode():
        wanted = stack(inputs, lengths)[1:2, :length]
        found = stack(inputs[1:2, :length], lengths[1:2], Alone(stack))
    assert found.shape == (1, length, H)
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(
        stack.last(found, lengths[1:2]), stack.last(wanted.repeat(2, 1, 1), lengths[[1, 1]])[:1]
    )


@needs_onednn
def test_weights_of_a_lstm_in_single_precision_are_arranged():
    both = Stack("lstm", E, H, L, True)
    assert {type(read) for read in Alone(both).read.values()} == {Arranged}
    assert len(Alone(both).read) == 2 * L
    assert {type(read) for read in Alone(both.double()).read.values()} == {Plain}
    assert {type(read) for read in Alone(Stack("gru", E, H, L, True)).read.values()} == {Plain}


@needs_onednn
@pytest.mark.parametrize("reverse", [False, True])
def test_arranged_weights_are_those_of_the_layer(reverse):
    layer, inputs = Recurrent("lstm", E, H).eval(), torch.randn(1, S, E)
    with torch.inference_mode():
        exact = Plain(layer, reverse)(inputs)
        torch.testing.assert_close(Arranged(layer, reverse)(inputs), exact)
    assert not torch.allclose(Plain(layer, not reverse)(inputs), exact)


def test_what_is_not_alone_is_left_to_the_stack():
    alone, ids = Alone(Stack("lstm", E, H, L, True)), torch.full((2, S), 5)
    assert alone.fits(ids[:1], torch.tensor([S]))
    assert not alone.fits(ids, torch.tensor([S, S])), "two sources"
    assert not alone.fits(ids[:1], torch.tensor([S - 1])), "padding"
    with torch.autocast("cpu", torch.bfloat16):
        assert not alone.fits(ids[:1], torch.tensor([S])), "other arithmetic"
