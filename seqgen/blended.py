"""Target ids in some places of which the decoder reads other vectors than their embeddings."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Blended(NamedTuple):
    """Ids [B, T], and what is read instead of the embeddings of some of them."""

    ids: Tensor  # [B, T]; where a vector stands, the likeliest
    places: Tensor  # [N] of B * T
    vectors: Tensor  # [N, E]

    def over(self, embeddings: Tensor) -> Tensor:
        """What is read, [B, T, E], out of the `embeddings` of all ids."""
        flat = embeddings.flatten(0, 1)
        return flat.index_copy(0, self.places, self.vectors.to(flat)).view(embeddings.shape)

    def hidden(self, ids: Tensor, vector: Tensor) -> "Blended":
        """The same where `ids` [B, T] stay as they are, and `vector` [E] where they change."""
        gone = (ids != self.ids).flatten()[self.places]
        return Blended(ids, self.places, torch.where(gone[:, None], vector, self.vectors))


Ids = Tensor | Blended


def plain(inputs: Ids) -> Tensor:
    """The ids [B, T]; where a vector is read, the likeliest."""
    return inputs.ids if isinstance(inputs, Blended) else inputs


def side_by_side(columns: Sequence[Ids]) -> Ids:
    """Columns [B, 1] as one [B, T]."""
    ids = torch.cat([plain(column) for column in columns], dim=1)
    blended = [
        (column.places * len(columns) + step, column.vectors)
        for step, column in enumerate(columns)
        if isinstance(column, Blended)
    ]
    if not blended:
        return ids
    places, vectors = zip(*blended, strict=True)
    return Blended(ids, torch.cat(places), torch.cat(vectors))


def cut(inputs: Ids, window: int) -> list[Ids]:
    """Inputs [B, T] in windows of so many steps."""
    windows: list[Ids] = list(torch.split(plain(inputs), window, dim=1))
    if not isinstance(inputs, Blended) or len(windows) == 1:
        return [inputs] if len(windows) == 1 else windows
    rows, columns = inputs.places // inputs.ids.shape[1], inputs.places % inputs.ids.shape[1]
    found: list[Ids] = []
    for number, ids in enumerate(map(plain, windows)):
        inside = (columns // window == number).nonzero().squeeze(1)
        places = rows[inside] * ids.shape[1] + columns[inside] - number * window
        found.append(Blended(ids, places, inputs.vectors[inside]))
    return found
