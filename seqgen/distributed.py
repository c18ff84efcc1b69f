"""What torchrun adds: ranks, and sums over them. Nothing where it is absent."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import Tensor, distributed


def rank() -> int:
    """The number of this process, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def world() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def local_device(name: str) -> str:
    """`name`, with the number of this process on its machine where several share its GPUs."""
    local = os.environ.get("LOCAL_RANK")
    return f"cuda:{local}" if name == "cuda" and local is not None else name


@contextmanager
def together(device: torch.device) -> Iterator[None]:
    """Join the processes that torchrun started, if it did, and leave them at the end."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or distributed.is_initialized():
        yield
        return
    backend = "nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=timedelta(minutes=30))
    try:
        yield
    finally:
        distributed.destroy_process_group()


def total(value: float, device: torch.device) -> float:
    """The sum over ranks of a number."""
    if world() == 1:
        return value
    summed = torch.tensor(value, dtype=torch.float64, device=device)
    distributed.all_reduce(summed)
    return summed.item()


def share(values: list[float], device: torch.device) -> list[float]:
    """Rank 0's numbers, on every rank; the others give as many of their own."""
    if world() == 1:
        return values
    sent = torch.tensor(values, dtype=torch.float64, device=device)
    distributed.broadcast(sent, 0)
    return [float(value) for value in sent.tolist()]


def average(tensors: Iterable[Tensor]) -> None:
    """Replace every tensor by its mean over ranks."""
    if world() == 1:
        return
    for one in tensors:
        distributed.all_reduce(one)
        one /= world()


def wait() -> None:
    """Return when every rank has come here."""
    if world() > 1:
        distributed.barrier()


def sum_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace every gradient by its sum over ranks; a rank without a share adds zeros."""
    if world() == 1:
        return
    parameters = [one for one in parameters if one.requires_grad]
    for one in parameters:
        if one.grad is None:
            one.grad = torch.zeros_like(one)
    flat = torch.cat([one.grad.reshape(-1) for one in parameters if one.grad is not None])
    distributed.all_reduce(flat)
    for one, piece in zip(
        parameters, torch.split(flat, [one.numel() for one in parameters]), strict=True
    ):
        one.grad = piece.view_as(one)
