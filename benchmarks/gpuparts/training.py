"""Target tokens a second of training, by the size of batches, the arithmetic and the inputs."""

import itertools
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch

from gpuparts import madeup
from gpuparts.work import Notes, Record, Work, lines, spread
from seqgen.batching import Batch, Batches, Budget, Encoded, ahead
from seqgen.model import Seq2Seq
from seqgen.optimizers import make_optimizer
from seqgen.sampling import GOLD, Forcing
from seqgen.updates import Clipping, Interval, update

SIZES = (30_000, 4000, 1000, 10_000, 100_000)  # target tokens; those that matter most come first
INPUTS = {"gold": GOLD, "sampled": Forcing(0.75, 1)}
WAYS = (("bf16", "gold"), ("bf16", "sampled"), ("fp32", "gold"), ("fp32", "sampled"),
        ("tf32", "gold"))  # fmt: skip
TARGET = 1_500_000  # target tokens a second with 30,000 in a batch and bf16
SENTENCES = 200_000
WARMUP, SECONDS, WINDOWS = 8, 0.7, 3  # updates; of a window; how many
LOGGED = 50  # updates between two looks at the loss, as in a run


def measure(work: Work, notes: Notes) -> None:
    """Every size in every way; in the first, with batches at hand as well."""
    loop, corpus = Loop(work), pairs(work)
    notes.add("corpus", "of the folder given" if work.data else "made up")
    sizes = (200,) if work.quick else SIZES
    notes.add("target", {"tokens_per_s": TARGET, "row": "/".join([str(sizes[0]), *WAYS[0]])})
    for size, (arithmetic, inputs) in itertools.product(sizes, WAYS):
        name = f"{size}/{arithmetic}/{inputs}"
        if work.left() < 2 * WINDOWS * SECONDS:
            notes.leave_out(name)
            continue
        batches = Batches(corpus, Budget(size), 1, loop.settings.length_blur)
        found = timed(loop, endless(batches), arithmetic, INPUTS[inputs])
        if (arithmetic, inputs) == WAYS[0]:
            few = itertools.cycle(list(itertools.islice(endless(batches), 30)))
            found["batches_at_hand"] = timed(loop, few, arithmetic, GOLD)["tokens_per_s"]
        notes.add(name, found)


class Window(NamedTuple):
    """What was seen between two moments at which the device had nothing left to do."""

    seconds: float
    waited: float  # seconds of them spent on getting batches
    tokens: int
    updates: int


class Loop:
    """The network with its optimizer, and an update as a run makes it."""

    def __init__(self, work: Work):
        self.work, self.settings = work, madeup.settings(work).train
        self.model: Seq2Seq = madeup.network(work)
        self.optimizer = make_optimizer(self.model, self.settings)
        self.clipping = Clipping(self.settings, self.model.device)
        self.updates = 0

    def run(
        self, batches: Iterator[list[Batch]], arithmetic: str, forcing: Forcing, seconds: float
    ) -> Window:
        """Updates for so many seconds; at least a few."""
        self.work.wait()
        interval = Interval([], self.work.device)
        begun, waited, tokens, first = time.perf_counter(), 0.0, 0, self.updates
        while (now := time.perf_counter()) - begun < seconds or self.updates < first + 3:
            group = next(batches)
            waited += time.perf_counter() - now
            self.update(group, arithmetic, forcing, interval)
            tokens += sum(batch.tokens for batch in group)
            if not self.updates % LOGGED:
                interval.read()
        self.work.wait()
        return Window(time.perf_counter() - begun, waited, tokens, self.updates - first)

    def update(
        self,
        group: list[Batch],
        arithmetic: str,
        forcing: Forcing,
        interval: Interval | None = None,
    ) -> None:
        """One update."""
        torch.manual_seed(self.updates)
        with self.work.arithmetic(arithmetic):
            done = update(self.model, group, self.optimizer, forcing, self.clipping)
        if interval:
            interval.add(done)
        self.updates += 1


def timed(loop: Loop, batches: Iterator[list[Batch]], arithmetic: str, forcing: Forcing) -> Record:
    """The speed of several windows after a warm-up, and the most memory that they took."""
    work = loop.work
    cuda = work.device.type == "cuda"
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(work.device)
    for _ in range(1 if work.quick else WARMUP):
        loop.update(next(batches), arithmetic, forcing)
    seconds = 0.1 if work.quick else SECONDS
    windows = [loop.run(batches, arithmetic, forcing, seconds) for _ in range(WINDOWS)]
    whole = Window(*(sum(each) for each in zip(*windows, strict=True)))
    return {
        "tokens_per_s": spread([window.tokens / window.seconds for window in windows]),
        "ms_an_update": round(1000 * whole.seconds / whole.updates, 2),
        "tokens_an_update": round(whole.tokens / whole.updates),
        "waited_for_data": round(whole.waited / whole.seconds, 4),
        "peak_mib": torch.cuda.max_memory_allocated(work.device) // 2**20 if cuda else None,
    }


def endless(batches: Batches) -> Iterator[list[Batch]]:
    """Epoch after epoch, made ahead as in a run on a GPU."""
    epochs: Iterable[int] = itertools.count()
    return ahead(itertools.chain.from_iterable(batches.groups(epoch) for epoch in epochs))


def pairs(work: Work) -> Encoded:
    """The sentences of the folder in as many pieces as the network has, or made-up ones."""
    size = madeup.vocabulary(work)
    if work.data is None:
        return madeup.corpus(2000 if work.quick else SENTENCES, size)
    from seqgen.preparation import encode, pairs_sha256
    from seqgen.sections import TokenizerConfig
    from seqgen.tokenizer import train

    split = list(zip(*(lines(work.data / f"train.{side}") for side in ("en", "de")), strict=True))
    config = TokenizerConfig(units="bpe", vocabulary=size, split_digits=False)
    tokenizers = train(lambda: iter(split), len(split), config)
    return encode(split, tokenizers, (256, 256), pairs_sha256(split))
