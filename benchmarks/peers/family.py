"""What OpenNMT-py and eole, which grew out of it, have in common as the drivers see it."""

import argparse
from collections.abc import Callable, Iterable
from itertools import takewhile
from typing import Any, NamedTuple

import torch
from measure import Stopwatch

DIFFERS = [
    "a sentence is left out of a batch that has its source already",
    "sources have no EOS",
    "dropout on embeddings and on what attention gives, which is fed",
    "no bridge: the decoder starts from the encoder's last states, memory cells included",
    "no bias in the attentional layer",
    "parameters start uniform in [-0.1, 0.1]",
]
# Padded tokens of the longer side; with this many, a batch holds about 1,000 target tokens.
BATCH = 1125
NEVER = 10**9


class Watched(NamedTuple):
    """What a training made on its way."""

    trainers: list[Any]
    validations: list[Iterable[Any]]  # batches
    build_batches: Callable[..., Iterable[Any]]  # as it was before


def watched(
    train_single: Any, of_train: object, pad: int, options: argparse.Namespace, watch: Stopwatch
) -> Watched:
    """Have `train_single` tell of its trainer and of every batch of the task `of_train`."""
    build_trainer, build_batches = (
        train_single.build_trainer,
        train_single.build_dynamic_dataset_iter,
    )
    made = Watched([], [], build_batches)

    def tokens(item: tuple[dict[str, torch.Tensor], int]) -> int:
        """How many target ids a batch predicts: all but BOS and padding."""
        return int((item[0]["tgt"][:, 1:] != pad).sum())

    def batches_of(*args: Any, task: str, **more: Any) -> Iterable[Any]:
        batches = build_batches(*args, task=task, **more)
        if task != of_train:
            made.validations.append(batches)
            return batches
        # The corpus is repeated without end; a bucket is an epoch.
        epochs = takewhile(lambda item: item[1] < (options.epochs or NEVER), batches)
        return watch.watched(epochs, tokens)

    def remembered(*args: Any, **more: Any) -> Any:
        made.trainers.append(build_trainer(*args, **more))
        return made.trainers[-1]

    train_single.build_dynamic_dataset_iter = batches_of
    train_single.build_trainer = remembered
    return made
