"""The commands that learn from several runs: compare, ablate, find-lr."""

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqgen import flags, grid
from seqgen.commands import ConfigFile, Recipe
from seqgen.errors import SeqgenError, UsageError
from seqgen.flags import Values
from seqgen.runs import default_folder
from seqgen.signals import StopRequest
from seqgen.terminal import note, write_result
from seqgen.webpage import Section, check_page, page, text

if TYPE_CHECKING:
    from seqgen.ablation import Ran


def compare(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="RUN RUN...", help="run folders")
    ] = None,
    html: Annotated[str, typer.Option(metavar="FILE", help="write it as a page as well")] = "",
) -> None:
    """Set runs side by side: scores, whether they differ by more than chance, settings, curves.

    Every run is tested against the first, on the sentences that both were evaluated on.
    """
    path = check_page(html)
    from seqgen import comparison

    found = comparison.compare(runs or [])
    _tell(found)
    if path is not None:
        path.write_text(page(" against ".join(runs or []), found), encoding="utf-8")
        note(f"the page is {path}")


def ablate(
    given: Values,
    vary: Annotated[
        list[str] | None,
        typer.Option(metavar="SETTING=A,B", help="a setting and its values; none: off"),
    ] = None,
    study: Annotated[
        str,
        typer.Option(metavar="NAME", help=f"a grid that ships: {', '.join(grid.studies())}"),
    ] = "",
    seeds: Annotated[str, typer.Option(metavar="N", help="runs of each combination [1]")] = "",
    jobs: Annotated[str, typer.Option(metavar="N", help="runs at a time [1]")] = "1",
    config: ConfigFile = "",
    recipe: Recipe = "",
    output_dir: Annotated[
        str, typer.Option(metavar="FOLDER", help="of all runs [./checkpoints/<dataset>-ablation]")
    ] = "",
) -> int:
    """Train a grid of runs, each combination of the values with each seed; again to resume.

    Ends in one table, on stdout and as ablation.json and ablation.html in the folder. A run that
    fails is a row that says so. All settings of train are options here as well.
    """
    shipped = grid.read_study(study) if study else None
    base = flags.resolve(given, config, recipe, shipped.base if shipped else None)
    varied = {**(shipped.varied if shipped else {}), **grid.parse_vary(vary or [])}
    number = _whole("--seeds", seeds) if seeds else shipped.seeds if shipped else 1
    plans = grid.plan(base, varied, number)
    if len(plans) < 2:
        raise UsageError("one run is no ablation; --vary SETTING=A,B, --seeds N or --study NAME "
                         "makes several")  # fmt: skip
    side_by_side = _whole("--jobs", jobs)
    name = study or "ablation"
    whole = default_folder(base.data)
    folder = Path(output_dir) if output_dir else whole.with_name(f"{whole.name}-{name}")
    from seqgen import ablation

    plans = ablation.shared(ablation.logged(plans, {*given, *varied}), side_by_side)
    with StopRequest() as stop:
        ran = _train(plans, folder, side_by_side, stop)
    if stop:
        note(f"stopped after {sum(one.finished for one in ran)} of {len(plans)} runs; {folder} "
             "is saved: the same command goes on")  # fmt: skip
        return stop.exit_code
    _write(ran, folder, varied)
    return 0


def find_lr(
    given: Values,
    first: Annotated[str, typer.Option("--from", metavar="X", help="first rate [1e-6]")] = "1e-6",
    last: Annotated[str, typer.Option("--to", metavar="X", help="last rate [1]")] = "1",
    steps: Annotated[str, typer.Option(metavar="N", help="updates [200]")] = "200",
    plot: Annotated[str, typer.Option(metavar="FILE", help="draw the loss of each rate")] = "",
    config: ConfigFile = "",
    recipe: Recipe = "",
) -> None:
    """Find a learning rate: train a throw-away network while the rate rises, watch the loss.

    The test ends where the loss is four times its least. The suggestion is a tenth of the rate
    where the loss, smoothed, is least. No run is made or changed.
    """
    resolved = flags.resolve(given, config, recipe)
    rates = _rate("--from", first), _rate("--to", last)
    updates = _whole("--steps", steps)
    if plot:
        from seqgen.pictures import check_path

        check_path(Path(plot))
    from seqgen import ratetest

    found = ratetest.range_test(resolved, *rates, updates)
    for line in found.lines():
        write_result(line)
    if plot:
        ratetest.draw(found, Path(plot))
        note(f"the plot is {plot}")


def _train(plans: list[grid.Planned], folder: Path, jobs: int, stop: StopRequest) -> "list[Ran]":
    """The runs in the order of the plan, each told as it ends."""
    from seqgen import ablation, ablationtable

    note(f"{len(plans)} runs, {jobs} at a time, in {folder}; what each says is in {folder}/logs")
    ran = []
    for one in ablation.run_grid(plans, folder, jobs, stop):
        ran.append(one)
        note(f"{len(ran)}/{len(plans)}  {ablationtable.state_line(one, folder)}")
    order = [planned.name for planned in plans]
    return sorted(ran, key=lambda one: order.index(one.planned.name))


def _write(ran: "list[Ran]", folder: Path, varied: grid.Varied) -> None:
    """The table on stdout, and the same as files beside the runs."""
    from seqgen import ablationtable

    result = ablationtable.summary(ran, folder, varied)
    found = ablationtable.sections(result, folder)
    (folder / "ablation.json").write_text(ablationtable.to_json(result), encoding="utf-8")
    (folder / "ablation.html").write_text(page(folder.name, found), encoding="utf-8")
    _tell(found)
    if not any(one.finished for one in ran):
        raise SeqgenError(f"{folder}: no run was finished; {folder}/logs says why")


def _tell(sections: list[Section]) -> None:
    """The text of the sections; whoever reads it in a terminal gets it as wide as that is."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    for line in text(sections, width):
        write_result(line)


def _whole(option: str, given: str) -> int:
    if not (given.isascii() and given.isdecimal() and int(given)):
        raise UsageError(f"{option} takes a whole number from 1 on; got {given!r}")
    return int(given)


def _rate(option: str, given: str) -> float:
    try:
        return float(given)
    except ValueError:
        raise UsageError(f"{option} takes a rate, such as 1e-4; got {given!r}") from None
