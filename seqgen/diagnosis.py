"""What there is to know of a run: its log, and what its model does with validation pairs."""

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seqgen import checkpoint, probes
from seqgen.advice import advice
from seqgen.config import Config
from seqgen.corpus import read_corpus
from seqgen.curves import Log, Steadiness, read_log, steadiness, swing_readings
from seqgen.diagnostics import plain
from seqgen.errors import SeqgenError
from seqgen.evaluation import references_of
from seqgen.instruments import FAR, POSITIONS, matrices, recent
from seqgen.metrics import METRICS
from seqgen.probes import Exposure
from seqgen.start import METRICS_FILE
from seqgen.translator import Alignment, Translator

CHUNK = 32  # pairs looked at together
SHOWN = 10  # worst examples
DRAWN = 3  # samples of attention

Record = Mapping[str, Any]
Pair = tuple[str, str]


class Example(NamedTuple):
    """A pair and what the model made of it."""

    source: str
    reference: str
    hypothesis: str
    score: float  # chrF


class Tried(NamedTuple):
    """What the model of a run does now with validation pairs."""

    pairs: int
    exposure: Exposure
    worst: list[Example]  # the worst first
    attention: list[Alignment]
    readings: Record


class Diagnosis(NamedTuple):
    """A run as it went, and as its model is."""

    name: str
    config: Config
    logs: list[Record]  # a line an interval
    norms: list[Record]  # the norms of the parts, beside them
    fits: list[Record]  # losses of training pairs that were read as validation pairs are
    validations: list[Record]
    steady: Steadiness
    readings: Record  # the newest, those of the model as it is before those of the log
    tried: Tried | None
    advice: list[str]
    notes: list[str]  # what could not be read, and why


def diagnose(run: Path, samples: int, device: str = "auto") -> Diagnosis:
    """All readings of a run folder; the first `samples` validation pairs are translated."""
    config = checkpoint.read_description(run)
    log = read_log(run)
    notes = []
    if not log.steps and not log.validations:
        notes.append(f"{run / METRICS_FILE}: is missing or empty, so there are no curves")
    tried = None
    try:
        tried = _try(run, config, samples, device)
    except SeqgenError as error:
        notes.append(f"the model was not tried: {error}")
    readings = _read(log, config) | dict(tried.readings if tried else {})
    last = log.steps[-1] if log.steps else {}
    guess = math.log(max(config.facts.target_vocabulary, 2))
    known = {"epoch": last.get("epoch", 0.0)} | readings | recent(last, guess)
    return Diagnosis(
        name=str(run),
        config=config,
        logs=log.steps,
        norms=[one for one in log.health if "gradient_norms" in one],
        fits=[one for one in log.health if "training_loss" in one],
        validations=log.validations,
        steady=steadiness(run, log, config.train.metric),
        readings=readings,
        tried=tried,
        advice=list(advice({**known, **_figures(last)}, config).values()),
        notes=notes,
    )


def _read(log: Log, config: Config) -> dict[str, Any]:
    """Each reading of the log as it was last; of a run without instruments, the swings alone."""
    found: dict[str, Any] = {}
    for one in log.health:
        found.update(one)
    metric = config.train.metric
    _, values = log.curve(f"dev {metric}")
    if values:
        swing = plain({"epoch": log.validations[-1].get("epoch"), **swing_readings(values, metric)})
        assert isinstance(swing, Mapping)
        found.update(swing)
    return found


def _figures(last: Record) -> Record:
    names = ("gradient_norm", "loss", "clipped")
    return {name: last[name] for name in names if last.get(name) is not None}


def _try(run: Path, config: Config, samples: int, device: str) -> Tried:
    """What the best model of the run does with the first `samples` validation pairs."""
    translator = Translator.from_pretrained(run, device=device)
    split = read_corpus(config.data).validation
    pairs = fitting(translator, list(itertools.islice(split or (), samples)))
    if not pairs:
        raise SeqgenError("there are no validation pairs that fit; --validation-file names some in "
                          "training")  # fmt: skip
    chunks = [pairs[first : first + CHUNK] for first in range(0, len(pairs), CHUNK)]
    batches = [translator.batch(*zip(*chunk, strict=True)) for chunk in chunks]
    exposed = probes.together([probes.exposure(translator.model, one) for one in batches])
    looked = probes.look(translator.model, batches[0])
    near = translator.batch(*zip(*pairs[:FAR], strict=True))
    forced, free = exposed.totals
    readings = {
        **matrices(translator.model),
        "saturation": looked.saturation,
        "keeping": looked.keeping,
        "attention_entropy": looked.entropy,
        "attention_spread": looked.spread,
        "gradient_by_distance": probes.reach(translator.model, near)[:POSITIONS],
        "forced_accuracy": 100 * forced,
        "free_accuracy": 100 * free,
    }
    worst = _worst(translator, pairs)
    drawn = [translator.alignment(one.source, one.hypothesis) for one in worst if one.hypothesis]
    found = plain(readings)
    assert isinstance(found, Mapping)
    return Tried(len(pairs), exposed, worst[:SHOWN], drawn[:DRAWN], found)


def fitting(translator: Translator, pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs that training would take: neither side too long, nor the source without a token."""
    data = translator.config.data
    most = (data.max_source_length, data.max_target_length)
    limits = [min(longest, translator.config.decode.max_input) for longest in most]
    sides = zip(translator.tokenizers, zip(*pairs, strict=True), strict=True) if pairs else ()
    counts = [[len(ids) for ids in side.encode(texts)] for side, texts in sides]
    return [pair for pair, *lengths in zip(pairs, *counts, strict=True)
            if lengths[0] and all(map(int.__lt__, lengths, limits))]  # fmt: skip


def _worst(translator: Translator, pairs: Sequence[Pair]) -> list[Example]:
    """Sources by chrF of what greedy search writes for them, the worst first."""
    answers = references_of(pairs, translator.tokenizers.target.form)
    sources, references = list(answers), list(answers.values())
    hypotheses = translator.translate(sources, beam_size=1)
    counted = METRICS["chrf"].statistics(hypotheses, references)
    texts = zip(sources, (first for first, *_ in references), hypotheses, strict=True)
    found = [Example(*each, counted.score([row])) for row, each in enumerate(texts)]
    return sorted(found, key=lambda one: one.score)
