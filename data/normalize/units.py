"""Units of measure: how each is written, and its singular and plural as they are read."""

import re

from number_words import listed

PREFIXED = {
    "meter": "nm µm μm mm cm dm m km",
    "gram": "µg μg mg g kg",
    "liter": "µL μL mL ml cL cl dL dl L l",
    "second": "ns µs μs ms s",
    "byte": "kB KB MB GB TB PB",
    "bit": "kb Mb Gb",
    "hertz": "Hz kHz MHz GHz",
    "watt": "mW W kW MW GW",
    "volt": "mV V kV",
    "ampere": "mA A",
    "joule": "J kJ MJ",
    "calorie": "kcal",
    "newton": "N kN",
    "pascal": "Pa hPa kPa MPa",
    "bar": "mbar bar",
    "ohm": "Ω kΩ MΩ",
    "kelvin": "K",
    "mole": "mmol mol",
    "watt hour": "Wh kWh MWh GWh",
}
PREFIXES = {
    "n": "nano",
    "µ": "micro",  # the sign U+00B5
    "μ": "micro",  # the Greek letter U+03BC
    "m": "milli",
    "c": "centi",
    "d": "deci",
    "h": "hecto",
    "k": "kilo",
    "K": "kilo",
    "M": "mega",
    "G": "giga",
    "T": "tera",
    "P": "peta",
}
PLAIN = set(listed("m g L l s Hz W V A J N Pa bar Ω K mol Wh"))
SIMPLE = {
    "in": ("inch", "inches"),
    "ft": ("foot", "feet"),
    "yd": ("yard", "yards"),
    "mi": ("mile", "miles"),
    "lb": ("pound", "pounds"),
    "lbs": ("pound", "pounds"),
    "oz": ("ounce", "ounces"),
    "gal": ("gallon", "gallons"),
    "pt": ("pint", "pints"),
    "qt": ("quart", "quarts"),
    "fl oz": ("fluid ounce", "fluid ounces"),
    "ha": ("hectare", "hectares"),
    "t": ("ton", "tons"),
    "min": ("minute", "minutes"),
    "h": ("hour", "hours"),
    "hr": ("hour", "hours"),
    "hrs": ("hour", "hours"),
    "mins": ("minute", "minutes"),
    "sec": ("second", "seconds"),
    "secs": ("second", "seconds"),
    "yr": ("year", "years"),
    "yrs": ("year", "years"),
    "tsp": ("teaspoon", "teaspoons"),
    "tbsp": ("tablespoon", "tablespoons"),
    "hp": ("horsepower", "horsepower"),
    "dB": ("decibel", "decibels"),
    "psi": ("pound per square inch", "pounds per square inch"),
    "rpm": ("revolution per minute", "revolutions per minute"),
    "mph": ("mile per hour", "miles per hour"),
    "kph": ("kilometer per hour", "kilometers per hour"),
    "°C": ("degree celsius", "degrees celsius"),
    "°F": ("degree fahrenheit", "degrees fahrenheit"),
    "°": ("degree", "degrees"),
    "kn": ("knot", "knots"),
    "bpm": ("beat per minute", "beats per minute"),
    "fps": ("frame per second", "frames per second"),
    "mAh": ("milliampere hour", "milliampere hours"),
    "mpg": ("mile per gallon", "miles per gallon"),
    "ppm": ("part per million", "parts per million"),
    "m/s²": ("meter per second squared", "meters per second squared"),
    "bps": ("bit per second", "bits per second"),
    "kbps": ("kilobit per second", "kilobits per second"),
    "Mbps": ("megabit per second", "megabits per second"),
    "Gbps": ("gigabit per second", "gigabits per second"),
}
SQUARED = {"km": "kilometer", "m": "meter", "cm": "centimeter", "mm": "millimeter", "mi": "mile"}
SQUARED |= {"ft": "foot", "in": "inch", "yd": "yard"}
RATES = "km/h km/s m/s ft/s mi/h kg/m³ g/cm³ g/L mg/L kB/s MB/s GB/s Mb/s L/min"
SPELLED = listed(
    "acre mile foot inch yard meter kilometer centimeter millimeter metre kilometre pound ounce "
    "ton tonne gallon liter litre gram kilogram milligram hectare hour minute second degree watt "
    "kilowatt megawatt volt square_mile square_kilometer square_meter square_foot cubic_meter "
    "day week month year knot pint quart cup byte kilobyte megabyte gigabyte terabyte"
)


def plural(name: str) -> str:
    if name.endswith("hertz"):
        return name
    if name.endswith("foot"):
        return name[:-4] + "feet"
    return name + ("es" if name.endswith("inch") else "s")


def unit_table() -> dict[str, tuple[str, str]]:
    """Every unit as it is written, with its singular and its plural as they are read."""
    table = dict(SIMPLE)
    for base, symbols in PREFIXED.items():
        for symbol in symbols.split():
            name = base if symbol in PLAIN else PREFIXES[symbol[0]] + base
            table[symbol] = (name, plural(name))
    for symbol, name in SQUARED.items():
        for power, word in (("²", "square"), ("2", "square"), ("³", "cubic"), ("3", "cubic")):
            table[symbol + power] = (f"{word} {name}", f"{word} {plural(name)}")
        for start, word in (("sq ", "square"), ("cu ", "cubic")):
            table[start + symbol] = (f"{word} {name}", f"{word} {plural(name)}")
    for rate in RATES.split():
        upper, lower = (table[part] for part in rate.split("/"))
        table[rate] = (f"{upper[0]} per {lower[0]}", f"{upper[1]} per {lower[0]}")
    for area in ("km²", "km2", "sq km", "sq mi", "mi²", "m²", "ha"):
        table["/" + area] = (f"per {table[area][1]}",) * 2
    for name in SPELLED:
        word = name.replace("_", " ")
        table |= {word: (word, word), plural(word): (plural(word), plural(word))}
    return table


UNITS = unit_table()
SPELLED_UNITS = [
    form for name in SPELLED for form in (name.replace("_", " "), plural(name.replace("_", " ")))
]
SPACED = {"s", "K", *SPELLED_UNITS}  # "90s" is a decade and "5K" five thousand
UNIT = "|".join(sorted(map(re.escape, UNITS.keys() - SPACED), key=lambda unit: (-len(unit), unit)))
SPACED_UNIT = "|".join(sorted(SPACED))
