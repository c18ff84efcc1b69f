"""Training texts in pieces that are drawn anew for every epoch."""

import tempfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from seqgen.batching import Encoded, mixed
from seqgen.cache import cache_folder
from seqgen.config import Config
from seqgen.preparation import Prepared, read_ids, write_ids
from seqgen.tokenizer import Tokenizer, Tokenizers


class Side(NamedTuple):
    """One side of an epoch's pairs."""

    tokenizer: Tokenizer
    longest: int  # ids of a text, with the one that ends it
    alpha: float  # 0: the likeliest pieces
    seed: int

    def encode(self, texts: Sequence[str], threads: int = 0) -> list[list[int]]:
        """The ids of each text, a function of the seed and `texts`.

        Pieces that are too many give way to the likeliest, and where these are too many they
        stay: a pair is in all epochs or in none.
        """
        likeliest = self.tokenizer.encode(texts, threads)
        if not self.alpha:
            return likeliest
        seed = mixed(self.seed, zlib.crc32("\n".join(texts).encode("utf-8", "surrogatepass")))
        drawn = self.tokenizer.sample(texts, self.alpha, seed)
        return [
            one if max(len(one), len(two)) < self.longest else two
            for one, two in zip(drawn, likeliest, strict=True)
        ]


class Drawn:
    """The training pairs of any epoch, cut into pieces anew: a function of (seed, epoch)."""

    def __init__(self, pairs: Iterable[tuple[str, str]], tokenizers: Tokenizers, config: Config):
        self.pairs, self.tokenizers, self.config = pairs, tokenizers, config
        self._last: tuple[int, Encoded] | None = None

    def __call__(self, epoch: int) -> Encoded:
        """The pairs of that epoch, those of `preparation.encode` in the same order."""
        if self._last is None or self._last[0] != epoch:
            self._last = None  # its files can go
            self._last = epoch, self._encoded(epoch)
        return self._last[1]

    def _encoded(self, epoch: int) -> Encoded:
        data, seed = self.config.data, self.config.train.seed
        longest = (data.max_source_length, data.max_target_length)
        sides = [
            Side(tokenizer, most, alpha, mixed(seed, epoch, number))
            for number, (tokenizer, most, alpha) in enumerate(
                zip(self.tokenizers, longest, self._alphas(), strict=True)
            )
        ]
        cache_folder().mkdir(parents=True, exist_ok=True)
        # Mapped files stay readable without their names, and take no memory of the corpus' size.
        with tempfile.TemporaryDirectory(
            prefix=".drawn-", dir=cache_folder(), ignore_cleanup_errors=True
        ) as folder:
            write_ids(Path(folder), self.pairs, (sides[0], sides[1]), longest, data.num_proc)
            return read_ids(Path(folder))

    def _alphas(self) -> tuple[float, float]:
        alpha, side = self.config.tokenizer.subword_sampling, self.config.tokenizer.subword_side
        return alpha * (side != "target"), alpha * (side != "source")


def drawn(data: Prepared, config: Config) -> Prepared:
    """The data of a run, with what draws the pieces of its epochs if the settings ask for that."""
    if not config.tokenizer.subword_sampling:
        return data
    assert data.corpus.train is not None
    draw = Drawn(data.corpus.train, data.tokenizers, config)
    first = draw(0)
    # An output may be as long as the targets that were learned, whose pieces are more.
    excess = (first.target.lengths - data.facts.length_slope * data.train.source.lengths).max()
    facts = replace(data.facts, length_excess=max(data.facts.length_excess, float(excess)))
    before, after = (sum(int(side.offsets[-1]) for side in pairs) for pairs in (data.train, first))
    sides = {"both": "both sides"}.get(config.tokenizer.subword_side, config.tokenizer.subword_side)
    line = f"pieces      drawn anew for each epoch on {sides}: {after / before:.2f} times as many"
    return data._replace(facts=facts, found=(*data.found, line), drawn=draw)
