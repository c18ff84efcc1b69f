"""Quantities as they are written, and how they are read; none of them is a year here."""

from number_words import cardinal_words, digit_words

MINUSES = "-\u2212"  # hyphen and minus sign
SIGN = f"[{MINUSES}]?"
APOSTROPHE = "['\u2019]"
INTEGER = r"(?:[1-9]\d{0,2}(?:,\d{3})+|0|[1-9]\d*)"
UNSIGNED = rf"(?:{INTEGER}(?:\.\d+)?|\.\d+)"
QUANTITY = SIGN + UNSIGNED
AMOUNT = rf"(?:{QUANTITY}|{UNSIGNED}\u2013{UNSIGNED})"  # one, or from one to another
SCALE = "(?: (?:thousand|million|billion|trillion))"


def whole(digits: str) -> int:
    return int(digits.replace(",", ""))


def quantity_words(quantity: str) -> str:
    """An integer or decimal, signed or not; an integer is never a year here."""
    unsigned = quantity.lstrip(MINUSES)
    words = ["minus"] if unsigned != quantity else []
    integer, point, fraction = unsigned.partition(".")
    if integer:
        words.append(cardinal_words(whole(integer)))
    if point:
        words += ["point", "zero" if fraction == "0" else digit_words(fraction)]
    return " ".join(words)


def amount_words(amount: str) -> str:
    """A quantity, or two of which the second is the larger; "" where it is not."""
    parts = amount.split("\u2013")
    if len(parts) == 2 and float(parts[0].replace(",", "")) >= float(parts[1].replace(",", "")):
        return ""
    return " to ".join(quantity_words(part) for part in parts)


def scaled_words(text: str) -> str:
    amount, space, scale = text.partition(" ")
    return amount_words(amount) and amount_words(amount) + space + scale
