"""What the drivers of the peers share: the command line, the stopwatch, the line of JSON.

    train WORK OUT --seconds S | --epochs E [--threads 2]
    decode WORK OUT FILE --batch 64 --beam 1 [--sentences N] [--threads 2]

It runs in the environment of each peer: it imports the standard library and torch only. The last
line on stdout is the result; what the peers themselves print goes to stderr.
"""

import argparse
import contextlib
import json
import math
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

# The drivers are named like the packages that they drive: with this folder on the path,
# `import eole` would find the driver.
HERE = Path(__file__).resolve().parent
sys.path[:] = [folder for folder in sys.path if Path(folder).resolve() != HERE]

WARMUP = 20  # updates
Item = TypeVar("Item")
Result = dict[str, Any]
Translate = Callable[[list[str]], list[str]]  # lines of pieces, of source and of target
More = Callable[[argparse.ArgumentParser, argparse.ArgumentParser], None]


class Stopwatch:
    """Tokens and seconds of the updates after the first `WARMUP` ones.

    It is told of each batch by `saw`, and by torch of the end of each optimizer step. Without a
    limit in seconds it never says that time is up.
    """

    def __init__(self, limit: float | None):
        self.limit = math.inf if limit is None else limit
        self.tokens = self.seconds = self.updates = 0
        self.pending = self.steps = self.peak = 0
        self.started = 0.0
        self.last = 0.0  # when the last update ended
        register_optimizer_step_post_hook(self._stepped)

    def saw(self, tokens: int) -> None:
        """Tell of a batch about to be learned from: pieces and one EOS for each sentence."""
        self.pending += tokens

    def watched(self, batches: Iterable[Item], tokens: Callable[[Item], int]) -> Iterator[Item]:
        """The batches, each of which is counted, until time is up."""
        for batch in batches:
            if self.up:
                return
            self.saw(tokens(batch))
            yield batch

    @property
    def up(self) -> bool:
        """Whether the limit has passed."""
        return self.seconds >= self.limit

    def _stepped(self, *_: object) -> None:
        self.last = now = time.perf_counter()
        self.steps += 1
        if self.steps == WARMUP:
            self.started = now
        elif self.steps > WARMUP:
            self.tokens += self.pending
            self.updates += 1
            self.seconds = now - self.started
            if self.up and not self.peak:
                self.peak = peak_mib()  # of training: saving and validation come after it
        self.pending = 0

    def result(self, model: nn.Module, differs: list[str]) -> Result:
        """What was measured: call it before validation, which takes memory too."""
        return {
            "tokens": self.tokens,
            "seconds": round(self.seconds, 3),
            "updates": self.updates,
            "peak_mib": self.peak or peak_mib(),
            "parameters": sum(weight.numel() for weight in model.parameters()),
            "differs": differs,
        }


def peak_mib() -> int:
    """The most memory that this process has held, in MiB.

    Not `ru_maxrss`, which a process inherits from the one that started it.
    """
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text("utf-8"))
    return int(found[1]) // 1024 if found else 0


def validation(nats: float) -> Result:
    """The loss on the validation split, in nats a token, as the result names it."""
    return {"dev_loss": round(nats, 4), "dev_perplexity": round(math.exp(nats), 3)}


def read_lines(path: Path, most: int | None = None) -> list[str]:
    """The lines of a file, or the first ones."""
    return path.read_text("utf-8").removesuffix("\n").split("\n")[:most]


def arguments(more: More | None) -> argparse.Namespace:
    """The command line, with the options that `more` adds to those of train and decode."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train")
    train.add_argument("work", type=Path, help="a folder that benchmarks/pieces.py made")
    train.add_argument("out", type=Path, help="a folder for the model")
    length = train.add_mutually_exclusive_group(required=True)
    length.add_argument("--seconds", type=float, help="train for so long after the warm-up")
    length.add_argument("--epochs", type=int, help="train for so many epochs, then validate")
    decode = commands.add_parser("decode")
    decode.add_argument("work", type=Path)
    decode.add_argument("out", type=Path, help="the folder of the model")
    decode.add_argument("file", type=Path, help="the pieces of a hypothesis a line")
    decode.add_argument("--batch", type=int, default=64, help="sentences")
    decode.add_argument("--beam", type=int, default=1)
    decode.add_argument("--sentences", type=int, help="only the first ones of the test split")
    for command in (train, decode):
        command.add_argument("--threads", type=int, default=2)
    if more is not None:
        more(train, decode)
    return parser.parse_args()


def main(
    train: Callable[[argparse.Namespace, Stopwatch], Result],
    load: Callable[[argparse.Namespace], Translate],
    more: More | None = None,
) -> None:
    """Run the command that was given and print its result.

    `load` returns what translates with the model in `out`, whose settings the options have.
    """
    options = arguments(more)
    if options.command == "train":
        watch = Stopwatch(options.seconds)
        announce(options, lambda: {**train(options, watch), "epochs": options.epochs})
    else:
        sources = read_lines(options.work / "test.en", options.sentences)
        announce(options, lambda: decoded(load(options), sources, options))


def announce(options: argparse.Namespace, run: Callable[[], Result]) -> None:
    """Print the result of a run as the only thing on stdout."""
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    with contextlib.redirect_stdout(sys.stderr):
        result = run()
    print(json.dumps(result), flush=True)


def decoded(translate: Translate, sources: list[str], options: argparse.Namespace) -> Result:
    """Write the hypotheses; the result counts their pieces and one EOS each.

    The first two sentences are translated once more before the clock runs, as at its first call a
    tool does much that it does only once.
    """
    for group in calls(sources[:2], options.batch):
        translate(group)
    lines: list[str] = []
    seconds: list[float] = []  # of each call
    for group in calls(sources, options.batch):
        started = time.perf_counter()
        lines += translate(group)
        seconds.append(time.perf_counter() - started)
    if len(lines) != len(sources):
        raise SystemExit(f"{len(lines)} hypotheses for {len(sources)} sentences")
    options.file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    pieces = [len(line.split()) + 1 for line in lines]
    found: Result = {"pieces": sum(pieces), "seconds": round(sum(seconds), 3)}
    found["sentences"] = len(lines)
    if options.batch == 1:
        paces = (1e3 * taken / count for taken, count in zip(seconds, pieces, strict=True))
        found["ms_a_piece"] = round(statistics.median(paces), 4)
    return found


def calls(sources: list[str], batch: int) -> list[list[str]]:
    """What each call translates: all sentences, or one where they come one at a time."""
    return [sources] if batch > 1 else [[source] for source in sources]
