"""SentencePiece models out of lines of text."""

import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from unicodedata import category

import sentencepiece

from seqgen.errors import ConfigError
from seqgen.sections import TokenizerConfig
from seqgen.vocabulary import BOS, EOS, PAD, UNK

QUIET = 2  # SentencePiece's log: errors
SPECIAL = 4 + 256  # PAD, UNK, BOS, EOS and the bytes
# A word or number behind a bracket or quote is the piece that it is behind a space, with this in
# between, a noncharacter, which no text holds: "(May" is read as "(", JOINED, " May".
JOINED = "\ufdd0"
AMOUNTS = ("Sc", "Sm", "Pd")  # Unicode's classes of what may stand before a number: $ + -
OPENING = '([{"\u00ab\u201c\u201e\u2018\u00bf\u00a1'


def trained(lines: Callable[[], Iterable[str]], config: TokenizerConfig, which: str) -> bytes:
    """The SentencePiece model of the lines, which each call goes through; errors name `which`.

    Raises `ConfigError` where a vocabulary of the size asked for does not fit them.
    """
    written = io.BytesIO()
    size, characters = _survey(lines())
    failed: list[Exception] = []

    def kept() -> Iterator[str]:
        # SentencePiece makes a RuntimeError of whatever its iterator raises.
        try:
            yield from lines()
        except Exception as error:
            failed.append(error)
            raise

    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=kept(),
            model_writer=written,
            model_type=config.units,
            vocab_size=config.vocabulary or size,
            # Vocabularies of characters and words are as large as they are.
            hard_vocab_limit=bool(config.vocabulary) and config.units in ("unigram", "bpe"),
            character_coverage=config.coverage,
            # A word without a piece is unknown: spelt in bytes, its word mark is lost.
            byte_fallback=config.byte_fallback and config.units != "word",
            split_digits=config.split_digits,
            **_normalization(config, characters),
            max_sentence_length=1 << 20,
            # The pieces depend on the number of threads.
            num_threads=1,
            minloglevel=QUIET,
            pad_id=PAD,
            unk_id=UNK,
            bos_id=BOS,
            eos_id=EOS,
        )
    except RuntimeError as error:
        if failed:
            raise failed[0] from None
        said = f"does not fit {which} of the data: {_bound(str(error))}; 0 finds a size"
        raise ConfigError(f"tokenizer.vocabulary = {config.vocabulary} {said}") from None
    return written.getvalue()


def _bound(said: str) -> str:
    """Which size would fit, out of what SentencePiece says."""
    for pattern, word in ((r"<= (\d+)", "largest"), (r"\d+ vs (\d+)", "smallest")):
        if found := re.search(pattern, said):
            return f"the {word} is {found[1]}"
    return said


def _survey(lines: Iterable[str]) -> tuple[int, set[str]]:
    """How many pieces are enough, and the characters there are.

    Enough for the words that are common: at most 8,000, beside bytes and characters.
    """
    words: Counter[str] = Counter()
    characters: set[str] = set()
    for line in lines:
        characters.update(line)
        words.update(re.findall(r"[^\W\d_]+", line))
    common = sum(count >= 10 for count in words.values())
    return SPECIAL + len(characters) + min(max(common, 100), 8000), characters


def _normalization(config: TokenizerConfig, characters: set[str]) -> dict[str, Any]:
    """Options for the normalization asked for or, without one, for rules that put `JOINED` in."""
    tidy = config.units == "word"
    opening = sorted(characters & set(OPENING))
    following = sorted(one for one in characters if one.isalnum() or category(one) in AMOUNTS)
    rules = [(one + two, f"{one}{JOINED} {two}") for one in opening for two in following]
    if config.normalization != "identity" or config.units == "char" or not rules:
        return {"normalization_rule_name": config.normalization, "remove_extra_whitespaces": tidy}
    sentencepiece.set_min_log_level(QUIET)
    normalizer = sentencepiece.SentencePieceNormalizer(
        norm_map=rules,
        add_dummy_prefix=True,
        escape_whitespaces=True,
        remove_extra_whitespaces=tidy,
    )
    return {"normalizer": normalizer, "required_chars": JOINED}
