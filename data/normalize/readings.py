"""How a written phrase is read aloud: one reader for each class, and `read`, which asks them all.

A reader takes the phrase alone and returns its reading, or None where the phrase is not of its
class. The classes do not overlap: at most one reader answers. README.md states the rules.
"""

import re

from number_words import (
    cardinal_words,
    digit_words,
    listed,
    ordinal_words,
    pair_words,
    plural_words,
    year_words,
)
from units import SPACED_UNIT, UNIT, UNITS

MONTHS = listed(
    "January February March April May June July August September October November December"
)
MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
MONTH_OF = {
    **{name: number for number, name in enumerate(MONTHS, 1)},
    **{name[:3] + dot: number for number, name in enumerate(MONTHS, 1) for dot in ("", ".")},
    **{"May": 5, "Sept": 9, "Sept.": 9},
}
del MONTH_OF["May."]  # already whole: a full stop after it ends a sentence

SIGN = "[-\u2212]?"  # hyphen or minus sign
INTEGER = r"(?:[1-9]\d{0,2}(?:,\d{3})+|0|[1-9]\d*)"
QUANTITY = rf"{SIGN}(?:{INTEGER}(?:\.\d+)?|\.\d+)"
SCALE = "(?: (?:thousand|million|billion|trillion))"
YEAR = r"(?:1[2-9]\d\d|20\d\d)"
MONTH = "(?:" + "|".join(sorted(map(re.escape, MONTH_OF), key=len, reverse=True)) + ")"
DAY = r"[1-9]\d?"

# currency sign: (one, many, one hundredth, many hundredths)
CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "US$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
}
CURRENCY_WORDS = ("dollars", "dollar", "euros", "euro", "cents", "cent")
MONEY_SUFFIXES = {
    "k": "thousand",
    "K": "thousand",
    "m": "million",
    "M": "million",
    "bn": "billion",
    "B": "billion",
}


def whole(digits: str) -> int:
    return int(digits.replace(",", ""))


def quantity_words(quantity: str) -> str:
    """An integer or decimal, signed or not; an integer is never a year here."""
    unsigned = quantity.lstrip("-\u2212")
    words = ["minus"] if unsigned != quantity else []
    integer, point, fraction = unsigned.partition(".")
    if integer:
        words.append(cardinal_words(whole(integer)))
    if point:
        words += ["point", "zero" if fraction == "0" else digit_words(fraction)]
    return " ".join(words)


# --- one reader for each class ------------------------------------------------------------------


def cardinal(text: str) -> str | None:
    found = re.fullmatch(rf"({SIGN}{INTEGER})({SCALE}?)", text)
    if not found or re.fullmatch(YEAR, text):
        return None
    return quantity_words(found[1]) + found[2]


def ordinal(text: str) -> str | None:
    found = re.fullmatch(rf"({INTEGER})(st|nd|rd|th)", text)
    return ordinal_words(whole(found[1])) if found and found[2] == suffix(found[1]) else None


def suffix(digits: str) -> str:
    """The two letters that make `digits` an ordinal: 1 st, 12 th, 33 rd."""
    if digits[-2:-1] == "1":
        return "th"
    return {"1": "st", "2": "nd", "3": "rd"}.get(digits[-1], "th")


def decimal(text: str) -> str | None:
    found = re.fullmatch(rf"({QUANTITY})({SCALE}?)", text)
    return quantity_words(found[1]) + found[2] if found and "." in found[1] else None


def fraction(text: str) -> str | None:
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
    if found := re.fullmatch(rf"({YEAR})(?<=0)'?s", text):
        return plural_words(year_words(int(found[1])))
    if found := re.fullmatch(r"'?([2-9]0)s", text):
        return plural_words(cardinal_words(int(found[1])))
    if found := re.fullmatch(rf"({YEAR})\u2013({YEAR}|(?!00)\d\d)", text):
        last = found[2]
        ending = year_words(int(last)) if len(last) == 4 else pair_words(last)
        return f"{year_words(int(found[1]))} to {ending}"
    return None


def date(text: str) -> str | None:
    if found := re.fullmatch(rf"({MONTH}) ({YEAR})", text):
        return f"{month_word(MONTH_OF[found[1]])} {year_words(int(found[2]))}"
    if found := re.fullmatch(rf"({MONTH}) ({DAY})(st|nd|rd|th)?(?:,? ({YEAR}))?", text):
        return american_date(MONTH_OF[found[1]], found[2], found[4])
    if found := re.fullmatch(rf"({DAY})(st|nd|rd|th)? ({MONTH})(?:,? ({YEAR}))?", text):
        return british_date(MONTH_OF[found[3]], found[1], found[4])
    if found := re.fullmatch(rf"({YEAR})-(0[1-9]|1[0-2])-(\d\d)", text):
        return british_date(int(found[2]), found[3], found[1])
    return None


def american_date(month: int, day: str, year_digits: str | None) -> str | None:
    if not 1 <= int(day) <= MONTH_DAYS[month - 1]:
        return None
    ending = f" {year_words(int(year_digits))}" if year_digits else ""
    return f"{month_word(month)} {ordinal_words(int(day))}{ending}"


def british_date(month: int, day: str, year_digits: str | None) -> str | None:
    if not 1 <= int(day) <= MONTH_DAYS[month - 1]:
        return None
    ending = f" {year_words(int(year_digits))}" if year_digits else ""
    return f"the {ordinal_words(int(day))} of {month_word(month)}{ending}"


def month_word(month: int) -> str:
    return MONTHS[month - 1].lower()


def time(text: str) -> str | None:
    half = r"([AaPp])(?:[Mm]|\.[Mm]\.)"
    if found := re.fullmatch(rf"(1[0-2]|0?[1-9])(?:[:.]([0-5]\d))? ?{half}", text):
        minutes = f" {pair_words(found[2])}" if found[2] not in (None, "00") else ""
        return f"{cardinal_words(int(found[1]))}{minutes} {found[3].lower()} m"
    if found := re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text):
        hour = int(found[1])
        full = "o'clock" if 1 <= hour <= 12 else "hundred"
        return f"{cardinal_words(hour)} {full if found[2] == '00' else pair_words(found[2])}"
    return None


def telephone(text: str) -> str | None:
    hyphens = r"\d+(?:-\d+)*-(?:\d+|\d*X)"
    layouts = rf"{hyphens}|\(\d+\) ?{hyphens}|\+\d+(?:[- ]\d+)+|0\d+"
    if not re.fullmatch(layouts, text) or date(text):
        return None
    groups = re.findall(r"\d*X|\d+", text)
    spoken = [digit_words(group.rstrip("X")) + " x" * group.endswith("X") for group in groups]
    return ("plus " if text[0] == "+" else "") + " sil ".join(words.strip() for words in spoken)


def percent(text: str) -> str | None:
    found = re.fullmatch(rf"({QUANTITY})(?: ?%| percent| per cent)", text)
    return f"{quantity_words(found[1])} percent" if found else None


def money(text: str) -> str | None:
    if found := re.fullmatch(rf"({QUANTITY}{SCALE}?) ({'|'.join(CURRENCY_WORDS)})", text):
        return f"{scaled_words(found[1])} {found[2]}"
    if found := re.fullmatch(rf"({INTEGER})¢", text):
        return coins_words("0", found[1], CURRENCIES["$"])
    found = re.fullmatch(
        rf"({SIGN})(US\$|[$£€]) ?({INTEGER}?)(?:\.(\d+))?({SCALE}|k|K|m|M|bn|B)?", text
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


def scaled_words(text: str) -> str:
    quantity, space, scale = text.partition(" ")
    return quantity_words(quantity) + space + scale


def measure(text: str) -> str | None:
    found = re.fullmatch(rf"({QUANTITY})({SCALE}?)(?: ?({UNIT})| ({SPACED_UNIT}))", text)
    if not found:
        return None
    one = found[1].lstrip("-\u2212") == "1" and not found[2]
    return f"{scaled_words(found[1] + found[2])} {UNITS[found[3] or found[4]][0 if one else 1]}"


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
