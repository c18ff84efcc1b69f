"""What is read instead of embeddings stands where it belongs."""

import pytest
import torch

from seqgen.blended import Blended, cut, plain, side_by_side

IDS = torch.tensor([[4, 5, 6], [7, 8, 9]])
VECTORS = torch.tensor([[0.5, -1.0], [2.0, 3.0]])


def test_vectors_are_read_in_their_places_and_embeddings_elsewhere():
    table = torch.arange(20.0).view(10, 2).requires_grad_()
    read = Blended(IDS, torch.tensor([1, 3]), VECTORS).over(table[IDS])
    assert read.tolist() == [
        [[8.0, 9.0], [0.5, -1.0], [12.0, 13.0]],
        [[2.0, 3.0], [16.0, 17.0], [18.0, 19.0]],
    ]
    read.sum().backward()
    assert table.grad[:, 0].tolist() == [0, 0, 0, 0, 1, 0, 1, 0, 1, 1], "not what is not read"


def test_what_changes_its_id_is_hidden():
    blended = Blended(IDS, torch.tensor([1, 3]), VECTORS)
    changed = torch.tensor([[1, 5, 6], [1, 1, 9]])
    found = blended.hidden(changed, torch.tensor([7.0, 7.0]))
    assert torch.equal(found.ids, changed)
    assert found.vectors.tolist() == [[0.5, -1.0], [7.0, 7.0]]


def test_columns_side_by_side_keep_their_places():
    one = Blended(IDS[:, 1:2], torch.tensor([1]), VECTORS[:1])
    two = Blended(IDS[:, 2:], torch.tensor([0, 1]), VECTORS + 1)
    found = side_by_side([IDS[:, :1], one, two])
    assert torch.equal(plain(found), IDS)
    assert dict(zip(found.places.tolist(), found.vectors.tolist(), strict=True)) == {
        4: [0.5, -1.0],
        2: [1.5, 0.0],
        5: [3.0, 4.0],
    }
    assert torch.equal(side_by_side(list(torch.split(IDS, 1, dim=1))), IDS)


@pytest.mark.parametrize("window", [1, 2, 3, 4])
def test_windows_read_what_the_whole_reads(window):
    table = torch.arange(20.0).view(10, 2)
    whole = Blended(IDS, torch.tensor([1, 3]), VECTORS)
    parts = cut(whole, window)
    assert len(parts) == -(-3 // window)
    assert torch.equal(torch.cat([one.over(table[one.ids]) for one in parts], 1),
                       whole.over(table[IDS]))  # fmt: skip
    assert torch.equal(torch.cat(cut(IDS, window), 1), IDS)
