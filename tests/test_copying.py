"""Copying: what a gate and attention make of probabilities."""

import math

import pytest
import torch

from seqgen import copying

IDS = torch.tensor([[4, 2, 4, 7, 0]])  # of one source, five places
WEIGHTS = torch.tensor([[[0.1, 0.2, 0.3, 0.4, 0.0], [0.0, 0.5, 0.0, 0.25, 0.25]]])  # [1, 2, 5]


def written() -> torch.Tensor:
    torch.manual_seed(3)
    return torch.randn(1, 2, 9).log_softmax(-1)


@pytest.mark.parametrize("gate", [-50.0, -1.5, 0.0, 2.0, 50.0])
def test_what_is_written_or_copied_sums_to_one(gate):
    found = copying.whole(torch.full((1, 2, 1), gate), written(), WEIGHTS, IDS)
    assert found.exp().sum(-1).flatten().tolist() == pytest.approx([1.0, 1.0], abs=1e-6)


def test_places_with_the_same_id_add_up():
    gate, plain = torch.tensor([[[math.log(3)], [math.log(3)]]]), written()  # written: 3 of 4
    found = copying.whole(gate, plain, WEIGHTS, IDS).exp()
    own = plain.exp() * 0.75
    assert float(found[0, 0, 4] - own[0, 0, 4]) == pytest.approx(0.25 * (0.1 + 0.3))
    assert float(found[0, 1, 7] - own[0, 1, 7]) == pytest.approx(0.25 * 0.25)
    assert float(found[0, 0, 5]) == pytest.approx(float(own[0, 0, 5])), "5 stands nowhere"


def test_rows_of_a_beam_copy_from_the_source_they_share():
    ids = torch.cat([IDS, IDS + 1])  # two sources, three rows each
    weights = torch.rand(6, 2, 5).softmax(-1)
    logs = torch.randn(6, 2, 9).log_softmax(-1)
    gate = torch.randn(6, 2, 1)
    found = copying.whole(gate, logs, weights, ids)
    for row in range(6):
        one = slice(row, row + 1)
        source = ids[row // 3][None]
        alone = copying.whole(gate[one], logs[one], weights[one], source)
        assert torch.allclose(found[one], alone)


def test_what_is_copied_of_gold_ids_is_what_the_whole_says_of_them():
    gate, plain, gold = torch.randn(1, 2, 1), written(), torch.tensor([[4, 8]])
    whole = copying.whole(gate, plain, WEIGHTS, IDS).gather(-1, gold[..., None])
    copied = copying.copied(WEIGHTS, gold, IDS)[..., None]
    assert copied.flatten().tolist() == pytest.approx([0.4, 0.0])
    assert torch.allclose(whole, copying.either(gate, plain.gather(-1, gold[..., None]), copied))
