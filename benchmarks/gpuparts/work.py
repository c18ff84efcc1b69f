"""What a part is given: where it runs, how long it has, and where it writes what it finds."""

import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch

Record = dict[str, Any]


class Work(NamedTuple):
    """The task of one part."""

    device: torch.device
    quick: bool  # tiny sizes, to see that everything runs
    data: Path | None  # parallel text: train, val, test_2016_flickr, each in .en and .de
    changes: dict[str, Any]  # settings of the part `bleu`, by section.name
    folder: Path  # what one part leaves for the next: the trained model
    out: Path  # text files to be read by people
    begun: float  # when the process was started, on the clock of time.time
    until: float  # on the clock of time.monotonic

    def left(self) -> float:
        """Seconds until the part should have ended."""
        return self.until - time.monotonic()

    def age(self) -> float:
        """Seconds since the process was started."""
        return time.time() - self.begun

    def wait(self) -> None:
        """Return when the device has done all that it was asked for."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    @contextmanager
    def arithmetic(self, name: str) -> Iterator[None]:
        """Within it, torch computes in `fp32`, in `tf32` (of products only), or in `bf16`."""
        torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
        with torch.autocast(self.device.type, torch.bfloat16, enabled=name == "bf16"):
            yield
        torch.set_float32_matmul_precision("highest")


class Notes:
    """What a part has found so far, in a file that is whole after every entry."""

    def __init__(self, path: Path):
        self.path = path
        self.found: Record = {}

    def add(self, name: str, value: Any) -> None:
        """Write an entry down and tell whoever waits."""
        self.found[name] = value
        draft = self.path.with_suffix(".draft")
        draft.write_text(json.dumps(self.found), encoding="utf-8")
        draft.replace(self.path)
        say(f"  {name}: {json.dumps(value)[:300]}")

    def leave_out(self, name: str) -> None:
        """Note that there was no time for an entry."""
        self.add("left_out", [*self.found.get("left_out", []), name])


def spread(values: Sequence[float], digits: int = 0) -> Record:
    """The median with the least and the most."""
    named = {"median": statistics.median(values), "least": min(values), "most": max(values)}
    return {name: round(value, digits or None) for name, value in named.items()}


def say(line: str) -> None:
    """Tell whoever waits."""
    print(line, file=sys.stderr, flush=True)


def lines(file: Path) -> list[str]:
    """The lines of a file; only a newline ends a line."""
    return file.read_text("utf-8").removesuffix("\n").split("\n")
