"""Years, dates and times as people write them: a sampler for each class."""

from random import Random

from amounts import below, chance, pick, weighted
from dates import MONTH_DAYS, MONTHS
from number_words import listed, suffix

SHORT_MONTHS = listed("Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec")
APOSTROPHES = "'''\u2019"


def any_year(rng: Random) -> int:
    kind = rng.random()
    if kind < 0.62:
        return 1900 + below(rng, 130)
    if kind < 0.82:
        return 1800 + below(rng, 100)
    return 1200 + below(rng, 900)


def year(rng: Random) -> str:
    kind = rng.random()
    if kind < 0.34:
        # Far apart: a year that is held out is held out of every date as well.
        return str(any_year(rng) if chance(rng, 0.3) else 1200 + below(rng, 900))
    if kind < 0.58:
        ending = pick(rng, ("s", "s", "s", "s", *(mark + "s" for mark in APOSTROPHES)))
        return f"{1200 + 10 * below(rng, 90)}{ending}"
    if kind < 0.62:
        return f"{pick(rng, ('', *APOSTROPHES))}{2 + below(rng, 8)}0s"
    if kind < 0.66:
        return f"{pick(rng, APOSTROPHES)}{1 + below(rng, 99):02d}"
    first = any_year(rng)
    last = min(2099, first + 1 + below(rng, 12 if chance(rng, 0.6) else 80))
    if last % 100 and first // 100 == last // 100 and chance(rng, 0.35):
        return f"{first}\u2013{last % 100:02d}"
    return f"{first}\u2013{last}"


def month_name(rng: Random) -> tuple[int, str]:
    """A month, with its name in full or, a third of the time, short, with or without a stop."""
    month = 1 + below(rng, 12)
    if month == 5 or chance(rng, 0.66):
        return month, MONTHS[month - 1]
    name = MONTHS[month - 1]
    short = pick(rng, [short for short in SHORT_MONTHS if name.startswith(short)])
    return month, short + ("." if chance(rng, 0.3) else "")


def date(rng: Random) -> str:
    month, name = month_name(rng)
    day = 1 + below(rng, MONTH_DAYS[month - 1])
    rank = f"{day}{suffix(str(day))}"
    when = any_year(rng)
    layouts = (
        (f"{name} {day}, {when}", 24),
        (f"{name} {day} {when}", 3),
        (f"{name} {rank}, {when}", 4),
        (f"{name} {rank} {when}", 3),
        (f"{name} {day}", 7),
        (f"{name} {rank}", 3),
        (f"{name} {when}", 12),
        (f"{day} {name} {when}", 20),
        (f"{rank} {name} {when}", 5),
        (f"{day} {name}", 6),
        (f"{rank} {name}", 2),
        (f"{rank} of {name}", 4),
        (f"{rank} of {name}{',' * chance(rng, 0.3)} {when}", 5),
        (f"{day} {name}, {when}", 1),
        (slashed(rng, month, day, when), 16),
        (f"{when}-{month:02d}-{day:02d}", 36),
    )
    return weighted(rng, layouts)


def slashed(rng: Random, month: int, day: int, when: int) -> str:
    """A date with slashes, the month first; now and then the day, where it is no month."""
    first, second = (day, month) if day > 12 and chance(rng, 0.15) else (month, day)
    width = 2 if chance(rng, 0.4) else 1
    short = when % 100 and chance(rng, 0.3)
    return f"{first:0{width}d}/{second:0{width}d}/{f'{when % 100:02d}' if short else when}"


def time(rng: Random) -> str:
    if chance(rng, 0.01):
        return f"{1 + below(rng, 12)} o{pick(rng, APOSTROPHES)}clock"
    minute = (
        f"{below(rng, 60):02d}" if chance(rng, 0.6) else pick(rng, ("00", "00", "00", "15", "30"))
    )
    if chance(rng, 0.36):
        hour = 0 if chance(rng, 0.05) else below(rng, 24)
        return f"{hour:02d}:{minute}" if chance(rng, 0.6) else f"{hour}:{minute}"
    half = pick(rng, ("am", "pm", "a.m.", "p.m.", "AM", "PM", "A.M.", "P.M.", "am", "pm", "p.m."))
    hour_text = str(1 + below(rng, 12))
    if chance(rng, 0.06):
        hour_text = hour_text.zfill(2)
    space = "" if chance(rng, 0.4) else " "
    if chance(rng, 0.12):
        return f"{hour_text}{space}{half}"
    point = "." if chance(rng, 0.07) else ":"
    return f"{hour_text}{point}{minute}{space}{half}"
