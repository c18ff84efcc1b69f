"""Short sentences around a phrase, whose own words are never changed.

Some of the words are invented, so that who learns from the sentences learns to pass through
words that it has never seen.
"""

import re
from random import Random
from typing import NamedTuple

from amounts import chance, pick
from number_words import listed
from templates import ANY_CLASS, TEMPLATES, WORDS

UNCOUNTED = re.compile(r"[-\u2212]|[01]$")
COUNTED = re.compile(r"things\}|There|opulation|\{x\} of|counted|owns|ate|Add|Use|full|Can you")

NAMES = {"name", "person", "who", "place"}
NOUNS = {"thing", "things", "shop", "adj", "event"}
BEGINNINGS = listed(
    "b bl br c ch cl cr d dr f fl fr g gl gr h j k kn l m n p pl pr qu r s sc sh sk sl sm sn sp "
    "st str sw t th tr tw v w wh y z"
)
VOWELS = listed("a a a e e e i i i o o o u u ai ay ea ee ie oa oo ou ow")
MIDDLES = listed("b ck d ff g l ll m mm mp n nd ng nn nt p r rr rd rk rt s ss st t tt v x z")
ENDS = listed(
    "b ck d el en er et ft g ing ion k l le ld ll ly m mp n nce nd ness ng nk nt p r ry rd rk rm "
    "rn rt s sh ss st t tch tion ture ty x"
)


class Kinds(NamedTuple):
    """How often sentences are of the kinds that are hard to learn."""

    anywhere: float  # the share of sentences in which a phrase of any class might stand
    invented: float  # the share of the slots for a name or noun whose word is made up


# Train holds more of them than there are in what is held out: of each there are few.
HELD_OUT, TRAIN = Kinds(0.12, 0.02), Kinds(0.25, 0.06)


def sentence(rng: Random, name: str, phrase: str, kinds: Kinds) -> tuple[str, str]:
    """What stands before and after `phrase`, which is of class `name`."""
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
    """A word of one or two syllables that looks English."""
    word = pick(rng, BEGINNINGS)
    if chance(rng, 0.5):
        word += pick(rng, VOWELS) + pick(rng, MIDDLES)
    word += pick(rng, VOWELS) + pick(rng, ENDS)
    return word.capitalize() if name else word
