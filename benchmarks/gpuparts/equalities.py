"""Two ways that must agree, in double precision on the device: how far they are apart."""

import copy
import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from gpuparts.cases import TARGET_LENGTHS, Case, batch, difference, gradients, part, sources
from seqgen import search
from seqgen.batching import Batch
from seqgen.beams import Found
from seqgen.decoding import Decoding, decode
from seqgen.errors import ConfigError
from seqgen.inference import Ready, ready
from seqgen.model import Seq2Seq
from seqgen.sampling import GOLD, Forcing
from seqgen.sections import DecodeConfig
from seqgen.trainsection import SamplingConfig, TrainConfig
from seqgen.truncation import learn
from seqgen.updates import Clipping, update
from seqgen.vocabulary import PAD

LIMIT = 12  # ids of an output
DIFFERENT = math.inf  # ids that are not the same
# What would compare networks that have dropped other things.
DRAWS = {
    "processors": "a CPU draws otherwise",
    "short_windows": "a CPU draws otherwise",
    "micro_batches": "each batch draws anew",
}

Network = Seq2Seq | Ready
Check = Callable[[Seq2Seq], float]


def step_by_step(model: Seq2Seq) -> float:
    """Step by step, the log-probabilities are those of the whole sequence."""
    given = batch().to(model.device)
    return difference(_of_targets(_stepped(model, given)), _of_targets(model.whole(given)[0]))


def neighbours(model: Seq2Seq) -> float:
    """A sentence alone has the log-probabilities that it has among others."""
    return _among_others(lambda given: model.whole(given)[0], model.device)


def ready_steps(model: Seq2Seq) -> float:
    """The model that is made ready gives the log-probabilities of the model, step for step."""
    given = batch().to(model.device)
    return difference(*(_of_targets(_stepped(each, given)) for each in (ready(model), model)))


def ready_neighbours(model: Seq2Seq) -> float:
    """Made ready and step by step, a sentence alone is as it is among others."""
    fast = ready(model)
    return _among_others(lambda given: _stepped(fast, given), model.device)


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
    stack, found = model.encoder.stack, []
    for pack in (True, False):
        stack.pack = pack
        found.append(_learned(model, batch()))
    stack.pack = None
    return difference(*found)


def processors(model: Seq2Seq) -> float:
    """The CPU finds the same loss and gradient."""
    return difference(_learned(model, batch()), _learned(copy.deepcopy(model).cpu(), batch()))


def long_windows(model: Seq2Seq) -> float:
    """Windows as long as the texts cut no gradient off."""
    longest = max(batch().source.shape[1], batch().target.shape[1])
    return difference(_in_windows(model, longest), _in_windows(model, 0))


def short_windows(model: Seq2Seq) -> float:
    """In windows that cut gradients off, the CPU finds the same loss and gradient."""
    return difference(*(_in_windows(each, 3) for each in (model, copy.deepcopy(model).cpu())))


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


def greedy_and_beam(model: Network) -> float:
    """A beam of one finds what greedy search finds."""
    given, limits = sources(batch()), [LIMIT] * len(TARGET_LENGTHS)
    with torch.inference_mode():
        step = Decoding(model, given)
        greedy = search.greedy(step, step.state, limits, step.narrow)
        step = Decoding(model, given)
        return _apart(search.beam(step, step.state, limits, 1, narrow=step.narrow), greedy)


def beam_alone(model: Network) -> float:
    """A sentence's hypotheses are the same among others and alone."""
    settings, given = DecodeConfig(beam_size=4, nbest=3), sources(batch())
    together = decode(model, given, [LIMIT] * len(given), settings)
    alone = [decode(model, [one], [LIMIT], settings)[0] for one in given]
    return _apart(together, alone)


def hypotheses(model: Network) -> float:
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


def equalities() -> dict[str, Check]:
    """All of them, by name; the loop of scheduled sampling where this version has one."""
    every = (step_by_step, neighbours, padding, packing, processors, long_windows, short_windows,
             micro_batches, free_running, ready_steps, ready_neighbours)  # fmt: skip
    found: dict[str, Check] = {one.__name__: one for one in every}
    for search_check in (greedy_and_beam, beam_alone, hypotheses):
        name = search_check.__name__
        found |= {name: search_check, f"ready_{name}": _made_ready(search_check)}
    try:
        SamplingConfig(passes=0)
    except ConfigError:
        return found
    return {**found, "sequential": sequential}


def undefined(name: str, case: Case) -> str:
    """Why a check says nothing of a network; empty where it does."""
    if name in DRAWS and {"recurrent_dropout", "weight_dropout"} & set(case.extra):
        return DRAWS[name]
    if name == "packing" and {"recurrent_dropout", "layer_norm"} & set(case.extra):
        return "layers that run step by step are never packed"
    if name == "sequential" and "input_feeding" in case.extra:
        return "with input feeding every pass is the loop"
    return ""


def _made_ready(check: Callable[[Network], float]) -> Check:
    return lambda model: check(ready(model))


def _stepped(model: Network, given: Batch) -> Tensor:
    """Log-probabilities [B, T, V] after each of the targets' ids, step by step."""
    found = []
    with torch.inference_mode():
        memory, state = model.encode(given.source, given.source_lengths)
        for ids in given.target.T[:-1]:
            log_probs, state = model.step(ids, memory, state)
            found.append(log_probs)
    return torch.stack(found, dim=1)


def _of_targets(scores: Tensor) -> list[Tensor]:
    """Scores [B, T, V] of `batch()` without those after the end of a target."""
    return [row[: size + 1] for row, size in zip(scores, TARGET_LENGTHS, strict=True)]


def _among_others(score: Callable[[Batch], Tensor], device: torch.device) -> float:
    """How far `score` of each sentence alone is from that among others."""
    given = batch()
    alone = [score(part(given, row, row + 1).to(device))[0] for row in range(len(TARGET_LENGTHS))]
    return difference(alone, _of_targets(score(given.to(device))))


def _learned(model: Seq2Seq, given: Batch) -> list[Tensor]:
    """The loss of training, and the gradient, under the same coins every time."""
    torch.manual_seed(5)
    model.train().zero_grad()
    loss = model(given.to(model.device))
    loss.backward()
    model.eval()
    return [loss, *(each.clone() for each in gradients(model))]


def _in_windows(model: Seq2Seq, size: int) -> list[Tensor]:
    """The same of an update in windows of source and target; 0: without windows."""
    model.window = model.encoder.stack.window = size
    torch.manual_seed(5)
    model.train().zero_grad()
    loss = learn(model, batch(), GOLD, 1.0)
    model.eval()
    model.window = model.encoder.stack.window = 0
    return [loss, *(each.clone() for each in gradients(model))]


def _apart(found: list[list[Found]], expected: list[list[Found]]) -> float:
    """How far scores are apart where the ids are the same."""
    both = [[one for row in rows for one in row] for rows in (found, expected)]
    if [one.ids for one in both[0]] != [one.ids for one in both[1]]:
        return DIFFERENT
    return difference(*([torch.tensor(one.token_scores) for one in each] for each in both))
