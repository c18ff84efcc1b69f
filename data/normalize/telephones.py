"""Telephone and book numbers, codes and other digit strings as people write them."""

from random import Random

from amounts import below, chance, pick, weighted
from moments import any_year

# A # is any digit, an @ any but zero; beside each layout its weight.
LAYOUTS = (
    ("###-####", 13),
    ("555-####", 3),
    ("@##-###-####", 17),
    ("@##-555-####", 2),
    ("(@##) ###-####", 8),
    ("(@##)###-####", 2),
    ("(@##) 555-####", 1),
    ("+1 (@##) ###-####", 2),
    ("1 (@##) ###-####", 1),
    ("1-@##-###-####", 3),
    ("1-800-###-####", 2),
    ("+1-@##-###-####", 2),
    ("+1 @## ### ####", 3),
    ("+44 20 #### ####", 1),
    ("+@# ## #### ####", 2),
    ("+@# ### ### ####", 1),
    ("+@# ## ####", 1),
    ("+@#-##-####-####", 1),
    ("0#", 1),
    ("00#", 2),
    ("0##", 2),
    ("0###", 2),
    ("0####", 2),
    ("###-##", 1),
    ("##-####", 1),
    ("###-###", 1),
    ("####-####", 1),
    ("##-##-##", 1),
    ("##-###", 1),
    ("###-##-####", 2),
    ("@####-####", 1),
    ("978-#-##", 1),
)
BOOKS = 10  # the weight of book numbers beside those of LAYOUTS
YEARS = 4  # that of two years joined by a hyphen


def telephone(rng: Random) -> str:
    layout = weighted(rng, (*LAYOUTS, ("book", BOOKS), ("years", YEARS)))
    if layout == "book":
        return book(rng)
    if layout == "years":
        return f"{any_year(rng)}-{any_year(rng) if chance(rng, 0.5) else filled(rng, '##')}"
    return filled(rng, layout)


def filled(rng: Random, layout: str) -> str:
    """The layout with its digits drawn."""
    draws = {"#": lambda: below(rng, 10), "@": lambda: 1 + below(rng, 9)}
    return "".join(str(draws[mark]()) if mark in draws else mark for mark in layout)


def book(rng: Random) -> str:
    """A book number of ten or thirteen digits, cut into groups as publishers cut them."""
    publisher = 2 + below(rng, 5)
    check = "X" if chance(rng, 0.15) else "#"
    body = filled(rng, f"#-{'#' * publisher}-{'#' * (8 - publisher)}-{check}")
    if chance(rng, 0.75):
        return body
    return f"{pick(rng, ('978', '978', '978', '979'))}-{body}"
