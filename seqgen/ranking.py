"""The largest of many scores, where equal ones have a fixed order: the lower place first.

On the CPU, torch looks for the largest of a row one score after the other. The largest of each
chunk of a row is found many times as fast, and what is large stands in chunks of which that is so.
"""

import torch
from torch import Tensor

NEVER = float("-inf")
CHUNK, ROWS = 64, 8  # with fewer rows, the more calls take longer than what they save


def likeliest(scores: Tensor) -> Tensor:
    """Where the largest of each row [N, V] is: [N]."""
    if not _has_chunks(scores, 1):
        return scores.argmax(1)
    found, places = _candidates(scores, 1)
    return places.gather(1, found.argmax(1, keepdim=True)).squeeze(1)


def largest(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` largest of each row [N, V] and where they are."""
    more = min(count + 1, scores.shape[1])
    if _has_chunks(scores, more):
        found, places = _candidates(scores, more)
        values, order = found.topk(more)
        places = places.gather(1, order)
    else:
        values, places = scores.topk(more)
    # topk leaves open which of several equals it takes. That matters where the first one left out
    # is as large as the last one taken; such rows are rare enough to be sorted.
    if more > count:
        tied = (values[:, count - 1] == values[:, count]) & (values[:, count] > NEVER)
        if tied.any():
            rows = scores[tied].sort(dim=1, descending=True, stable=True).indices
            places[tied] = rows[:, :more]
    places = places[:, :count].sort(dim=1).values
    values, order = scores.gather(1, places).sort(dim=1, descending=True, stable=True)
    return values, places.gather(1, order)


def _has_chunks(scores: Tensor, count: int) -> bool:
    rows, width = scores.shape
    return not scores.is_cuda and rows >= ROWS and width >= 4 * CHUNK * max(4, count)


def _candidates(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Scores [N, C] among which are the `count` largest of each row, and their places.

    Those of the `count` chunks with the largest maxima: whatever is in another chunk has as many
    above it. What the chunks leave of a row is among them as well.
    """
    width = scores.shape[1] // CHUNK * CHUNK
    chunks = scores[:, :width].view(len(scores), width // CHUNK, CHUNK)
    peaks = chunks.amax(2)
    best = peaks.argmax(1, keepdim=True) if count == 1 else peaks.topk(count).indices
    inside = (best[:, :, None] * CHUNK + torch.arange(CHUNK)).flatten(1)
    rest = torch.arange(width, scores.shape[1]).expand(len(scores), -1)
    places = torch.cat([inside, rest], dim=1)
    return scores.gather(1, places), places
