"""Short sentences around a phrase, whose own words are never changed."""

import re
from random import Random

from amounts import pick
from templates import ANY_CLASS, TEMPLATES, WORDS

UNCOUNTED = re.compile(r"[-\u2212]|[01]$")
COUNTED = re.compile(r"things\}|There|opulation|\{x\} of|counted|owns|ate|Add|Use|full|Can you")


def sentence(rng: Random, name: str, phrase: str) -> tuple[str, str]:
    """What stands before and after `phrase`, which is of class `name`."""
    templates = TEMPLATES["year" if re.fullmatch(r"\D+ \d{4}", phrase) else name]
    template = pick(rng, ANY_CLASS if rng.random() < 0.2 else templates)
    while UNCOUNTED.match(phrase) and COUNTED.search(template):
        template = pick(rng, templates)
    before, after = (fill(rng, part) for part in template.split("{x}"))
    return (before[:1].upper() + before[1:] if template[-1:] in ".}" else before), after


def fill(rng: Random, text: str) -> str:
    """`text` with a word in every slot."""
    start, brace, rest = text.partition("{")
    if not brace:
        return text
    slot, _, rest = rest.partition("}")
    return start + pick(rng, WORDS[slot]) + fill(rng, rest)
