"""Pure functions of the step: a schedule has no memory, so that resuming needs the step alone."""

import math
from collections.abc import Callable

Schedule = Callable[[float], float]

LEFT = 0.01  # what the two curves that never end have left at the end of their fall


def constant(time: float) -> float:
    """1 at all times."""
    return 1.0


def linear(time: float) -> float:
    """1 - time: 1 at time 0, 0 from time 1 on."""
    return max(1.0 - time, 0.0)


def cosine(time: float) -> float:
    """Half a wave from 1 to 0, after Loshchilov and Hutter (2017, arXiv 1608.03983)."""
    return (1.0 + math.cos(math.pi * min(time, 1.0))) / 2


def exponential(time: float) -> float:
    """0.01 ** time: 1 at time 0, 0.1 at time 1/2, 0.01 at time 1."""
    return float(LEFT**time)


def inverse_sigmoid(time: float) -> float:
    """(k + 1) / (k + k ** (2 time)) with k = 100: 1 at time 0, 0.505 at time 1/2, 0.01 at time 1.

    This is k / (k + exp(i / k)) with i = 2 k ln(k) time, so that it is half way down at time 1/2,
    times (k + 1) / k, so that it starts at 1.
    """
    falling = float(LEFT ** (2 * time))  # no power that grows, which would overflow
    return (1 + LEFT) * falling / (falling + LEFT)


# How a ratio falls: 1 at time 0, and at time 1 what it may. Bengio et al. (2015), section 2.4.
SCHEDULES: dict[str, Schedule] = {
    "constant": constant,
    "linear": linear,
    "exponential": exponential,
    "inverse_sigmoid": inverse_sigmoid,
}


def teacher_forcing(
    kind: str, start: float, floor: float, warmup_steps: float, steps: float
) -> Schedule:
    """The ratio at a step: `start` for `warmup_steps`, then falling towards `floor` over `steps`.

    floor + (start - floor) * SCHEDULES[kind]((step - warmup_steps) / steps)
    """
    shape = SCHEDULES[kind]

    def ratio(step: float) -> float:
        after = max(step - warmup_steps, 0.0)
        if not after:
            return start
        time = after / steps if steps else float("inf")
        return floor + (start - floor) * shape(time)

    return ratio


def decay(kind: str, warmup_steps: float, last: float) -> Schedule:
    """The factor of update 1, 2, ..., `last`: 1 until the warm-up is over, then the shape to 0.

    `inverse_sqrt` goes on without an end: sqrt(warm-up / update), after Vaswani et al. (2017),
    section 5.3. Without a warm-up it falls from the first update on.
    """
    if kind == "inverse_sqrt":
        first = max(warmup_steps, 1.0)
        return lambda update: math.sqrt(first / max(update, first))
    shape = {"none": constant, "linear": linear, "cosine": cosine}[kind]
    span = max(last - warmup_steps, 1.0)
    return lambda update: shape(max(update - 1 - warmup_steps, 0.0) / span)


# The learning rate's factor of the batch's. Linear: Goyal et al. (2017, arXiv 1706.02677), section
# 2.1; the square root: Krizhevsky (2014, arXiv 1404.5997), section 5.
RATE_SCALINGS: dict[str, Schedule] = {
    "none": constant,
    "linear": lambda factor: factor,
    "sqrt": math.sqrt,
}


def warmup(steps: float) -> Schedule:
    """The factor of update 1, 2, ...: its share of `steps`, then 1. No `steps`: always 1."""
    return lambda update: min(update / steps, 1.0) if steps else 1.0
