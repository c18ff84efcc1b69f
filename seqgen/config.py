"""All settings of a run together, and how values from files and flags go over them.

The file formats, the command-line options and the reference table are derived from the
dataclasses of `sections`, `modelsection` and `trainsection`. A run's `config.json` holds all of
it, with the facts that training found.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, replace
from typing import Any, get_type_hints

from seqgen.errors import ConfigError
from seqgen.modelsection import ModelConfig
from seqgen.sections import DataConfig, DecodeConfig, Facts, TokenizerConfig
from seqgen.settings import Section, settings
from seqgen.trainsection import SamplingConfig, TrainConfig


@dataclass(frozen=True)
class Config:
    """All settings of a run, and the facts it found."""

    data: DataConfig = field(default_factory=DataConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    decode: DecodeConfig = field(default_factory=DecodeConfig)
    facts: Facts = field(default_factory=Facts)

    def __post_init__(self) -> None:
        needs = {"copy": self.model.copy, "follow": self.model.follow,
                 "tie = 'all'": self.model.tie == "all"}  # fmt: skip
        needing = next((name for name, given in needs.items() if given), "")
        if needing and not self.tokenizer.joint:
            raise ConfigError(f"model.{needing} needs one vocabulary for both sides; "
                              "--joint makes it, or leave the setting out")  # fmt: skip

    def with_values(self, values: Mapping[str, Any], where: str) -> "Config":
        """This configuration with some of its values replaced: `{"model.hidden": 64}`."""
        changed: dict[str, dict[str, Any]] = {}
        for path, value in values.items():
            section, _, name = path.partition(".")
            changed.setdefault(section, {})[name] = value
        return merged(self, changed, where)


SECTIONS: dict[str, type[Section]] = {
    name: kind for name, kind in get_type_hints(Config).items() if issubclass(kind, Section)
}
USER_SECTIONS = tuple(name for name in SECTIONS if name != "facts")


def options() -> Iterator[tuple[str, Field[Any], Any]]:
    """Every user setting: its section's name, its field, its type."""
    for name in USER_SECTIONS:
        kinds = get_type_hints(SECTIONS[name])
        for item in settings(SECTIONS[name]):
            yield name, item, kinds[item.name]


def merged(base: Config, values: Mapping[str, Any], where: str) -> Config:
    """`base` with the sections of `values` over it; an unknown name is a `ConfigError`."""
    sections = {}
    for name, entries in values.items():
        if name not in SECTIONS:
            raise ConfigError(f"{where}: unknown section {name!r}{_hint(name, list(SECTIONS))}")
        if not isinstance(entries, Mapping):
            raise ConfigError(f"{where}: {name} is {entries!r}, not a section of settings")
        known = [item.name for item in settings(SECTIONS[name])]
        for key in entries:
            if key not in known:
                raise ConfigError(f"{where}: unknown option {name}.{key}{_hint(key, known)}")
        try:
            sections[name] = replace(getattr(base, name), **entries)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None
    try:
        return replace(base, **sections)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _hint(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; it takes {', '.join(known)}"
