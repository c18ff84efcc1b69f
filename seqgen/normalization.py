"""What stands between recurrent layers: over the entries of each state, or over a batch."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from seqgen.modelsection import ModelConfig

MOMENTUM = 0.1  # share of a batch in the running statistics
EPSILON = 1e-5


class Between(NamedTuple):
    """How a layer's outputs reach the next layer; by default, as they are."""

    dropout: float = 0.0
    residual: bool = False
    layer_norm: bool = False
    batch_norm: bool = False


AS_IT_IS = Between()


def between(config: ModelConfig) -> Between:
    """What the settings put between recurrent layers."""
    normalized = config.layer_norm in ("between", "both")
    return Between(config.dropout, config.residual, normalized, config.batch_norm)


class Normalization(nn.Module):
    """What a layer gives, as the next one reads it: normalised, or as it is."""

    def __init__(self, width: int, settings: Between):
        super().__init__()
        self.norm = nn.LayerNorm(width) if settings.layer_norm else None
        self.over_batch = BatchNorm(width) if settings.batch_norm else None

    def forward(self, hidden: Tensor, real: Tensor | None = None) -> Tensor:
        """`hidden` [B, T, H]; `real` [B, T] is False where there is no token, None if nowhere."""
        if self.norm is not None:
            hidden = self.norm(hidden)
        if self.over_batch is not None:
            hidden = self.over_batch(hidden, real)
        return hidden


class BatchNorm(nn.Module):
    """Ioffe and Szegedy (2015), algorithms 1 and 2, over the real tokens of a batch.

    Outside training, with the running mean and variance. What is not finite never reaches these.
    """

    running_mean: Tensor
    running_variance: Tensor

    def __init__(self, width: int):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_variance", torch.ones(width))

    def forward(self, values: Tensor, real: Tensor | None) -> Tensor:
        """`values` [..., H], of which those count where `real` [...] is True."""
        if self.training:
            values = values.float() if values.dtype == torch.bfloat16 else values
            mean, variance = self._of_batch(values, real)
        else:
            mean, variance = self.running_mean, self.running_variance
        return (values - mean) * (variance + EPSILON).rsqrt() * self.gain + self.bias

    def _of_batch(self, values: Tensor, real: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mean and variance [H] of the real tokens, which the running ones take in."""
        flat = values.flatten(0, -2)
        # Sums with weights: to pick the real tokens would be to wait for the device.
        weights = flat.new_ones(len(flat)) if real is None else real.flatten().to(flat)
        count = weights.sum()
        mean = weights @ flat / count
        variance = weights @ (flat - mean).square() / count
        with torch.no_grad():
            unbiased = variance * count / (count - 1).clamp_min(1)
            finite = (mean.isfinite() & unbiased.isfinite()).all()
            for kept, seen in ((self.running_mean, mean), (self.running_variance, unbiased)):
                kept.copy_(torch.where(finite, torch.lerp(kept, seen.to(kept), MOMENTUM), kept))
        return mean, variance
