"""The commands that look into runs; what is heavy is imported when a command needs it."""

from pathlib import Path
from typing import Annotated

import typer

from seqgen.commands import Device
from seqgen.errors import UsageError
from seqgen.terminal import note, printable, write_result

PAGE = "diagnosis.html"


def diagnose(
    run: Annotated[str, typer.Argument(metavar="[RUN]", help="run folder [newest run]")] = "",
    html: Annotated[
        str, typer.Option(metavar="FILE", help="where the page goes [RUN/diagnosis.html]")
    ] = "",
    samples: Annotated[
        str, typer.Option(metavar="N", show_default=False, help="validation pairs to try [200]")
    ] = "200",
    device: Device = "auto",
) -> None:
    """Say how a run went and what would make it better; draw it on a page.

    The page holds everything within itself. What it shows is printed as text as well.
    """
    if not (samples.isascii() and samples.isdecimal() and int(samples)):
        raise UsageError(f"--samples takes a whole number above 0; got {samples!r}")
    folder = _folder(run)
    page = _page(html, folder)
    from seqgen import checkpoint, report
    from seqgen.diagnosis import diagnose

    found = diagnose(folder, int(samples), device)
    for line in report.as_text(found):
        write_result(line)
    if page is not None:
        checkpoint.write(page, report.as_page(found).encode("utf-8", "replace"))
        note(f"the page is {printable(str(page))}")


def _folder(name: str) -> Path:
    """The run that was meant, which need not have a model yet."""
    from seqgen.runs import find_model, run_folder

    folder = run_folder(name) if name else None
    if folder is not None:
        return folder
    found = find_model(name)
    if not isinstance(found, Path):
        raise UsageError(f"{name}: is no folder here; diagnose reads the folder of a run")
    return found


def _page(name: str, run: Path) -> Path | None:
    """Where the page goes, refused now rather than after the work; not beside a shipped model."""
    from seqgen.runs import is_shipped

    if not name and is_shipped(run):
        note("no page is written; --html FILE says where to")
        return None
    page = Path(name) if name else run / PAGE
    if not page.absolute().parent.is_dir():
        raise UsageError(f"{page}: {page.parent} is no folder; make it, or name another")
    return page
