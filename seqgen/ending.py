"""How a run ends: its best model on the test split, and the card that tells of it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch

from seqgen.averaging import kept
from seqgen.card import write_card
from seqgen.checkpoint import Progress
from seqgen.config import Config
from seqgen.corpus import Corpus
from seqgen.evaluation import evaluate, write
from seqgen.signals import Pause
from seqgen.translator import Translator


class Outcome(NamedTuple):
    """How a run ended."""

    run: Path
    finished: bool  # False: asked to stop; the same command goes on
    steps: int
    scores: Mapping[str, float]  # of the test split, where the run has come to it


def judge_best(
    run: Path,
    config: Config,
    corpus: Corpus,
    progress: Progress,
    device: torch.device,
    say: Callable[[str], None],
    pause: Pause,
) -> Mapping[str, float]:
    """Scores of the best model on the test split, or on the dev data; they go into the folder."""
    best = Translator.from_pretrained(run, device=str(device))
    split = corpus.test or corpus.validation
    assert split is not None
    which = kept(progress, config.train)
    say(f"evaluating  {len(split):,} pairs of {split.name} with {which}")
    found = evaluate(best, split, config.decode, config.data.group, pause=pause)
    write(found, run)
    write_card(config, found, run, which)
    for line in found.lines():
        say(line)
    return found.scores
