"""Makes the data set: pairs of English text as written and as read aloud.

    python data/normalize/make.py [--output DIR]

writes train.jsonl, validation.jsonl and test.jsonl beside itself, or into DIR, byte for byte the
same on every machine. Every written phrase belongs to one split: neither a text of validation or
test nor the phrase inside it occurs in a text of train.
"""

import argparse
import json
import re
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from random import Random
from typing import NamedTuple

from amounts import chance, weighted
from phrases import SAMPLERS, SHARES
from readings import read
from sentences import HELD_OUT, TRAIN, sentence

SEED = 20160
SIZES = {"test": 4000, "validation": 4000, "train": 100000}  # in the order they are drawn
TRIES = 300  # for a phrase of one layout
LONGEST = 140  # characters of a written text
LONGEST_PHRASE = 40  # characters, and more than any phrase has
COMPOUND = re.compile(r"\d+ ?ft")
# What is so small that it is inside everything, or that each is learnt by heart: numbers below 100,
# also with a sign, and round ones; one of a unit; hours on the hour, fractions of two digits,
# decades of two, one over a number of two; the years from 2000 to 2029, as a year that is held out
# is held out of all dates; the few centuries, and the decades from the 1900s to the 2020s.
ALWAYS_TRAIN = re.compile(
    r"[-\u2212$£€]?\d{1,2}(?:st|nd|rd|th| ?%)?|[1-9]0+|\d\d-\d\d|0?\.\d|\.\d\d|[$£€]\d{1,2}\.00|"
    r"1(?!st )(?! ?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)) ?[^\W\d].*|1 ?°.*|"
    r"\S?0?\.01|\d\d?:00|\d/\d|['\u2019]?\d0s|['\u2019]\d\d|\d ?\W|\W|"
    r"\d\d?[¢p]|\d[kKMB]|1/\d\d|"
    r"20[0-2]\d|(?:1[2-8]00|19\d0|20[0-2]0)['\u2019]?s"
)


class Example(NamedTuple):
    """One pair, with the phrases that were verbalised and what stands around them."""

    written: str
    spoken: str
    name: str  # the class of the first phrase
    phrases: tuple[str, ...]
    around: tuple[str, ...]  # before the first phrase, between them, after the last


def examples() -> dict[str, list[Example]]:
    """The splits, each in its final order."""
    rng = Random(SEED)
    held: set[str] = set()  # every phrase of test and validation
    splits = {}
    for split, size in SIZES.items():
        seen: set[str] = set()
        kept = [
            draw(rng, name, bare, split, seen, held)
            for name, share in SHARES.items()
            for bare in (True, False)
            for _ in range(size * share // 200)
        ]
        if split != "train":
            phrases = [phrase for one in kept for phrase in one.phrases]
            held |= {*phrases, *map(verbalized, phrases)}
        splits[split] = shuffled(rng, kept)
    return splits


def draw(rng: Random, name: str, bare: bool, split: str, seen: set[str], held: set[str]) -> Example:
    """An example of one class, not yet `seen` in its split, in which no held phrase occurs."""
    kinds = TRAIN if split == "train" else HELD_OUT
    while True:
        names = [name]
        if not bare and chance(rng, kinds.second):
            names.append(name if chance(rng, 0.4) else weighted(rng, list(SHARES.items())))
        phrases = [drawn(rng, one, held) for one in names]
        around = ("", "") if bare else sentence(rng, names, phrases, kinds)
        example = pair(name, phrases, around)
        keys = {example.written} if split == "train" else set(phrases)  # when held out, once each
        if len(keys) < len(names) - (split == "train") or keys & seen or not fits(example):
            continue
        if contains(example.written, held):
            continue
        small = split != "train" and any(
            ALWAYS_TRAIN.fullmatch(verbalized(phrase)) for phrase in phrases
        )
        if not small:
            seen |= keys
            return example


def drawn(rng: Random, name: str, held: set[str]) -> str:
    """A phrase, in which no held one occurs where that can be had.

    Another is drawn of the same layout, or layouts that hold much, such as 2021-05-12 with its
    year, would be rarer in train than in what is held out.
    """
    first = SAMPLERS[name](rng)
    phrase, tries = first, TRIES
    while tries and (contains(phrase, held) or layout(phrase) != layout(first)):
        phrase, tries = SAMPLERS[name](rng), tries - 1
    return phrase if tries else first


def layout(phrase: str) -> str:
    """The phrase with a 0 for every number and an a for every word."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "0", phrase))


def pair(name: str, phrases: Sequence[str], around: tuple[str, ...]) -> Example:
    """The phrases in their sentence, written and read; a full stop that ends both stands once."""
    texts = list(around)
    for place, phrase in enumerate(phrases, 1):
        if phrase.endswith(".") and texts[place].startswith("."):
            texts[place] = texts[place][1:]
    written = woven(texts, phrases)
    spoken = woven(texts, [read(phrase)[1] for phrase in phrases])
    return Example(written, spoken, name, tuple(phrases), tuple(texts))


def woven(texts: Sequence[str], phrases: Sequence[str]) -> str:
    return "".join(text for both in zip(texts, [*phrases, ""], strict=True) for text in both)


def fits(example: Example) -> bool:
    """Whether the text is short, and clear about each of its phrases."""
    befores, afters = example.around, example.around[1:]
    each = zip(befores, example.phrases, afters, strict=False)
    return len(example.written) <= LONGEST and not any(unclear(*one) for one in each)


def unclear(before: str, phrase: str, after: str) -> bool:
    """Whether what stands around a phrase leaves a doubt about how to read it."""
    name = read(phrase)[0]
    if name == "measure" and re.search(r"\din$| in$", phrase) and after.startswith(" "):
        return not COMPOUND.match(phrase)  # before a word, "in" is the preposition
    # A full stop of a short month would be the sentence's as well, and which is it to the reader?
    if name == "date" and phrase.endswith(".") and before and not after[:1].isspace():
        return True
    follower = re.match(r" ?\w+\S*|\S+", after)
    return bool(follower) and not after.startswith(" in ") and is_read(phrase + follower[0])


def is_read(text: str) -> bool:
    """Whether the text is a phrase."""
    try:
        read(text)
    except ValueError:
        return False
    return True


def verbalized(phrase: str) -> str:
    """The phrase without the words at its end that pass through: the 14 of "14 billion"."""
    words = phrase.split()
    reading = read(phrase)[1].split()
    while words[-1] == reading[-1]:
        del words[-1], reading[-1]
    return " ".join(words)


def contains(text: str, held: set[str]) -> bool:
    """Whether a held phrase occurs in `text`, and no letter or digit goes on beside it.

    The `31%` of `-31%` and the `$22` of `$22.20` do; the `31` of `1831` does not.
    """
    edges = [
        place
        for place in range(len(text) + 1)
        if not (text[place - 1 : place].isalnum() and text[place : place + 1].isalnum())
    ]
    near = ((start, end) for start, end in combinations(edges, 2) if end - start <= LONGEST_PHRASE)
    return any(text[start:end] in held for start, end in near)


def shuffled(rng: Random, items: list[Example]) -> list[Example]:
    return [item for _, item in sorted((rng.random(), item) for item in items)]


def write(folder: Path) -> None:
    """Write the three files into `folder`."""
    for split, kept in examples().items():
        with (folder / f"{split}.jsonl").open("w", encoding="utf-8", newline="\n") as file:
            for written, spoken, name, *_ in kept:
                row = {"written": written, "spoken": spoken, "class": name}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, metavar="DIR")
    write(parser.parse_args().output)
