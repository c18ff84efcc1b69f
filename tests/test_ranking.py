"""The largest of many scores are those of a stable sort."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqgen.ranking import CHUNK, NEVER, ROWS, largest, likeliest


def ranked(row, count):
    """The places of the largest by a sort that keeps the order of equals."""
    return sorted(range(len(row)), key=lambda place: -row[place])[:count]


@given(
    rows=st.lists(st.lists(st.integers(-3, 0), min_size=7, max_size=7), min_size=1, max_size=5),
    count=st.integers(1, 7),
)
def test_largest_takes_the_lowest_places_among_equals(rows, count):
    values, places = largest(torch.tensor(rows, dtype=torch.float32), count)
    expected = [ranked(row, count) for row in rows]
    assert places.tolist() == expected
    assert values.tolist() == [
        [row[place] for place in order] for row, order in zip(rows, expected, strict=True)
    ]


@given(
    seed=st.integers(0, 10**6),
    width=st.integers(15 * CHUNK, 26 * CHUNK + 5),
    count=st.integers(1, 7),
    kinds=st.sampled_from([2, 40, 10**6]),  # how many different scores there are
    dead=st.sampled_from([0.0, 0.5, 0.999]),  # share of rows' entries that are impossible
)
def test_long_rows_give_what_a_sort_gives(seed, width, count, kinds, dead):
    draw = torch.Generator().manual_seed(seed)
    scores = torch.randint(kinds, (ROWS, width + 2), generator=draw).float()
    scores[torch.rand(scores.shape, generator=draw) < dead] = NEVER
    part = scores[:, 2:]  # as search gives it: not contiguous
    expected = [ranked(row, count) for row in part.tolist()]
    values, places = largest(part, count)
    assert torch.equal(values, part.gather(1, places))
    assert torch.equal(values, part.gather(1, torch.tensor(expected)))
    # What is impossible is never produced, wherever it stands.
    alive = values > NEVER
    assert torch.equal(places[alive], torch.tensor(expected)[alive])
    assert likeliest(part).tolist() == [row[0] for row in expected]


@pytest.mark.parametrize("place", [0, 63, 64, 1999, 2047, 2048, 2049])
def test_the_one_largest_is_found_wherever_it_stands(place):
    scores = torch.zeros(ROWS, 2050)
    scores[1:, place] = 1.0
    assert likeliest(scores).tolist() == [0] + [place] * (ROWS - 1)
    found = largest(scores, 2)[1].tolist()
    assert found == [[0, 1]] + [[place, 1 if place == 0 else 0]] * (ROWS - 1)


def test_no_rows_have_no_places():
    assert likeliest(torch.zeros(0, 3000)).tolist() == []
