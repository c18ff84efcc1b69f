"""The largest of many scores are those of a stable sort."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqgen.ranking import CHUNK, NEVER, ROWS, largest, likeliest


def sorted_out(group, offsets, count):
    """Sums, rows and places of the largest by a sort that keeps the order of equals."""
    found = [
        (score + offset, row, place)
        for row, (scores, offset) in enumerate(zip(group, offsets, strict=True))
        for place, score in enumerate(scores)
    ]
    return sorted(found, key=lambda one: -one[0])[:count]


@given(
    groups=st.lists(
        st.lists(st.lists(st.integers(-3, 0), min_size=7, max_size=7), min_size=2, max_size=2),
        min_size=1,
        max_size=5,
    ),
    offset=st.integers(-2, 2),
    count=st.integers(1, 14),
)
def test_largest_takes_the_lowest_places_among_equals(groups, offset, count):
    offsets = torch.tensor([[0.0, offset]] * len(groups))
    found = largest(torch.tensor(groups, dtype=torch.float32), offsets, count)
    for group, *one in zip(groups, *(part.tolist() for part in found), strict=True):
        assert list(zip(*one, strict=True)) == sorted_out(group, [0, offset], count)


@given(
    seed=st.integers(0, 10**6),
    rows=st.sampled_from([1, 3]),
    width=st.integers(12 * CHUNK, 33 * CHUNK + 5),
    count=st.integers(1, 7),
    kinds=st.sampled_from([2, 40, 10**6]),  # how many different scores there are
    dead=st.sampled_from([0.0, 0.5, 0.999]),  # share of rows' entries that are impossible
)
def test_long_rows_give_what_a_sort_gives(seed, rows, width, count, kinds, dead):
    draw = torch.Generator().manual_seed(seed)
    scores = torch.randint(kinds, (ROWS, rows, width + 2), generator=draw).float()
    scores[torch.rand(scores.shape, generator=draw) < dead] = NEVER
    offsets = torch.randint(3, (ROWS, rows), generator=draw).float()
    part = scores[:, :, 2:]  # as search gives it: not contiguous
    found = (each.tolist() for each in largest(part, offsets, count))
    for group, given_offsets, *one in zip(part.tolist(), offsets.tolist(), *found, strict=True):
        expected = sorted_out(group, given_offsets, count)
        assert one[0] == [total for total, _, _ in expected]
        # What is impossible is never produced, wherever it stands.
        alive = [each for each in zip(*one, strict=True) if each[0] > NEVER]
        assert alive == [each for each in expected if each[0] > NEVER]
    first = part[:, 0]
    assert likeliest(first).tolist() == [
        max(range(width), key=lambda place: row[place]) for row in first.tolist()
    ]


@pytest.mark.parametrize("place", [0, 63, 64, 1999, 2047, 2048, 2049])
def test_the_one_largest_is_found_wherever_it_stands(place):
    scores = torch.zeros(ROWS, 2050)
    scores[1:, place] = 1.0
    assert likeliest(scores).tolist() == [0] + [place] * (ROWS - 1)
    found = largest(scores[:, None], torch.zeros(ROWS, 1), 2)[2].tolist()
    assert found == [[0, 1]] + [[place, 1 if place == 0 else 0]] * (ROWS - 1)


@pytest.mark.parametrize("rows", [1, 2, 9])
@pytest.mark.parametrize("precision", [torch.float32, torch.float64, torch.bfloat16])
def test_the_likeliest_of_part_of_the_columns_is_the_first_among_equals(rows, precision):
    scores = torch.zeros(rows, 700, dtype=precision)
    scores[:, [3, 101, 650]] = torch.tensor([5.0, 2.0, 2.0], dtype=precision)
    found = likeliest(scores[:, 4:])
    assert found.tolist() == [97] * rows
    assert found.dtype == torch.int64


def test_no_rows_have_no_places():
    assert likeliest(torch.zeros(0, 3000)).tolist() == []
    assert largest(torch.zeros(0, 2, 3000), torch.zeros(0, 2), 3)[1].tolist() == []
