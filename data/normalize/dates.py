"""Dates as they are written, and how they are read: the reader of that class.

It returns None where the text is no date, or a day that its month has not.
"""

import re

from number_words import listed, ordinal_words, pair_words, suffix, year_words

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
YEAR = r"(?:1[2-9]\d\d|20\d\d)"
MONTH = "(?:" + "|".join(sorted(map(re.escape, MONTH_OF), key=len, reverse=True)) + ")"
DAY = r"[1-9]\d?"
RANK = "(st|nd|rd|th)"


def date(text: str) -> str | None:
    if found := re.fullmatch(rf"({MONTH}) ({YEAR})", text):
        return f"{month_word(MONTH_OF[found[1]])} {year_words(int(found[2]))}"
    if found := re.fullmatch(rf"({MONTH}) ({DAY}){RANK}?(?:,? ({YEAR}))?", text):
        said = day_words(MONTH_OF[found[1]], found[2], found[3])
        return said and f"{month_word(MONTH_OF[found[1]])} {said}{ending(found[4])}"
    if found := re.fullmatch(rf"({DAY}){RANK}?( of)? ({MONTH})(?:,? ({YEAR}))?", text):
        if found[3] and not found[2]:
            return None
        spoken = british_date(MONTH_OF[found[4]], found[1], found[5], found[2])
        # "the" is written before a day with "of", and passes through
        return spoken and (spoken.removeprefix("the ") if found[3] else spoken)
    if found := re.fullmatch(rf"({YEAR})-(0[1-9]|1[0-2])-(\d\d)", text):
        return british_date(int(found[2]), found[3], found[1])
    if found := re.fullmatch(rf"(\d\d?)/(\d\d?)/({YEAR}|(?!00)\d\d)", text):
        return slashed_date(int(found[1]), int(found[2]), found[3])
    return None


def slashed_date(first: int, second: int, year_digits: str) -> str | None:
    """The month first, as Americans write, unless there is no such month."""
    if first > 12:
        return british_date(second, str(first), year_digits) if 1 <= second <= 12 else None
    said = day_words(first, str(second)) if first else None
    return said and f"{month_word(first)} {said}{ending(year_digits)}"


def british_date(month: int, day: str, year_digits: str | None, rank: str = "") -> str | None:
    said = day_words(month, day, rank)
    return said and f"the {said} of {month_word(month)}{ending(year_digits)}"


def day_words(month: int, day: str, rank: str | None = None) -> str | None:
    """The day as an ordinal, where the month has it and the letters behind it fit."""
    exists = 1 <= int(day) <= MONTH_DAYS[month - 1] and rank in (None, "", suffix(day))
    return ordinal_words(int(day)) if exists else None


def ending(year_digits: str | None) -> str:
    """The year at the end of a date, of four digits, of two or of none."""
    if not year_digits:
        return ""
    short = len(year_digits) == 2
    return " " + (pair_words(year_digits) if short else year_words(int(year_digits)))


def month_word(month: int) -> str:
    return MONTHS[month - 1].lower()
