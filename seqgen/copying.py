"""Ids that are copied from the source beside those that are written.

The pointer-generator of See, Liu and Manning (2017), section 2.2: a gate says how likely an id is
written, and attention is how likely each place of the source is copied.
"""

import torch
from torch import Tensor
from torch.nn import functional


def either(gate: Tensor, written: Tensor, copied: Tensor) -> Tensor:
    """Log-probabilities of ids, written with `written` (logs) or copied with `copied`.

    `gate` is that of writing, before its sigmoid. Equation 9, in logarithms.
    """
    gate = gate.to(written)  # rounded, the two would not add up to 1
    logs = copied.clamp_min(torch.finfo(copied.dtype).tiny).log()
    return torch.logaddexp(
        functional.logsigmoid(gate) + written, functional.logsigmoid(-gate) + logs
    )


def whole(gate: Tensor, written: Tensor, weights: Tensor, ids: Tensor) -> Tensor:
    """Log-probabilities [N, T, V] of every id; `gate` [N, T, 1], `written` [N, T, V] (logs).

    `weights` are the attention of N rows to sources of `ids` [B, S]; N / B rows share a source.
    """
    weights = weights.reshape(*written.shape[:2], weights.shape[-1]).to(written)  # [N, T, S]
    ids = ids.repeat_interleave(len(written) // max(len(ids), 1), dim=0)  # [N, S]
    places = ids[:, None].expand_as(weights)
    return either(gate, written, torch.zeros_like(written).scatter_add(-1, places, weights))


def copied(weights: Tensor, gold: Tensor, ids: Tensor) -> Tensor:
    """How likely each id of `gold` [B, T] is a copy: attention [B, T, S] where `ids` have it."""
    return (weights * (gold[:, :, None] == ids[:, None])).sum(-1)
