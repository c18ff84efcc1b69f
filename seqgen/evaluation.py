"""How good a model is on a corpus: scores with intervals, by group and by length."""

import json
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from seqgen import checkpoint
from seqgen.corpus import Split
from seqgen.forms import Form
from seqgen.metrics import Statistics, interval, metrics
from seqgen.sections import DecodeConfig
from seqgen.signals import Pause, never
from seqgen.translator import Translator

CHUNK = 2000  # sources translated between two looks at whether to stop
LENGTHS = (5, 10, 20, 40, 80)  # source tokens: the upper ends of the classes of length
PREDICTIONS, RESULTS = "generated_predictions.txt", "eval_results.json"
REFERENCES = "references.{}.txt"  # numbered from 0, written where a source has several
REFERENCE = re.compile(r"references\.(0|[1-9]\d*)\.txt")


class Report(NamedTuple):
    """What an evaluation found."""

    split: str
    pairs: int
    sources: int  # fewer than pairs where a source has several references
    scores: dict[str, float]
    intervals: dict[str, tuple[float, float]]  # 95 %, bootstrap over sources
    signatures: dict[str, str]  # of sacreBLEU
    groups: dict[str, dict[str, float]]  # scores by the values of a column
    lengths: dict[str, dict[str, float]]  # scores by source tokens
    settings: dict[str, Any]  # of decoding
    seconds: float  # spent decoding
    cut: int  # outputs that the length limit ended
    predictions: list[str]  # a line a source
    references: list[list[str]]  # as many of each source
    compared: str = ""  # in which form, if not as they stand

    def to_json(self) -> str:
        """Everything but the texts."""
        values = self._asdict()
        del values["predictions"], values["references"]
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"

    def lines(self) -> list[str]:
        """The scores as text, a line each."""
        several = f", {self.sources:,} sources" if self.sources < self.pairs else ""
        form = f", compared {self.compared}" if self.compared else ""
        shown = [
            f"{self.split}: {self.pairs:,} pairs{several}, decoded in {self.seconds:.1f} s{form}"
        ]
        for name, value in self.scores.items():
            low, high = self.intervals[name]
            signature = f"  {self.signatures[name]}" if self.signatures.get(name) else ""
            shown.append(f"  {name:<6} {value:6.2f}  [{low:6.2f}, {high:6.2f}]{signature}")
        return shown + _table(self.groups) + _table(self.lengths)


def evaluate(
    translator: Translator,
    split: Split,
    settings: DecodeConfig | None = None,
    group: str = "",
    tokenize: str = "",
    pause: Pause = never,
) -> Report:
    """The scores of a model on a split.

    Pairs that share a source are one sentence with several references, which are compared in the
    form that outputs have. `group` names a column whose values are reported one by one, `tokenize`
    a tokenizer of sacreBLEU; empty, it is that of the model's settings. `pause` is called before
    every step of the search, and may raise.
    """
    settings = settings or translator.config.decode
    form = translator.tokenizers.target.form
    answers = references_of(split, form)
    labels = _labels(split, group) if group else []
    sources, references = list(answers), _as_many(answers.values())
    started = time.perf_counter()
    found = []
    for first in range(0, len(sources), CHUNK):
        found += translator.hypotheses(sources[first : first + CHUNK], settings, pause)
    seconds = time.perf_counter() - started
    hypotheses = [one_line(best[0].text) for best in found]
    judges = metrics(tokenize or translator.config.data.bleu_tokenizer)
    counted = {name: one.statistics(hypotheses, references) for name, one in judges.items()}
    lengths = [_length_class(translator.tokenizers.source.count(source)) for source in sources]
    return Report(
        split=split.name,
        pairs=len(split),
        sources=len(sources),
        scores={name: one.score() for name, one in counted.items()},
        intervals={name: interval(one) for name, one in counted.items()},
        signatures={
            name: one.signature(references) for name, one in judges.items() if one.signature
        },
        groups=_by(labels, counted, str) if group else {},
        lengths=_by(lengths, counted, _length_name),
        settings=asdict(settings),
        seconds=seconds,
        cut=sum(best[0].cut for best in found),
        predictions=hypotheses,
        references=references,
        compared="lowercased" if form.lower else "",
    )


def write(report: Report, folder: Path) -> None:
    """The scores as `eval_results.json` and the predictions as `generated_predictions.txt`.

    Where a source has several references, these as well, for
    `sacrebleu references.*.txt -i generated_predictions.txt`, which gives the scores again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_lines(folder / PREDICTIONS, report.predictions)
    checkpoint.write(folder / RESULTS, report.to_json().encode())
    several = report.sources < report.pairs
    columns = list(zip(*report.references, strict=True)) if several else []
    for number, column in enumerate(columns):
        _write_lines(folder / REFERENCES.format(number), column)
    for number, old in references_in(folder).items():
        if number >= len(columns):
            old.unlink()


def references_in(folder: Path) -> dict[int, Path]:
    """The files of references that an evaluation wrote there, by their numbers."""
    found = ((REFERENCE.fullmatch(path.name), path) for path in folder.glob("references.*"))
    return {int(match[1]): path for match, path in found if match}


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    checkpoint.write(path, "".join(line + "\n" for line in lines).encode())


def one_line(text: str) -> str:
    """What is scored is what is written, a line a text: breaks would set all later lines off."""
    return " ".join(text.splitlines())


def references_of(pairs: Iterable[tuple[str, str]], form: Form) -> dict[str, list[str]]:
    """The references of each source, in order, as outputs of this form are compared with them."""
    answers: dict[str, list[str]] = {}
    for source, target in pairs:
        answers.setdefault(source, []).append(one_line(form.compared(target)))
    return answers


def _as_many(references: Iterable[list[str]]) -> list[list[str]]:
    """References of which each source has as many, as files of them need.

    One that has fewer repeats its first: no score changes.
    """
    rows = list(references)
    most = max(map(len, rows), default=0)
    return [row + row[:1] * (most - len(row)) for row in rows]


def _labels(split: Split, group: str) -> list[str]:
    """The group of each source, in order."""
    labels: dict[str, str] = {}
    for (source, _), value in zip(split, split.column(group), strict=True):
        labels.setdefault(source, value)
    return list(labels.values())


def _length_class(tokens: int) -> int:
    """The number of the class of length, from 0."""
    return sum(tokens > high for high in LENGTHS)


def _length_name(number: int) -> str:
    low = LENGTHS[number - 1] + 1 if number else 1
    return (
        f"{low} tokens or more" if number == len(LENGTHS) else f"{low} to {LENGTHS[number]} tokens"
    )


def _by(
    labels: Sequence[Any], counted: dict[str, Statistics], name_of: Callable[[Any], str]
) -> dict[str, dict[str, float]]:
    """The scores of the sentences under each label, in the order of the labels."""
    rows: dict[Any, list[int]] = {}
    for row, label in enumerate(labels):
        rows.setdefault(label, []).append(row)
    return {
        name_of(label): {"sources": len(rows[label])}
        | {name: one.score(rows[label]) for name, one in counted.items()}
        for label in sorted(rows)
    }


def _table(groups: dict[str, dict[str, float]]) -> list[str]:
    """A line a group, with its size and scores."""
    if not groups:
        return []
    width = max(map(len, groups))
    names = list(next(iter(groups.values())))
    lines = [" " * (width + 2) + "".join(f"{name:>8}" for name in names)]
    for label, scores in groups.items():
        cells = "".join(
            f"{value:>8.0f}" if name == "sources" else f"{value:>8.2f}"
            for name, value in scores.items()
        )
        lines.append(f"  {label:<{width}}{cells}")
    return lines
