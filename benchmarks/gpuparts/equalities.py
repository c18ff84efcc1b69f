"""Two ways that must agree, in double precision on the device: how far they are apart."""

import copy
import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from gpuparts.cases import TARGET_LENGTHS, batch, difference, gradients, part, sources
from seqgen import search
from seqgen.batching import Batch
from seqgen.beams import Found
from seqgen.decoding import Decoding, decode
from seqgen.errors import ConfigError
from seqgen.model import Seq2Seq
from seqgen.sampling import GOLD, Forcing
from seqgen.sections import DecodeConfig
from seqgen.trainsection import SamplingConfig, TrainConfig
from seqgen.updates import Clipping, update
from seqgen.vocabulary import PAD

LIMIT = 12  # ids of an output
DIFFERENT = math.inf  # ids that are not the same


def step_by_step(model: Seq2Seq) -> float:
    """Step by step, the log-probabilities are those of the whole sequence."""
    given = batch().to(model.device)
    whole = model.forced(given).log_probs
    memory, state = model.encode(given.source, given.source_lengths)
    pieces = []
    for ids, gold in zip(given.target.T[:-1], given.target.T[1:], strict=True):
        log_probs, state = model.step(ids, memory, state)
        pieces.append(log_probs.gather(1, gold[:, None]).squeeze(1) * (gold != PAD))
    return difference(pieces, list(whole.T))


def neighbours(model: Seq2Seq) -> float:
    """A sentence alone has the log-probabilities that it has among others."""
    device, given = model.device, batch()
    together = model.forced(given.to(device)).log_probs
    worst = 0.0
    for row, size in enumerate(TARGET_LENGTHS):
        alone = model.forced(part(given, row, row + 1).to(device)).log_probs[0]
        worst = max(worst, difference([together[row, : size + 1]], [alone]))
    return worst


def padding(model: Seq2Seq) -> float:
    """More padding on both sides changes no loss and no gradient."""
    given = batch()
    wider = given._replace(
        source=functional.pad(given.source, (0, 3), value=PAD),
        target=functional.pad(given.target, (0, 2), value=PAD),
    )
    return difference(_learned(model, wider), _learned(model, given))


def packing(model: Seq2Seq) -> float:
    """Packed and padded sources give one loss and one gradient."""
    found = []
    for model.encoder.stack.pack in (True, False):
        found.append(_learned(model, batch()))
    model.encoder.stack.pack = None
    return difference(*found)


def processors(model: Seq2Seq) -> float:
    """The CPU finds the same loss and gradient."""
    return difference(_learned(model, batch()), _learned(copy.deepcopy(model).cpu(), batch()))


def micro_batches(model: Seq2Seq) -> float:
    """One update over three batches is that over one batch of all their sentences."""
    settings, given, found = TrainConfig(clip_norm=0.5), batch(), []
    for cuts in ((0, 5), (0, 1, 3, 5)):
        twin = copy.deepcopy(model).train()
        optimizer = torch.optim.SGD(twin.parameters(), lr=1.0)
        group = [part(given, first, last) for first, last in itertools.pairwise(cuts)]
        update(twin, group, optimizer, GOLD, Clipping(settings, twin.device))
        found.append(list(twin.parameters()))
    return difference(*found)


def greedy_and_beam(model: Seq2Seq) -> float:
    """A beam of one finds what greedy search finds."""
    given, limits = sources(batch()), [LIMIT] * len(TARGET_LENGTHS)
    with torch.inference_mode():
        step = Decoding(model, given)
        greedy = search.greedy(step, step.state, limits, step.narrow)
        step = Decoding(model, given)
        return _apart(search.beam(step, step.state, limits, 1, narrow=step.narrow), greedy)


def beam_alone(model: Seq2Seq) -> float:
    """A sentence's hypotheses are the same among others and alone."""
    settings, given = DecodeConfig(beam_size=4, nbest=3), sources(batch())
    together = decode(model, given, [LIMIT] * len(given), settings)
    alone = [decode(model, [one], [LIMIT], settings)[0] for one in given]
    return _apart(together, alone)


def hypotheses(model: Seq2Seq) -> float:
    """What a hypothesis scored in the search, its ids score when they are given."""
    settings, given = DecodeConfig(beam_size=4, nbest=3), sources(batch())
    rows = decode(model, given, [LIMIT] * len(given), settings)
    flat = [(source, one) for source, row in zip(given, rows, strict=True) for one in row]
    with torch.inference_mode():
        step = Decoding(model, [source for source, _ in flat])
        forced = search.forced(step, step.state, [one.ids for _, one in flat])
    return difference(*(
        [torch.tensor(scores) for scores in each]
        for each in (forced, [one.token_scores for _, one in flat])
    ))  # fmt: skip


def free_running(model: Seq2Seq) -> float:
    """With ratio 0, as many passes as steps feed the model what it writes itself."""
    given = batch().to(model.device)
    steps = given.target.shape[1] - 1
    memory, state = model.encode(given.source, given.source_lengths)
    ids, nats = given.target[:, 0], 0.0
    for gold in given.target.T[1:]:
        log_probs, state = model.step(ids, memory, state)
        nats = nats - (log_probs.gather(1, gold[:, None]).squeeze(1) * (gold != PAD)).sum()
        ids = log_probs.argmax(1)
    return difference([model(given, Forcing(0.0, passes=steps))], [nats])


def sequential(model: Seq2Seq) -> float:
    """With the same coins, as many passes as steps equal the loop, drawn feedback as well."""
    given, found = batch().to(model.device), []
    steps = given.target.shape[1] - 1
    for passes in (0, steps, steps + 3):
        for feedback in ("argmax", "sample", "mixed"):
            torch.manual_seed(5)
            found.append(model(given, Forcing(0.6, passes, feedback)))
    return difference(found, found[:3] * 3)


def equalities() -> dict[str, Callable[[Seq2Seq], float]]:
    """All of them, by name; the loop of scheduled sampling where this version has one."""
    every = (step_by_step, neighbours, padding, packing, processors, micro_batches,
             greedy_and_beam, beam_alone, hypotheses, free_running)  # fmt: skip
    found = {one.__name__: one for one in every}
    try:
        SamplingConfig(passes=0)
    except ConfigError:
        return found
    return {**found, "sequential": sequential}


def _learned(model: Seq2Seq, given: Batch) -> list[Tensor]:
    """The loss of training, and the gradient."""
    model.train().zero_grad()
    loss = model(given.to(model.device))
    loss.backward()
    model.eval()
    return [loss, *(each.clone() for each in gradients(model))]


def _apart(found: list[list[Found]], expected: list[list[Found]]) -> float:
    """How far scores are apart where the ids are the same."""
    both = [[one for row in rows for one in row] for rows in (found, expected)]
    if [one.ids for one in both[0]] != [one.ids for one in both[1]]:
        return DIFFERENT
    return difference(*([torch.tensor(one.token_scores) for one in each] for each in both))
