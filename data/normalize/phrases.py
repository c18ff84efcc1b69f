"""Phrases as people write them: one sampler for each class, and how often it is drawn.

A sampler takes a `random.Random` and returns a written phrase.
"""

from collections.abc import Sequence
from random import Random

from amounts import (
    amount,
    below,
    chance,
    grouped,
    integer,
    minus,
    of_digits,
    pick,
    places,
    weighted,
)
from moments import any_year, date, time, year
from number_words import listed, suffix
from readings import COMPOUNDS, SUFFIXES, VULGAR
from units import SPACED, SPELLED_UNITS

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

SCALES = ("million", "billion", "trillion")

# Units people put after large counts, after measured amounts, and those rarely met.
COMMON_UNITS = listed(
    "km m cm mm kg g mg lb lbs oz ft in mi mph km/h m/s °C °F m² km² GB MB TB kB MHz GHz kW MW "
    "kWh V W L mL ha min s ms Hz kHz"
)
OTHER_UNITS = listed(
    "nm µm µg t yd gal ml l kph ft/s km/s KB Mb Gb kbps Mbps Gbps MB/s GB/s GW mW mV kV A mA J kJ "
    "MJ kcal Pa kPa MPa Wh MWh GWh h hr hrs hp dB psi rpm ° km2 m2 cm² cm2 mm² ft² ft2 mi² in² m³ "
    "m3 cm³ cm3 ft³ kg/m³ g/cm³ g/L mg/L L/min mi/h μm μg µL μL cL cl dL dl dm ns µs μs PB kb kB/s "
    "Mb/s bps N kN hPa mbar bar Ω kΩ MΩ K mmol mol pt qt kn mpg ppm m/s²"
)
OTHER_UNITS += listed("mins sec secs yr yrs tsp tbsp bpm fps mAh")
OTHER_UNITS += ["fl oz", "sq mi", "sq km", "sq ft", "sq m", "sq yd", "cu ft", "cu m", "cu in"]
SMALL_BOTTOMS = (2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 8, 9, 10, 12, 16, 32)
DENSITIES = ["/km²", "/km²", "/km2", "/sq mi", "/sq km", "/mi²", "/m²", "/ha"]


def cardinal(rng: Random) -> str:
    kind = rng.random()
    if kind < 0.06:
        return f"{grouped(of_digits(rng, 1 + below(rng, 3)))} {pick(rng, ('thousand', *SCALES))}"
    if kind < 0.065:
        return "0"
    if kind < 0.085:
        return f"{of_digits(rng, 1 + below(rng, 3))}{pick(rng, tuple(SUFFIXES))}"
    if kind < 0.125:
        return span(rng, (8, 24, 10, 4))
    number = integer(rng, (5, 13, 22, 22, 16, 13, 6, 4, 3, 2, 1, 1), 0.25)
    if 1200 <= int(number.replace(",", "")) <= 2099 and "," not in number:
        number = grouped(int(number))
    return minus(rng) + number if chance(rng, 0.13) else number


def span(rng: Random, weights: Sequence[float]) -> str:
    """Two numbers joined by an en dash, the second the larger; together they are no years."""
    while True:
        first = int(integer(rng, weights).replace(",", ""))
        second = first + max(1, below(rng, 1 + (first if chance(rng, 0.5) else 12)))
        if not (1200 <= first <= 2099 and second <= 2099):
            return f"{grouped(first)}\u2013{grouped(second)}"


def four_digits(rng: Random) -> str:
    """A number of four digits without its comma, outside the years."""
    number = 1000 + below(rng, 8100)
    return str(number if number < 1200 else number + 900)


def cardinal_or_plain(rng: Random) -> str:
    return four_digits(rng) if chance(rng, 0.1) else cardinal(rng)


def ordinal(rng: Random) -> str:
    digits = integer(rng, (4, 20, 44, 22, 7, 2, 0.5), 0.5)
    return digits + suffix(digits)


def decimal(rng: Random) -> str:
    kind = rng.random()
    if kind < 0.1:
        return "." + places(rng, (8, 32, 50, 10))
    if kind < 0.2:
        number = f"{grouped(of_digits(rng, 1 + below(rng, 3)))}.{places(rng, (80, 18, 2))}"
        suffixed = chance(rng, 0.15)
        return number + (pick(rng, tuple(SUFFIXES)) if suffixed else f" {pick(rng, SCALES)}")
    if kind < 0.45:
        return f"{'-' * chance(rng, 0.1)}0.{places(rng)}"
    whole = "0" if chance(rng, 0.02) else integer(rng, (30, 30, 20, 10, 4, 2), 0.3)
    sign = minus(rng) if chance(rng, 0.1) else ""
    return f"{sign}{whole}.{places(rng, (44, 34, 14, 4, 2, 1, 0.6, 0.4))}"


def fraction(rng: Random) -> str:
    kind = rng.random()
    if kind < 0.4:
        bottom = pick(rng, SMALL_BOTTOMS)
        top = 1 + below(rng, bottom - 1) if bottom > 2 else 1
        whole = 1 + below(rng, 20 if chance(rng, 0.6) else 200)
        if chance(rng, 0.2):
            return f"{whole}{pick(rng, ('', '', ' '))}{pick(rng, tuple(VULGAR))}"
        return f"{whole} {top}/{bottom}"
    if kind < 0.405:
        return pick(rng, tuple(VULGAR))
    if kind < 0.65:
        bottom = pick(rng, SMALL_BOTTOMS) if chance(rng, 0.6) else 2 + below(rng, 30)
        return f"{1 + below(rng, 15)}/{bottom}"
    if kind < 0.93:
        return f"{1 + below(rng, 100)}/{2 + below(rng, 99)}"
    if kind < 0.96:
        return f"{1 + below(rng, 1000)}/{pick(rng, (100, 1000, 2 + below(rng, 998)))}"
    return f"-{1 + below(rng, 20)}/{2 + below(rng, 30)}"


def money(rng: Random) -> str:
    sign = weighted(rng, (("$", 49), ("£", 24), ("€", 22), ("US$", 4), ("$ ", 1)))
    if chance(rng, 0.05):
        ones = ("1", "1.00", "1 million", "0.01", f"1.{below(rng, 100):02d}")
        return pick(rng, "$££€") + pick(rng, (*ones, f"{1 + below(rng, 99)}.01"))
    kind = rng.random()
    if kind < 0.3:
        return sign + integer(rng, (4, 9, 12, 10, 8, 7, 2, 1), 0.12)
    if kind < 0.58:
        cents = "00" if chance(rng, 0.08) else f"{below(rng, 100):02d}"
        return f"{sign}{'0' if chance(rng, 0.08) else integer(rng, (11, 15, 8, 4, 1))}.{cents}"
    if kind < 0.72:
        return f"{sign}{of_digits(rng, 1 + below(rng, 3))} {pick(rng, SCALES)}"
    if kind < 0.87:
        number = f"{of_digits(rng, 1 + below(rng, 3))}.{places(rng, (75, 20, 5))}"
        return f"{sign}{number} {pick(rng, SCALES)}"
    if kind < 0.91:
        point = f".{places(rng, (75, 20, 5))}" if chance(rng, 0.4) else ""
        number = f"{of_digits(rng, 1 + below(rng, 3))}{point}"
        suffixes = ("k", "K", "m", "m", "M", "M", "bn", "bn", "B", "b", "tn")
        return sign + number + pick(rng, suffixes)
    if kind < 0.915:
        return f"{1 + below(rng, 99)}p"
    if kind < 0.935:
        return f"{1 + below(rng, 99)}¢" if chance(rng, 0.5) else f"{sign}.{1 + below(rng, 99):02d}"
    if kind < 0.95:
        return f"{sign}{below(rng, 10)}.{pick(rng, (f'{below(rng, 10)}', digits(rng, 3)))}"
    if kind < 0.96:
        return f"-{sign.strip()}{integer(rng, (1, 2, 2, 1))}"
    if kind < 0.975:  # never a year after a currency
        return f"{sign}{any_year(rng)}"
    words = pick(rng, ("dollars", "dollars", "euros", "cents"))
    return f"{counted(rng, 0.2)} {words}"


def counted(rng: Random, decimals: float) -> str:
    """An amount that stays apart from 1, so that a plural word may follow."""
    while (number := amount(rng, decimals)) == "1":
        pass
    return number


def measure(rng: Random) -> str:
    kind = rng.random()
    if kind < 0.07:
        return f"{amount(rng, 0.2, (1, 5, 6, 3, 0.5))}{pick(rng, DENSITIES)}"
    if kind < 0.10:
        tail = f"{pick(rng, SCALES[:2])} {pick(rng, ('km²', 'km', 'kg', 'ha', 'acres', 'tons'))}"
        return f"{amount(rng, 0.6, (3, 3, 2))} {tail}"
    if kind < 0.22:
        number = str(any_year(rng)) if chance(rng, 0.15) else counted(rng, 0.3)
        return f"{number} {pick(rng, SPELLED_UNITS[1::2])}"
    if kind < 0.30:
        return "1" + after_number(rng, pick(rng, COMMON_UNITS + OTHER_UNITS))
    if kind < 0.33:
        degrees = pick(rng, ("°C", "°F", "°"))
        return minus(rng) + amount(rng, 0.3, (2, 3)) + after_number(rng, degrees)
    if kind < 0.355:  # never a year before a unit
        return f"{any_year(rng)} {pick(rng, COMMON_UNITS)}"
    if kind < 0.375:
        return compound(rng)
    if kind < 0.395:
        return span(rng, (8, 24, 10, 4)) + after_number(rng, pick(rng, COMMON_UNITS))
    unit = pick(rng, COMMON_UNITS if chance(rng, 0.56) else OTHER_UNITS)
    return amount(rng, 0.35) + after_number(rng, unit)


def compound(rng: Random) -> str:
    """Feet with inches, pounds with ounces or hours with minutes."""
    if chance(rng, 0.5):
        inches = f"{below(rng, 12)}{'.5' * chance(rng, 0.1)}"
        marks = pick(rng, ("'\"", "'\"", "\u2019\u201d", "\u2032\u2033"))
        return f"{1 + below(rng, 12)}{marks[0]}{' ' * chance(rng, 0.3)}{inches}{marks[1]}"
    upper, lower = pick(rng, COMPOUNDS)
    space = pick(rng, ("", " ", " "))
    most = {"in": 12, "oz": 16}.get(lower, 60)
    return f"{1 + below(rng, 20)}{space}{upper} {below(rng, most)}{space}{lower}"


def after_number(rng: Random, unit: str) -> str:
    """A unit as it follows its number, a third of the time without a space."""
    return unit if chance(rng, 0.35) and unit not in SPACED else f" {unit}"


def percent(rng: Random) -> str:
    number = amount(rng, 0.55, (4, 12, 3, 0.6))
    if chance(rng, 0.02):
        number = str(any_year(rng))
    if chance(rng, 0.05):
        return span(rng, (10, 24, 1)) + pick(rng, ("%", "%", " percent"))
    sign = minus(rng) if chance(rng, 0.1) else ""
    return sign + number + weighted(rng, (("%", 70), (" %", 8), (" percent", 17), (" per cent", 5)))


def digits(rng: Random, count: int) -> str:
    return "".join(str(below(rng, 10)) for _ in range(count))


def telephone(rng: Random) -> str:
    kind = rng.random()
    if kind < 0.22:
        return f"{digits(rng, 3)}-{digits(rng, 4)}"
    if kind < 0.40:
        return f"{1 + below(rng, 9)}{digits(rng, 2)}-{digits(rng, 3)}-{digits(rng, 4)}"
    if kind < 0.44:
        space = " " if chance(rng, 0.7) else ""
        country = pick(rng, ("", "", "+1 ", "1 "))
        return f"{country}({digits(rng, 3)}){space}{digits(rng, 3)}-{digits(rng, 4)}"
    if kind < 0.47:
        return f"1-{digits(rng, 3)}-{digits(rng, 3)}-{digits(rng, 4)}"
    if kind < 0.50:
        joint = pick(rng, " -")
        groups = [digits(rng, 2 + below(rng, 3)) for _ in range(2 + below(rng, 2))]
        return joint.join([f"+{1 + below(rng, 99)}", *groups])
    if kind < 0.60:
        return isbn(rng)
    if kind < 0.64:
        return f"{any_year(rng)}-{any_year(rng) if chance(rng, 0.5) else digits(rng, 2)}"
    if kind < 0.70:
        return "0" + digits(rng, 1 + below(rng, 4))
    return "-".join(digits(rng, 2 + below(rng, 3)) for _ in range(2 + below(rng, 2)))


def isbn(rng: Random) -> str:
    """A book number of ten or thirteen digits, cut into groups as publishers cut them."""
    publisher = 2 + below(rng, 5)
    check = "X" if chance(rng, 0.15) else digits(rng, 1)
    body = f"{below(rng, 10)}-{digits(rng, publisher)}-{digits(rng, 8 - publisher)}-{check}"
    return f"{pick(rng, ('978', '979'))}-{body}" if chance(rng, 0.05) else body


SAMPLERS = {
    "cardinal": cardinal_or_plain,
    "ordinal": ordinal,
    "date": date,
    "year": year,
    "decimal": decimal,
    "fraction": fraction,
    "money": money,
    "measure": measure,
    "percent": percent,
    "time": time,
    "telephone": telephone,
}
