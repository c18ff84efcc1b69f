"""Sentences a second of the search, and what outputs are worth, by batch, beam and arithmetic."""

import itertools
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gpuparts import madeup
from gpuparts.work import Notes, Record, Work, lines, spread
from seqgen.decoding import decode
from seqgen.inference import Ready, ready
from seqgen.metrics import bleu
from seqgen.sections import DecodeConfig
from seqgen.translator import Translator

SENTENCES, DIFFERENT = 100_000, 1000  # whose speed and whose outputs are looked at
SIZES = (1024, 4096, 256, 64)
TARGET = 50_000  # sentences a second, greedy
SECONDS = 3.0  # of a measurement: its batches are drawn out of all
SINGLE = 40  # sentences that are decoded alone


class Task(NamedTuple):
    """What is decoded."""

    model: Ready
    sources: list[list[int]]
    different: list[list[int]]  # each source once
    slope: float  # ids of an output that a source id is good for
    excess: float
    translator: Translator | None  # none of made-up ids
    texts: list[str]
    references: list[str]  # of those that are different


def measure(work: Work, notes: Notes) -> None:
    """Ids to ids at every size; texts to texts; one sentence at a time."""
    task = given(work)
    notes.add("model", "trained" if task.translator else "untrained: outputs end at their limit")
    sizes = (8, 32) if work.quick else SIZES
    notes.add("target", {"sentences_per_s": TARGET, "row": f"{sizes[0]}/beam 1/fp32"})
    exact: dict[int, list[list[int]]] = {}
    for size in sizes:
        # In small batches calling the device takes the time, not what it computes.
        ways = ("fp32", "tf32", "bf16") if size >= sizes[0] else ("fp32",)
        for beam, arithmetic in itertools.product((1, 5), ways):
            name = f"{size}/beam {beam}/{arithmetic}"
            if work.left() < 2 * SECONDS:
                notes.leave_out(name)
                continue
            settings = DecodeConfig(beam_size=beam, batch_size=size)
            found = outputs(work, task, settings, arithmetic)
            exact.setdefault(beam, found)  # fp32 comes first
            speed = throughput(work, task, settings, arithmetic)
            notes.add(name, speed | worth(task, found, exact[beam]))
    for beam in (1, 5):
        notes.add(f"single/beam {beam}", alone(work, task, beam))
    if task.translator:
        for beam in (1, 5):
            notes.add(f"texts/beam {beam}", through_text(work, task, sizes[0], beam))


def outputs(work: Work, task: Task, settings: DecodeConfig, arithmetic: str) -> list[list[int]]:
    """The output of each different source."""
    order = sorted(range(len(task.different)), key=lambda number: len(task.different[number]))
    found: list[list[int]] = [[] for _ in order]
    for first in range(0, len(order), settings.batch_size):
        numbers = order[first : first + settings.batch_size]
        batch = [task.different[number] for number in numbers]
        rows = searched(work, task, batch, settings, arithmetic)
        for number, ids in zip(numbers, rows, strict=True):
            found[number] = ids
    return found


def worth(task: Task, found: list[list[int]], exact: list[list[int]]) -> Record:
    """The share of outputs that fp32 gives as well, and the BLEU of what has references."""
    same = sum(one == other for one, other in zip(found, exact, strict=True)) / len(exact)
    row: Record = {"same_as_fp32": round(same, 4)}
    if task.translator:
        texts = task.translator.tokenizers.target.decode(found)
        row["bleu"] = round(bleu("none").score(texts, [[one] for one in task.references]), 2)
    return row


def throughput(work: Work, task: Task, settings: DecodeConfig, arithmetic: str) -> Record:
    """Batches of sentences of like length, as `Translator` makes them, until time is up."""
    ordered = sorted(task.sources, key=len)
    size = settings.batch_size
    batches = [ordered[first : first + size] for first in range(0, len(ordered), size)]
    random.Random(1).shuffle(batches)
    searched(work, task, batches[0], settings, arithmetic)  # warms up
    sentences = tokens = 0
    work.wait()
    begun = time.perf_counter()
    for batch in batches:
        tokens += sum(map(len, searched(work, task, batch, settings, arithmetic)))
        sentences += len(batch)
        if time.perf_counter() - begun > (0.1 if work.quick else SECONDS):
            break
    seconds = time.perf_counter() - begun
    return {
        "sentences_per_s": round(sentences / seconds),
        "tokens_per_s": round(tokens / seconds),
        "sentences": sentences,
        "all_of_them_in_s": round(seconds * len(ordered) / sentences, 1),
    }


def searched(
    work: Work,
    task: Task,
    batch: Sequence[Sequence[int]],
    settings: DecodeConfig,
    arithmetic: str = "fp32",
) -> list[list[int]]:
    """The ids of the best hypotheses of a batch."""
    limits = [max(2, round(task.slope * (len(ids) + 1) + task.excess)) for ids in batch]
    with work.arithmetic(arithmetic):
        found = decode(task.model, batch, limits, settings)
    return [row[0].ids for row in found]


def alone(work: Work, task: Task, beam: int) -> Record:
    """Milliseconds a token where sentences come one by one."""
    settings, taken = DecodeConfig(beam_size=beam, batch_size=1), []
    sources = random.Random(2).sample(task.sources, 5 if work.quick else SINGLE)
    searched(work, task, sources[:1], settings)
    for source in sources:
        work.wait()
        begun = time.perf_counter()
        (ids,) = searched(work, task, [source], settings)
        taken.append((time.perf_counter() - begun, len(ids)))
    return {
        "ms_a_token": spread([1000 * seconds / tokens for seconds, tokens in taken], 3),
        "ms_a_sentence": spread([1000 * seconds for seconds, _ in taken], 2),
    }


def through_text(work: Work, task: Task, size: int, beam: int) -> Record:
    """What a user of `Translator` gets: texts to texts, tokenizing and all."""
    assert task.translator is not None
    settings, done = DecodeConfig(beam_size=beam, batch_size=size), 0
    begun = time.perf_counter()
    while (seconds := time.perf_counter() - begun) < (0.1 if work.quick else SECONDS):
        done += len(task.translator.translate(task.texts[: 8 * size], settings=settings))
    return {"sentences_per_s": round(done / seconds)}


def given(work: Work) -> Task:
    """The model of the part `bleu` and its test sentences, or made-up ones."""
    count = 200 if work.quick else SENTENCES
    run = work.folder / "run"
    if not (run / "model.safetensors").exists():
        sources = madeup.rows(madeup.corpus(count, madeup.vocabulary(work), seed=2))
        model = ready(madeup.network(work).eval())
        return Task(model, sources, sources[:DIFFERENT], 1.0, 2.0, None, [], [])
    translator = Translator.from_pretrained(run, device=str(work.device))
    facts = translator.config.facts
    each, references = (lines(_test_file(work, side)) for side in ("en", "de"))
    texts = _repeated(each, count)
    sources, different = map(translator.tokenizers.source.encode, (texts, each))
    return Task(
        model=ready(translator.model),
        sources=sources,
        different=different,
        slope=facts.length_slope,
        excess=facts.length_excess + 10,  # as in Translator.limit
        translator=translator,
        texts=texts,
        references=references,
    )


def _test_file(work: Work, side: str) -> Path:
    if work.data is None or work.quick:
        return work.folder / "text" / f"test.{side}"
    return work.data / f"test_2016_flickr.{side}"


def _repeated(texts: list[str], count: int) -> list[str]:
    """`count` texts, each of them about as often, in a fixed order of chance."""
    found = (texts * (count // len(texts) + 1))[:count]
    random.Random(3).shuffle(found)
    return found
