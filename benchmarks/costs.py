"""What products of matrices alone would allow: the ceiling of each contestant's training."""

from collections.abc import Mapping

MULTIPLY_ADDS = 7.4e6  # a target token, forward, without input feeding
FEEDING = 8.5e6  # with it
BACKWARD = 3  # times the forward pass, both together
FEED = ("seqgen, input feeding", "tutorial loop", "opennmt", "eole", "joeynmt")
ROUND = ("seqgen, bf16",)  # with products of bf16


def ceiling(rate: float, multiply_adds: float = MULTIPLY_ADDS) -> float:
    """Target tokens a second of training at a rate of products in GFLOP/s."""
    return rate * 1e9 / (2 * multiply_adds * BACKWARD)


def own_ceiling(name: str, plain: float, limits: Mapping[str, float]) -> float:
    """The ceiling of a contestant, where `plain` is that of fp32 without input feeding.

    Products of its precision are faster than those of fp32 as they are in `limits`.
    """
    rounded = limits["bfloat16"] / limits["float32"] if name in ROUND else 1.0
    return plain * rounded * (MULTIPLY_ADDS / FEEDING if name in FEED else 1.0)
