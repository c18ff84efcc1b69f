"""What a person sees while a model trains: a live line on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TextIO

from seqgen.terminal import is_terminal, one_line

if TYPE_CHECKING:
    from rich.progress import Progress

Samples = Sequence[tuple[str, str, str]]  # source, reference, hypothesis

# What a model reaches when fed the reference; the other scores it reaches on its own.
TEACHER_FORCED = ("loss", "perplexity", "accuracy")
NOT_SCORES = (
    "step",
    "epoch",
    "best",
    "validation",
    "seconds",
    "learning_rate",
    "decoded",
    "weights",
    *TEACHER_FORCED,
)
BESIDE = ("ema", "average")  # means of the weights, whose scores have their name before them


class Reporter(Protocol):
    """Who is told how training goes. Texts may hold anything; they are made printable."""

    def say(self, line: str) -> None:
        """One line of information or warning."""

    def step(self, record: Mapping[str, float]) -> None:
        """The figures of the last interval; `share` is the part of training that is done."""

    def validation(self, record: Mapping[str, float], samples: Samples) -> None:
        """The figures of a validation, and a few translations."""

    def close(self) -> None:
        """No more will come."""


def reporter(stream: TextIO | None = None) -> Reporter:
    """A reporter to stderr, or to `stream`, in the form that it can show."""
    stream = stream or sys.stderr
    return LiveReporter(stream) if is_terminal(stream) else LineReporter(stream)


class Silent:
    """Nobody is told anything."""

    def say(self, line: str) -> None: ...

    def step(self, record: Mapping[str, float]) -> None: ...

    def validation(self, record: Mapping[str, float], samples: Samples) -> None: ...

    def close(self) -> None: ...


class LineReporter:
    """One plain line an interval, for files and pipes."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def say(self, line: str) -> None:
        print(one_line(line), file=self.stream, flush=True)

    def step(self, record: Mapping[str, float]) -> None:
        print(step_line(record), file=self.stream, flush=True)

    def validation(self, record: Mapping[str, float], samples: Samples) -> None:
        print(*validation_lines(record, samples), sep="\n", file=self.stream, flush=True)

    def close(self) -> None:
        self.stream.flush()


class LiveReporter:
    """A line that is redrawn in place, under what has been said; rich draws it."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        self.console = Console(file=stream, stderr=True)
        self.live: Progress | None = None  # appears with the first figures

    def say(self, line: str) -> None:
        self._print(one_line(line))

    def step(self, record: Mapping[str, float]) -> None:
        if self.live is None:
            self.live = _progress(self.console)
            self.live.add_task("", total=1.0, line="")
            self.live.start()
        line = " ".join(step_line(record).split())  # nothing to align with; a terminal is narrow
        task = self.live.task_ids[0]
        self.live.update(task, completed=record.get("share", 0.0), line=line)

    def validation(self, record: Mapping[str, float], samples: Samples) -> None:
        for line in validation_lines(record, samples):
            self._print(line)

    def close(self) -> None:
        if self.live is not None:
            self.live.stop()
            self.live = None

    def _print(self, line: str) -> None:
        # What looks like markup, an emoji or a number in a user's text is left alone.
        self.console.print(line, markup=False, emoji=False, highlight=False, soft_wrap=True)


def step_line(record: Mapping[str, float]) -> str:
    """The figures of an interval in columns, those that the record has."""
    parts = [text(record[key]) for key, text in _STEP.items() if key in record]
    if record.get("skipped"):
        parts.append(f"{record['skipped']:.2%} of updates skipped: no finite gradient")
    return "  ".join(parts)


def validation_lines(record: Mapping[str, float], samples: Samples) -> list[str]:
    """A validation as a few lines: fed the reference, on its own, examples."""
    best = ", the best so far" if record.get("best") else ""
    best += f" with the {record['weights']} weights" if best and "weights" in record else ""
    lines = [f"validation at step {record.get('step', 0):.0f}, "
             f"epoch {record.get('epoch', 0):.2f}{best}"]  # fmt: skip
    forced = [_figure(name, record[name]) for name in TEACHER_FORCED if name in record]
    free = [_figure(name, value) for name, value in record.items()
            if name not in NOT_SCORES and not name.startswith(BESIDE)]  # fmt: skip
    lines += [f"  teacher-forced  {'  '.join(forced)}"] if forced else []
    over = f"  over {record['decoded']:,.0f} sources" if "decoded" in record else ""
    lines += [f"  free-running    {'  '.join(free)}{over}"] if free else []
    for other in BESIDE:
        figures = [_figure(name.removeprefix(f"{other}_"), value)
                   for name, value in record.items() if name.startswith(f"{other}_")]  # fmt: skip
        lines += [f"  {other:<14}  {'  '.join(figures)}"] if figures else []
    for sample in samples:
        texts = zip(("source", "reference", "hypothesis"), sample, strict=True)
        lines += [f"    {name:<10}  {one_line(text)}" for name, text in texts]
    return lines


def duration(seconds: float) -> str:
    """`75` seconds as `1:15`, hours as `2:00:05`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _figure(name: str, value: float) -> str:
    return f"{name} {value:.4f}" if name == "loss" else f"{name} {value:.2f}"


_STEP: dict[str, Callable[[float], str]] = {
    "epoch": lambda value: f"epoch {value:6.2f}",
    "step": lambda value: f"step {value:6.0f}",
    "loss": lambda value: f"loss {value:7.4f}",
    "learning_rate": lambda value: f"rate {value:.2e}",
    "gradient_norm": lambda value: f"norm {value:6.2f}",
    "teacher_forcing": lambda value: f"forcing {value:.2f}",
    "tokens_per_second": lambda value: f"{value:8,.0f} tokens/s",
    "seconds_left": lambda value: f"{duration(value):>7} left",
}


def _progress(console: object) -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    assert isinstance(console, Console)
    wraps = Column(no_wrap=False)  # on a narrow terminal, rather than lose the time left
    line = TextColumn("{task.fields[line]}", markup=False, table_column=wraps)
    columns = (BarColumn(bar_width=8), line)
    return Progress(*columns, console=console, transient=True, redirect_stdout=False)
