"""Gradient and weight health: tensors to numbers. What these ask for is `advice`'s to say.

The parts of a network are its modules by their names, `decoder.layers.0`; a recurrent matrix is
looked at gate by gate.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from seqgen.metrics import higher_is_better

OPEN, CLOSED = 0.95, 0.05  # beyond these a gate hardly learns: its slope is below 0.05
SQUARINGS = 10  # of a matrix: powers up to 1024
# The gates of torch's cells in the order of their rows, by how many there are.
GATES = {1: ("state",), 3: ("reset", "update", "new"), 4: ("input", "forget", "new", "output")}
KEEPING = {3: "update", 4: "forget"}  # the gate that says how much of a state stays


def part_of(name: str) -> str:
    """The part of the network that a parameter belongs to."""
    return name.rpartition(".")[0].removesuffix(".cell")


def part_norms(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The norm of all tensors of each part together; they stay on the device."""
    norms: dict[str, list[Tensor]] = {}
    each = torch._foreach_norm(list(tensors.values()))
    for name, norm in zip(tensors, each, strict=True):
        norms.setdefault(part_of(name), []).append(norm)
    return {part: torch.linalg.vector_norm(torch.stack(found)) for part, found in norms.items()}


def update_ratios(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """How far one update moved the matrices of each part, as a share of their norm before.

    Biases begin at 0, and are left out: they move by any share of nothing.
    """
    before = {name: weight for name, weight in before.items() if weight.dim() > 1}
    moved = torch._foreach_sub([after[name].detach() for name in before], list(before.values()))
    changes = part_norms(dict(zip(before, moved, strict=True)))
    return {part: changes[part] / norm for part, norm in part_norms(before).items()}


def recurrent_matrices(weights: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """What takes each recurrent layer's state to its next one, [gates, H, H]."""
    found = {}
    for name, weight in weights:
        gates, rest = divmod(weight.shape[0], weight.shape[-1])
        if "weight_hh" in name and weight.dim() == 2 and not rest and gates in GATES:
            found[part_of(name)] = weight.detach().view(gates, weight.shape[1], -1)
    return found


def spectral_radius(matrices: Tensor) -> Tensor:
    """The largest absolute eigenvalue of each of the matrices [..., H, H].

    Gelfand's formula: it is the rate at which powers grow, here from the 512th to the 1024th, which
    takes ten products where eigenvalues would take as long as a hundred.
    """
    size = torch.linalg.matrix_norm(matrices)
    tiny = torch.finfo(size.dtype).tiny
    # Of powers the norms would overflow: they are kept as logarithms, beside what they leave.
    power, logarithm = matrices / size.clamp_min(tiny)[..., None, None], size.double().log()
    rate = logarithm
    for _ in range(SQUARINGS):
        power = power @ power
        size = torch.linalg.matrix_norm(power)
        power = power / size.clamp_min(tiny)[..., None, None]
        rate = logarithm + size.double().log()
        logarithm = logarithm + rate
    radius: Tensor = (rate / 2 ** (SQUARINGS - 1)).exp()
    return radius


def largest_singular_value(matrices: Tensor) -> Tensor:
    """How much each of the matrices [..., H, H] can stretch a vector."""
    stretch: Tensor = spectral_radius(matrices.transpose(-1, -2) @ matrices).sqrt()
    return stretch


def saturated(gates: Tensor) -> float:
    """The share of activations that are hardly above 0 or hardly below 1."""
    return float(((gates < CLOSED) | (gates > OPEN)).float().mean())


def entropies(weights: Tensor) -> Tensor:
    """How widely attention [..., S] is spread, in nats: 0 on one state, log S on all alike."""
    nats: Tensor = -torch.special.xlogy(weights, weights).sum(-1)
    return nats


class Noise(NamedTuple):
    """What a gradient is made of: McCandlish et al. (2018, arXiv 1812.06162), appendix A.1."""

    signal: float  # squared norm of the gradient of all data
    variance: float  # summed over weights, of the gradient of one token

    @property
    def scale(self) -> float:
        """Tokens in a batch whose noise is as large as its signal; NaN where noise hides that."""
        return self.variance / self.signal if self.signal > 0 else math.nan


def noise(small: float, large: float, few: float, many: float) -> Noise:
    """Signal and noise out of squared norms of gradients, `small` over `few` tokens and `large`
    over `many`.
    """
    signal = (many * large - few * small) / (many - few)
    return Noise(signal, (small - large) / (1 / few - 1 / many))


def swings(values: Sequence[float], metric: str) -> list[float]:
    """How much worse each validation was than the one before; 0 where it was no worse.

    What a model gains from one to the next is what it learns, and no swing. A value that is no
    number is left out.
    """
    sign = 1 if higher_is_better(metric) else -1
    pairs = pairwise(value for value in values if not math.isnan(value))
    return [max(0.0, sign * (before - after)) for before, after in pairs]


def plain(value: object) -> object:
    """`value` as JSON holds it: six digits of a number, None for what is none."""
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
