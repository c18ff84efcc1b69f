"""Draws that every sampler makes: choices, and numbers as people write them.

Only `random()` is asked of the generator, whose sequence for a seed does not change from one
version of Python to the next.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

Choice = TypeVar("Choice")
SCALES = ("million", "billion", "trillion")


def below(rng: Random, bound: int) -> int:
    return int(rng.random() * bound)


def pick(rng: Random, choices: Sequence[Choice]) -> Choice:
    return choices[below(rng, len(choices))]


def weighted(rng: Random, choices: Sequence[tuple[Choice, float]]) -> Choice:
    """One of (choice, weight) pairs; the weights need no particular sum."""
    mark = rng.random() * sum(weight for _, weight in choices)
    for choice, weight in choices:
        mark -= weight
        if mark < 0:
            return choice
    return choices[-1][0]


def drawn(rng: Random, table: Sequence[tuple[Callable[..., str], float]], *given: object) -> str:
    """What one of a table's makers makes of what is `given`; each stands beside its share."""
    return weighted(rng, table)(rng, *given)


def chance(rng: Random, probability: float) -> bool:
    return rng.random() < probability


def minus(rng: Random) -> str:
    """A hyphen or, less often, the minus sign."""
    return pick(rng, "---\u2212")


def of_digits(rng: Random, digits: int) -> int:
    """A number of so many digits, a third of them with zeros inside or at the end."""
    lowest = 10 ** (digits - 1) if digits > 1 else 1
    number = lowest + below(rng, 9 * lowest)
    if digits > 2 and chance(rng, 0.2):
        power = 10 ** (1 + below(rng, digits - 1))
        number = number // power * power
    elif digits > 2 and chance(rng, 0.15):
        text = str(number)
        hole = 1 + below(rng, digits - 1)
        number = int(text[:hole] + "0" + text[hole + 1 :])
    return number


def grouped(number: int) -> str:
    return f"{number:,}"


def integer(rng: Random, weights: Sequence[float], bare_thousands: float = 0.2) -> str:
    """An integer whose digit count follows `weights`; from 1,000 on some lack their commas.

    Of six digits that are few, of more a handful, and of more than nine none: nobody could count
    them.
    """
    digits = weighted(rng, list(enumerate(weights, 1)))
    number = of_digits(rng, digits)
    bare = 1.0 if digits < 6 else 0.33 if digits == 6 else 0.12 if digits < 10 else 0.0
    commas = not chance(rng, bare * bare_thousands)
    return grouped(number) if commas else str(number)


def places(rng: Random, weights: Sequence[float] = (46, 36, 15, 3)) -> str:
    """The digits after a decimal point."""
    count = weighted(rng, list(enumerate(weights, 1)))
    digits = "".join(str(below(rng, 10)) for _ in range(count))
    if chance(rng, 0.12):
        digits = "0" + digits[1:]
    return digits


def amount(rng: Random, decimals: float, weights: Sequence[float] = (4, 5, 4, 2.5, 1, 0.5)) -> str:
    """A count or, so often as `decimals` says, a decimal; now and then below zero or one."""
    if chance(rng, decimals):
        if chance(rng, 0.2):
            return "0." + places(rng)
        return integer(rng, weights[:4]) + "." + places(rng, (60, 30, 8, 2))
    return integer(rng, weights)


def counted(rng: Random, decimals: float) -> str:
    """An amount that stays apart from 1, so that a plural word may follow."""
    while (number := amount(rng, decimals)) == "1":
        pass
    return number


def span(rng: Random, weights: Sequence[float]) -> str:
    """Two numbers joined by an en dash, the second the larger; together they are no years."""
    while True:
        first = int(integer(rng, weights).replace(",", ""))
        second = first + max(1, below(rng, 1 + (first if chance(rng, 0.5) else 12)))
        if not (1200 <= first <= 2099 and second <= 2099):
            return f"{grouped(first)}\u2013{grouped(second)}"
