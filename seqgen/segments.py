"""Long texts in parts such as a model has learned from."""

import re
from collections.abc import Sequence

from seqgen.tokenizer import Tokenizer

# What may end a sentence: a stop, what closes behind it, and white space, or a stop of East Asia.
STOP = re.compile(r"(?<=[.!?\u2026])[\"'\u201d\u2019)\]]*\s+|(?<=[\u3002\uff01\uff1f])\s*")
# Its full stop belongs to it: a short name or title, or a word with another stop inside.
ABBREVIATION = re.compile(r"[^\W\d_a-z]\w{0,2}\.|\w+\.\w.*\.")
SHORT_MONTH = re.compile(r"[^\W\d_a-z]\w{0,3}\.")


def segments(
    text: str, tokenizer: Tokenizer, limit: int, sentences: int = 0, longest: int = 0
) -> list[str]:
    """`text` in parts that end where sentences end.

    A part holds one sentence, or several, at most `sentences` with at most `longest` tokens; 0 is
    no bound. A sentence of more than `limit` tokens is cut between words.
    """
    most = min(limit, longest or limit)
    parts: list[list[str]] = []
    for sentence in split_sentences(text):
        room = parts and (not sentences or len(parts[-1]) < sentences)
        if room and tokenizer.count(" ".join([*parts[-1], sentence])) <= most:
            parts[-1].append(sentence)
        else:
            parts += [[piece] for piece in _cut(sentence, limit, tokenizer)]
    return [" ".join(part) for part in parts] if len(parts) > 1 else [text]


def split_sentences(text: str) -> list[str]:
    """The sentences of `text`; where it is unclear whether one ends, it goes on."""
    found = []
    start = 0
    for stop in STOP.finditer(text):
        before, after = text[start : stop.end()].strip(), text[stop.end() :]
        if before and after.strip() and _ends(before, after):
            found.append(before)
            start = stop.end()
    return [*found, text[start:]] if found else [text]


def _ends(before: str, after: str) -> bool:
    """Whether a sentence ends between two parts of a text."""
    if after[0].islower():
        return False
    word = before.split()[-1].lstrip("([\"'\u201c\u2018")
    month = after[0].isdigit() and SHORT_MONTH.fullmatch(word)
    return not (ABBREVIATION.fullmatch(word) or month)


def _cut(sentence: str, limit: int, tokenizer: Tokenizer) -> Sequence[str]:
    """A sentence, halved where it is too long, between words if it has any."""
    # A character is at most four tokens, the bytes that spell it.
    if len(sentence) * 4 <= limit or tokenizer.count(sentence) <= limit or len(sentence) < 2:
        return [sentence]
    middle = len(sentence) // 2
    spaces = (sentence.rfind(" ", 1, middle), sentence.find(" ", middle, -1))
    place = min(
        (space for space in spaces if space > 0), key=lambda at: abs(at - middle), default=middle
    )
    halves = (sentence[:place].rstrip(), sentence[place:].lstrip())
    return [piece for half in halves if half for piece in _cut(half, limit, tokenizer)]
