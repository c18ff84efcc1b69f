"""What a run reads of its own health while it trains, writes down, and advises.

Norms are read where the log waits for the device anyway; what takes passes of its own, over a few
sentences, is read at validations. Training is to the bit what it is without.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor, nn

from seqgen import diagnostics, distributed, probes
from seqgen.advice import advice
from seqgen.batching import Batch, Encoded, Integers
from seqgen.checkpoint import Progress
from seqgen.curves import Log, read_log, swing_readings
from seqgen.diagnostics import plain
from seqgen.errors import CheckpointError
from seqgen.journal import Journal
from seqgen.start import Start, fresh
from seqgen.updates import Clip
from seqgen.validation import teacher_forced
from seqgen.vocabulary import PAD

HELD = 32  # validation pairs that are looked at
FAR = 8  # of them, followed step by step
SLICES, SLICE = 4, 8  # training pairs whose gradients are compared
SEEN = 8  # batches of HELD training pairs that are read as validation pairs are
# Between two readings that take passes of their own: one takes as long as training on some 200
# (`benchmarks/results/instruments.json`), which epochs of few updates would pay each time.
PAIRS_BETWEEN = 10_000
POSITIONS = 50  # of targets, and distances in sources, that are written down


class Instruments:
    """The readings of one run. They belong to rank 0; on others, or switched off, all is idle."""

    def __init__(self, start: Start, run: Path, log: Journal | None, say: Callable[[str], None]):
        self.config, self.device, self.data = start.config, start.device, start.data
        self.model, progress = start.model, start.progress
        self.log, self.say = log, say
        self.active = self.config.train.instruments and log is not None
        self._norms: dict[str, dict[str, Tensor]] = {}
        self._advised: dict[str, int] = {}  # the epoch in which there was advice of a kind
        self._initial: dict[str, Tensor] = {}
        self._metrics: list[float] = []
        self._least_loss = math.inf  # on the validation pairs
        self._read_at = 0  # the step of the last reading that took passes of its own
        self._recent: dict[str, Any] = {}
        if self.active:
            told = told_by(run, self.config.train.metric)
            self._metrics, self._least_loss, self._read_at = told
            if not progress.step:
                self._initial = self._copied(self.model)

    @contextmanager
    def watch(self, progress: Progress, clip: Clip) -> Iterator[Clip]:
        """The clipping of the next update; where the log follows, it sees gradients and weights."""
        if not self.active or (progress.step + 1) % self.config.train.log_every:
            yield clip
            return
        before: dict[str, Tensor] = {}

        def seen(gradients: list[Tensor]) -> tuple[Tensor, Tensor]:
            named = [(name, weight) for name, weight in self.model.named_parameters()
                     if weight.grad is not None]  # fmt: skip
            found = {name: weight.grad for name, weight in named if weight.grad is not None}
            self._norms["gradient_norms"] = diagnostics.part_norms(found)
            before.update((name, weight.detach().clone()) for name, weight in named)
            return clip(gradients)

        yield seen
        if before:
            after = dict(self.model.named_parameters())
            self._norms["update_ratios"] = diagnostics.update_ratios(before, after)

    def logged(self, record: Mapping[str, float], guess: float) -> None:
        """Write what `watch` saw of the last update, beside the figures of the interval."""
        if not self.active or not self._norms:
            return
        read = {name: dict(zip(norms, torch.stack(list(norms.values())).tolist(), strict=True))
                for name, norms in self._norms.items()}  # fmt: skip
        self._norms = {}
        self._write({"step": record["step"], "epoch": record["epoch"]}, read)
        self._recent = recent(record, guess)
        self._advise({**record, **read, **self._recent})

    def examine(self, step: int, value: float, tokens: float, last: bool) -> dict[str, Any]:
        """How the dev metric moves, and, where it is time, what takes passes of its own.

        `value` is that of the metric, `tokens` those of an update, `last` the end of the run.
        """
        if not self.active:
            return {}
        self._metrics.append(value)
        swing = swing_readings(self._metrics, self.config.train.metric)
        if not last and not self._is_due(step, tokens):
            return swing
        self._read_at = step
        return {**self._look(), "batch_tokens": tokens, **swing}

    def _is_due(self, step: int, tokens: float) -> bool:
        """Whether training since the last reading took so long that another one costs little.

        Told by pairs, not by the clock, so that the same run has the same log.
        """
        corpus, since = self.data.train, step - self._read_at
        targets = int(corpus.target.offsets[-1]) - len(corpus)  # no BOS is predicted
        pairs = since * tokens * len(corpus) / targets / distributed.world()
        return since < 0 or pairs >= PAIRS_BETWEEN  # below 0: the run went back

    def _look(self) -> dict[str, Any]:
        """The readings that take passes of their own."""
        held = batch_of(self.data.validation, HELD).to(self.device)
        far = batch_of(self.data.validation, FAR).to(self.device)
        looked = probes.look(self.model, held)
        exposed = probes.exposure(self.model, held)
        noise = probes.gradient_noise(self.model, self._slices())
        forced, free = exposed.totals
        nats, _, tokens = teacher_forced(self.model, self._seen())
        return {
            **matrices(self.model),
            "saturation": looked.saturation,
            "keeping": looked.keeping,
            "attention_entropy": looked.entropy,
            "attention_spread": looked.spread,
            "never_updated": self._never_updated(),
            "gradient_by_distance": probes.reach(self.model, far)[:POSITIONS],
            "noise_signal": noise.signal,
            "noise_variance": noise.variance,
            "noise_scale": noise.scale,
            "training_loss": nats / tokens,
            "forced_accuracy": 100 * forced,
            "free_accuracy": 100 * free,
            "forced_by_position": exposed.forced[:POSITIONS],
            "free_by_position": exposed.free[:POSITIONS],
        }

    def examined(self, record: Mapping[str, float], read: Mapping[str, Any]) -> None:
        """Write and judge what `examine` found, beside the scores of the validation."""
        loss = record.get("loss", math.nan)
        if loss < self._least_loss:  # NaN is not
            self._least_loss = loss
        if "training_loss" in read:
            read = {**read, "dev_loss": loss, "least_dev_loss": self._least_loss}
        if read:
            self._write({"step": record["step"], "epoch": record["epoch"]}, read)
            self._advise({**read, **self._recent, "epoch": record["epoch"]})

    def _write(self, where: Mapping[str, float], read: Mapping[str, Any]) -> None:
        assert self.log is not None
        line = plain({**where, "diagnosis": True, **read})
        assert isinstance(line, dict)
        self.log.write(line)

    def _advise(self, readings: Mapping[str, Any]) -> None:
        """Say what a reading out of its band asks for, a line a kind and epoch."""
        epoch = int(readings["epoch"])
        found = plain(readings)
        assert isinstance(found, dict)
        for kind, line in advice(found, self.config).items():
            if self._advised.get(kind) != epoch:
                self._advised[kind] = epoch
                self.say(f"advice      {line}")

    def _never_updated(self) -> dict[str, float]:
        """The share of rows of each embedding that are as they began, to the bit.

        Bytes are not counted: that most stand in no text is what they are for.
        Weight decay moves all rows, and then there is nothing to tell.
        """
        if self.config.train.weight_decay:
            return {}
        # A resumed run finds its first embeddings again by its seed.
        self._initial = self._initial or self._copied(fresh(self.config, self.data))
        now, (source, target) = embeddings(self.model), self.data.tokenizers
        shares = {}
        for name, first in self._initial.items():
            side = target if name.startswith("decoder.") else source
            asked = torch.arange(len(first), device=self.device) > PAD
            asked[side.bytes.start : side.bytes.stop] = False
            shares[name] = float((now[name] == first)[asked].all(1).float().mean())
        return shares

    def _copied(self, model: nn.Module) -> dict[str, Tensor]:
        """The embeddings of a network that has not been trained."""
        return {name: weight.to(self.device, copy=True)
                for name, weight in embeddings(model).items()}  # fmt: skip

    def _slices(self) -> list[Batch]:
        """Pairs spread over the training data, the same at every validation."""
        pairs = spread(len(self.data.train), SLICES * SLICE)
        # One after the other, so that each slice is spread as widely as all of them.
        parts = (pairs[first::SLICES] for first in range(min(SLICES, len(pairs))))
        return [self.data.train.batch(part).to(self.device) for part in parts]

    def _seen(self) -> Iterator[Batch]:
        """More of them, of much the same length in a batch, as these cost least."""
        pairs = spread(len(self.data.train), SEEN * HELD)
        pairs = pairs[numpy.argsort(self.data.train.target.lengths_of(pairs), kind="stable")]
        for first in range(0, len(pairs), HELD):
            yield self.data.train.batch(pairs[first : first + HELD])


def recent(record: Mapping[str, Any], guess: float) -> dict[str, Any]:
    """What advice on other readings asks of the last line of the log.

    `guess` is the loss of guessing, in nats a token.
    """
    loss = record.get("loss")
    return {"recent_norm": record.get("gradient_norm"),
            "learned": loss is not None and loss < guess / 2}  # fmt: skip


def matrices(model: nn.Module) -> dict[str, dict[str, float]]:
    """Spectral radius and largest singular value of recurrent matrices, by layer and gate."""
    measures = {"spectral_radius": diagnostics.spectral_radius,
                "singular_value": diagnostics.largest_singular_value}  # fmt: skip
    found: dict[str, dict[str, float]] = {name: {} for name in measures}
    with torch.no_grad():
        for part, gates in diagnostics.recurrent_matrices(model.named_parameters()).items():
            for name, measure in measures.items():
                values = zip(diagnostics.GATES[len(gates)], measure(gates).tolist(), strict=True)
                found[name].update((f"{part} {gate}", value) for gate, value in values)
    return found


def embeddings(model: nn.Module) -> dict[str, Tensor]:
    """Every table of embeddings under one name; one that two parts share under its first."""
    tables = {f"{name}.weight" for name, module in model.named_modules()
              if isinstance(module, nn.Embedding)}  # fmt: skip
    return {name.removesuffix(".weight"): weight.detach()
            for name, weight in model.named_parameters() if name in tables}  # fmt: skip


def spread(size: int, count: int) -> Integers:
    """At most `count` places of `size`, as far from each other as they can be."""
    return numpy.unique(numpy.arange(min(size, count)) * size // min(size, count))


def batch_of(corpus: Encoded, count: int) -> Batch:
    """At most so many pairs, spread over the corpus."""
    return corpus.batch(spread(len(corpus), count))


def told_by(run: Path, metric: str) -> tuple[list[float], float, int]:
    """What a resumed run goes on from: the dev metric so far, the least dev loss of the weights as
    they are, and the step of the last reading.
    """
    try:
        log = read_log(run)
    except CheckpointError:  # a damaged log keeps nobody from training
        log = Log([], [], [])
    read = [row["step"] for row in log.health if "noise_scale" in row]
    losses = [row["loss"] for row in log.validations if row.get("loss") is not None]
    return log.curve(f"dev {metric}")[1], min(losses, default=math.inf), read[-1] if read else 0
