"""Years, dates and times as people write them: a sampler for each class."""

from random import Random

from amounts import below, chance, drawn, pick, weighted
from dates import MONTH_DAYS, MONTHS
from number_words import listed, suffix

SHORT_MONTHS = listed("Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec")
APOSTROPHES = "'''\u2019"


def any_year(rng: Random) -> int:
    """A year as people write them: mostly of the last two centuries and this one."""
    return drawn(rng, YEARS)


def some_year(rng: Random) -> int:
    return 1200 + below(rng, 900)


YEARS = (
    (lambda rng: 1900 + below(rng, 100), 46),
    (lambda rng: 2000 + below(rng, 30), 20),
    (lambda rng: 1800 + below(rng, 100), 17),
    (some_year, 17),
)


def year(rng: Random) -> str:
    return drawn(rng, YEAR_LAYOUTS)


def bare_year(rng: Random) -> str:
    # Far apart: a year that is held out is held out of every date as well.
    return str(any_year(rng) if chance(rng, 0.3) else some_year(rng))


def decade(rng: Random) -> str:
    """A decade or, a third of the time, a century, half of them with an apostrophe."""
    first = 100 * (12 + below(rng, 9)) if chance(rng, 0.35) else 1200 + 10 * below(rng, 90)
    return f"{first}{pick(rng, APOSTROPHES) if chance(rng, 0.5) else ''}s"


def years(rng: Random) -> str:
    """Two years, the second later, and in the same century now and then of two digits."""
    first = any_year(rng)
    last = min(2099, first + 1 + below(rng, 12 if chance(rng, 0.6) else 80))
    if last % 100 and first // 100 == last // 100 and chance(rng, 0.35):
        return f"{first}\u2013{last % 100:02d}"
    return f"{first}\u2013{last}"


YEAR_LAYOUTS = (
    (bare_year, 38),
    (years, 31),
    (decade, 23),
    (lambda rng: f"{pick(rng, ('', *APOSTROPHES))}{2 + below(rng, 8)}0s", 4),
    (lambda rng: f"{pick(rng, APOSTROPHES)}{1 + below(rng, 99):02d}", 4),
)


def month_name(rng: Random) -> tuple[int, str]:
    """A month, with its name in full or, a third of the time, short, with or without a stop."""
    month = 1 + below(rng, 12)
    if month == 5 or chance(rng, 0.66):
        return month, MONTHS[month - 1]
    name = MONTHS[month - 1]
    short = pick(rng, [short for short in SHORT_MONTHS if name.startswith(short)])
    return month, short + ("." if chance(rng, 0.3) else "")


DATES = (
    ("{month} {day}, {year}", 24),
    ("{month} {day} {year}", 3),
    ("{month} {rank}, {year}", 4),
    ("{month} {rank} {year}", 3),
    ("{month} {day}", 7),
    ("{month} {rank}", 3),
    ("{month} {year}", 12),
    ("{day} {month} {year}", 20),
    ("{rank} {month} {year}", 5),
    ("{day} {month}", 6),
    ("{rank} {month}", 2),
    ("{rank} of {month}", 4),
    ("{rank} of {month} {year}", 3.5),
    ("{rank} of {month}, {year}", 1.5),
    ("{day} {month}, {year}", 1),
    ("slashes", 16),
    ("iso", 36),
)


def date(rng: Random) -> str:
    layout = weighted(rng, DATES)
    number, month = month_name(rng)
    day = 1 + below(rng, MONTH_DAYS[number - 1])
    if layout == "slashes":
        return slashed(rng, number, day, any_year(rng))
    if layout == "iso":
        return iso(rng, number, day)
    rank = f"{day}{suffix(str(day))}"
    return layout.format(month=month, day=day, rank=rank, year=any_year(rng))


def iso(rng: Random, month: int, day: int) -> str:
    """The year first; of the years more are round, as there one is read early and all follows."""
    when = any_year(rng)
    if chance(rng, 0.3):
        when = when // 10 * 10
    return f"{when}-{month:02d}-{day:02d}"


def slashed(rng: Random, month: int, day: int, when: int) -> str:
    """A date with slashes, the month first; now and then the day, where it is no month."""
    first, second = (day, month) if day > 12 and chance(rng, 0.15) else (month, day)
    width = 2 if chance(rng, 0.4) else 1
    short = when % 100 and chance(rng, 0.3)
    return f"{first:0{width}d}/{second:0{width}d}/{f'{when % 100:02d}' if short else when}"


def time(rng: Random) -> str:
    return drawn(rng, TIMES)


def minutes(rng: Random) -> str:
    usual = pick(rng, ("00", "00", "00", "15", "30"))
    return f"{below(rng, 60):02d}" if chance(rng, 0.6) else usual


def of_day(rng: Random) -> str:
    hour = 0 if chance(rng, 0.05) else below(rng, 24)
    return f"{f'{hour:02d}' if chance(rng, 0.6) else hour}:{minutes(rng)}"


def half(rng: Random) -> str:
    """Which half of the day, with the space before it."""
    halves = ("am", "pm", "a.m.", "p.m.", "AM", "PM", "A.M.", "P.M.", "am", "pm", "p.m.")
    return ("" if chance(rng, 0.4) else " ") + pick(rng, halves)


def hour_of_half(rng: Random) -> str:
    hour = 1 + below(rng, 12)
    return f"{hour:02d}" if chance(rng, 0.06) else str(hour)


TIMES = (
    (lambda rng: f"{hour_of_half(rng)}:{minutes(rng)}{half(rng)}", 51.5),
    (lambda rng: f"{hour_of_half(rng)}.{minutes(rng)}{half(rng)}", 4),
    (lambda rng: hour_of_half(rng) + half(rng), 8),
    (of_day, 35.5),
    (lambda rng: f"{1 + below(rng, 12)} o{pick(rng, APOSTROPHES)}clock", 1),
)
