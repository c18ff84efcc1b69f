"""How a setting is written down and checked; which settings there are is `config`'s to say."""

import math
from dataclasses import Field, field, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from seqgen.errors import ConfigError


def setting(
    default: Any,
    meaning: str,
    *,
    minimum: float = -math.inf,
    maximum: float = math.inf,
    flags: tuple[str, ...] = (),
) -> Any:
    """A dataclass field with what the command line, the files and the checks need to know."""
    bounds = {"minimum": minimum, "maximum": maximum}
    return field(default=default, metadata={"meaning": meaning, "flags": flags, **bounds})


class Section:
    """A frozen dataclass of settings whose values are checked when it is made."""

    def __post_init__(self) -> None:
        kinds = get_type_hints(type(self))
        for item in settings(type(self)):
            value = _checked(getattr(self, item.name), kinds[item.name], item)
            object.__setattr__(self, item.name, value)


def settings(section: type[Section]) -> tuple[Field[Any], ...]:
    """The fields of a section, in the order in which they are written."""
    return fields(section)  # type: ignore[arg-type]


def _checked(value: Any, kind: Any, item: Field[Any]) -> Any:
    """`value` if the annotation and the bounds of its field allow it."""
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise ConfigError(
                f"{item.name} must be one of {', '.join(get_args(kind))}; got {value!r}"
            )
        return value
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise ConfigError(f"{item.name} must be {kind.__name__}; got {value!r}")
    low, high = item.metadata["minimum"], item.metadata["maximum"]
    if kind in (int, float) and not low <= value <= high:
        bounds = f"at least {low:,}" if high == math.inf else f"between {low:,} and {high:,}"
        raise ConfigError(f"{item.name} must be {bounds}; got {value!r}")
    return value
