"""Which of several outputs agrees best with all of them: minimum-Bayes-risk decoding.

Over an n-best list, each output counting as much as the model believes in it: Kumar and Byrne
(2004). Over samples, each counting the same: Eikema and Aziz (2020).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from seqgen.metrics import edit_distance
from seqgen.sections import DecodeConfig

Utilities = NDArray[np.float64]  # [outputs, outputs]: of choosing one where the other is right
ORDERS, BETA = 6, 2  # of chrF, Popović (2015, 2016)


def pool(settings: DecodeConfig) -> DecodeConfig:
    """The search that finds the outputs to choose among."""
    size = settings.mbr_size
    if settings.mbr == "samples":
        return replace(settings, mbr="none", sample=True, nbest=size)
    return replace(settings, mbr="none", nbest=size, beam_size=max(settings.beam_size, size))


def ranked(
    texts: Sequence[str], scores: Sequence[float], settings: DecodeConfig
) -> list[tuple[int, float]]:
    """The place of each different text, with its expected utility, best first.

    `scores` are log-probabilities. Of equal texts the first stands for all, and of equal
    utilities the first text is best.
    """
    each = np.ones(len(texts)) if settings.mbr == "samples" else np.exp(_from_best(scores))
    first: dict[str, int] = {}
    shares: dict[str, float] = {}
    for place, (text, share) in enumerate(zip(texts, each / each.sum(), strict=True)):
        first.setdefault(text, place)
        shares[text] = shares.get(text, 0.0) + float(share)
    utilities = UTILITIES[settings.mbr_metric](list(first))
    expected = (utilities @ np.array([shares[text] for text in first])).tolist()
    return sorted(zip(first.values(), expected, strict=True), key=lambda one: (-one[1], one[0]))


def _from_best(scores: Sequence[float]) -> NDArray[np.float64]:
    """Log-probabilities with 0 for the largest, so that no exponential underflows for all."""
    found = np.array(scores, dtype=np.float64)
    return np.asarray(found - found.max())


def chrf(texts: Sequence[str]) -> Utilities:
    """Sentence-level chrF2 of each text with each as its reference, from 0 to 100."""
    squeezed = ["".join(text.split()) for text in texts]
    precision, recall, orders = (np.zeros((len(texts), len(texts))) for _ in range(3))
    for order in range(1, ORDERS + 1):
        counts = _counts(squeezed, order)
        matches = np.stack([np.minimum(counts, row).sum(1) for row in counts])
        sizes = counts.sum(1)
        both = (sizes[:, None] > 0) & (sizes > 0)  # only orders that both texts have
        precision += both * matches / np.maximum(sizes, 1)[:, None]
        recall += both * matches / np.maximum(sizes, 1)
        orders += both
    precision, recall = precision / np.maximum(orders, 1), recall / np.maximum(orders, 1)
    weighted = BETA**2 * precision + recall
    means = (1 + BETA**2) * precision * recall / np.where(weighted > 0, weighted, 1)
    return np.asarray(100 * means)


def edit(texts: Sequence[str]) -> Utilities:
    """Minus the characters to be changed."""
    return -np.array([[edit_distance(one, two) for two in texts] for one in texts], dtype=float)


def exact(texts: Sequence[str]) -> Utilities:
    """100 where the texts are equal: what is expected is the probability of the text."""
    return 100 * np.eye(len(texts))


UTILITIES: dict[str, Callable[[Sequence[str]], Utilities]] = {
    "chrf": chrf,
    "edit": edit,
    "exact": exact,
}


def _counts(texts: Sequence[str], order: int) -> NDArray[np.float64]:
    """How often each text has each n-gram, [texts, n-grams]."""
    numbers: dict[str, int] = {}
    rows = [
        Counter(text[start : start + order] for start in range(len(text) - order + 1))
        for text in texts
    ]
    for row in rows:
        for gram in row:
            numbers.setdefault(gram, len(numbers))
    table = np.zeros((len(texts), len(numbers)))
    for place, row in enumerate(rows):
        for gram, count in row.items():
            table[place, numbers[gram]] = count
    return table
