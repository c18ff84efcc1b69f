"""From settings to what training reads: a corpus, its tokenizers, and ids on disk."""

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy

from seqgen import tokenizer
from seqgen.batching import Encoded, Integers, Side
from seqgen.cache import cached
from seqgen.config import Config
from seqgen.corpus import Corpus, Split, read_corpus
from seqgen.errors import DataError
from seqgen.sections import Facts, TokenizerConfig
from seqgen.segments import split_sentences
from seqgen.signals import Pause, never
from seqgen.tokenizer import Tokenizers
from seqgen.vocabulary import BOS, EOS

CHUNK = 5_000  # pairs encoded at a time, and between two looks at whether to stop
EXAMPLES = 6
LOOKED_AT = 10_000  # sources whose sentences are counted


class Prepared(NamedTuple):
    """Everything that training needs to know about the data."""

    corpus: Corpus
    tokenizers: Tokenizers
    train: Encoded
    validation: Encoded
    facts: Facts
    found: tuple[str, ...]  # what there is to say about it, a line each
    drawn: Callable[[int], Encoded] | None = None  # `train` of an epoch, where these differ


def prepare(config: Config, tokenizers: Tokenizers | None = None, pause: Pause = never) -> Prepared:
    """The data of a run, encoded in the cache folder; `tokenizers` are made where none are given.

    `pause` is called now and then: what it raises ends the work and leaves nothing half done.
    """
    corpus = read_corpus(config.data)
    if corpus.train is None or not len(corpus.train):
        raise DataError(f"{corpus.name}: has no pairs to train on; name them with --train-file")
    if corpus.validation is None or not len(corpus.validation):
        raise DataError(
            f"{corpus.name}: has no pairs to validate on; name them with "
            f"--validation-file, or give more training pairs"
        )
    train, validation = Watched(corpus.train, pause), Watched(corpus.validation, pause)
    fingerprint = pairs_sha256(train)
    if tokenizers is None:
        tokenizers = _tokenizers(train, fingerprint, config.tokenizer)
    longest = (config.data.max_source_length, config.data.max_target_length)
    threads = config.data.num_proc
    encoded = encode(train, tokenizers, longest, fingerprint, threads)
    if not len(encoded):
        raise DataError(
            f"{corpus.train.where}: every pair is longer than {longest[0]} source or "
            f"{longest[1]} target tokens; raise --max-source-length"
        )
    held = encode(validation, tokenizers, longest, pairs_sha256(validation), threads)
    if not len(held):
        raise DataError(
            f"{corpus.validation.where}: every validation pair is too long; raise "
            f"--max-source-length and --max-target-length"
        )
    facts = _facts(corpus, encoded, tokenizers, fingerprint)
    return Prepared(
        corpus, tokenizers, encoded, held, facts, _found(corpus, encoded, held, tokenizers)
    )


class Encoder(Protocol):
    """What makes ids of the texts of one side."""

    def encode(self, texts: Sequence[str], threads: int = 0) -> list[list[int]]:
        """The ids of each text, without BOS and EOS."""


class Watched:
    """A split that calls `pause` now and then while it is read."""

    def __init__(self, split: Split, pause: Pause):
        self._split, self._pause = split, pause

    def __len__(self) -> int:
        return len(self._split)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for number, pair in enumerate(self._split):
            if not number % CHUNK:
                self._pause()
            yield pair


def inspect(config: Config) -> list[str]:
    """What `train` would find, a line each, without training."""
    return list(prepare(config).found)


def pairs_sha256(split: Iterable[tuple[str, str]]) -> str:
    """The digest of all pairs of a split, in order."""
    digest = hashlib.sha256()
    for source, target in split:
        # Lengths keep ("ab", "c") apart from ("a", "bc").
        both = (tokenizer.encodable(source).encode(), tokenizer.encodable(target).encode())
        digest.update(b"%d %d " % (len(both[0]), len(both[1])) + both[0] + both[1])
    return digest.hexdigest()


def encode(
    split: Iterable[tuple[str, str]],
    tokenizers: Tokenizers,
    longest: tuple[int, int],
    fingerprint: str,
    threads: int = 0,
) -> Encoded:
    """The ids of a split, memory-mapped from the cache; pairs longer than `longest` stay out."""
    made_of = (fingerprint, tokenizers.key, *longest)
    return cached(
        "ids", made_of, read_ids,
        lambda draft: write_ids(draft, split, tokenizers, longest, threads),
    )  # fmt: skip


def _tokenizers(train: Watched, fingerprint: str, config: TokenizerConfig) -> Tokenizers:
    def write(draft: Path) -> None:
        trained = tokenizer.train(lambda: iter(train), len(train), config)
        for name, content in trained.files().items():
            (draft / name).write_bytes(content)
        (draft / "sha256").write_text(trained.sha256, encoding="utf-8")

    def read(folder: Path) -> Tokenizers:
        # A model that is cut between two pieces loads, as one with fewer.
        return tokenizer.load(folder, (folder / "sha256").read_text("utf-8") or "cut", config)

    # How pieces are drawn in training is nothing to how they are found.
    found = {name: value for name, value in asdict(config).items() if "subword" not in name}
    return cached("tokenizer", (fingerprint, json.dumps(found)), read, write)


def write_ids(
    folder: Path,
    split: Iterable[tuple[str, str]],
    encoders: tuple[Encoder, Encoder],
    longest: tuple[int, int],
    threads: int,
) -> None:
    """Flat id files of both sides and the offsets of their sentences, written as they come."""
    lengths: list[list[Integers]] = [[], []]
    with (folder / "source.ids").open("wb") as source, (folder / "target.ids").open("wb") as target:
        for chunk in _chunks(iter(split)):
            sources = encoders[0].encode([pair[0] for pair in chunk], threads)
            targets = encoders[1].encode([pair[1] for pair in chunk], threads)
            kept = [
                ([*one, EOS], [BOS, *two, EOS])
                for one, two in zip(sources, targets, strict=True)
                if one and len(one) < longest[0] and len(two) < longest[1]
            ]
            for place, file in enumerate((source, target)):
                rows = [pair[place] for pair in kept]
                lengths[place].append(numpy.fromiter(map(len, rows), numpy.int64, len(rows)))
                flat = numpy.fromiter(itertools.chain.from_iterable(rows), numpy.int32)
                file.write(flat.tobytes())
    for name, counts in zip(("source", "target"), lengths, strict=True):
        numpy.save(
            folder / f"{name}.offsets.npy",
            numpy.concatenate([[0], *counts]).cumsum().astype(numpy.int64),
        )


def read_ids(folder: Path) -> Encoded:
    """What `write_ids` has written there, memory-mapped."""
    return Encoded(_side(folder, "source"), _side(folder, "target"))


def _side(folder: Path, name: str) -> Side:
    offsets = numpy.load(folder / f"{name}.offsets.npy", mmap_mode="r", allow_pickle=False)
    path = folder / f"{name}.ids"
    if not offsets[-1]:  # an empty file cannot be mapped
        return Side(numpy.empty(0, numpy.int32), offsets)
    return Side(numpy.memmap(path, numpy.int32, mode="r", shape=(int(offsets[-1]),)), offsets)


def _chunks(pairs: Iterator[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    while chunk := list(itertools.islice(pairs, CHUNK)):
        yield chunk


def _facts(corpus: Corpus, train: Encoded, tokenizers: Tokenizers, fingerprint: str) -> Facts:
    source, target = train.source.lengths, train.target.lengths
    slope = float(target.sum() / source.sum())
    assert corpus.train is not None
    assert corpus.validation is not None
    texts = dict.fromkeys(pair[0] for pair in itertools.islice(corpus.validation, 50))
    shown = sorted(texts, key=len)[:: max(1, len(texts) // EXAMPLES)][:EXAMPLES]
    return replace(
        Facts(),
        name=corpus.name,
        source_column=corpus.source,
        target_column=corpus.target,
        source_vocabulary=tokenizers.source.size,
        target_vocabulary=tokenizers.target.size,
        longest_source=int(source.max()),
        sentences=_sentences(corpus.train),
        length_slope=slope,
        # Every training target fits under slope x source + excess.
        length_excess=float((target - slope * source).max()),
        fingerprint=fingerprint,
        tokenizer_sha256=tokenizers.sha256,
        examples=json.dumps(shown, ensure_ascii=False),
    )


def _sentences(train: Split) -> int:
    """How many sentences 99 of 100 sources have at most."""
    stride = -(-len(train) // LOOKED_AT)  # spread over the whole
    counts = [len(split_sentences(pair[0])) for pair in itertools.islice(train, 0, None, stride)]
    return int(numpy.percentile(counts, 99, method="lower"))


def _found(
    corpus: Corpus, train: Encoded, held: Encoded, tokenizers: Tokenizers
) -> tuple[str, ...]:
    assert corpus.train is not None
    assert corpus.validation is not None
    long = (len(corpus.train) - len(train), len(corpus.validation) - len(held))
    counts = f"{len(train):,} train, {len(held):,} validation"
    if corpus.test is not None:
        counts += f", {len(corpus.test):,} test"
    lines = [f"data        {corpus.name}: {corpus.source} -> {corpus.target}; {counts} pairs"]
    lines += [f"            {note}" for note in corpus.notes]
    if any(long):
        lines += [
            f"            dropped as too long, or as no token at all: {long[0]:,} of train, "
            f"{long[1]:,} of validation"
        ]
    for name, side in (("source", train.source), ("target", train.target)):
        middle, most, longest = numpy.percentile(side.lengths, [50, 95, 100])
        lines += [
            f"{name}      {middle:.0f} tokens at the median, {most:.0f} at 95 %, "
            f"{longest:.0f} the longest"
        ]
    joint = tokenizers.source.model == tokenizers.target.model
    sizes = f"{tokenizers.source.size:,} pieces" + (
        " for both sides" if joint else f" source, {tokenizers.target.size:,} target"
    )
    return (*lines, f"vocabulary  {sizes}")
