"""Measures as people write them: units even enough that each of them can be learnt."""

from random import Random

from amounts import (
    SCALES,
    amount,
    below,
    chance,
    counted,
    drawn,
    minus,
    pick,
    span,
    weighted,
)
from moments import any_year
from number_words import listed
from readings import COMPOUNDS
from units import SPACED, SPELLED_UNITS

# What people put after numbers most, with the letters that are units, which are hard to tell
# apart, and what they put there as well.
COMMON_UNITS = listed(
    "km m cm mm kg g mg lb lbs oz ft in mi mph km/h m/s °C °F m² km² GB MB TB kB MHz GHz kW MW "
    "kWh V W L mL ha min s ms Hz kHz A J N K h l t"
)
OTHER_UNITS = listed(
    "nm µm μm dm yd kph ft/s km/s mi/h m/s² kn mpg fps bpm rpm "
    "µg μg gal ml cL cl dL dl µL μL pt qt tsp tbsp mmol mol ppm "
    "ns µs μs sec secs mins hr hrs yr yrs "
    "KB PB kb Mb Gb bps kbps Mbps Gbps kB/s MB/s GB/s Mb/s "
    "mW GW Wh MWh GWh mV kV mA mAh Ω kΩ MΩ kJ MJ kcal kN hp dB Pa hPa kPa MPa mbar bar psi ° "
    "km2 m2 cm² cm2 mm² ft² ft2 mi² in² m³ m3 cm³ cm3 ft³ kg/m³ g/cm³ g/L mg/L L/min"
)
OTHER_UNITS += ["fl oz", "sq mi", "sq km", "sq ft", "sq m", "sq yd", "cu ft", "cu m", "cu in"]
UNIT_WEIGHTS = [(unit, 1.8) for unit in COMMON_UNITS] + [(unit, 1.0) for unit in OTHER_UNITS]
NO_INCHES = [pair for pair in UNIT_WEIGHTS if pair[0] != "in"]
PLURALS = listed("lbs mins secs hrs yrs")  # which hardly anyone writes after a 1
OF_ONE = [unit for unit in COMMON_UNITS + OTHER_UNITS if unit not in PLURALS]
DENSITIES = ("/km²", "/km²", "/km2", "/sq mi", "/sq km", "/mi²", "/m²", "/ha")
COUNTLESS = ("km²", "km", "kg", "ha", "acres", "tons")  # of which there are millions


def measure(rng: Random) -> str:
    return drawn(rng, MEASURES)


def after_number(rng: Random, unit: str) -> str:
    """A unit as it follows its number, a third of the time without a space."""
    return unit if chance(rng, 0.35) and unit not in SPACED else f" {unit}"


def any_unit(rng: Random) -> str:
    return after_number(rng, weighted(rng, UNIT_WEIGHTS))


def dense(rng: Random) -> str:
    return f"{amount(rng, 0.2, (1, 5, 6, 3, 0.5))}{pick(rng, DENSITIES)}"


def millions(rng: Random) -> str:
    return f"{amount(rng, 0.6, (3, 3, 2))} {pick(rng, SCALES[:2])} {pick(rng, COUNTLESS)}"


def spelled(rng: Random) -> str:
    return f"{counted(rng, 0.3)} {pick(rng, SPELLED_UNITS[1::2])}"


def below_zero(rng: Random) -> str:
    return minus(rng) + amount(rng, 0.3, (2, 3)) + after_number(rng, pick(rng, ("°C", "°F", "°")))


def like_a_year(rng: Random) -> str:
    """What would be a year, were it not for the unit; after inches nobody would know."""
    if chance(rng, 0.4):
        return f"{any_year(rng)} {pick(rng, SPELLED_UNITS[1::2])}"
    return f"{any_year(rng)}{after_number(rng, weighted(rng, NO_INCHES))}"


def several(rng: Random) -> str:
    return span(rng, (8, 24, 10, 4)) + after_number(rng, pick(rng, COMMON_UNITS))


def height(rng: Random) -> str:
    inches = f"{below(rng, 12)}{'.5' * chance(rng, 0.1)}"
    marks = pick(rng, ("'\"", "'\"", "\u2019\u201d", "\u2032\u2033"))
    return f"{1 + below(rng, 12)}{marks[0]}{' ' * chance(rng, 0.3)}{inches}{marks[1]}"


def compound(rng: Random) -> str:
    """Feet with inches, pounds with ounces, hours with minutes or minutes with seconds."""
    upper, lower = pick(rng, COMPOUNDS)
    space = pick(rng, ("", " ", " "))
    most = {"in": 12, "oz": 16}.get(lower, 60)
    small = 1 if chance(rng, 0.12) else below(rng, most)
    return f"{1 + below(rng, 20)}{space}{upper} {small}{space}{lower}"


MEASURES = (
    (lambda rng: amount(rng, 0.33) + any_unit(rng), 61.5),
    (lambda rng: "1" + after_number(rng, pick(rng, OF_ONE)), 7),
    (spelled, 9.5),
    (like_a_year, 6),
    (dense, 5.5),
    (millions, 2.5),
    (below_zero, 2.5),
    (several, 2),
    (height, 1.5),
    (compound, 2),
)
