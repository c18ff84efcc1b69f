"""What is usually believed of steadier training, and whether the figures of studies bear it out.

A study is what `seqgen ablate` writes as ablation.json: combinations with figures, each a mean over
seeds and a standard deviation. A belief holds, holds in kind where the direction is as believed
and the size is not, or does not hold; a difference smaller than the two standard errors of its
means together cannot be told from chance.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

Record = dict[str, Any]
Figure = tuple[float, float, int]  # mean, standard deviation, runs

HELD, IN_KIND, NOT_HELD = "held", "held in kind, not in size", "did not hold"
UNTOLD, MISSING = "cannot be told from chance", "could not be judged"


class Verdict(NamedTuple):
    """A belief, and what the figures say of it."""

    belief: str
    verdict: str
    figures: str


def verdicts(studies: dict[str, Record]) -> list[Verdict]:
    """All beliefs that the studies at hand can judge."""
    judges = {"clipping": clipping, "cell": cells, "rate": rates, "batch": batches}
    return [
        verdict
        for name, judge in judges.items()
        if name in studies
        for verdict in judge(studies[name])
    ]


def clipping(study: Record) -> Iterator[Verdict]:
    """Swings of six points without clipping, of two at 5, of one at 1."""
    unclipped = figure(study, 0, "largest_swing")
    for bound, low, high, wanted in ((5, 1.0, 3.0, "two"), (1, 0.5, 1.5, "one")):
        belief = f"clipping at {bound} cuts a swing of six points to {wanted}"
        clipped = figure(study, bound, "largest_swing")
        if unclipped is None or clipped is None:
            yield Verdict(belief, MISSING, lacking(study))
            continue
        size = 4 <= unclipped[0] <= 8 and low <= clipped[0] <= high
        shown = f"{points(unclipped)} without, {points(clipped)} at {bound}"
        share = figure(study, bound, "clipped")
        acted = f"; {share[0]:.1f} % of updates were clipped" if share else ""
        yield Verdict(belief, judged(unclipped, clipped, size), shown + acted)


def cells(study: Record) -> Iterator[Verdict]:
    """The LSTM two to four points above the vanilla network."""
    belief = "an LSTM ends two to four points above a vanilla network"
    vanilla, lstm = (figure(study, cell, "test") for cell in ("rnn", "lstm"))
    if vanilla is None or lstm is None:
        yield Verdict(belief, MISSING, lacking(study))
        return
    shown = f"test exact match {points(lstm)} against {points(vanilla)}"
    yield Verdict(belief, judged(lstm, vanilla, 2 <= lstm[0] - vanilla[0] <= 4), shown)


def rates(study: Record) -> Iterator[Verdict]:
    """Steadier at 3e-4 than at 1e-3."""
    belief = "training is steadier at a learning rate of 3e-4 than at 1e-3"
    fast, slow = (figure(study, rate, "largest_swing") for rate in (1e-3, 3e-4))
    if fast is None or slow is None:
        yield Verdict(belief, MISSING, lacking(study))
        return
    shown = f"largest swing {points(slow)} against {points(fast)}"
    reached = [one for one in (figure(study, rate, "best") for rate in (3e-4, 1e-3)) if one]
    if len(reached) == 2:
        shown += f"; best dev exact match {points(reached[0])} against {points(reached[1])}"
    yield Verdict(belief, judged(fast, slow, True), shown)


def batches(study: Record) -> Iterator[Verdict]:
    """Noise that falls with the root of the batch: a slope of -1/2 between logarithms."""
    for name, noise in (("norm_spread", "the gradient norm's spread"),
                        ("largest_swing", "the largest swing")):  # fmt: skip
        belief = f"noise falls with the root of the batch: {noise}"
        seen = [(size, figure(study, size, name)) for size in (64, 128, 256)]
        known = [(size, found) for size, found in seen if found and found[0] > 0]
        if len(known) < len(seen):
            yield Verdict(belief, MISSING, lacking(study))
            continue
        exponent = slope([size for size, _ in known], [found[0] for _, found in known])
        values = ", ".join(f"{found[0]:.3g} at {size}" for size, found in known)
        verdict = judged(known[0][1], known[-1][1], -0.65 <= exponent <= -0.35)
        yield Verdict(belief, verdict, f"{values}: the batch to the power {exponent:+.2f}")


def judged(greater: Figure, less: Figure, size: bool) -> str:
    """Whether the first is above the second by more than chance, and by as much as believed."""
    difference = greater[0] - less[0]
    errors = (one[1] ** 2 / one[2] for one in (greater, less))
    if abs(difference) <= 2 * math.sqrt(sum(errors)):
        return UNTOLD
    if difference < 0:
        return NOT_HELD
    return HELD if size else IN_KIND


def slope(sizes: list[float], values: list[float]) -> float:
    """The power of `sizes` that `values` follow best: least squares of logarithms."""
    across, up = [math.log(one) for one in sizes], [math.log(one) for one in values]
    middle, level = sum(across) / len(across), sum(up) / len(up)
    products = sum((x - middle) * (y - level) for x, y in zip(across, up, strict=True))
    return products / sum((x - middle) ** 2 for x in across)


def figure(study: Record, value: Any, name: str) -> Figure | None:
    """A figure of the combination with this value, if its runs were finished and have it."""
    for one in study["combinations"]:
        if list(one["values"].values()) == [value] and one["figures"][name]:
            mean, spread = one["figures"][name]
            return mean, spread, one["finished"]
    return None


def lacking(study: Record) -> str:
    """Which combinations have runs that were not finished."""
    short = [
        f"{one['label']}: {one['finished']} of {len(one['runs'])} runs finished"
        for one in study["combinations"]
        if one["finished"] < len(one["runs"])
    ]
    return "; ".join(short) or "a figure is missing"


def points(found: Figure) -> str:
    """`5.96 ± 0.61`."""
    return f"{found[0]:.2f} ± {found[1]:.2f}"
