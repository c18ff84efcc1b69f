"""How good a model is at one moment of its training: fed the gold tokens, and on its own."""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch

from seqgen.batching import Batch, Batches, Budget
from seqgen.evaluation import one_line, references_of
from seqgen.metrics import higher_is_better, metrics
from seqgen.model import Seq2Seq, evaluating
from seqgen.preparation import Prepared
from seqgen.translator import Translator

SHOWN = 3


class Validation(NamedTuple):
    """Scores by name, and a few outputs to look at."""

    scores: dict[str, float]
    samples: list[tuple[str, str, str]]  # source, reference, hypothesis
    decoded: int  # sources that the free-running scores are of


def validate(translator: Translator, data: Prepared, decoded: int, budget: Budget) -> Validation:
    """Teacher-forced loss, perplexity and token accuracy of the validation pairs, and the
    free-running metrics of the first `decoded` of their sources (0: all), found greedily.

    Pairs that share a source are references of one another, as in an evaluation.
    """
    batches = (batch for (batch,) in Batches(data.validation, budget, seed=0).groups(0))
    nats, correct, tokens = teacher_forced(translator.model, batches)
    scores = {
        "loss": nats / tokens,
        "perplexity": math.exp(min(nats / tokens, 700)),
        "accuracy": 100 * correct / tokens,
    }
    assert data.corpus.validation is not None
    answers = references_of(data.corpus.validation, translator.tokenizers.target.form)
    rows = dict(itertools.islice(answers.items(), decoded or None))
    sources, references = list(rows), list(rows.values())
    hypotheses = [one_line(text) for text in translator.translate(sources, beam_size=1)]
    for name, metric in metrics(translator.config.data.bleu_tokenizer).items():
        scores[name] = metric.score(hypotheses, references)
    pairs = [(source, several[0]) for source, several in rows.items()]
    return Validation(scores, _samples(pairs, hypotheses), len(rows))


def better(name: str, value: float, best: float | None) -> bool:
    """Whether `value` of the dev metric `name` is an improvement; nothing improves on NaN."""
    if math.isnan(value):
        return False
    if best is None:
        return True
    return value > best if higher_is_better(name) else value < best


def teacher_forced(model: Seq2Seq, batches: Iterable[Batch]) -> tuple[float, int, int]:
    """Summed nats, right tokens and tokens of the targets, where nothing is dropped or smoothed."""
    nats, correct, tokens = 0.0, 0, 0
    with evaluating(model), torch.inference_mode():
        for batch in batches:
            forced = model.forced(batch.to(model.device))
            nats -= float(forced.log_probs.double().sum())
            correct += int(forced.correct.sum())
            tokens += batch.tokens
    return nats, correct, tokens


def _samples(
    pairs: Sequence[tuple[str, str]], hypotheses: Sequence[str]
) -> list[tuple[str, str, str]]:
    """Pairs spread over the validation data, the same at every validation."""
    stride = max(1, len(pairs) // SHOWN)
    return [(*pairs[place], hypotheses[place]) for place in range(0, len(pairs), stride)][:SHOWN]
