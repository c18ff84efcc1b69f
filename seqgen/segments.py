"""Long texts in parts that a model can take."""

import re

from seqgen.tokenizer import Tokenizer

SENTENCE_END = re.compile(r"(?<=[.!?\u3002\uff01\uff1f\u2026])\s+")


def segments(text: str, limit: int, tokenizer: Tokenizer) -> list[str]:
    """`text` whole, or in parts of at most `limit` tokens that end where sentences end."""
    # A character is at most four tokens, the bytes that spell it.
    if len(text) * 4 <= limit or tokenizer.count(text) <= limit:
        return [text]
    parts: list[str] = []
    length = 0
    for sentence in SENTENCE_END.split(text):
        for piece in _cut(sentence, limit, tokenizer):
            count = tokenizer.count(piece)
            if parts and length + count < limit:  # the space between them is a token at most
                parts[-1] += f" {piece}"
                length += count + 1
            else:
                parts.append(piece)
                length = count
    return parts


def _cut(sentence: str, limit: int, tokenizer: Tokenizer) -> list[str]:
    """A sentence too long for the limit, cut between its tokens."""
    ids = tokenizer.encode([sentence])[0]
    if len(ids) <= limit:
        return [sentence]
    return tokenizer.decode([ids[first : first + limit] for first in range(0, len(ids), limit)])
