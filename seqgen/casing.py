"""The case in which texts mostly have a word, for outputs that are written in lower case."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from seqgen.forms import Form

WORD = re.compile(r"(?:\w[\u0300-\u036f]*)+")  # the lower case of one letter may be it and a mark
STOPS = ".!?\u2026"


class Casing(NamedTuple):
    """What training texts tell of capitals: the unigram baseline of Lita et al. (2003, P03-1020).

    Inside a sentence a word has the case that it has there most often in the texts, and one that
    is nowhere there stays as it is. The first word of a sentence has a capital where most do.
    """

    words: dict[str, str]  # as it is written, by its lower case; without those that are lower case
    capital: bool  # whether sentences begin with a capital
    abbreviations: frozenset[str] = frozenset()  # words whose stop mostly ends no sentence

    def restored(self, text: str) -> str:
        """A text in lower case as the texts that were learned from would have it."""
        parts, end, before = [], 0, ""
        for match, stop in _words(text):
            word = self.words.get(match[0], match[0])
            begins = stop and not (stop == "." and before in self.abbreviations)
            if begins and self.capital and word == match[0]:
                first = word[0].title()
                # Some letters have a capital of two letters, which would be another word.
                word = first + word[1:] if len(first) == 1 else word
            parts += [text[end : match.start()], word]
            end, before = match.end(), match[0]
        return "".join(parts) + text[end:]

    def settled(self, text: str) -> str:
        """Of a beginning, what nothing that follows can change: its last word may grow."""
        growing = [one.start() for one in WORD.finditer(text) if one.end() == len(text)]
        return text[: growing[0]] if growing else text

    def to_json(self) -> str:
        """What `from_json` reads."""
        found = self._asdict() | {"abbreviations": sorted(self.abbreviations)}
        return json.dumps(found, ensure_ascii=False, indent=0) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Casing":
        """Raises `ValueError` where the text is no casing of ours."""
        found = json.loads(text)
        if not isinstance(found, dict) or set(found) != set(cls._fields):
            raise ValueError(f"is no object of {', '.join(cls._fields)}")
        words, capital, abbreviations = (found[name] for name in cls._fields)
        if not (isinstance(words, dict) and isinstance(abbreviations, list)):
            raise ValueError("holds words or abbreviations in another shape")
        if not all(isinstance(one, str) for one in (*words.values(), *abbreviations)):
            raise ValueError("holds a word that is no text")
        if not isinstance(capital, bool):
            raise ValueError("holds a capital that is not true or false")
        "".join((*words, *words.values(), *abbreviations)).encode()  # no lone surrogates
        return cls(words, capital, frozenset(abbreviations))


def learned(texts: Iterable[str], form: Form) -> Casing:
    """The casing of texts, for outputs of a model that reads them in `form`."""
    inside: defaultdict[str, Counter[str]] = defaultdict(Counter)
    first = Counter[bool]()  # words after which a sentence surely begins: with a capital or not
    stopped: defaultdict[str, Counter[str]] = defaultdict(
        Counter
    )  # words behind a word's full stop
    for text in texts:
        before = ""
        for match, stop in _words(form.written(text)):
            word = match[0]
            low = form.written(form.read(word))
            if not stop:
                inside[low][word] += 1
            elif stop == ".":
                stopped[before][word] += 1
            else:
                first.update(_capitals({word: 1}))
            before = low
    abbreviations = set()
    for before, following in stopped.items():
        begun = _capitals(following)
        if begun[False] > begun[True]:
            abbreviations.add(before)
            for word, count in following.items():
                inside[form.written(form.read(word))][word] += count
        else:
            first.update(begun)
    # Of two that are as frequent, the one whose first difference is in lower case.
    most = {low: max(seen, key=lambda one: (seen[one], one)) for low, seen in inside.items()}
    words = {low: word for low, word in sorted(most.items()) if word != low}
    return Casing(words, first[True] > first[False], frozenset(abbreviations))


def _capitals(words: dict[str, int]) -> Counter[bool]:
    """How many begin with a capital and how many without; one without case, as a digit, neither."""
    found = Counter[bool]()
    for word, count in words.items():
        if word[0].lower() != word[0].upper():
            found[word[0] != word[0].lower()] += count
    return found


def _words(text: str) -> Iterator[tuple[re.Match[str], str]]:
    """Each word with what ended the sentence before it: a stop, the beginning, or nothing."""
    end = 0
    for match in WORD.finditer(text):
        gap = text[end : match.start()]
        # A stop in front of white space; there are no words in between.
        spaced = gap[: len(gap) - next((n for n, one in enumerate(gap[::-1]) if one.isspace()), 0)]
        stops = [one for one in spaced if one in STOPS] if spaced[-1:].isspace() else []
        yield match, (stops[-1] if stops else "") if end else "^"
        end = match.end()
