"""Configurations as files: TOML to write and read, JSON in a model folder."""

import json
import tomllib
from dataclasses import asdict
from pathlib import Path

from seqgen import __version__
from seqgen.config import SECTIONS, USER_SECTIONS, Config, merged
from seqgen.errors import ConfigError
from seqgen.settings import settings


def read_config(path: Path, base: Config | None = None) -> Config:
    """The settings of a TOML or JSON file over `base`; facts of a model folder included."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}; `seqgen config > FILE` writes a configuration"
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8: {error}; save the file as UTF-8") from None
    try:
        values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise ConfigError(f"{path}: is not {kind}: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: holds {type(values).__name__}, not sections of settings")
    values.pop("seqgen", None)
    return merged(base or Config(), values, str(path))


def to_json(config: Config) -> str:
    """Every setting and fact, with the version that wrote them."""
    return (
        json.dumps({"seqgen": __version__, **asdict(config)}, indent=2, ensure_ascii=False) + "\n"
    )


def to_toml(config: Config) -> str:
    """Every user setting with its meaning, as a file that `--config` takes back."""
    lines: list[str] = []
    for name in USER_SECTIONS:
        section = getattr(config, name)
        lines += [f"[{name}]  # {(SECTIONS[name].__doc__ or '').splitlines()[0]}"]
        for item in settings(SECTIONS[name]):
            # A JSON scalar is a TOML scalar.
            value = json.dumps(getattr(section, item.name), ensure_ascii=False)
            lines += [f"{item.name} = {value}  # {item.metadata['meaning']}"]
        lines += [""]
    return "\n".join(lines)
