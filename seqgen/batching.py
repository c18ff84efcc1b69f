"""Encoded pairs in flat arrays, and the order in which an epoch goes through them."""

import hashlib
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from seqgen.trainsection import TrainConfig
from seqgen.vocabulary import PAD

Integers = NDArray[numpy.integer]
BLOCK, SHARD = 2**12, 2**20  # sentences: neighbours that stay together, and those mixed at a time


class Batch(NamedTuple):
    """Sentences side by side."""

    source: Tensor  # [B, S] ids, EOS-terminated, then PAD
    source_lengths: Tensor  # [B] on the CPU, where pack_padded_sequence wants them
    target: Tensor  # [B, T] ids, BOS first, EOS last, then PAD
    tokens: int  # target ids that the loss predicts; counted where counting waits for no device

    def to(self, device: torch.device) -> "Batch":
        """The same batch with its ids on `device`."""
        given = self.pinned() if device.type == "cuda" else self
        source, target = (ids.to(device, non_blocking=True) for ids in (given.source, given.target))
        return self._replace(source=source, target=target)

    def widened(self, multiple: int) -> "Batch":
        """The same batch with as much more padding as makes both widths multiples of a number."""
        source, target = (
            functional.pad(ids, (0, -ids.shape[1] % multiple), value=PAD)
            for ids in (self.source, self.target)
        )
        return self._replace(source=source, target=target)

    def pinned(self) -> "Batch":
        """The same batch in memory that a GPU copies from by itself, where there is one."""
        if not torch.cuda.is_available() or self.source.is_cuda:
            return self
        return self._replace(source=self.source.pin_memory(), target=self.target.pin_memory())


class Side(NamedTuple):
    """The sentences of one language, end to end."""

    ids: Integers  # memory-mapped or in memory
    offsets: Integers  # [sentences + 1]

    @property
    def lengths(self) -> Integers:
        """Ids of each sentence."""
        return numpy.diff(self.offsets)

    def lengths_of(self, sentences: Integers) -> Integers:
        """Ids of each of these sentences."""
        return numpy.asarray(self.offsets[sentences + 1] - self.offsets[sentences])

    def padded(self, sentences: Integers) -> Tensor:
        """[B, longest] ids of these sentences, PAD after the end of each."""
        starts = numpy.asarray(self.offsets[sentences])
        lengths = self.lengths_of(sentences)
        steps = numpy.arange(int(lengths.max()))
        real = steps < lengths[:, None]
        places = numpy.where(real, starts[:, None] + steps, 0)
        return torch.from_numpy(numpy.where(real, self.ids[places], PAD).astype(numpy.int64))


class Encoded(NamedTuple):
    """A corpus as ids: source with EOS, target with BOS and EOS."""

    source: Side
    target: Side

    def __len__(self) -> int:
        return len(self.source.offsets) - 1

    def batch(self, sentences: Integers) -> Batch:
        """These pairs, by their numbers in the corpus."""
        target = self.target.padded(sentences)
        lengths = torch.from_numpy(self.source.lengths_of(sentences))
        return Batch(
            self.source.padded(sentences), lengths, target, int((target[:, 1:] != PAD).sum())
        )


class Budget(NamedTuple):
    """How much goes into a batch."""

    tokens: int  # target ids, padding included
    sentences: int = 0  # 0: no limit
    growth: float = 1.0  # times as much from one epoch to the next
    jump: float = 1.0  # times as much again from each of these epochs on
    jumps: tuple[int, ...] = ()

    @classmethod
    def of(cls, settings: TrainConfig, jumps: Sequence[int] = ()) -> "Budget":
        """What the settings say; sentences that are counted may be of any length."""
        tokens = sys.maxsize if settings.batch_sentences else settings.batch_tokens
        growth, jump = settings.batch_growth, settings.plateau_growth
        return cls(tokens, settings.batch_sentences, growth, jump, tuple(jumps))

    def factor(self, epoch: int) -> float:
        """How many times the budget of epoch 0 that epoch has."""
        jumps = sum(first <= epoch for first in self.jumps)
        # No float is too large.
        return min(self.growth ** min(epoch, 99) * self.jump ** min(jumps, 99), 1e9)

    def at(self, epoch: int) -> "Budget":
        """What goes into a batch of that epoch."""
        factor = self.factor(epoch)
        tokens = min(int(self.tokens * factor), sys.maxsize)
        return Budget(tokens, int(self.sentences * factor))


class Batches:
    """The batches of any epoch: a pure function of (seed, epoch, budget, blur).

    A large corpus is gone through in shards, so that an order takes no more memory than that of
    one: each holds blocks of neighbouring sentences, drawn anew for every epoch. `blur` lengthens
    each target by chance, at most by this share of it, before sentences are sorted by length: 0
    packs densest, more mixes. `drawn` gives the same sentences in the pieces of an epoch.
    """

    def __init__(
        self,
        corpus: Encoded,
        budget: Budget,
        seed: int,
        blur: float = 0.0,
        drawn: Callable[[int], Encoded] | None = None,
    ):
        self.corpus = corpus
        self.drawn = drawn
        self.budget = budget
        self.seed = seed
        self.blur = blur
        # Batches of each epoch that was asked for: to count them, `drawn` may cut all texts.
        self._counted: dict[tuple[int, Budget], int] = {}

    def order(self, epoch: int) -> Iterator[Integers]:
        """The sentences of each batch of an epoch; every sentence is in exactly one."""
        draw = torch.Generator().manual_seed(mixed(self.seed, epoch))
        of_blocks = torch.Generator().manual_seed(mixed(self.seed, epoch, BLOCK))
        blocks = torch.randperm(-(-len(self.corpus) // BLOCK), generator=of_blocks)
        for shard in torch.split(blocks, SHARD // BLOCK):
            yield from self._batches(epoch, shard.sort().values, draw)

    def groups(
        self, epoch: int, start: int = 0, size: int = 1, rank: int = 0, world: int = 1
    ) -> Iterator[list[Batch]]:
        """The updates of an epoch from number `start` on: `size` batches each, one rank's share.

        Every rank takes every `world`-th sentence of each batch, so that the number of ranks
        changes who computes and not what an update sees. A rank without a share of a batch
        has no entry for it.
        """
        order = itertools.islice(self.order(epoch), start * size, None)
        corpus = self._in(epoch)
        while group := list(itertools.islice(order, size)):
            shares = (sentences[rank::world] for sentences in group)
            yield [corpus.batch(share) for share in shares if len(share)]

    def updates(self, epoch: int, size: int = 1) -> int:
        """How many updates of `size` batches the epoch has."""
        asked = (epoch, self.budget.at(epoch))
        if asked not in self._counted:
            self._counted[asked] = sum(1 for _ in self.order(epoch))
        return -(-self._counted[asked] // size)

    def tokens(self, epoch: int) -> int:
        """How many target ids are predicted in the epoch."""
        corpus = self._in(epoch)
        return int(corpus.target.offsets[-1]) - len(corpus)  # BOS is not

    def expected(self, epochs: float, size: int = 1) -> float:
        """How many updates the first `epochs` have, if all pack as densely as the first."""
        first = self.updates(0, size)
        shares = [1.0] * int(epochs) + [epochs % 1]
        return sum(share * first / self.budget.factor(e) for e, share in enumerate(shares))

    def _in(self, epoch: int) -> Encoded:
        return self.drawn(epoch) if self.drawn else self.corpus

    def _batches(self, epoch: int, blocks: Tensor, draw: torch.Generator) -> list[Integers]:
        """The batches of the sentences in these blocks."""
        starts = blocks.numpy()[:, None] * BLOCK
        sentences = (starts + numpy.arange(BLOCK)).reshape(-1)
        sentences = sentences[sentences < len(self.corpus)]
        shuffled = sentences[torch.randperm(len(sentences), generator=draw).numpy()]
        # Sorting by length makes batches dense, and shuffling them keeps the epoch from running
        # from short to long. Sorted by target length alone and with blur, a batch holds pairs of
        # every kind: with pairs all alike, each step would pull the model to one kind of them.
        # Without blur, targets of one length are sorted by that of their sources, so that these
        # hardly pad either.
        corpus = self._in(epoch)
        lengths = corpus.target.lengths_of(shuffled)
        blurred = lengths * (1 + self.blur * torch.rand(len(lengths), generator=draw).numpy())
        sources = lengths if self.blur else corpus.source.lengths_of(shuffled)
        by_length = numpy.lexsort((sources, blurred))
        batches = cut(shuffled[by_length], lengths[by_length], self.budget.at(epoch))
        return [batches[place] for place in torch.randperm(len(batches), generator=draw).tolist()]


def ahead(groups: Iterator[list[Batch]]) -> Iterator[list[Batch]]:
    """The same groups, each made by a thread while the one before is computed with."""

    def made() -> list[Batch] | None:
        group = next(groups, None)
        return None if group is None else [batch.pinned() for batch in group]

    with ThreadPoolExecutor(1) as maker:
        coming = maker.submit(made)
        while (group := coming.result()) is not None:
            coming = maker.submit(made)
            yield group


def mixed(*numbers: int) -> int:
    """A 63-bit seed out of several numbers, the same on every machine."""
    digest = hashlib.blake2b(repr(numbers).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def cut(sentences: Integers, lengths: Integers, budget: Budget) -> list[Integers]:
    """Runs of `sentences`, in their order, that fill the budget; a long one stands alone."""
    batches = []
    start = 0
    while start < len(sentences):
        # As wide as its longest sentence, a run grows until the rectangle is too large.
        most = max(1, budget.tokens // int(lengths[start]))
        most = min(most, budget.sentences) if budget.sentences else most
        widths = numpy.maximum.accumulate(lengths[start : start + most])
        areas = widths * numpy.arange(1, len(widths) + 1)
        size = max(1, int(numpy.searchsorted(areas, budget.tokens, side="right")))
        batches.append(sentences[start : start + size])
        start += size
    return batches
