"""What makes steps of gradients: the optimizers of torch, and Muon."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from seqgen.trainsection import TrainConfig

# Amsel et al. (2025, arXiv 2505.16932), section 4: each is the best polynomial of degree 5 for the
# singular values, from 0.001 up, that the ones before it leave. After three they lie between 0.13
# and 1.87, and the work of a step goes with their number.
POLYNOMIALS = (
    (8.28721, -23.59589, 17.30039),
    (4.10706, -2.94785, 0.54484),
    (3.94869, -2.90890, 0.55182),
)
SLACK = 1.01  # of a singular value above 1, by rounding, the first would make anything


class Turned(NamedTuple):
    """A matrix that Muon makes the steps of."""

    weight: Tensor  # [gates x R, C]
    gates: int  # each is turned by itself


class Muon(torch.optim.AdamW):
    """Steps of some matrices as far in every direction; of all other weights, those of AdamW.

    Jordan et al. (2024, "Muon: an optimizer for hidden layers in neural networks"): the gradient
    with what momentum adds, its singular values made alike. A step has 1 to 1.3 times the rate for
    a root mean square, as Adam's have at most; Liu et al. (2025, arXiv 2502.16982) take a fifth.
    """

    def __init__(
        self,
        turned: list[Turned],
        others: list[dict[str, Any]],
        rate: float,
        betas: tuple[float, float],
        momentum: float,
        weight_decay: float,
    ):
        groups = [
            {"params": [weight], "gates": gates, "weight_decay": weight_decay}
            for weight, gates in turned
        ]
        self.momentum = momentum
        super().__init__([*groups, *others], rate, betas, fused=True)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move all weights that have a gradient; those of turned matrices are gone thereafter."""
        for group in self.param_groups:
            for weight in group["params"] if "gates" in group else ():
                if weight.grad is not None:
                    self._turn(weight, group)
                    weight.grad = None
        super().step(closure)

    def _turn(self, weight: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        if not state:  # a step, as AdamW wants one in whatever it reads back
            state |= {"step": torch.zeros(()), "momentum_buffer": torch.zeros_like(weight)}
        state["step"] += 1
        velocity = state["momentum_buffer"].mul_(self.momentum).add_(weight.grad)
        ahead = weight.grad + self.momentum * velocity
        steps = orthogonal(ahead.unflatten(0, (group["gates"], -1)))
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        # The root mean square of U V^T is one over the root of its longer side.
        weight.add_(steps.flatten(0, 1), alpha=-group["lr"] * max(steps.shape[1:]) ** 0.5)


def orthogonal(matrices: Tensor) -> Tensor:
    """U V^T, roughly, of matrices [N, R, C] that are U S V^T: singular values near 1; 0 of 0."""
    wide = matrices.shape[1] <= matrices.shape[2]
    now = matrices if wide else matrices.mT
    now = now / (SLACK * torch.linalg.matrix_norm(now, keepdim=True)).clamp(min=1e-20)
    for first, third, fifth in POLYNOMIALS:
        squares = now @ now.mT
        now = torch.baddbmm(
            now, torch.baddbmm(squares, squares, squares, beta=third, alpha=fifth), now, beta=first
        )
    return now if wide else now.mT


def make_optimizer(model: nn.Module, settings: TrainConfig) -> torch.optim.Optimizer:
    """The optimizer of the settings over all weights; the loop sets its learning rate."""
    turned = list(_turned(model)) if settings.optimizer == "muon" else []
    known = {id(weight) for weight, _ in turned}
    every = [weight for weight in model.parameters() if id(weight) not in known]
    vectors = [weight for weight in every if weight.dim() < 2]  # biases, a learned start
    matrices = [weight for weight in every if weight.dim() >= 2]
    decays = {"params": matrices, "weight_decay": settings.weight_decay}
    weights = [decays, {"params": vectors, "weight_decay": 0.0}] if vectors else [decays]
    rate, betas, momentum = settings.learning_rate, (0.9, settings.beta2), settings.momentum
    match settings.optimizer:
        case "adam":
            return torch.optim.Adam(weights, rate, betas, fused=True)
        case "adamw":
            return torch.optim.AdamW(weights, rate, betas, fused=True)
        case "muon":
            return Muon(turned, weights, rate, betas, momentum, settings.weight_decay)
        case "rmsprop":
            return torch.optim.RMSprop(weights, rate)
        case "adagrad":
            return torch.optim.Adagrad(weights, rate)
        case "sgd":
            return torch.optim.SGD(weights, rate, momentum=momentum, nesterov=settings.nesterov)


def _turned(model: nn.Module) -> Iterator[Turned]:
    """The matrices of recurrent layers and of the readout, where most products are."""
    for name, module in model.named_modules():
        if isinstance(module, nn.RNNBase):
            for weight in module.parameters():
                if weight.dim() == 2:
                    yield Turned(weight, len(weight) // module.hidden_size)
        elif name == "decoder.readout" and isinstance(module, nn.Linear):
            yield Turned(module.weight, 1)
