"""Phrases as people write them: one sampler for each class, and how often it is drawn.

A sampler takes a `random.Random` and returns a written phrase. Beside each layout of a class stands
its share of the class, in percent unless the sum says otherwise.
"""

from random import Random

from amounts import (
    SCALES,
    amount,
    below,
    chance,
    counted,
    drawn,
    grouped,
    integer,
    minus,
    of_digits,
    pick,
    places,
    span,
    weighted,
)
from measures import measure
from moments import any_year, date, time, year
from number_words import suffix
from readings import SUFFIXES, VULGAR
from telephones import telephone

# Share of the pairs, in percent.
SHARES = {
    "cardinal": 11,
    "ordinal": 7,
    "date": 16,
    "year": 7,
    "decimal": 7,
    "fraction": 6,
    "money": 12,
    "measure": 15,
    "percent": 6,
    "time": 6,
    "telephone": 7,
}


def up_to_thousand(rng: Random) -> int:
    """A number of one to three digits."""
    return of_digits(rng, 1 + below(rng, 3))


# --- cardinals, ordinals, decimals ---------------------------------------------------------------


def cardinal(rng: Random) -> str:
    return drawn(rng, CARDINALS)


def signed_integer(rng: Random) -> str:
    """A number of up to twelve digits, of up to nine without commas; no year."""
    number = integer(rng, (5, 13, 22, 22, 16, 13, 7, 4.5, 3.5, 1.5, 0.6, 0.6), 0.22)
    if 1200 <= int(number.replace(",", "")) <= 2099 and "," not in number:
        number = grouped(int(number))
    return minus(rng) + number if chance(rng, 0.12) else number


def four_digits(rng: Random) -> str:
    """A number of four digits without its comma, outside the years."""
    number = 1000 + below(rng, 8100)
    return str(number if number < 1200 else number + 900)


CARDINALS = (
    (signed_integer, 79),
    (four_digits, 9),
    (lambda rng: f"{grouped(up_to_thousand(rng))} {pick(rng, ('thousand', *SCALES))}", 5.5),
    (lambda rng: span(rng, (8, 24, 10, 4)), 4),
    (lambda rng: f"{up_to_thousand(rng)}{pick(rng, tuple(SUFFIXES))}", 2),
    (lambda rng: "0", 0.5),
)


def ordinal(rng: Random) -> str:
    digits = integer(rng, (4, 20, 44, 22, 7, 2, 0.5), 0.5)
    return digits + suffix(digits)


def decimal(rng: Random) -> str:
    return drawn(rng, DECIMALS)


def scaled_decimal(rng: Random) -> str:
    number = f"{grouped(up_to_thousand(rng))}.{places(rng, (80, 18, 2))}"
    suffixed = chance(rng, 0.15)
    return number + (pick(rng, tuple(SUFFIXES)) if suffixed else f" {pick(rng, SCALES)}")


def signed_decimal(rng: Random) -> str:
    whole = "0" if chance(rng, 0.02) else integer(rng, (30, 30, 20, 10, 4, 2), 0.3)
    sign = minus(rng) if chance(rng, 0.1) else ""
    return f"{sign}{whole}.{places(rng, (44, 34, 15, 4, 2, 1))}"


DECIMALS = (
    (signed_decimal, 55),
    (lambda rng: f"{'-' * chance(rng, 0.1)}0.{places(rng)}", 25),
    (lambda rng: "." + places(rng, (8, 32, 50, 10)), 10),
    (scaled_decimal, 10),
)

# --- fractions -----------------------------------------------------------------------------------

SMALL_BOTTOMS = (2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 8, 9, 10, 12, 16, 32)


def fraction(rng: Random) -> str:
    return drawn(rng, FRACTIONS)


def mixed(rng: Random) -> str:
    bottom = pick(rng, SMALL_BOTTOMS)
    top = 1 + below(rng, bottom - 1) if bottom > 2 else 1
    return f"{some_wholes(rng)} {top}/{bottom}"


def some_wholes(rng: Random) -> int:
    return 1 + below(rng, 20 if chance(rng, 0.75) else 200)


def with_sign(rng: Random) -> str:
    return f"{some_wholes(rng)}{pick(rng, ('', '', ' '))}{pick(rng, tuple(VULGAR))}"


def small_fraction(rng: Random) -> str:
    bottom = pick(rng, SMALL_BOTTOMS) if chance(rng, 0.6) else 2 + below(rng, 30)
    return f"{1 + below(rng, 15)}/{bottom}"


def one_part(rng: Random) -> str:
    """One of so many parts, which alone is read in the singular, now and then after a number."""
    whole = f"{some_wholes(rng)} " if chance(rng, 0.3) else ""
    return f"{whole}1/{2 + below(rng, 99 if chance(rng, 0.8) else 999)}"


FRACTIONS = (
    (mixed, 31),
    (lambda rng: f"{1 + below(rng, 100)}/{2 + below(rng, 99)}", 24),
    (small_fraction, 22),
    (one_part, 8),
    (with_sign, 8),
    (lambda rng: f"-{1 + below(rng, 20)}/{2 + below(rng, 30)}", 3.5),
    (lambda rng: f"{1 + below(rng, 1000)}/{pick(rng, (100, 1000, 2 + below(rng, 998)))}", 3),
    (lambda rng: pick(rng, tuple(VULGAR)), 0.5),
)

# --- money and percent ---------------------------------------------------------------------------

CURRENCIES = (("$", 49), ("£", 24), ("€", 22), ("US$", 4), ("$ ", 1))
SUFFIXES_OF_MONEY = ("k", "K", "m", "m", "M", "M", "bn", "bn", "B", "b", "tn")
ONES = ("1", "1.00", "1 million", "0.01")


def money(rng: Random) -> str:
    return drawn(rng, MONEY, weighted(rng, CURRENCIES))


def with_cents(rng: Random, sign: str) -> str:
    cents = "00" if chance(rng, 0.08) else f"{below(rng, 100):02d}"
    return f"{sign}{'0' if chance(rng, 0.08) else integer(rng, (11, 15, 8, 4, 1))}.{cents}"


def just_one(rng: Random, sign: str) -> str:
    """What is read in the singular, or beside it."""
    cents = (f"1.{below(rng, 100):02d}", f"{1 + below(rng, 99)}.01")
    return pick(rng, "$££€") + pick(rng, (*ONES, *cents))


def shortened(rng: Random, sign: str) -> str:
    point = f".{places(rng, (75, 20, 5))}" if chance(rng, 0.4) else ""
    return f"{sign}{up_to_thousand(rng)}{point}{pick(rng, SUFFIXES_OF_MONEY)}"


def coins(rng: Random, sign: str) -> str:
    number = 1 + below(rng, 99)
    return pick(rng, (f"{number}p", f"{number}¢", f"{number}¢", *(f"{sign}.{number:02d}",) * 3))


def odd_places(rng: Random, sign: str) -> str:
    """An amount with one digit or three after its point, which is no cents."""
    return f"{sign}{below(rng, 10)}.{below(rng, 10 if chance(rng, 0.5) else 1000)}"


def in_words(rng: Random, _: str) -> str:
    number = str(any_year(rng)) if chance(rng, 0.2) else counted(rng, 0.2)
    return f"{number} {pick(rng, ('dollars', 'dollars', 'euros', 'cents'))}"


MONEY = (
    (lambda rng, sign: sign + integer(rng, (4, 9, 12, 10, 8, 7, 2, 1.5), 0.1), 29),
    (with_cents, 27),
    (lambda rng, sign: f"{sign}{up_to_thousand(rng)} {pick(rng, SCALES)}", 12.5),
    (
        lambda rng, sign: (
            f"{sign}{up_to_thousand(rng)}.{places(rng, (75, 20, 5))} {pick(rng, SCALES)}"
        ),
        13,
    ),
    (just_one, 5),
    (shortened, 4),
    (coins, 3),
    (odd_places, 1.5),
    (lambda rng, sign: f"-{sign.strip()}{integer(rng, (1, 2, 2, 1))}", 1),
    (lambda rng, sign: f"{sign}{any_year(rng)}", 2),  # never a year after a currency
    (in_words, 3),
)


def percent(rng: Random) -> str:
    if chance(rng, 0.05):
        return span(rng, (10, 24, 1)) + pick(rng, ("%", "%", " percent"))
    number = str(any_year(rng)) if chance(rng, 0.025) else amount(rng, 0.55, (4, 12, 3, 0.6))
    sign = minus(rng) if chance(rng, 0.1) else ""
    return sign + number + weighted(rng, (("%", 70), (" %", 8), (" percent", 17), (" per cent", 5)))


SAMPLERS = {
    sampler.__name__: sampler
    for sampler in (
        cardinal,
        ordinal,
        date,
        year,
        decimal,
        fraction,
        money,
        measure,
        percent,
        time,
        telephone,
    )
}
