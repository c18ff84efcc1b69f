"""Makes the data set: pairs of English text as written and as read aloud.

    python data/normalize/make.py [--output DIR]

writes train.jsonl, validation.jsonl and test.jsonl beside itself, or into DIR, byte for byte the
same on every machine. Every written phrase belongs to one split: neither a text of validation or
test nor the phrase inside it occurs in a text of train.
"""

import argparse
import json
import re
from itertools import combinations
from pathlib import Path
from random import Random
from typing import NamedTuple

from phrases import SAMPLERS, SHARES
from readings import read
from sentences import HELD_OUT, TRAIN, sentence

SEED = 20160
SIZES = {"test": 2000, "validation": 2000, "train": 60000}  # in the order they are drawn
TRIES = 300  # for a phrase of one layout
LONGEST = 80  # characters of a written text
# What is so small that it is inside everything, or that each is learnt by heart: numbers below 100,
# also with a sign, and round ones; one of a unit; hours on the hour, fractions of two digits,
# decades of two.
ALWAYS_TRAIN = re.compile(
    r"[-\u2212$£€]?\d{1,2}(?:st|nd|rd|th| ?%)?|[1-9]0+|\d\d-\d\d|0?\.\d|\.\d\d|[$£€]\d{1,2}\.00|"
    r"1 ?[^\W\d].*|1 ?°.*|\S?0?\.01|\d\d?:00|\d/\d|'?\d0s"
)


class Example(NamedTuple):
    """One pair, with the phrase that was verbalised and what stands around it."""

    written: str
    spoken: str
    name: str  # of the class
    phrase: str
    before: str
    after: str


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
            held |= {text for one in kept for text in (one.phrase, verbalized(one))}
        splits[split] = shuffled(rng, kept)
    return splits


def draw(rng: Random, name: str, bare: bool, split: str, seen: set[str], held: set[str]) -> Example:
    """An example of one class, not yet `seen` in its split, in which no held phrase occurs."""
    kinds = TRAIN if split == "train" else HELD_OUT
    while True:
        phrase = drawn(rng, name, held)
        around = ("", "") if bare else sentence(rng, name, phrase, kinds)
        example = pair(name, phrase, around)
        key = example.written if split == "train" else phrase  # no phrase twice when held out
        if key in seen or not fits(example) or contains(example.written, held):
            continue
        if split == "train" or not ALWAYS_TRAIN.fullmatch(verbalized(example)):
            seen.add(key)
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


def pair(name: str, phrase: str, around: tuple[str, str]) -> Example:
    """The phrase in its sentence, written and read; a full stop that ends both stands once."""
    found, reading = read(phrase)
    if found != name:
        return Example("", "", found, phrase, "", "")
    before, after = around
    if phrase.endswith(".") and after.startswith("."):
        after = after[1:]
    return Example(before + phrase + after, before + reading + after, name, phrase, before, after)


def fits(example: Example) -> bool:
    """Whether the pair is of the class asked for, short, and clear in its sentence."""
    inches = re.search(r"\bin$|\din$", example.phrase)  # before a word, "in" is the preposition
    # A full stop of a short month would be the sentence's as well, and which is it to the reader?
    month = (
        example.phrase.endswith(".") and example.name == "date" and not example.after[:1].isspace()
    )
    unclear = (inches and example.after.startswith(" ")) or (month and example.before)
    return 0 < len(example.written) <= LONGEST and not unclear


def verbalized(example: Example) -> str:
    """The phrase without the words at its end that pass through: the 14 of "14 billion"."""
    phrase = example.phrase.split()
    reading = read(example.phrase)[1].split()
    while phrase[-1] == reading[-1]:
        del phrase[-1], reading[-1]
    return " ".join(phrase)


def contains(text: str, held: set[str]) -> bool:
    """Whether a held phrase occurs in `text`, and no letter or digit goes on beside it.

    The `31%` of `-31%` and the `$22` of `$22.20` do; the `31` of `1831` does not.
    """
    edges = [
        place
        for place in range(len(text) + 1)
        if not (text[:place][-1:].isalnum() and text[place : place + 1].isalnum())
    ]
    return any(text[start:end] in held for start, end in combinations(edges, 2))


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
