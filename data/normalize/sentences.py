"""Short sentences around a phrase, whose own words are never changed.

Some of the words are invented, so that who learns from the sentences learns to pass through
words that it has never seen.
"""

import re
from collections.abc import Sequence
from functools import partial
from random import Random
from typing import NamedTuple

from amounts import below, chance, pick, weighted
from number_words import listed
from prose import WORDS as WORDS_OF_PROSE
from prose import lead, prose
from templates import ANY_CLASS, TEMPLATES, WORDS

UNCOUNTED = re.compile(r"[-\u2212]|[01]$")
COUNTED = re.compile(r"things\}|There|opulation|\{x\} of|counted|owns|ate|Add|Use|full|Can you")

PAIRS = ("{} and {}", "{} or {}", "from {} to {}", "between {} and {}", "{}, {}", "{} to {}")
NAMES = {"name", "person", "who", "place"}
NOUNS = {"thing", "things", "shop", "adj", "event"}
OPEN = NAMES | {"singular", "plural", "adjective", "verb", "intransitive", "base"}
BEGINNINGS = listed(
    "b bl br c ch cl cr d dr f fl fr g gl gr h j k kn l m n p pl pr qu r s sc sh sk sl sm sn sp "
    "st str sw t th tr tw v w wh y z"
)
VOWELS = listed("a a a e e e i i i o o o u u ai ay ea ee ie oa oo ou ow")
CAPITALS = "ABCDEFGHIJKLMNOPRSTUVW"
MIDDLES = listed("b ck d ff g l ll m mm mp n nd ng nn nt p r rr rd rk rt s ss st t tt v x z")
ENDS = listed(
    "b ck d el en er et ft g ing ion k l le ld ll ly m mp n nce nd ness ng nk nt p r ry rd rk rm "
    "rn rt s sh ss st t tch tion ture ty x"
)


class Kinds(NamedTuple):
    """How often sentences are of the kinds that are hard to learn."""

    anywhere: float  # the share of templates in which a phrase of any class might stand
    invented: float  # the share of the places for an open word whose word is made up
    beside: float  # the same of those beside a phrase, in sentences of the grammar
    prose: float  # the share of sentences that a grammar puts together
    second: float  # the share of sentences with two phrases


# Train holds more of them than there are in what is held out: of each there are few.
HELD_OUT = Kinds(anywhere=0.12, invented=0.02, beside=0.05, prose=0.15, second=0.04)
TRAIN = Kinds(anywhere=0.25, invented=0.08, beside=0.3, prose=0.35, second=0.1)


def sentence(
    rng: Random, names: Sequence[str], phrases: Sequence[str], kinds: Kinds
) -> tuple[str, ...]:
    """The texts before, between and after `phrases`, whose classes are `names`."""
    if len(phrases) == 1 and not chance(rng, kinds.prose):
        return templated(rng, names[0], phrases[0], kinds)
    if len(phrases) == 2 and names[0] == names[1] and chance(rng, 0.5):
        return tuple(pick(rng, PAIRS).split("{}"))
    word, beside = (partial(common, rng, share) for share in (kinds.invented, kinds.beside))
    decade = any(re.search(r"0\D?s$", phrase) for phrase in phrases)
    places = [lead(rng, name, beside, decade) for name in names]
    around = prose(rng, places, word).split("{}")
    for place, phrase in enumerate(phrases):
        if re.match(r"\d+\D\D of ", phrase) and chance(rng, 0.9):
            around[place] += "the " if around[place] else "The "
    return tuple(around)


def common(rng: Random, share: float, kind: str) -> str:
    """A word of a kind of `prose.WORDS`, or one made up in its place."""
    if kind in OPEN and chance(rng, share):
        return invented(rng, kind in NAMES)
    return pick(rng, WORDS_OF_PROSE[kind])


def templated(rng: Random, name: str, phrase: str, kinds: Kinds) -> tuple[str, str]:
    """What stands before and after `phrase` in a sentence for its class or for any."""
    templates = TEMPLATES["year" if re.fullmatch(r"\D+ \d{4}", phrase) else name]
    template = pick(rng, ANY_CLASS if rng.random() < kinds.anywhere else templates)
    while UNCOUNTED.match(phrase) and COUNTED.search(template):
        template = pick(rng, templates)
    before, after = (fill(rng, part, kinds.invented) for part in template.split("{x}"))
    return (before[:1].upper() + before[1:] if template[-1:] in ".}" else before), after


def fill(rng: Random, text: str, share: float) -> str:
    """`text` with a word in every slot."""
    start, brace, rest = text.partition("{")
    if not brace:
        return text
    slot, _, rest = rest.partition("}")
    made_up = slot in NAMES | NOUNS and chance(rng, share)
    word = invented(rng, slot in NAMES) if made_up else pick(rng, WORDS[slot])
    return start + word + fill(rng, rest, share)


def invented(rng: Random, name: bool) -> str:
    """A word of one to three syllables that looks English, or some capitals in its place."""
    if name and chance(rng, 0.08):
        return "".join(pick(rng, CAPITALS) for _ in range(2 + below(rng, 3)))
    word = pick(rng, BEGINNINGS)
    for _ in range(weighted(rng, ((0, 40), (1, 45), (2, 15)))):
        word += pick(rng, VOWELS) + pick(rng, MIDDLES)
    word += pick(rng, VOWELS) + pick(rng, ENDS)
    if chance(rng, 0.03):
        word += "-" + invented(rng, False)
    return word.capitalize() if name else word
