"""Text to and from the outside: lines in, results out, nothing that a terminal would obey."""

import re
import sys
from collections.abc import Iterable, Iterator
from typing import TextIO

LONGEST_TEXT = 100_000  # characters; a longer one is no text that anyone would read

# C0 and C1 controls but the tab, bidirectional overrides, and what UTF-8 cannot hold.
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""`text` with its control characters spelt out, as `\u001b`, which JSON reads back."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def write_result(line: str) -> None:
    """Print one line on stdout: as it is into a pipe or file, printable on a terminal."""
    # An output is one line whatever it holds, so that line N answers line N.
    line = line.replace("\r", "\\r").replace("\n", "\\n")
    sys.stdout.write((printable(line) if sys.stdout.isatty() else line) + "\n")


def note(text: str) -> None:
    """Print one line on stderr."""
    print(f"seqgen: {one_line(text)}", file=sys.stderr, flush=True)


def one_line(text: str) -> str:
    """`text` on one line and printable."""
    return printable(re.sub(r"\s*[\r\n]\s*", " ", text.rstrip()))


def read_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    r"""The lines of a binary file: `\n` or `\r\n` end one, a byte that is not UTF-8 is U+FFFD."""
    for number, line in enumerate(chunks):
        content = line.removesuffix(b"\n").removesuffix(b"\r")
        text = content.decode("utf-8", "replace")
        yield text.removeprefix("\ufeff") if number == 0 else text


def argument_text(argument: str) -> str:
    """A command-line argument as `read_lines` would have read it."""
    return argument.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def is_terminal(stream: TextIO) -> bool:
    """Whether a person is at the other end."""
    return not stream.closed and stream.isatty()
