"""The largest of many scores, where equal ones have a fixed order: the lower place first.

On the CPU, torch looks for the largest of a row one score after the other. NumPy compares many at a
time; and the largest of each chunk of a row is found as fast, and what is large stands in chunks of
which that is so.
"""

import numpy as np
import torch
from torch import Tensor

NEVER = float("-inf")
CHUNK, ROWS = 64, 8  # with fewer rows, the more calls take longer than what they save


def likeliest(scores: Tensor) -> Tensor:
    """Where the largest of each row [N, V] is: [N]."""
    if scores.is_cuda or scores.dtype == torch.bfloat16:
        return scores.argmax(1)
    rows = scores.numpy()
    # NumPy copies several rows that are not side by side before it looks at them.
    found = rows.argmax(1) if len(rows) == 1 else np.array([row.argmax() for row in rows], np.int64)
    return torch.from_numpy(found)


def largest(scores: Tensor, offsets: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The `count` largest of the W rows of each of B groups, of which each row has an offset.

    `scores` [B, W, V] and `offsets` [B, W], added to them. Returns the sums [B, count] from the
    largest down, the row and the place in the row of each. Where sums are equal, the lower row
    comes first, then the lower place; -inf, of which any may come back, has no order.
    """
    groups, rows, width = scores.shape
    more = min(count + 1, rows * width)
    if not scores.is_cuda and groups * rows >= ROWS and rows * width >= 4 * CHUNK * more:
        values, row, place = _in_chunks(scores, offsets, more)
    else:
        values, found = (scores + offsets[:, :, None]).flatten(1).topk(more)
        row, place = found // width, found % width
    # topk leaves open in which order equals come and which of them it takes. Groups where that
    # matters are rare enough to be sorted.
    tied = ((values[:, 1:] == values[:, :-1]) & (values[:, 1:] > NEVER)).any(1)
    if tied.any():
        sums = (scores[tied] + offsets[tied][:, :, None]).flatten(1)
        found = sums.sort(dim=1, descending=True, stable=True).indices[:, :more]
        row[tied], place[tied] = found // width, found % width
        values[tied] = sums.gather(1, found)
    return values[:, :count], row[:, :count], place[:, :count]


def _in_chunks(scores: Tensor, offsets: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """As `largest` of all, in any order among equals.

    The `count` largest sums are in the `count` chunks with the largest: whatever is in another
    chunk has as many above it.
    """
    groups, _, width = scores.shape
    whole = width // CHUNK
    peaks = scores[:, :, : whole * CHUNK].view(*offsets.shape, whole, CHUNK).amax(3)
    if width % CHUNK:  # what is left of a row is a chunk as well
        peaks = torch.cat([peaks, scores[:, :, whole * CHUNK :].amax(2, keepdim=True)], dim=2)
    chunks = peaks.shape[2]
    best = (peaks + offsets[:, :, None]).flatten(1).topk(count).indices  # [B, count]
    row, start = best // chunks, best % chunks * CHUNK
    inside = start[:, :, None] + torch.arange(CHUNK)  # [B, count, CHUNK]
    group = torch.arange(groups)[:, None, None]
    sums = scores[group, row[:, :, None], inside.clamp(max=width - 1)]
    sums = (sums + offsets.gather(1, row)[:, :, None]).masked_fill_(inside >= width, NEVER)
    values, order = sums.flatten(1).topk(count)
    chunk = order // CHUNK
    return values, row.gather(1, chunk), start.gather(1, chunk) + order % CHUNK
