"""How a written phrase is read aloud: one reader for each class, and `read`, which asks them all.

A reader takes the phrase alone and returns its reading, or None where the phrase is not of its
class. The classes do not overlap: at most one reader answers. README.md states the rules.
"""

import re

from dates import YEAR, date
from number_words import (
    cardinal_words,
    digit_words,
    listed,
    ordinal_words,
    pair_words,
    plural_words,
    suffix,
    year_words,
)
from quantities import (
    AMOUNT,
    APOSTROPHE,
    INTEGER,
    MINUSES,
    QUANTITY,
    SCALE,
    SIGN,
    UNSIGNED,
    amount_words,
    quantity_words,
    scaled_words,
    whole,
)
from units import SPACED_UNIT, UNIT, UNITS

# currency sign: (one, many, one hundredth, many hundredths)
CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "US$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
}
CURRENCY_WORDS = ("dollars", "dollar", "euros", "euro", "cents", "cent")
SUFFIXES = {"k": "thousand", "K": "thousand", "M": "million", "bn": "billion", "B": "billion"}
MONEY_SUFFIXES = SUFFIXES | {"m": "million", "b": "billion", "tn": "trillion"}
VULGAR = dict(zip("½⅓⅔¼¾⅛⅜⅝⅞", listed("1/2 1/3 2/3 1/4 3/4 1/8 3/8 5/8 7/8"), strict=True))
# Two units of which one amount is made, the larger first.
COMPOUNDS = (
    *(("ft", "in"), ("lb", "oz"), ("lbs", "oz"), ("min", "s"), ("min", "sec")),
    *(("h", "min"), ("hr", "min"), ("hr", "mins"), ("hrs", "min"), ("hrs", "mins")),
)


# --- one reader for each class ------------------------------------------------------------------


def cardinal(text: str) -> str | None:
    return None if year(text) else number(text, point=False)


def number(text: str, point: bool) -> str | None:
    """A bare number, with a `point` somewhere or without one anywhere."""
    found = re.fullmatch(rf"({AMOUNT})({SCALE}?|{'|'.join(SUFFIXES)})", text)
    if not found or point != ("." in found[1]):
        return None
    words = amount_words(found[1])
    return words and words + (f" {SUFFIXES[found[2]]}" if found[2] in SUFFIXES else found[2])


def ordinal(text: str) -> str | None:
    found = re.fullmatch(rf"({INTEGER})(st|nd|rd|th)", text)
    return ordinal_words(whole(found[1])) if found and found[2] == suffix(found[1]) else None


def decimal(text: str) -> str | None:
    return number(text, point=True)


def fraction(text: str) -> str | None:
    if found := re.fullmatch(rf"(?:({SIGN}{INTEGER}) ?)?({SIGN}[{''.join(VULGAR)}])", text):
        text = (f"{found[1]} " if found[1] else "") + found[2][:-1] + VULGAR[found[2][-1]]
    found = re.fullmatch(rf"({SIGN})(?:({INTEGER}) )?([1-9]\d*)/([1-9]\d*)", text)
    if not found or found[4] == "1":
        return None
    words = ["minus"] if found[1] else []
    if found[2]:
        words += [cardinal_words(whole(found[2])), "and"]
    many = found[3] != "1"
    part = {"2": "halve" if many else "half", "4": "quarter"}.get(found[4])
    part = part or ordinal_words(int(found[4]))
    return " ".join([*words, cardinal_words(int(found[3])), part + ("s" if many else "")])


def year(text: str) -> str | None:
    if re.fullmatch(YEAR, text):
        return year_words(int(text))
    if found := re.fullmatch(rf"({YEAR})(?<=0){APOSTROPHE}?s", text):
        return plural_words(year_words(int(found[1])))
    if found := re.fullmatch(rf"{APOSTROPHE}?([2-9]0)s", text):
        return plural_words(cardinal_words(int(found[1])))
    if found := re.fullmatch(rf"{APOSTROPHE}((?!00)\d\d)", text):
        return pair_words(found[1])
    if found := re.fullmatch(rf"({YEAR})\u2013({YEAR}|(?!00)\d\d)", text):
        last = found[2]
        ending = year_words(int(last)) if len(last) == 4 else pair_words(last)
        return f"{year_words(int(found[1]))} to {ending}"
    return None


def time(text: str) -> str | None:
    half = r"([AaPp])(?:[Mm]|\.[Mm]\.)"
    if found := re.fullmatch(rf"(1[0-2]|0?[1-9])(?:[:.]([0-5]\d))? ?{half}", text):
        minutes = f" {pair_words(found[2])}" if found[2] not in (None, "00") else ""
        return f"{cardinal_words(int(found[1]))}{minutes} {found[3].lower()} m"
    if found := re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text):
        hour = int(found[1])
        full = "o'clock" if 1 <= hour <= 12 else "hundred"
        return f"{cardinal_words(hour)} {full if found[2] == '00' else pair_words(found[2])}"
    if found := re.fullmatch(rf"(1[0-2]|[1-9])( o{APOSTROPHE}clock)", text):
        return cardinal_words(int(found[1])) + found[2]
    return None


def telephone(text: str) -> str | None:
    hyphens = r"\d+(?:-\d+)*-(?:\d+|\d*X)"
    layouts = rf"{hyphens}|(?:\+?\d+ )?\(\d+\) ?{hyphens}|\+\d+(?:[- ]\d+)+|0\d+"
    if not re.fullmatch(layouts, text) or date(text):
        return None
    groups = re.findall(r"\d*X|\d+", text)
    spoken = [digit_words(group.rstrip("X")) + " x" * group.endswith("X") for group in groups]
    return ("plus " if text[0] == "+" else "") + " sil ".join(words.strip() for words in spoken)


def percent(text: str) -> str | None:
    found = re.fullmatch(rf"({AMOUNT})(?: ?%| percent| per cent)", text)
    words = amount_words(found[1]) if found else None
    return words and f"{words} percent"


def money(text: str) -> str | None:
    if found := re.fullmatch(rf"({QUANTITY}{SCALE}?) ({'|'.join(CURRENCY_WORDS)})", text):
        return f"{scaled_words(found[1])} {found[2]}"
    if found := re.fullmatch(rf"({INTEGER})¢|([1-9]\d?)p", text):
        return coins_words("0", found[1] or found[2], CURRENCIES["$" if found[1] else "£"])
    found = re.fullmatch(
        rf"({SIGN})(US\$|[$£€]) ?({INTEGER}?)(?:\.(\d+))?({SCALE}|{'|'.join(MONEY_SUFFIXES)})?",
        text,
    )
    if not found or not (found[3] or found[4]):
        return None
    sign, currency, integer, fraction_digits, scale = found.groups()
    minus = "minus " if sign else ""
    if fraction_digits and len(fraction_digits) == 2 and not scale:
        return minus + coins_words(integer or "0", fraction_digits, CURRENCIES[currency])
    amount = quantity_words(integer + (f".{fraction_digits}" if fraction_digits else ""))
    name = CURRENCIES[currency][0 if amount == "one" and not scale else 1]
    scale_words = [MONEY_SUFFIXES.get(scale, scale.strip())] if scale else []
    return minus + " ".join([amount, *scale_words, name])


def coins_words(integer: str, hundredths: str, names: tuple[str, str, str, str]) -> str:
    """Whole units and hundredths; whichever is zero is left unsaid."""
    units, coins = whole(integer), whole(hundredths.lstrip("0") or "0")
    said = []
    if units or not coins:
        said.append(f"{cardinal_words(units)} {names[units != 1]}")
    if coins:
        said.append(f"{cardinal_words(coins)} {names[2 + (coins != 1)]}")
    return " and ".join(said)


def measure(text: str) -> str | None:
    found = re.fullmatch(rf"({AMOUNT})({SCALE}?)(?: ?({UNIT})| ({SPACED_UNIT}))", text)
    if not found:
        return compound(text)
    return united(found[1] + found[2], found[3] or found[4])


def united(amount: str, unit: str) -> str:
    """An amount with its unit, which is singular after a 1 alone."""
    words = scaled_words(amount)
    return words and f"{words} {UNITS[unit][0 if amount.lstrip(MINUSES) == '1' else 1]}"


def compound(text: str) -> str | None:
    """Two measures that are one, as feet and inches are, which have signs of their own."""
    marks = rf"({INTEGER})['\u2019\u2032] ?({UNSIGNED})[\"\u201d\u2033]"
    text = re.sub(marks, r"\1 ft \2 in", text)
    for first, second in COMPOUNDS:
        if found := re.fullmatch(rf"({INTEGER}) ?{first} ({UNSIGNED}) ?{second}", text):
            return f"{united(found[1], first)} {united(found[2], second)}"
    return None


READERS = {
    reader.__name__: reader
    for reader in (
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


def read(text: str) -> tuple[str, str]:
    """The class and the reading of a phrase; a phrase that is no class's own is a ValueError."""
    readings = {name: spoken for name, reader in READERS.items() if (spoken := reader(text))}
    if len(readings) != 1:
        raise ValueError(f"{text!r} has {len(readings)} readings: {readings}")
    return next(iter(readings.items()))
