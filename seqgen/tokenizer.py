"""Text to ids and back, through SentencePiece models that training makes."""

import hashlib
import itertools
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import sentencepiece

from seqgen.casing import Casing, learned
from seqgen.drawing import Drawing
from seqgen.errors import ModelError
from seqgen.forms import PLAIN, Form, forms
from seqgen.pieces import JOINED, SPECIAL, trained
from seqgen.sections import TokenizerConfig
from seqgen.vocabulary import BOS, EOS, PAD, UNK

JOINT, SOURCE, TARGET = "tokenizer.model", "tokenizer.source.model", "tokenizer.target.model"
CASING = "casing.json"
LARGEST_FILE = 64 * 2**20  # a tokenizer or a casing beyond this is none of ours
TRAINING_LINES = 500_000
SHOWN_AS = "\u203f"  # for `JOINED`
UNCHANGED = TokenizerConfig()


class Tokenizer:
    """The SentencePiece model of one side, the form in which it reads texts, and their case."""

    def __init__(self, model: bytes, form: Form = PLAIN, casing: Casing | None = None):
        """Raises `ValueError` where `model` is no SentencePiece model of ours."""
        self.model, self.form, self.casing = model, form, casing
        self._drawing: Drawing | None = None
        if not model:  # SentencePiece would load it, and complain on stderr
            raise ValueError("is empty")
        try:
            self._pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
            self.size: int = self._pieces.get_piece_size()
        except RuntimeError as error:
            # SentencePiece says which line of its own source found it.
            raise ValueError("no SentencePiece model") from error
        special = [
            self._pieces.pad_id(),
            self._pieces.unk_id(),
            self._pieces.bos_id(),
            self._pieces.eos_id(),
        ]
        if self.size <= len(special) or special != [PAD, UNK, BOS, EOS]:
            raise ValueError(f"has {self.size} pieces and special ids {special}")

    @property
    def bytes(self) -> range:
        """The ids that spell bytes, which most texts never need; none where there are no such."""
        return range(EOS + 1, SPECIAL) if self._pieces.is_byte(EOS + 1) else range(0)

    def encode(self, texts: Sequence[str], threads: int = 0) -> list[list[int]]:
        """The ids of each text, without BOS and EOS; what UTF-8 cannot hold becomes U+FFFD.

        `threads` share the work, as many as the machine has cores where it is 0.
        """
        read = [encodable(self.form.read(text)) for text in texts]
        encoded: list[list[int]]
        if len(read) == 1:  # for a list SentencePiece starts threads, which takes longer
            encoded = [self._pieces.encode(read[0])]
        else:
            encoded = self._pieces.encode(read, num_threads=threads or -1)
        return encoded

    def sample(self, texts: Sequence[str], alpha: float, seed: int) -> list[list[int]]:
        """The ids of each text in pieces that are drawn: a function of the seed and all texts.

        Of unigrams, by their probability to the power of `alpha`: Kudo (2018, arXiv 1804.10959),
        section 3.2. Of BPE, `alpha` is the share of merges that are left out: Provilkov et al.
        (2020, arXiv 1910.13267), section 3.
        """
        if self._drawing is None or self._drawing.alpha != alpha:
            self._drawing = Drawing(self._pieces, alpha)
        draw, seeded = self._drawing, random.Random(seed)
        read = (self._pieces.normalize(encodable(self.form.read(text))) for text in texts)
        return [draw(text, seeded) for text in read]

    def count(self, text: str) -> int:
        """How many ids a text has."""
        return len(self.encode([text])[0])

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """The text of each row of ids; special ids say nothing."""
        spoken = [[int(piece) for piece in row if piece > EOS] for row in ids]
        decoded: list[str]
        if len(spoken) == 1:  # without threads, as above
            decoded = [self._pieces.decode(spoken[0])]
        else:
            decoded = self._pieces.decode(spoken) if spoken else []
        # Alone, it is the end of a text that is still being written.
        whole = (text.replace(f"{JOINED} ", "").replace(JOINED, "") for text in decoded)
        written = [self.form.written(text) for text in whole]
        return list(map(self.casing.restored, written)) if self.casing else written

    def prefix(self, ids: Sequence[int]) -> str:
        """The text of the beginning of a sentence: a character that lacks bytes is held back.

        So is one that what follows could still become a part of.
        """
        end = len(ids)
        while end and self._pieces.is_byte(int(ids[end - 1])):
            end -= 1
        # Of the bytes at the end, as many as make whole characters.
        for stop in range(len(ids), end, -1):
            tail = bytes(int(self._pieces.id_to_piece(int(i))[1:-1], 16) for i in ids[end:stop])
            if not _incomplete(tail):
                end = stop
                break
        shown = self.form.settled(self.decode([ids[:end]])[0])
        return self.casing.settled(shown) if self.casing else shown

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Each id as the model writes it, with the word mark U+2581."""
        written: list[str] = self._pieces.id_to_piece([int(piece) for piece in ids])
        return [piece.replace(JOINED, SHOWN_AS) for piece in written]


class Tokenizers(NamedTuple):
    """Both sides; the same object twice where the vocabulary is joint."""

    source: Tokenizer
    target: Tokenizer

    @property
    def sha256(self) -> str:
        """The digests of both models and of a casing, by which a run knows its vocabulary."""
        casing = self.target.casing
        made = [
            self.source.model,
            self.target.model,
            *([casing.to_json().encode()] if casing else []),
        ]
        return " ".join(hashlib.sha256(one).hexdigest() for one in made)

    @property
    def key(self) -> str:
        """What decides which ids a text has: the digests and the forms."""
        return " ".join((self.sha256, *(repr(tuple(side.form)) for side in self)))

    def files(self) -> dict[str, bytes]:
        """What a model folder holds: name to content."""
        casing = self.target.casing
        cased = {CASING: casing.to_json().encode()} if casing else {}
        if self.source.model == self.target.model:
            return {JOINT: self.source.model, **cased}
        return {SOURCE: self.source.model, TARGET: self.target.model, **cased}


def load(folder: Path, sha256: str = "", config: TokenizerConfig = UNCHANGED) -> Tokenizers:
    """The tokenizers of a model folder; with `sha256`, only those that training made."""
    joint = (folder / JOINT).exists()
    loaded: list[Tokenizer] = []
    form = forms(config)
    for name in (JOINT,) if joint else (SOURCE, TARGET):
        path = folder / name
        try:
            loaded.append(Tokenizer(_content(path), form[len(loaded)]))
        except (OSError, ValueError) as error:
            raise ModelError(
                f"{path}: cannot be read as a tokenizer: {error}; copy the whole folder again"
            ) from None
    casing = _casing(folder / CASING) if form[1].recase else None
    tokenizers = Tokenizers(loaded[0], _reading(loaded[-1], form[1], casing))
    if sha256 and tokenizers.sha256 != sha256:
        raise ModelError(
            f"{folder}: the tokenizer is not the one the model was trained with; "
            f"copy the whole folder again"
        )
    return tokenizers


def train(
    pairs: Callable[[], Iterator[tuple[str, str]]], total: int, config: TokenizerConfig
) -> Tokenizers:
    """Tokenizers of the pairs that each call goes through, of which there are `total`."""
    # Every n-th pair: the same on every machine, and spread over the whole file.
    stride = -(-total // TRAINING_LINES)

    def lines(*sides: int) -> Iterator[str]:
        for pair in itertools.islice(pairs(), 0, None, stride):
            yield from (encodable(form[side].read(pair[side])) for side in sides)

    form = forms(config)
    targets = (pair[1] for pair in itertools.islice(pairs(), 0, None, stride))
    casing = learned(targets, form[1]) if config.recase else None
    if config.joint:
        joint = trained(lambda: lines(0, 1), config, "both sides")
        both = Tokenizer(joint, form[0])
        return Tokenizers(both, _reading(both, form[1], casing))
    own = config.target_units
    target = config if own == "same" else replace(config, units=own, target_units="same")
    return Tokenizers(
        Tokenizer(trained(lambda: lines(0), config, "the source side"), form[0]),
        Tokenizer(trained(lambda: lines(1), target, "the target side"), form[1], casing),
    )


def _reading(side: Tokenizer, form: Form, casing: Casing | None) -> Tokenizer:
    """The same pieces for texts in this form; the same object where it has that already."""
    return side if side.form == form and not casing else Tokenizer(side.model, form, casing)


def _content(path: Path) -> bytes:
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError(f"is larger than {LARGEST_FILE} bytes")
    return path.read_bytes()


def _casing(path: Path) -> Casing:
    try:
        return Casing.from_json(_content(path).decode())
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{path}: cannot be read as the case of words: {error}; copy the whole folder again"
        ) from None


def encodable(text: str) -> str:
    """`text` with U+FFFD for lone surrogates, which UTF-8 cannot hold, and for `JOINED`."""
    return text if text.isascii() else re.sub(f"[\ud800-\udfff{JOINED}]", "\ufffd", text)


def _incomplete(tail: bytes) -> bool:
    """Whether more bytes could turn the end of `tail` into a character."""
    try:
        tail.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return False
