"""The command `seqgen`: which command was meant, and what its failure says."""

import difflib
import errno
import gc
import io
import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Annotated, Any

# Typer draws with rich where it can, which costs a tenth of a second.
os.environ.setdefault("TYPER_USE_RICH", "0")
# Threads that wait by spinning keep the cores from whom they wait for: beside one other process of
# two threads, on two cores, training went 30 times slower. torch's OpenMP reads it when it loads.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

import typer
from typer.main import get_command

from seqgen import __version__, commands, flags, investigations, modelcommands, studycommands
from seqgen.errors import SeqgenError, UsageError
from seqgen.signals import exit_on_termination
from seqgen.terminal import note

OK, FAILURE, USAGE, INTERRUPTED = 0, 1, 2, 130
REMEDIES = {
    errno.ENOSPC: "make room, or write elsewhere",
    errno.EDQUOT: "make room, or write elsewhere",
    errno.EEXIST: "is no folder; name another",
    errno.ENOTDIR: "name another folder",
    errno.EACCES: "name another place, or change its rights",
    errno.EROFS: "name another place",
}

# Name, function, the sections of the configuration that its options come from.
TRAINING = ("data", "tokenizer", "model", "sampling", "train", "decode")
COMMANDS: dict[str, tuple[Callable[..., Any], Sequence[str]]] = {
    "train": (commands.train, TRAINING),
    "translate": (modelcommands.translate, ("decode",)),
    "evaluate": (modelcommands.evaluate, ("data", "decode")),
    "score": (modelcommands.score, ()),
    "diagnose": (investigations.diagnose, ()),
    "demo": (commands.demo, ()),
    "export": (commands.export, ()),
    "inspect": (commands.inspect, TRAINING),
    "compare": (studycommands.compare, ()),
    "ablate": (studycommands.ablate, TRAINING),
    "find-lr": (studycommands.find_lr, TRAINING),
    "config": (commands.show_config, TRAINING),
    "recipes": (commands.show_recipes, ()),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; a failure is one line on stderr."""
    # What importing torch makes stays: looking it through again and again takes 0.2 s of a start.
    gc.set_threshold(100_000)
    debug, words = _without_debug(sys.argv[1:] if arguments is None else arguments)
    _open_streams()
    _use_utf8()
    try:
        with exit_on_termination():
            code = get_command(application(asked(words))).main(
                words, prog_name="seqgen", complete_var="_SEQGEN_COMPLETE", standalone_mode=False
            )
            sys.stdout.flush()
            return code or OK
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else FAILURE
    except BrokenPipeError:
        # The reader has left; say nothing, and let nothing be flushed to it at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if debug:
            import traceback

            traceback.print_exc()
        code, message = explain(error, words)
        note(message)
        return code


def application(command: str) -> typer.Typer:
    """The commands, of which only `command` gets its options: making them all takes time."""
    app = typer.Typer(
        cls=flags.Group,
        context_settings=flags.BOTH_SPELLINGS,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        invoke_without_command=True,
        callback=_common,
    )
    for name, (function, sections) in COMMANDS.items():
        if name != command:
            function, sections = _stub(function), ()
        built = flags.with_settings(function, sections) if sections else function
        settings = flags.BOTH_SPELLINGS
        app.command(name, cls=flags.Command, context_settings=settings)(built)
    return app


def asked(words: Sequence[str]) -> str:
    """The command that the words name, or that the shell wants completed."""
    completed = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS")
    if completed and "_SEQGEN_COMPLETE" in os.environ:
        words = completed.split()[1:]
    return next((word for word in words if not word.startswith("-")), "").replace("_", "-")


def explain(error: Exception, words: Sequence[str]) -> tuple[int, str]:
    """The exit code and the line for an error that reached the top."""
    if isinstance(error, UsageError):
        return USAGE, str(error)
    if isinstance(error, SeqgenError):
        return FAILURE, str(error)
    if isinstance(error, typer.TyperException):
        return getattr(error, "exit_code", FAILURE), _usage_message(error, words)
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("seqgen"):
        name = str(error.name).partition(".")[0]
        package = "seqgen[tensorboard]" if name == "tensorboard" else name
        return FAILURE, f"{name} is not installed; pip install {shlex.quote(package)} would do"
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        advice = f"; {REMEDIES[error.errno]}" if error.errno in REMEDIES else ""
        return FAILURE, f"{where}{error.strerror or error}{advice}"
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return FAILURE, ("out of memory; smaller batches would do: "
                         "--batch-tokens N for training, --batch-size N otherwise")  # fmt: skip
    return FAILURE, (f"{type(error).__name__}: {error} (this is a defect of seqgen; "
                     "seqgen --debug shows where)")  # fmt: skip


def _common(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="print the version")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of a failure")] = False,
) -> None:
    """Train sequence-to-sequence models on pairs of texts, and generate text with them.

    seqgen COMMAND --help lists the options of a command.
    """
    # `debug` is here to be listed; it was taken out of the words before.
    if version:
        print(f"seqgen {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


def _stub(function: Callable[..., Any]) -> Callable[[], None]:
    def stub() -> None:
        raise AssertionError("a stub is only ever listed")

    stub.__doc__ = function.__doc__
    return stub


def _without_debug(words: Sequence[str]) -> tuple[bool, list[str]]:
    """Whether `--debug` is among the words, before or after the command, and the others."""
    end = words.index("--") if "--" in words else len(words)
    options = [word for word in words[:end] if word != "--debug"]
    return len(options) < end, [*options, *words[end:]]


def _usage_message(error: typer.TyperException, words: Sequence[str]) -> str:
    """What Typer says, on one line, with what would do."""
    said = getattr(error, "format_message", error.__str__)()
    message = said[:1].lower() + said[1:].partition(" (Possible")[0].rstrip(".")
    command = asked(words)
    if "did you mean" in message.lower():
        return message
    if hasattr(error, "possibilities"):  # an option that does not exist
        option = str(getattr(error, "option_name", ""))
        near = _nearest(option, _option_names(error))
        # `seqgen translate "-5 degrees"` looks like an option.
        places = (n for n, word in enumerate(words) if word.replace("_", "-").startswith(option))
        first = next(places, len(words))
        text = words[first : first + 1]  # empty where it is a letter of others, as in -hz
        is_text = text and not re.fullmatch("--[a-z_-]+(=.*)?", text[0])
        if command in ("translate", "score") and is_text:
            texts = [*text, *takewhile(lambda word: word[:1] != "-", words[first + 1 :])]
            others = [*words[:first], *words[first + len(texts) :]]
            return (f"{message}; a text that starts with - goes after --: "
                    f"seqgen {shlex.join([*others, '--', *texts])}")  # fmt: skip
        if near:
            return f"{message}; did you mean {near}?"
    page = f"seqgen {command} --help" if command in COMMANDS else "seqgen --help"
    return f"{message}; {page} lists what there is"


def _option_names(error: typer.TyperException) -> list[str]:
    """The options of the command that an error is about."""
    command = getattr(getattr(error, "ctx", None), "command", None)
    items = getattr(command, "params", ())
    options = (name for item in items for name in (*item.opts, *item.secondary_opts))
    return [name for name in options if name.startswith("--")]


def _nearest(option: str, names: list[str]) -> str:
    """The name that was meant, if any comes near; `--beem` is near the first of `--beam-size`."""
    starts = {f"--{name.split('-')[2]}": name for name in reversed(names)}
    for known, cutoff in ((names, 0.8), (starts, 0.8), (names, 0.6)):
        if near := difflib.get_close_matches(option, known, n=1, cutoff=cutoff):
            return starts[near[0]] if known is starts else near[0]
    return ""


def _open_streams() -> None:
    """Give the streams that a shell closed (`>&-`) somewhere to read and write."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def _use_utf8() -> None:
    """Read and write UTF-8 whatever the locale says; stderr already escapes what it cannot."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
