"""What `translate` and `score` read and print: one line in, one line out."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from seqgen.errors import DataError, SeqgenError, UsageError
from seqgen.terminal import LONGEST_TEXT, argument_text, read_lines, write_result

if TYPE_CHECKING:
    from seqgen.hypotheses import Hypothesis

Item = TypeVar("Item")


def read_sources(arguments: Sequence[str], file: str) -> Iterator[str]:
    """The texts to translate: the arguments, or the lines of a file, or those of stdin."""
    if arguments and file:
        raise UsageError("texts and --input-file exclude each other; give one of the two")
    if "-" in arguments and len(arguments) > 1:
        raise UsageError("'-' reads stdin and stands alone; put other texts into a file")
    if arguments and arguments[0] != "-":
        return _short(iter(map(argument_text, arguments)), "argument")
    return _short(read_file(file or "-"), _where(file or "-"))


def prompt() -> Iterator[str]:
    """Lines that a person types; the prompt goes to stderr, so that stdout holds results."""
    while True:
        print("> ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.buffer.readline()
        if not line:
            print(file=sys.stderr)
            return
        yield from read_lines([line])


def read_pairs(arguments: Sequence[str], file: str, two: tuple[str, str]) -> Iterator[list[str]]:
    """The pairs to score: two arguments, two files, or tab-separated lines of a file or stdin."""
    if sum(map(bool, (arguments, file, any(two)))) > 1:
        raise UsageError("a pair as arguments, --input-file, and --source-file with --target-file "
                         "exclude each other; give one of the three")  # fmt: skip
    if arguments:
        if len(arguments) != 2:
            raise UsageError(f"score takes two texts, source and target; got {len(arguments)}")
        return iter([[argument_text(argument) for argument in arguments]])
    if any(two):
        if not all(two):
            raise UsageError("--source-file and --target-file go together; one is missing")
        return _parallel(*two)
    return _columns(file or "-")


def read_file(name: str) -> Iterator[str]:
    """The lines of a file, `-` being stdin; a file that cannot be opened is said at once."""
    if name == "-":
        return read_lines(sys.stdin.buffer)
    try:
        file = Path(name).open("rb")  # noqa: SIM115, _closing closes it
    except OSError as error:
        raise DataError(f"{name}: {error.strerror}; name a text file, or - for stdin") from None
    return _closing(file)


def groups(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in lists of `size`, the last one shorter."""
    rest = iter(items)
    while True:
        group = []
        try:
            for item in islice(rest, size):
                group.append(item)
        except SeqgenError:
            if group:  # what came before the fault is answered
                yield group
            raise
        if not group:
            return
        yield group


def write_hypotheses(
    number: int, source: str, found: "Sequence[Hypothesis]", form: str, nbest: int = 1
) -> None:
    """Print what was found for the text `number` as `plain`, `nbest` or `json` lines.

    What a JSON line holds depends on `nbest`, how many were asked for, and not on the text.
    """
    if form == "json":
        entries = [_entry(hypothesis) for hypothesis in found]
        rest = entries[0] if nbest == 1 else {"hypotheses": entries}
        write_result(json.dumps({"source": source, **rest}, ensure_ascii=False))
    elif form == "nbest":
        for hypothesis in found:
            write_result(f"{number} ||| {hypothesis.text} ||| {hypothesis.score:.4f}")
    else:
        write_result(found[0].text)


def write_score(pair: Sequence[str], scored: "Hypothesis", form: str) -> None:
    """Print the log-probability of a pair as a `plain` or `json` line."""
    if form == "json":
        source, target = pair
        entry = {"source": source, "target": target, **_entry(scored)}
        write_result(json.dumps(entry, ensure_ascii=False))
    else:
        write_result(f"{scored.score:.4f}")


def _entry(hypothesis: "Hypothesis") -> dict[str, Any]:
    scored = zip(hypothesis.tokens, hypothesis.token_scores, strict=True)
    tokens = [{"token": token, "score": round(score, 6)} for token, score in scored]
    return {
        "text": hypothesis.text,
        "score": round(hypothesis.score, 6),
        "ranked": round(hypothesis.ranked, 6),
        "cut": hypothesis.cut,
        "tokens": tokens,
    }


def _where(name: str) -> str:
    """What a file is called in a message."""
    return "stdin" if name == "-" else name


def _short(sources: Iterator[str], where: str) -> Iterator[str]:
    for number, source in enumerate(sources, 1):
        yield _checked(source, f"{where}:{number}")


def _checked(text: str, where: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise DataError(
            f"{where}: has {len(text):,} characters, more than the {LONGEST_TEXT:,} of a text; "
            f"put its sentences on lines of their own"
        )
    return text


def _closing(file: Any) -> Iterator[str]:
    with file:
        yield from read_lines(file)


def _columns(name: str) -> Iterator[list[str]]:
    where = _where(name)
    for number, line in enumerate(read_file(name), 1):
        columns = line.split("\t")
        if len(columns) != 2:
            raise DataError(f"{where}:{number}: needs a source, a tab and a target; "
                            f"has {len(columns)} columns")  # fmt: skip
        yield [_checked(text, f"{where}:{number}") for text in columns]


def _parallel(source_file: str, target_file: str) -> Iterator[list[str]]:
    pairs = zip_longest(read_file(source_file), read_file(target_file))
    for number, (source, target) in enumerate(pairs, 1):
        if source is None or target is None:
            short = source_file if source is None else target_file
            raise DataError(f"{short}:{number}: has no line to match the other file; "
                            "both must have as many lines")  # fmt: skip
        yield [
            _checked(source, f"{source_file}:{number}"),
            _checked(target, f"{target_file}:{number}"),
        ]
