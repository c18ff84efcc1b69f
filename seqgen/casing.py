"""The case in which texts mostly have a word, for outputs that are written in lower case."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from seqgen.forms import Form

WORD = re.compile(r"(?:\w[\u0300-\u036f]*)+")  # the lower case of one letter may be it and a mark
# What stands between the last word of a sentence and the first of the next.
BREAK = re.compile(r"[.!?\u2026][^\w\s]*\s")


class Casing(NamedTuple):
    """What training texts tell of capitals: the unigram baseline of Lita et al. (2003, P03-1020).

    Inside a sentence a word has the case that it has there most often in the texts, and one that
    is nowhere there stays as it is. The first word of a sentence has a capital where most do.
    """

    words: dict[str, str]  # as it is written, by its lower case; without those that are lower case
    capital: bool  # whether sentences begin with a capital

    def restored(self, text: str) -> str:
        """A text in lower case as the texts that were learned from would have it."""
        parts, end = [], 0
        for match, begins in _words(text):
            word = self.words.get(match[0], match[0])
            if begins and self.capital and word == match[0]:
                word = word[0].title() + word[1:]
            parts += [text[end : match.start()], word]
            end = match.end()
        return "".join(parts) + text[end:]

    def settled(self, text: str) -> str:
        """Of a beginning, what nothing that follows can change: its last word may grow."""
        growing = [one.start() for one in WORD.finditer(text) if one.end() == len(text)]
        return text[: growing[0]] if growing else text

    def to_json(self) -> str:
        """What `from_json` reads."""
        found = {"capital": self.capital, "words": self.words}
        return json.dumps(found, ensure_ascii=False, indent=0) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Casing":
        """Raises `ValueError` where the text is no casing of ours."""
        found = json.loads(text)
        if not isinstance(found, dict) or set(found) != {"capital", "words"}:
            raise ValueError("is no object of capital and words")
        words, capital = found["words"], found["capital"]
        texts = isinstance(words, dict) and all(isinstance(one, str) for one in words.values())
        if not texts or not isinstance(capital, bool):
            raise ValueError("holds a word that is no text, or a capital that is not true or false")
        return cls(words, capital)


def learned(texts: Iterable[str], form: Form) -> Casing:
    """The casing of texts, for outputs of a model that reads them in `form`."""
    inside: defaultdict[str, Counter[str]] = defaultdict(Counter)
    first = Counter[bool]()
    for text in texts:
        for match, begins in _words(form.written(text)):
            word = match[0]
            if begins and word[0].lower() != word[0].upper():  # a digit says nothing
                first[word[0] != word[0].lower()] += 1
            elif not begins:
                inside[form.written(form.read(word))][word] += 1
    # Of two that are as frequent, the one whose first difference is in lower case.
    most = {low: max(seen, key=lambda one: (seen[one], one)) for low, seen in inside.items()}
    words = {low: word for low, word in sorted(most.items()) if word != low}
    return Casing(words, first[True] > first[False])


def _words(text: str) -> Iterator[tuple[re.Match[str], bool]]:
    """Each word with whether it begins a sentence."""
    end = 0
    for match in WORD.finditer(text):
        yield match, not end or BREAK.search(text, end, match.start()) is not None
        end = match.end()
