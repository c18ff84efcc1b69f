"""Hypotheses and references to numbers, and how far the numbers can be trusted.

Every metric here is a function of sums over sentences: count each sentence once, add up, divide.
So one table of counts gives the score of the corpus, of any part of it, and of its resamples:

    counted = METRICS["bleu"].statistics(hypotheses, references)
    counted.score(), counted.score(rows=[0, 2, 5]), interval(counted)

Hypotheses are strings; `references` holds, for each of them, a list of one or more strings.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqgen.errors import DataError, UsageError

Table = NDArray[np.float64]  # [sentences, counts]
References = Sequence[Sequence[str]]


class Statistics(NamedTuple):
    """What a metric counts in every sentence."""

    table: Table
    value: Callable[[list[float]], float]  # the score, from the sums of the counts

    def score(self, rows: Sequence[int] | None = None) -> float:
        """The score of all sentences, or of some."""
        table = self.table if rows is None else self.table[list(rows)]
        return self.value(table.sum(0).tolist())


class Metric(NamedTuple):
    """A way to count, and how to read the number that comes of it."""

    label: str
    counts: Callable[[Sequence[str], References], Statistics]
    higher: bool = True  # is better
    unit: str = ""  # "" is a number from 0 to 100 that is no share of anything
    signature: Callable[[References], str] | None = None  # of sacreBLEU: what makes it comparable

    def statistics(self, hypotheses: Sequence[str], references: References) -> Statistics:
        """The counts of every sentence."""
        if len(hypotheses) != len(references):
            raise DataError(
                f"{len(hypotheses)} hypotheses but references for {len(references)} sentences; "
                "line N of one must belong to line N of the other"
            )
        if not hypotheses:
            raise DataError("there are no sentences to score; give at least one")
        for number, alternatives in enumerate(references, start=1):
            if not alternatives:
                raise DataError(f"sentence {number} has no reference; every one needs at least one")
        # One that is given twice changes nothing but the time.
        return self.counts(hypotheses, [list(dict.fromkeys(each)) for each in references])

    def score(self, hypotheses: Sequence[str], references: References) -> float:
        """The score of the whole corpus."""
        return self.statistics(hypotheses, references).score()


# n-grams, counted by sacreBLEU


def bleu(tokenize: str = "13a") -> Metric:
    """BLEU with one of sacreBLEU's tokenizers; `none` for text that is tokenized already."""

    def scorer() -> Any:
        from sacrebleu.metrics.bleu import BLEU

        if tokenize not in BLEU.TOKENIZERS:
            raise UsageError(
                f"unknown BLEU tokenizer {tokenize!r}; sacreBLEU has {', '.join(BLEU.TOKENIZERS)}"
            )
        try:
            # force: the number is the same, without a warning about text that looks tokenized.
            return BLEU(tokenize=tokenize, force=True)
        except (RuntimeError, OSError) as error:  # a package or a download that it lacks
            why = " ".join(str(error).split())
            raise UsageError(f"BLEU tokenizer {tokenize!r} cannot be used here: {why}") from error

    return _sacrebleu("BLEU", scorer)


def chrf() -> Metric:
    """chrF2, character n-grams up to 6."""

    def scorer() -> Any:
        from sacrebleu.metrics.chrf import CHRF

        return CHRF()

    return _sacrebleu("chrF2", scorer)


def _sacrebleu(label: str, scorer: Callable[[], Any]) -> Metric:
    def counts(hypotheses: Sequence[str], references: References) -> Statistics:
        scoring = scorer()
        # It wants the first references of all sentences, then the second ones; None is missing.
        table = scoring._extract_corpus_statistics(hypotheses, list(zip_longest(*references)))
        return Statistics(
            np.array(table, dtype=np.float64),
            lambda sums: float(scoring._compute_score_from_stats(sums).score),
        )

    def signature(references: References) -> str:
        scoring = scorer()
        numbers = {len(alternatives) for alternatives in references}
        scoring.num_refs = numbers.pop() if len(numbers) == 1 else -1  # -1 is shown as "var"
        return str(scoring.get_signature())

    return Metric(label, counts, signature=signature)


# Edits


def edit_distance(first: Sequence[str], second: Sequence[str]) -> int:
    """The fewest insertions, deletions and substitutions of items that make `first` `second`.

    A column of the classic table is two integers with a bit for each item of `first`: Myers (1999)
    as simplified by Hyyrö (2003). Python's integers have as many bits as it takes.
    """
    if not first:
        return len(second)
    where: dict[str, int] = {}
    for place, item in enumerate(first):
        where[item] = where.get(item, 0) | 1 << place
    bits = (1 << len(first)) - 1
    last = 1 << len(first) - 1
    rises, falls = bits, 0  # where the column goes up or down by one from the row above
    distance = len(first)
    for item in second:
        equal = where.get(item, 0)
        diagonal = (((equal & rises) + rises) ^ rises) | equal | falls
        up = falls | ~(diagonal | rises)
        down = diagonal & rises
        if up & last:
            distance += 1
        elif down & last:
            distance -= 1
        up = up << 1 | 1
        down <<= 1
        rises = (down | ~(diagonal | up)) & bits
        falls = up & diagonal & bits
    return distance


def error_rate(label: str, split: Callable[[str], Sequence[str]]) -> Metric:
    """Edits for each 100 items of the references, the text being split into items by `split`.

    Of several references the nearest counts, with its own length; of equally near ones the longest.
    """

    def edits(hypothesis: str, alternatives: Sequence[str]) -> tuple[int, int]:
        items = split(hypothesis)
        sides = [split(reference) for reference in alternatives]
        distance, length = min((edit_distance(items, side), -len(side)) for side in sides)
        return distance, -length

    def counts(hypotheses: Sequence[str], references: References) -> Statistics:
        table = [edits(*pair) for pair in zip(hypotheses, references, strict=True)]
        return Statistics(np.array(table, dtype=np.float64), _percent)

    return Metric(label, counts, higher=False, unit="%")


def _exact(hypotheses: Sequence[str], references: References) -> Statistics:
    hits = [hypothesis in right for hypothesis, right in zip(hypotheses, references, strict=True)]
    return Statistics(np.array([(hit, 1) for hit in hits], dtype=np.float64), _percent)


def _percent(sums: list[float]) -> float:
    share, of = sums
    return 100 * share / max(of, 1)  # references without any item: each edit counts as 100 %


METRICS: dict[str, Metric] = {
    "bleu": bleu(),
    "chrf": chrf(),
    "exact": Metric("exact match", _exact, unit="%"),
    "cer": error_rate("CER", list),
    "wer": error_rate("WER", str.split),
    # Phones are set apart by spaces, so that this is the same count under the name that
    # grapheme-to-phoneme work has for it; what is called WER there is 100 - exact match.
    "per": error_rate("PER", str.split),
}


def metrics(tokenize: str) -> dict[str, Metric]:
    """`METRICS` with the BLEU of this tokenizer."""
    return {**METRICS, "bleu": bleu(tokenize)}


def higher_is_better(name: str) -> bool:
    """Whether more of a dev metric is better: one of `METRICS`, accuracy, or the loss."""
    return name == "accuracy" or (name in METRICS and METRICS[name].higher)


# How far the numbers can be trusted


def interval(
    counted: Statistics, confidence: float = 0.95, resamples: int = 1000, seed: int = 1
) -> tuple[float, float]:
    """The percentile bootstrap interval of the score (Efron and Tibshirani 1993, chapter 13)."""
    scores = [
        counted.value(sums.tolist()) for (sums,) in _resampled([counted.table], resamples, seed)
    ]
    low, high = np.quantile(scores, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def paired(first: Statistics, second: Statistics, resamples: int = 1000, seed: int = 1) -> float:
    """How often the system that scores better would not: the paired bootstrap of Koehn (2004).

    The p-value, one-sided, of a difference between two systems on the same sentences. Twice it is
    the two-sided one. It is 1 for a system and itself.
    """
    if len(first.table) != len(second.table):
        raise DataError(
            f"the two systems have {len(first.table)} and {len(second.table)} sentences; "
            "a paired test needs both on the same ones"
        )
    ahead = first.score() - second.score()
    lost = sum(
        (first.value(ours.tolist()) - second.value(theirs.tolist())) * ahead <= 0
        for ours, theirs in _resampled([first.table, second.table], resamples, seed)
    )
    return (lost + 1) / (resamples + 1)


def _resampled(tables: list[Table], resamples: int, seed: int) -> Iterator[list[Table]]:
    """The sums of all tables over the same sentences, drawn with replacement, time after time."""
    chance = np.random.default_rng(seed)
    sentences = len(tables[0])
    for _ in range(resamples):
        drawn = chance.integers(sentences, size=sentences)
        times = np.bincount(drawn, minlength=sentences)
        yield [times @ table for table in tables]
