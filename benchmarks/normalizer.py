"""How many texts a trained normaliser reads wrong: of its dataset, of others, and drawn anew.

    python benchmarks/normalizer.py RUN [RUN ...]

Each run reads validation and test of data/normalize, the texts of benchmarks/outside, and 16,000
that are drawn as those of the dataset are, from another seed and with no phrase of it. Errors by
class go to results/normalizer.json, and as the tables of data/normalize/README.md to the terminal.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain, product
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from machine import machine

from seqgen.translator import Translator

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "normalizer.json"
DATA = HERE.parent / "data" / "normalize"
sys.path.append(str(DATA))
import make  # noqa: E402 - what draws the dataset lies beside it, in no package

SEED, ANEW = 777, 16000
TRIES = 40  # for each text that has only new phrases
Record = dict[str, Any]
Counts = dict[str, tuple[int, int]]  # errors and texts of each class


class Text(NamedTuple):
    """A text as it is written, how it is read, and the class of its first phrase."""

    written: str
    spoken: str
    name: str


def main() -> None:
    """Let each run read every text, and keep what it read wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="RUN")
    given = parser.parse_args().runs
    texts = {
        "validation": read(DATA / "validation.jsonl"),
        "test": read(DATA / "test.jsonl"),
        "outside": read(HERE / "outside" / "test.jsonl"),
        "drawn anew": anew(ANEW, make.examples()),
    }
    result = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {"runs": {}}
    result |= {"machine": machine(), "seed": SEED}
    for run in given:
        translator = Translator.from_pretrained(run)
        found = {name: errors(translator, of) for name, of in texts.items()}
        result["runs"][Path(run).name] = {"model": settings(translator), "errors": found}
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print("\n".join(table(result)))


def read(file: Path) -> list[Text]:
    """The texts of a file in the form of the dataset's."""
    rows = map(json.loads, file.read_text("utf-8").splitlines())
    return [Text(row["written"], row["spoken"], row["class"]) for row in rows]


def anew(size: int, dataset: Mapping[str, Sequence[make.Example]]) -> list[Text]:
    """About `size` texts, of each class as many as in the dataset, with no phrase that is in it.

    Of a class that has hardly any other they are fewer.
    """
    known = set()
    for example in chain.from_iterable(dataset.values()):
        known |= {*example.phrases, *map(make.verbalized, example.phrases)}
    rng, seen, texts = Random(SEED), set[str](), []
    for name, bare in product(make.SHARES, (True, False)):
        kept, wanted = [], size * make.SHARES[name] // 200
        for _ in range(wanted * TRIES):
            one = make.draw(rng, name, bare, "validation", seen, set())
            if known.isdisjoint({*one.phrases, *map(make.verbalized, one.phrases)}):
                kept.append(Text(one.written, one.spoken, name))
            if len(kept) == wanted:
                break
        texts += kept
    return texts


def errors(translator: Translator, texts: Sequence[Text]) -> Counts:
    """Errors and texts of each class, read as the run's settings say."""
    found = translator.translate([text.written for text in texts])
    pairs = list(zip(texts, found, strict=True))
    sizes = Counter(text.name for text in texts)
    wrong = Counter(text.name for text, spoken in pairs if spoken != text.spoken)
    return {name: (wrong[name], size) for name, size in sizes.items()}


def settings(translator: Translator) -> Record:
    """What is told of a run beside its errors."""
    train, model = translator.config.train, translator.config.model
    return {"epochs": train.epochs, "dropout": model.dropout, "seed": train.seed}


def table(result: Record) -> list[str]:
    """Errors of each run by class, and of all, in Markdown."""
    lines = []
    for name, run in result["runs"].items():
        of, model = run["errors"], run["model"]
        lines += ["", f"`{name}`, {model['epochs']} epochs, seed {model['seed']}:", ""]
        lines += [f"| class | {' | '.join(of)} |", "|---|" + "--:|" * len(of)]
        rows = {kind: [one[kind] for one in of.values()] for kind in of["test"]}
        rows["all"] = [list(map(sum, zip(*one.values(), strict=True))) for one in of.values()]
        for kind, counts in rows.items():
            lines.append(f"| {kind} | " + " | ".join(share(*one) for one in counts) + " |")
    return lines


def share(wrong: int, size: int) -> str:
    """Errors of so many, and what share of them is right."""
    return f"{wrong} of {size:,}: {100 * (1 - wrong / size):.2f} %"


if __name__ == "__main__":
    main()
