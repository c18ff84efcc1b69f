"""Command-line options made from the configuration, so that each setting is written once."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from typer.core import TyperCommand, TyperGroup

from seqgen import recipes
from seqgen.config import SECTIONS, Config, options
from seqgen.configfiles import read_config
from seqgen.errors import ConfigError, UsageError

Values = Mapping[str, Any]  # what was given: {"model.hidden": 64}
BOTH_SPELLINGS = {
    "token_normalize_func": lambda name: name.replace("_", "-"),
    "max_content_width": 100,
    "help_option_names": ["--help", "-h"],
}


def with_settings(command: Callable[..., Any], sections: Sequence[str]) -> Callable[..., Any]:
    """`command`, whose first parameter takes the settings given, with their options added."""

    def called(**arguments: Any) -> Any:
        values = {path: arguments.pop(name) for path, name in _paths(sections)}
        given = {path: value for path, value in values.items() if value is not None}
        return command(_typed(given), **arguments)

    own = list(inspect.signature(command).parameters.values())[1:]
    added = [_parameter(*option) for option in options() if option[0] in sections]
    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    called.__doc__ = command.__doc__
    called.__signature__ = inspect.Signature(parameters + added)  # type: ignore[attr-defined]
    called.__annotations__ = {item.name: item.annotation for item in parameters + added}
    return called


def resolve(given: Values, file: str = "", recipe: str = "", base: Config | None = None) -> Config:
    """The settings of a command: flags over `--config` over `--recipe` over the defaults.

    The embedded dataset has a recipe of its own, which serves where no other data are named.
    """
    config = base or Config()
    named = ("data.dataset", "data.train_file")
    if base is None and not recipe and not file and not any(given.get(name) for name in named):
        recipe = recipes.EMBEDDED
    if recipe:
        config = read_config(recipes.path(recipe), config)
    if file:
        config = read_config(Path(file), config)
    try:
        return config.with_values(given, "command line")
    except ConfigError as error:
        raise UsageError(str(error)) from None


class Command(TyperCommand):
    """A command whose options are listed under the headings of the configuration."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _quick(super().get_params(ctx))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        headings: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            row = parameter.get_help_record(ctx)
            if row is not None:
                heading = getattr(parameter, "rich_help_panel", None) or (
                    "Arguments" if parameter.param_type_name == "argument" else "Options"
                )
                headings.setdefault(heading, []).append(row)
        for heading, rows in headings.items():
            with formatter.section(heading):
                formatter.write_dl(rows, col_max=34)


class Group(TyperGroup):
    """The commands, whose common options cost no more than those of one."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _quick(super().get_params(ctx))


def _quick(parameters: list[Any]) -> list[Any]:
    # Typer would import pydantic, a tenth of a second, to turn strings into strings.
    for parameter in parameters:
        parameter.process_value = partial(_as_given, parameter)
    return parameters


def _as_given(parameter: Any, context: Any, value: Any) -> Any:
    if value is None and parameter.nargs == -1:
        value = ()
    return value if parameter.callback is None else parameter.callback(context, parameter, value)


def _paths(sections: Sequence[str]) -> list[tuple[str, str]]:
    return [(f"{name}.{item.name}", item.name) for name, item, _ in options() if name in sections]


def _parameter(section: str, item: Field[Any], kind: Any) -> inspect.Parameter:
    """The parameter that makes Typer add the option of one setting."""
    option = typer.Option(
        *_flags(item, kind),
        help=item.metadata["meaning"] + _shown(item.default),
        metavar=None if kind is bool else _metavar(kind),
        rich_help_panel=_heading(section),
        show_default=False,
        autocompletion=_completion(kind) if get_origin(kind) is Literal else None,
    )
    # Text until the configuration checks it: one place says what a value may be.
    annotation: Any = Annotated[bool if kind is bool else str, option]
    only = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(item.name, only, default=None, annotation=annotation)


def _flags(item: Field[Any], kind: Any) -> list[str]:
    name = item.name.replace("_", "-")
    flag = f"--{name}/--no-{name}" if kind is bool else f"--{name}"
    return [flag, *item.metadata["flags"]]


@cache
def _heading(section: str) -> str:
    meaning = (SECTIONS[section].__doc__ or "").splitlines()[0]
    return f"{section.capitalize()} - {meaning[0].lower()}{meaning[1:].rstrip('.')}"


def _metavar(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "|".join(get_args(kind))
    return {str: "TEXT", int: "N", float: "X"}[kind]


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return " [on]" if default else " [off]"
    return f" [{default}]" if default != "" else ""


def _completion(kind: Any) -> Callable[[str], list[str]]:
    def choices(incomplete: str) -> list[str]:
        return [choice for choice in get_args(kind) if choice.startswith(incomplete)]

    return choices


def _typed(given: Values) -> dict[str, Any]:
    """The values given as text, as what their settings take."""
    kinds = {f"{section}.{item.name}": kind for section, item, kind in options()}
    return {path: _parse(path, kinds[path], value) for path, value in given.items()}


def _parse(path: str, kind: Any, value: Any) -> Any:
    if kind not in (int, float):
        return value
    try:
        return kind(value)
    except ValueError:
        flag = "--" + path.partition(".")[2].replace("_", "-")
        name = "a whole number" if kind is int else "a number"
        raise UsageError(f"{flag} takes {name}; got {value!r}") from None
