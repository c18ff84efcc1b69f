"""Several models that write one text: what each thinks of the next id, averaged."""

import math
from collections.abc import Sequence
from itertools import islice
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from seqgen.batching import Batch
from seqgen.inference import Ready
from seqgen.model import Forced, Seq2Seq, judged
from seqgen.recurrent import State

Average = Literal["probability", "log_probability"]
Member = Seq2Seq | Ready


class Memories(NamedTuple):
    """What the steps of each member need of the encoded sources."""

    each: tuple[Any, ...]
    parts: tuple[int, ...]  # of the state, how many are each member's

    def select(self, sentences: Tensor) -> "Memories":
        """The same of these sentences, in this order."""
        return self._replace(each=tuple(memory.select(sentences) for memory in self.each))


class Ensemble:
    """Models over the same vocabulary, asked as one. The state is that of all, end to end."""

    def __init__(self, members: Sequence[Member], average: Average):
        self.members, self.average = tuple(members), average
        self.device = self.members[0].device

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Memories, State]:
        """What `step` needs of `source` [B, S], whose lengths [B] are on the CPU."""
        found = [member.encode(source, lengths) for member in self.members]
        memories = Memories(
            tuple(memory for memory, _ in found), tuple(len(state) for _, state in found)
        )
        return memories, tuple(part for _, state in found for part in state)

    def step(self, ids: Tensor, memory: Memories, state: State) -> tuple[Tensor, State]:
        """Log-probabilities of the next id, [N, V], and the state after `ids` [N]."""
        rest = iter(state)
        written: list[Tensor] = []
        ended: list[Tensor] = []
        for member, own, parts in zip(self.members, memory.each, memory.parts, strict=True):
            log_probs, after = member.step(ids, own, tuple(islice(rest, parts)))
            written.append(log_probs)
            ended += after
        return averaged(torch.stack(written), self.average), tuple(ended)

    def forced(self, batch: Batch) -> Forced:
        """How likely the batch's own targets are; attention is the mean of the members'."""
        found = [member.whole(batch) for member in self.members]
        scores = averaged(torch.stack([log_probs for log_probs, _ in found]), self.average)
        weights = torch.stack([weights for _, weights in found]).mean(0)
        return judged(scores, weights, batch.target)


def averaged(log_probs: Tensor, average: Average) -> Tensor:
    """One distribution [..., V], in logs, out of those of the members [members, ..., V].

    The mean of probabilities, or that of their logarithms, which is made to sum to one again.
    """
    if average == "probability":
        return log_probs.logsumexp(0) - math.log(len(log_probs))
    return log_probs.mean(0).log_softmax(-1)


def together(members: Sequence[Member], average: Average) -> Member | Ensemble:
    """The members as one model; one alone is itself."""
    return members[0] if len(members) == 1 else Ensemble(members, average)
