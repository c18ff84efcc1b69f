"""Short sentences around a phrase, whose own words are never changed.

Some of the words are less common ones, and some invented, so that who learns from the sentences
learns to pass through words that it has never seen.
"""

import re
from collections.abc import Sequence
from functools import partial
from random import Random
from typing import NamedTuple

from amounts import below, chance, pick, weighted
from common_words import WORDS as COMMON
from number_words import listed
from prose import lead, prose
from rare_words import RARE
from templates import ANY_CLASS, TEMPLATES, WORDS

DECADE = re.compile(r"^['\u2019]?\d+0['\u2019]?s$")
UNCOUNTED = re.compile(r"[-\u2212]|[01]$")
COUNTED = re.compile(r"things\}|There|opulation|\{x\} of|counted|owns|ate|Add|Use|full|Can you")

PAIRS = ("{} and {}", "{} or {}", "from {} to {}", "between {} and {}", "{}, {}", "{} to {}")
# Of the slots of templates, those that another word of the kind may take.
KIND_OF = {
    **dict.fromkeys(("thing", "shop", "event"), "singular"),
    **dict.fromkeys(("name", "person", "who"), "name"),
    **{"things": "plural", "adj": "adjective", "place": "place"},
}
BEGINNINGS = listed(
    "b bl br c ch cl cr d dr f fl fr g gl gr h j k kn l m n p ph pl pr qu r rh s sc sch scr sh sk "
    "sl sm sn sp spr squ st str sw t th thr tr tw v w wh wr y z al am an ap el em en ex im in or "
    "ul un"
)
VOWELS = listed(
    "a a a a e e e e i i i i o o o o u u u ai au ay ea ee ei ie io oa oe oo ou ow ui y y"
)
CAPITALS = "ABCDEFGHIJKLMNOPRSTUVW"
MIDDLES = listed(
    "b bb bl c cc ch ck ct d dd dg f ff g gg gn h k l ll lm ls lt m mb mm mp n nc nd ng nn ns nt "
    "p ph pp pr pt r rb rd rg rk rl rm rn rr rs rt s sc sh ss st str t th tr tt v w x z zz"
)
ENDS = listed(
    "b c ce ch ck ct d de dge e ed el en er et f ff ft g ge gh ght ic ics ing ion ist k ke l le "
    "ld ll logy ly m me ment mp n nce nd ne ness ng nk nt ny p pe ph phy r re ry rd rk rm rn rt s "
    "se sh sm ss st t te tch th tion ture ty us ve w x z"
)


class Kinds(NamedTuple):
    """How often sentences are of the kinds that are hard to learn."""

    anywhere: float  # the share of sentences of templates that suit a phrase of any class
    unusual: float  # the share of the places for an open word that an uncommon one takes
    beside: float  # the same of those beside a phrase, in sentences of the grammar
    prose: float  # the share of sentences of one phrase that a grammar puts together
    second: float  # the share of sentences with two phrases


# Train holds more of them than there are in what is held out: of each there are few.
HELD_OUT = Kinds(anywhere=0.12, unusual=0.04, beside=0.1, prose=0.24, second=0.04)
TRAIN = Kinds(anywhere=0.2, unusual=0.12, beside=0.25, prose=0.29, second=0.09)


def sentence(
    rng: Random, names: Sequence[str], phrases: Sequence[str], kinds: Kinds
) -> tuple[str, ...]:
    """The texts before, between and after `phrases`, whose classes are `names`."""
    if len(phrases) == 1 and not chance(rng, kinds.prose):
        return templated(rng, names[0], phrases[0], kinds)
    if len(phrases) == 2 and names[0] == names[1] and chance(rng, 0.5):
        return tuple(pick(rng, PAIRS).split("{}"))
    word, beside = (partial(common, rng, share) for share in (kinds.unusual, kinds.beside))
    places = [
        lead(rng, name, beside, DECADE.search(phrase) is not None)
        for name, phrase in zip(names, phrases, strict=True)
    ]
    around = prose(rng, places, word).split("{}")
    for place, phrase in enumerate(phrases):
        if re.match(r"\d+\D\D of ", phrase) and chance(rng, 0.9):
            around[place] += "the " if around[place] else "The "
    return tuple(around)


def common(rng: Random, share: float, kind: str) -> str:
    """A word of a kind of `common_words.WORDS`, or an uncommon one in its place."""
    if kind in RARE and chance(rng, share):
        return uncommon(rng, kind)
    return pick(rng, COMMON[kind])


def templated(rng: Random, name: str, phrase: str, kinds: Kinds) -> tuple[str, str]:
    """What stands before and after `phrase` in a sentence for its class or for any."""
    kind = "decade" if DECADE.search(phrase) else name
    templates = TEMPLATES["year" if re.fullmatch(r"\D+ \d{4}", phrase) else kind]
    template = pick(rng, ANY_CLASS if rng.random() < kinds.anywhere else templates)
    while UNCOUNTED.match(phrase) and COUNTED.search(template):
        template = pick(rng, templates)
    before, after = (fill(rng, part, kinds.unusual) for part in template.split("{x}"))
    return (before[:1].upper() + before[1:] if template[-1:] in ".}" else before), after


def fill(rng: Random, text: str, share: float) -> str:
    """`text` with a word in every slot."""
    start, brace, rest = text.partition("{")
    if not brace:
        return text
    slot, _, rest = rest.partition("}")
    other = slot in KIND_OF and chance(rng, share)
    word = uncommon(rng, KIND_OF[slot]) if other else pick(rng, WORDS[slot])
    return start + word + fill(rng, rest, share)


def uncommon(rng: Random, kind: str) -> str:
    """A less common word of a kind or, rather more often, one made up."""
    name = kind in ("name", "place")
    if chance(rng, 0.4 if name else 0.45):
        return pick(rng, RARE[kind])
    if name and chance(rng, 0.1):
        return "".join(pick(rng, CAPITALS) for _ in range(2 + below(rng, 3)))
    word = invented(rng, ((0, 35), (1, 48), (2, 17)))
    if chance(rng, 0.03):
        word += "-" + invented(rng, ((0, 60), (1, 40)))
    return word.capitalize() if name else word


def invented(rng: Random, inner: Sequence[tuple[int, float]]) -> str:
    """A word that looks English, with so many syllables before its last as `inner` weighs."""
    word = pick(rng, BEGINNINGS)
    for _ in range(weighted(rng, inner)):
        word += pick(rng, VOWELS) + pick(rng, MIDDLES)
    return word + pick(rng, VOWELS) + pick(rng, ENDS)
