"""Texts as they are given, and long ones in parts such as a model has learned from."""

import re
from collections.abc import Iterable

from seqgen.errors import DataError
from seqgen.terminal import LONGEST_TEXT
from seqgen.tokenizer import Tokenizer

# What may end a sentence: a stop, what closes behind it, and white space, which East Asia omits.
# A line that ends does so whatever it ends in.
STOP = re.compile(
    r"\s*\n\s*|[.!?\u2026][\"'\u201d\u2019)\]]*\s+|[\u3002\uff01\uff1f][\"'\u201d\u2019\u300d\u300f\uff09]*\s*"
)
WORD = re.compile(r"[^\s(\[\"'\u201c\u2018]*\Z")
INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")
# Abbreviations after which a sentence goes on: always, or where a number follows.
TITLES = frozenset(
    "mr mrs ms mx dr st prof capt col gen lt sgt rev hon gov sen rep pres vs cf messrs mme".split()  # noqa: SIM905
)
COUNTED = frozenset(
    "no nos nr p pp vol vols fig figs ch sec art approx ca ft in oz lb jan feb mar apr jun jul "  # noqa: SIM905
    "aug sep sept oct nov dec mon tue tues wed thu thur thurs fri sat sun".split()
)
REACH = 40  # characters before a stop in which its word is looked for


def segments(
    text: str, tokenizer: Tokenizer, limit: int, sentences: int = 0, longest: int = 0
) -> list[str]:
    """`text` in parts that end where sentences end; joined, they are the text.

    A part holds one sentence, or several of one line: at most `sentences` with at most `longest`
    tokens; 0 is no bound. A sentence of more than `limit` tokens is cut between words.
    """
    most = min(limit, longest or limit)
    parts: list[str] = []
    held = 0  # sentences in the last part
    for sentence in split_sentences(text):
        room = parts and (not sentences or held < sentences) and not _line_ends(parts[-1])
        if room and tokenizer.count(parts[-1] + sentence.rstrip()) <= most:
            parts[-1] += sentence
            held += 1
        else:
            parts += _cut(sentence, limit, tokenizer)
            held = 1
    return parts


def split_sentences(text: str) -> list[str]:
    """The sentences of `text`, each with the white space behind it; at least one.

    Where an abbreviation may stand, or a small letter follows, the sentence goes on.
    """
    ends = [stop.end() for stop in STOP.finditer(text) if _ends(text, stop)]
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]


def _line_ends(part: str) -> bool:
    return "\n" in part[len(part.rstrip()) :]


def _ends(text: str, stop: re.Match[str]) -> bool:
    """Whether a sentence ends at `stop`, and another one follows."""
    following = text[stop.end() : stop.end() + 1]
    if following and "\n" in stop[0]:
        return True
    if not following or following.isspace() or following.islower():
        return False
    if stop[0][0] != "." or not stop[0][1:2].isspace():
        return True
    found = WORD.search(text[max(0, stop.start() - REACH) : stop.start()])
    word = found[0] if found else ""
    if INITIALS.fullmatch(word) and not (len(word) == 1 and word.islower()):
        return word.lower() in ("a.m", "p.m")
    counted = word.lower() in COUNTED and following.isdigit()
    return not (counted or word.lower() in TITLES)


def _cut(sentence: str, limit: int, tokenizer: Tokenizer) -> list[str]:
    """A sentence, halved where it is too long, behind a space if it has any."""
    # A character is at most four tokens, the bytes that spell it.
    if len(sentence) * 4 <= limit or tokenizer.count(sentence) <= limit or len(sentence) < 2:
        return [sentence]
    middle = len(sentence) // 2
    spaces = (sentence.rfind(" ", 0, middle), sentence.find(" ", middle, -1))
    behind = [space + 1 for space in spaces if space >= 0]
    place = min(behind, key=lambda at: abs(at - middle), default=middle)
    halves = (sentence[:place], sentence[place:])
    return [piece for half in halves for piece in _cut(half, limit, tokenizer)]


def checked(texts: Iterable[str]) -> list[str]:
    """Given texts as a list; what is none, or too long to be one, is refused."""
    if isinstance(texts, str):
        raise TypeError("texts is one string; give a list of texts")
    texts = list(texts)
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"texts[{number}] is {text!r}, not a string")
        if len(text) > LONGEST_TEXT:
            raise DataError(
                f"texts[{number}]: has {len(text):,} characters, more than the {LONGEST_TEXT:,} "
                f"of a text; give its sentences one by one"
            )
    return texts
