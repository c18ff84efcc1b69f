"""Sentences of many words, put together by a small grammar, with places for one phrase or two.

Their words are drawn without regard to sense, so that a learner of them learns to pass through
whatever stands around a phrase.
"""

from collections.abc import Callable, Sequence
from random import Random

from amounts import chance, drawn, pick
from number_words import listed

Word = Callable[[str], str]  # a kind of word to a word of that kind
Table = Sequence[tuple[Callable[..., str], float]]  # makers of a text, each with its share

# What a phrase of a class may stand behind; what has a {} has a place for it inside.
LEADS = {
    name: leads.split("/")
    for name, leads in {
        "cardinal": (
            "about {} @/only {} @/nearly {} @/at least {} @/more than {} @/up to {} @/{} of the @/"
            "with {} @/for {} other @/on page/in room/at number/of/to/by/a {}-year-old girl/"
            "in chapter/on bus/with over/and some {} #/in {} BC/a {}-page +"
        ),
        "ordinal": (
            "for the {} time/in the {} +/on the {} +/her {} +/his {} +/the {} # +/as the/"
            "a {}-century +/on {} Street/of the {} kind/in {} place"
        ),
        "date": (
            "on/since/before/until/by/after/from/dated/of/through/around/starting/ending/"
            "on the morning of/as late as/on Monday,/on Friday,/on Sunday/(born"
        ),
        "year": (
            "in/in/since/before/until/by/after/around/back in/early in/late in/as early as/from/of/"
            "in the summer of/in the {} +/c./during/in spring/the {} +/"
            "in {} BC/AD"
        ),
        "decimal": (
            "of/at/by/to/about/with/around/a score of/version/nearly/an average of/from/of only/"
            "a value of/up/over"
        ),
        "fraction": (
            "about {} of the @/nearly {} of it/only {} of the +/by/for {} of the +/"
            "some {} of an inch/with {} cups of/after {} hours/for {} miles/of/to/"
            "{} an inch/{} mile/{} cup of"
        ),
        "money": (
            "for/for/of/about/worth/over/at/under/from/nearly/up to/with only/more than/costing/"
            "to/by/around/less than/for just/for {} a month/and {} for the +/and paid/"
            "{} an hour/of {} each/owing someone {} and a +"
        ),
        "measure": (
            "of/about/at/for/by/only/nearly/some/under/above/below/over/within/up to/weighing/"
            "measuring/around/with {} of +/and {} of +/as much as/to/just"
        ),
        "percent": (
            "by/of/about/at/to/nearly/only/up/down/more than/with/around/a {} +/{} of the @/"
            "as much as/about {} of the +/from/near"
        ),
        "time": (
            "at/at/by/before/after/until/around/from/just after/since/about/shortly before/"
            "at {} sharp/at {} local time/at {} in the morning/as late as/no later than"
        ),
        "telephone": (
            "at/on/under number/with the number/with code/(ISBN/by calling/as/from/of part"
        ),
    }.items()
}
DECADES = ("in the", "of the", "since the", "in the early", "in the late", "in the mid-")
ITS = listed("it's that's there's here's")
HELPERS = [*listed("will can must would didn't can't won't could should may did"), "is going to"]
ENDS = "......!?"


def prose(rng: Random, leads: Sequence[str], word: Word) -> str:
    """A sentence with the `leads` somewhere in it, which have a `{}` for a phrase each."""
    first, *others = leads
    text = drawn(rng, FRAMES, first, word)
    for other in others:
        text += f"{drawn(rng, JOINTS, word)} {other}"
    text += ")" * (text.count("(") - text.count(")"))
    if chance(rng, 0.35):
        text += drawn(rng, TAILS, word)
    return punctuated(rng, text[:1].upper() + text[1:])


def lead(rng: Random, name: str, word: Word, decade: bool) -> str:
    """The words before a phrase, its place, and now and then words behind it.

    `decade` says of a phrase of the class year that it is one.
    """
    text = pick(rng, DECADES if decade and name == "year" else LEADS[name])
    for mark, kind in (("@", "plural"), ("+", "singular"), ("#", "adjective")):
        text = text.replace(mark, word(kind))
    if "{}" in text:
        return text
    return text + ("{}" if text.endswith("-") else " {}")


# --- clauses, and the shares of their kinds ------------------------------------------------------


def clause(rng: Random, word: Word) -> str:
    return drawn(rng, CLAUSES, word)


def order(rng: Random, word: Word) -> str:
    return f"{word('base')} {thing(rng, word)}"


def is_so(rng: Random, word: Word) -> str:
    return f"{pick(rng, listed('was is were seemed became stayed'))} {word('adjective')}"


def has(rng: Random, word: Word) -> str:
    return f"{pick(rng, ('has', 'have', 'had', 'is', 'does not have'))} {thing(rng, word)}"


def predicate(rng: Random, word: Word) -> str:
    return drawn(rng, PREDICATES, word)


def thing(rng: Random, word: Word) -> str:
    """What a verb is about, now and then with something else beside it."""
    text = drawn(rng, OBJECTS, word)
    other = f" {word('preposition')} {drawn(rng, OBJECTS, word)}"
    return text + other if chance(rng, 0.15) else text


def subject(rng: Random, word: Word) -> str:
    return drawn(rng, SUBJECTS, word)


def named(rng: Random, word: Word) -> str:
    return word(pick(rng, ("name", "name", "place")))


def described(rng: Random, word: Word) -> str:
    return f"{word('adjective')} " if chance(rng, 0.35) else ""


def many(rng: Random, word: Word) -> str:
    return f"{word('many')} {described(rng, word)}{word('plural')}"


def one(rng: Random, word: Word) -> str:
    text, determiner = described(rng, word) + word("singular"), word("determiner")
    return ("an " if determiner == "a" and text[0] in "aeiou" else f"{determiner} ") + text


OTHERS: Table = ((named, 25), (many, 20), (one, 40))
SUBJECTS: Table = (*OTHERS, (lambda _, word: word("subject"), 15))
OBJECTS: Table = (*OTHERS, (lambda _, word: word("object"), 10))
PREDICATES: Table = (
    (lambda _, word: word("intransitive"), 20),
    (is_so, 15),
    (lambda rng, word: f"{pick(rng, HELPERS)} {order(rng, word)}", 15),
    (has, 10),
    (lambda rng, word: f"{word('verb')} {thing(rng, word)}", 40),
)
CLAUSES: Table = (
    (lambda rng, word: f"{subject(rng, word)} {predicate(rng, word)}", 92),
    (lambda rng, word: f"{word('contracted')} {word('verb')} {thing(rng, word)}", 5),
    (lambda rng, word: f"{pick(rng, ITS)} {drawn(rng, OTHERS, word)}", 3),
)
# Where the first phrase stands: before a clause, inside one, behind an order or behind a clause.
FRAMES: Table = (
    (lambda rng, x, word: f"{x}{',' * chance(rng, 0.6)} {clause(rng, word)}", 20),
    (lambda rng, x, word: f"{drawn(rng, OTHERS, word)} {x} {predicate(rng, word)}", 10),
    (lambda rng, x, word: f"{pick(rng, ('please ', '', 'do not '))}{order(rng, word)} {x}", 10),
    (lambda rng, x, word: clause(rng, word) + drawn(rng, JOINTS, word) + " " + x, 60),
)
# What stands between a clause and the words before a phrase.
JOINTS: Table = (
    (lambda _, word: "", 60),
    (lambda _, word: ",", 20),
    (lambda _, word: f" {word('adverb')}", 20),
)
# How a sentence goes on behind its phrases.
TAILS: Table = (
    (lambda rng, word: f"{',' * chance(rng, 0.5)} {word('connective')} {clause(rng, word)}", 35),
    (lambda rng, word: f" {word('preposition')} {drawn(rng, OBJECTS, word)}", 25),
    (lambda _, word: f", {word('adverb')}", 10),
    (lambda _, word: f", {word('name')} said", 10),
    (lambda _, word: f" in {word('place')}", 10),
    (lambda rng, word: f"; {clause(rng, word)}", 10),
)


def punctuated(rng: Random, text: str) -> str:
    """The sentence with its end and, now and then, quotes, dashes and curly apostrophes."""
    text += pick(rng, ENDS) if chance(rng, 0.95) else ""
    if chance(rng, 0.04):
        text = f'"{text}"'
    if chance(rng, 0.05):
        text = text.replace(", ", " \u2014 " if chance(rng, 0.5) else " \u2013 ", 1)
    if chance(rng, 0.1):
        text = text.replace("'", "\u2019").replace('"', "\u201c", 1).replace('"', "\u201d")
    return text
