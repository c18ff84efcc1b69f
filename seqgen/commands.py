"""The commands that make a model and hand it on; options that other commands take as well.

A command is a function; what is heavy is imported when it needs it.
"""

import importlib.util
import sys
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from seqgen.configfiles import to_toml
from seqgen.errors import SeqgenError, UsageError
from seqgen.flags import Values, resolve
from seqgen.sections import Weights
from seqgen.terminal import note, write_result

ConfigFile = Annotated[
    str, typer.Option("--config", metavar="FILE", help="settings, TOML or a run's config.json")
]
Recipe = Annotated[str, typer.Option(metavar="NAME", help="settings that ship: seqgen recipes")]
Model = Annotated[
    str,
    typer.Option("--model", "-m", metavar="NAME", help="run folder or Hub name [newest run]"),
]
Device = Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:N [auto]")]


def train(
    given: Values,
    config: ConfigFile = "",
    recipe: Recipe = "",
    output_dir: Annotated[
        str, typer.Option(metavar="FOLDER", help="the run [./checkpoints/<dataset name>]")
    ] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="start afresh")] = False,
) -> int:
    """Train a model on pairs of texts; again to resume.

    Without arguments the embedded English normalization data is used. Settings come from the
    options, over --config, over --recipe, over the defaults in brackets.
    """
    from seqgen.progress import reporter
    from seqgen.runs import default_folder
    from seqgen.signals import StopRequest

    resolved = resolve(given, config, recipe)
    run = Path(output_dir) if output_dir else default_folder(resolved.data)
    told = reporter()
    with StopRequest() as stop:
        try:
            from seqgen import training

            outcome = training.train(resolved, run, overwrite, told, stop)
        finally:
            told.close()
    if not outcome.finished:
        note(f"stopped after step {outcome.steps:,}; {run} is saved: the same command goes on")
    return 0 if outcome.finished else stop.exit_code


def show_config(given: Values, config: ConfigFile = "", recipe: Recipe = "") -> None:
    """Print the settings that train would use, as a file for --config."""
    sys.stdout.write(to_toml(resolve(given, config, recipe)))


def inspect(given: Values, config: ConfigFile = "", recipe: Recipe = "") -> None:
    """Say what train would find in a dataset, without training."""
    resolved = resolve(given, config, recipe)
    from seqgen import preparation

    for line in preparation.inspect(resolved):
        write_result(line)


def show_recipes() -> None:
    """List the settings that ship, for train --recipe NAME."""
    from seqgen import recipes

    for name, meaning in recipes.names():
        write_result(f"{name:<28} {meaning}")


def export(
    folders: Annotated[
        list[str] | None, typer.Argument(metavar="RUN FOLDER", help="from where to where")
    ] = None,
    weights: Annotated[
        str,
        typer.Option(
            metavar="float32|float16|int8",
            show_default=False,
            help="how matrices are stored: in as many bits, int8 with a scale a row [float16]",
        ),
    ] = "float16",
) -> None:
    """Write a model as a folder of few bytes, to ship or to upload.

    It holds what translating needs, and is loaded like any other; training cannot go on from it.
    """  # fmt: skip
    given = folders or []
    if len(given) != 2:
        raise UsageError(f"export takes a run and the folder to write; got {len(given)}")
    if weights not in get_args(Weights):
        raise UsageError(f"--weights is {', '.join(get_args(Weights))}; got {weights!r}")
    from seqgen.runs import find_model

    run, folder = find_model(given[0]), Path(given[1])
    if (folder / "training").exists() or folder.resolve() == Path(run).resolve():
        raise UsageError(f"{folder}: is a run, whose weights are to stay; name another folder")
    from seqgen.translator import Translator

    model = Translator.from_pretrained(run, device="cpu")
    model.save_pretrained(folder, cast(Weights, weights))
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    note(f"model {run} is in {folder}: {size / 1e6:.1f} MB, weights as {weights}")


def demo(
    model: Model = "",
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", show_default=False, help="[127.0.0.1]")
    ] = "127.0.0.1",
    port: Annotated[
        str,
        typer.Option(metavar="NUMBER", show_default=False, help="[7860], or the next free one"),
    ] = "7860",
    share: Annotated[bool, typer.Option("--share", help="open a public link")] = False,
) -> None:
    """Open a page to try a model in the browser."""
    if not (port.isascii() and port.isdecimal() and int(port) < 65536):
        raise UsageError(f"--port takes a number from 0 to 65535; got {port!r}")
    from seqgen import resources
    from seqgen.runs import find_model

    found = find_model(model)
    file = resources.find("app") / "app.py"
    spec = importlib.util.spec_from_file_location("seqgen_app", file)
    if spec is None or spec.loader is None or not file.is_file():
        raise SeqgenError(f"{file}: is missing; install seqgen again")
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    page.launch(found, host, int(port), share)
