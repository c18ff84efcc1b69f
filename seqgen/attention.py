"""What the decoder may look at, and the four ways of looking."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from seqgen.energies import Energies
from seqgen.recurrent import trains_here
from seqgen.vocabulary import PAD


class Memory(NamedTuple):
    """The encoded source, ready to be attended: projected once a sentence, not once a step."""

    states: Tensor  # [B, S, D]
    keys: Tensor  # [B, S, A]
    mask: Tensor  # [B, S], True on real ids
    ids: Tensor  # [B, S] of the source, PAD after each end

    def select(self, sentences: Tensor) -> "Memory":
        """The memory of these sentences, in this order."""
        return Memory(*(part.index_select(0, sentences) for part in self))


class Attention(nn.Module):
    """Scores of every source state for every query, and the mean of the states they weigh."""

    key: nn.Module  # what of a state [B, S, D] is compared: [B, S, A]

    @property
    def factor(self) -> float | None:
        """What a product of query and key is multiplied with; None where scores are no product."""
        return 1.0

    def remember(self, states: Tensor, ids: Tensor) -> Memory:
        """`states` [B, S, D] of source `ids` with the keys that queries are compared with."""
        return Memory(states, self.key(states), ids != PAD, ids)

    def scores(self, queries: Tensor, keys: Tensor, covered: Tensor | None = None) -> Tensor:
        """[B, Q, S]; `queries` [B, Q, H] are decoder steps or the hypotheses of a beam.

        `covered` is what coverage adds: to keys, [B, Q, S, A], where scores are no products, else
        to scores, [B, Q, S, 1].
        """
        found = queries @ keys.transpose(1, 2)
        return found if covered is None else found + covered.squeeze(-1)

    def weights(
        self,
        queries: Tensor,
        memory: Memory,
        bonus: Tensor | None = None,
        covered: Tensor | None = None,
    ) -> Tensor:
        """How much of each source state makes the context of each query: [B, Q, S].

        `bonus` [B, Q, S] is added to the scores.
        """
        scores = self.scores(queries, memory.keys, covered)
        if bonus is not None:
            scores = scores + bonus
        return scores.masked_fill(~memory.mask[:, None], float("-inf")).softmax(-1)

    def forward(
        self, queries: Tensor, memory: Memory, bonus: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The contexts [B, Q, D] and the weights [B, Q, S] that made them."""
        weights = self.weights(queries, memory, bonus)
        return weights @ memory.states, weights


class Dot(Attention):
    """q . h, after Luong, Pham and Manning (2015), section 3.1."""

    def __init__(self, queries: int, states: int):
        super().__init__()
        assert queries == states, "a dot product needs equal widths"
        self.key = nn.Identity()


class ScaledDot(Dot):
    """q . h / sqrt(H), after Vaswani et al. (2017), section 3.2.1."""

    def __init__(self, queries: int, states: int):
        super().__init__(queries, states)
        self.width = queries

    @property
    def factor(self) -> float:
        return 1 / math.sqrt(self.width)

    def scores(self, queries: Tensor, keys: Tensor, covered: Tensor | None = None) -> Tensor:
        return super().scores(queries / math.sqrt(queries.shape[-1]), keys, covered)


class General(Attention):
    """q . W h, after Luong, Pham and Manning (2015), section 3.1."""

    def __init__(self, queries: int, states: int):
        super().__init__()
        self.key = nn.Linear(states, queries, bias=False)


class Additive(Attention):
    """v . tanh(W q + U h), after Bahdanau, Cho and Bengio (2015), section A.1.2."""

    def __init__(self, queries: int, states: int):
        super().__init__()
        self.query = nn.Linear(queries, queries)
        self.key = nn.Linear(states, queries, bias=False)
        self.energy = nn.Linear(queries, 1, bias=False)

    @property
    def factor(self) -> None:
        return None

    def scores(self, queries: Tensor, keys: Tensor, covered: Tensor | None = None) -> Tensor:
        asked = self.query(queries)
        if covered is None and trains_here(queries):
            energies = Energies.apply(asked, keys, self.energy.weight[0])  # type: ignore[no-untyped-call]
        else:
            compared = keys[:, None] if covered is None else keys[:, None] + covered
            mixed = torch.tanh(asked[:, :, None] + compared)  # [B, Q, S, A]
            energies = self.energy(mixed).squeeze(-1)
        found: Tensor = energies
        return found


ATTENTIONS: dict[str, type[Dot | General | Additive]] = {
    "additive": Additive,
    "general": General,
    "dot": Dot,
    "scaled_dot": ScaledDot,
}
