"""Numbers in words, as an American says them."""


def listed(words: str) -> list[str]:
    return words.split()


SMALL = listed(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
TENS = listed("- - twenty thirty forty fifty sixty seventy eighty ninety")
SCALES = ("", "thousand", "million", "billion", "trillion", "quadrillion")
IRREGULAR = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}


def below_thousand(number: int) -> list[str]:
    words = []
    if number >= 100:
        words += [SMALL[number // 100], "hundred"]
        number %= 100
    if number >= 20:
        words.append(TENS[number // 10])
        number %= 10
    return [*words, SMALL[number]] if number else words


def cardinal_words(number: int) -> str:
    """`number` in words: 7305 is "seven thousand three hundred five"."""
    if number == 0:
        return "zero"
    groups = []
    for scale in SCALES:
        number, group = divmod(number, 1000)
        if group:
            groups.append(" ".join([*below_thousand(group), scale]).strip())
    return " ".join(reversed(groups))


def ordinal_words(number: int) -> str:
    """`number` as a rank: 30 is "thirtieth", 138 is "one hundred thirty eighth"."""
    *front, last = cardinal_words(number).split()
    rank = last[:-1] + "ieth" if last.endswith("y") else IRREGULAR.get(last, last + "th")
    return " ".join([*front, rank])


def plural_words(words: str) -> str:
    """The plural of number words: "twenty" is "twenties", "ten" is "tens"."""
    return words[:-1] + "ies" if words.endswith("y") else words + "s"


def digit_words(digits: str) -> str:
    """Digit by digit, zero as "o"."""
    return " ".join("o" if digit == "0" else SMALL[int(digit)] for digit in digits)


def pair_words(pair: str) -> str:
    """The two digits of a minute or of the end of a year: 05 is "o five"."""
    return digit_words(pair) if pair[0] == "0" else cardinal_words(int(pair))


def year_words(year: int) -> str:
    """A year from 1200 to 2099: 1984, 1805, 2008 and 1900 each have their pattern."""
    if 2000 <= year <= 2009:
        return cardinal_words(year)
    century, rest = divmod(year, 100)
    return f"{cardinal_words(century)} {pair_words(f'{rest:02d}') if rest else 'hundred'}"


def suffix(digits: str) -> str:
    """The two letters that make `digits` an ordinal: 1 st, 12 th, 33 rd."""
    if digits[-2:-1] == "1":
        return "th"
    return {"1": "st", "2": "nd", "3": "rd"}.get(digits[-1], "th")
