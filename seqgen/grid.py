"""A grid of runs: which settings vary over which values, and what each run is called."""

import difflib
import hashlib
import itertools
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

from seqgen import recipes
from seqgen.config import USER_SECTIONS, Config, merged, options
from seqgen.errors import ConfigError, UsageError

STUDIES = Path(__file__).resolve().parent / "study_files"
SEED = "train.seed"
BOOLEANS = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}
LONGEST_NAME = 40  # characters of a value in the name of a folder

Varied = Mapping[str, tuple[Any, ...]]  # {"train.clip_norm": (0.0, 5.0)}


class Study(NamedTuple):
    """A grid that ships: what stays the same, what varies, over how many seeds."""

    base: Config
    varied: Varied
    seeds: int


class Planned(NamedTuple):
    """One run of a grid."""

    name: str  # of its folder
    values: dict[str, Any]  # of what varies, the seed left out
    config: Config


def plan(base: Config, varied: Varied, seeds: int) -> list[Planned]:
    """Every combination of the values, with `seeds` seeds from that of `base` on."""
    runs = []
    first = base.train.seed
    for values in itertools.product(*varied.values()):
        chosen = dict(zip(varied, values, strict=True))
        for seed in range(first, first + seeds):
            where = f"--vary {label(chosen)}" if chosen else "--seeds"
            try:
                config = base.with_values({**chosen, SEED: seed}, where)
            except ConfigError as error:
                raise UsageError(str(error)) from None
            entries = {**chosen, SEED: seed}
            name = ",".join(f"{_short(path)}={_safe(value)}" for path, value in entries.items())
            runs.append(Planned(name, chosen, config))
    return runs


def label(values: Mapping[str, Any]) -> str:
    """What a combination is called: `clip_norm=5, cell=gru`."""
    parts = [f"{_short(path)}={as_text(value)}" for path, value in values.items()]
    return ", ".join(parts) or "as given"


def parse_vary(words: Sequence[str]) -> Varied:
    """What `SETTING=A,B,C` says, for each word."""
    varied: dict[str, tuple[Any, ...]] = {}
    for word in words:
        name, equals, values = word.partition("=")
        if not equals or not values:
            raise UsageError(f"--vary {word}: has no values; "
                             "--vary SETTING=A,B names a setting and what it takes")  # fmt: skip
        path = setting_named(name)
        if path in varied:
            raise UsageError(f"--vary {word}: {path} varies already; give all values in one")
        varied[path] = values_of(path, values.split(","))
    return varied


def setting_named(name: str) -> str:
    """`section.name` of the setting that is meant: in full, by its name alone, or by its flag."""
    known = _names()
    wanted = name.strip().replace("-", "_")
    if wanted == SEED or known.get(wanted) == SEED:
        raise UsageError(f"--vary {name}: seeds vary by themselves; --seeds N says over how many")
    if wanted in known:
        return known[wanted]
    # A slip in the section is found by the name, a slip in the name by both.
    last = wanted.rpartition(".")[2]
    starts = [path for path in known if path.rpartition(".")[2].startswith(last) and last]
    near = difflib.get_close_matches(wanted, known, n=1) or [*starts[:1]]
    near = near or difflib.get_close_matches(last, known, n=1)
    hint = f"did you mean {known[near[0]]}?" if near else "seqgen config lists what there is"
    raise UsageError(f"--vary {name}: there is no such setting; {hint}")


def values_of(path: str, texts: Sequence[str]) -> tuple[Any, ...]:
    """The values that the texts stand for, each once; `none` is what turns the setting off."""
    section, _, name = path.partition(".")
    kind, item = next(
        (kind, item) for of, item, kind in options() if (of, item.name) == (section, name)
    )
    values = []
    for text in map(str.strip, texts):
        try:
            values.append(_value(kind, item.metadata["minimum"], text))
        except ValueError:
            raise UsageError(f"--vary {path}: {text!r} is not {_kind_name(kind)}") from None
    return tuple(dict.fromkeys(values))


def studies() -> list[str]:
    """The names of the studies that ship."""
    return [name for name, _ in recipes.names(STUDIES)]


def read_study(name: str) -> Study:
    """A study that ships: settings in sections, `[vary]` with a list each, and `seeds`."""
    path = recipes.path(name, STUDIES, "--study")
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    varied = {
        path: values_of(path, [as_text(value) for value in values])
        for path, values in content.pop("vary").items()
    }
    seeds = content.pop("seeds")
    return Study(merged(Config(), content, str(path)), varied, seeds)


def as_text(value: Any) -> str:
    """A value as short as it can be written: 0.0003, 5, gru, true."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return str(value)


def _value(kind: Any, minimum: float, text: str) -> Any:
    if get_origin(kind) is Literal or kind is str:
        return text  # which the section checks
    if kind is bool:
        if text.lower() in (*BOOLEANS, "none"):
            return BOOLEANS.get(text.lower(), False)
        raise ValueError(text)
    if text.lower() in ("none", "off"):
        if minimum != 0:
            raise ValueError(text)
        return kind(0)
    return kind(text)


def _kind_name(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    return {bool: "on or off", int: "a whole number", float: "a number", str: "a text"}[kind]


def _names() -> dict[str, str]:
    """Every name that a setting goes by, its flags included, with its path."""
    names = {}
    for section, item, _ in options():
        if section not in USER_SECTIONS:
            continue
        path = f"{section}.{item.name}"
        flags = (flag for flag in item.metadata["flags"] if flag.startswith("--"))
        for name in (item.name, *(flag[2:].replace("-", "_") for flag in flags)):
            names[name] = names[f"{section}.{name}"] = path
    return names


def _short(path: str) -> str:
    return path.partition(".")[2]


def _safe(value: Any) -> str:
    """A value as a part of a file's name; what could not stand there is told apart by a hash."""
    text = as_text(value)
    safe = re.sub(r"[^\w.+-]", "-", text)
    if safe == text and len(text) <= LONGEST_NAME:
        return text
    return f"{safe[:LONGEST_NAME]}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"
