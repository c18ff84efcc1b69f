"""The loop that tutorials teach, of our own writing: a step of the decoder at a time, in Python.

Beyond measure.py's command line, `train` takes --no-feeding and --sampling. It decodes greedily,
and runs in any environment that has torch.
"""

import argparse
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import measure
import torch
from measure import Result, Stopwatch, Translate
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

PAD, UNK, BOS, EOS = range(4)
EMBEDDING, HIDDEN, DROPOUT = 256, 512, 0.3
BATCH = 1000  # target tokens, padding included
RATIO = 0.75  # of steps that are fed the gold id with --sampling
LIMIT = 100  # pieces of a hypothesis
DIFFERS = ["dropout on embeddings and on what attention gives", "sources end in an EOS"]


class Pair(NamedTuple):
    """The ids of a sentence and of its translation, each of which ends in EOS."""

    source: list[int]
    target: list[int]


class State(NamedTuple):
    """What a step of the decoder takes from the one before."""

    hidden: Tensor  # [B, H]
    cell: Tensor  # [B, H]
    fed: Tensor  # [B, H] what attention gave


class Tutorial(nn.Module):
    """Encoder, Luong's general attention, and a decoder that is called for each step."""

    def __init__(self, vocabulary: int, feeding: bool):
        super().__init__()
        self.feeding = feeding
        self.source = nn.Embedding(vocabulary, EMBEDDING, padding_idx=PAD)
        self.target = nn.Embedding(vocabulary, EMBEDDING, padding_idx=PAD)
        self.encoder = nn.LSTM(EMBEDDING, HIDDEN // 2, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(HIDDEN, 2 * HIDDEN)
        self.decoder = nn.LSTMCell(EMBEDDING + HIDDEN * feeding, HIDDEN)
        self.keys = nn.Linear(HIDDEN, HIDDEN, bias=False)
        self.attentional = nn.Linear(2 * HIDDEN, HIDDEN)
        self.output = nn.Linear(HIDDEN, vocabulary)
        self.dropout = nn.Dropout(DROPOUT)

    def encode(self, source: Tensor) -> tuple[Tensor, Tensor, Tensor, State]:
        """States and keys [B, S, H], which of them are real [B, S], the decoder's first state."""
        real = source != PAD
        packed = pack_padded_sequence(
            self.dropout(self.source(source)),
            real.sum(1),
            batch_first=True,
            enforce_sorted=False,
        )
        packed_states, (last, _) = self.encoder(packed)
        states, _ = pad_packed_sequence(packed_states, batch_first=True)
        hidden, cell = self.bridge(torch.cat([*last], dim=1)).tanh().chunk(2, dim=1)
        return states, self.keys(states), real, State(hidden, cell, torch.zeros_like(hidden))

    def step(
        self, ids: Tensor, states: Tensor, keys: Tensor, real: Tensor, state: State
    ) -> tuple[Tensor, State]:
        """Logits of the next id [B, V], and the state after `ids` [B]."""
        inputs = self.dropout(self.target(ids))
        if self.feeding:
            inputs = torch.cat([inputs, state.fed], dim=1)
        hidden, cell = self.decoder(inputs, (state.hidden, state.cell))
        scores = torch.bmm(keys, hidden[:, :, None]).squeeze(2)  # [B, S]
        weights = scores.masked_fill(~real, float("-inf")).softmax(1)
        context = torch.bmm(weights[:, None], states).squeeze(1)  # [B, H]
        fed = self.dropout(self.attentional(torch.cat([context, hidden], dim=1)).tanh())
        return self.output(fed), State(hidden, cell, fed)

    def forward(self, source: Tensor, target: Tensor, sampling: bool = False) -> Tensor:
        """Negative log-likelihood of the targets, summed over tokens, in nats."""
        *memory, state = self.encode(source)
        ids = torch.full((len(target),), BOS)
        loss = torch.zeros(())
        for gold in target.unbind(1):
            logits, state = self.step(ids, *memory, state)
            loss = loss + functional.cross_entropy(logits, gold, ignore_index=PAD, reduction="sum")
            forced = not sampling or random.random() < RATIO
            ids = gold if forced else logits.argmax(1)
        return loss

    @torch.no_grad()
    def greedy(self, source: Tensor) -> list[list[int]]:
        """The likeliest id at each step, for each sentence until its EOS."""
        *memory, state = self.encode(source)
        ids = torch.full((len(source),), BOS)
        done = torch.zeros(len(source), dtype=torch.bool)
        steps: list[Tensor] = []
        while len(steps) < LIMIT and not done.all():
            logits, state = self.step(ids, *memory, state)
            ids = logits.argmax(1).masked_fill(done, PAD)
            done = done | (ids == EOS)
            steps.append(ids)
        rows = torch.stack(steps, dim=1).tolist()
        return [[number for number in row if number not in (PAD, EOS)] for row in rows]


def train(options: argparse.Namespace, watch: Stopwatch) -> Result:
    """Train, save, and validate after whole epochs."""
    torch.manual_seed(1)
    random.seed(1)
    pairs = read(options.work, "train")
    vocabulary = len(measure.read_lines(options.work / "vocab.txt"))
    model = Tutorial(vocabulary, options.feeding)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    epochs = batches(pairs, options.epochs)
    for source, target in watch.watched(epochs, lambda batch: real(batch[1])):
        loss = model(source, target, options.sampling)
        (loss / real(target)).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    result = watch.result(model, DIFFERS)
    saved = {"weights": model.state_dict(), "feeding": options.feeding, "size": vocabulary}
    torch.save(saved, options.out / "model.pt")
    return result | (validated(model, read(options.work, "val")) if options.epochs else {})


def validated(model: Tutorial, pairs: list[Pair]) -> Result:
    """The loss on the validation split."""
    model.eval()
    with torch.no_grad():
        losses = [(model(source, target), real(target)) for source, target in batches(pairs, 1)]
    nats, tokens = map(sum, zip(*losses, strict=True))
    return measure.validation(float(nats) / tokens)


def batches(pairs: list[Pair], epochs: int | None) -> Iterator[tuple[Tensor, Tensor]]:
    """Padded sources and targets of about equal lengths, epoch after epoch."""
    done = 0
    while done != epochs:
        # Sorting is stable: sentences as long as one another are in an order of their own.
        ordered = sorted(random.sample(pairs, len(pairs)), key=lambda pair: len(pair.source))
        ordered.sort(key=lambda pair: len(pair.target))
        groups: list[list[Pair]] = [[]]
        for pair in ordered:
            if (len(groups[-1]) + 1) * len(pair.target) > BATCH:
                groups.append([])
            groups[-1].append(pair)
        random.shuffle(groups)
        for group in groups:
            sources, targets = zip(*group, strict=True)
            yield padded(sources), padded(targets)
        done += 1


def padded(rows: list[list[int]]) -> Tensor:
    """Ids [B, T], then PAD."""
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=PAD)


def real(target: Tensor) -> int:
    """How many ids are not padding."""
    return int((target != PAD).sum())


def read(work: Path, split: str) -> list[Pair]:
    """The sentence pairs of a split, as ids."""
    ids = identities(work)
    sides = [measure.read_lines(work / f"{split}.{language}") for language in ("en", "de")]
    rows = ([encoded(line, ids) for line in lines] for lines in sides)
    return [Pair(*pair) for pair in zip(*rows, strict=True)]


def identities(work: Path) -> dict[str, int]:
    """The id of each piece."""
    return {piece: number for number, piece in enumerate(measure.read_lines(work / "vocab.txt"))}


def encoded(line: str, ids: dict[str, int]) -> list[int]:
    """The ids of the pieces of a line, then EOS."""
    return [ids.get(piece, UNK) for piece in line.split(" ")] + [EOS]


def load(options: argparse.Namespace) -> Translate:
    """Translate greedily, the sentences in the order that they come in."""
    if options.beam != 1:
        raise SystemExit("the tutorial's loop has no beam search: --beam 1")
    saved = torch.load(options.out / "model.pt")
    model = Tutorial(saved["size"], saved["feeding"])
    model.load_state_dict(saved["weights"])
    model.eval()
    ids = identities(options.work)
    pieces = list(ids)

    def translate(sources: list[str]) -> list[str]:
        found: list[list[int]] = []
        for first in range(0, len(sources), options.batch):
            rows = [encoded(line, ids) for line in sources[first : first + options.batch]]
            found += model.greedy(padded(rows))
        return [" ".join(pieces[number] for number in row) for row in found]

    return translate


def more(parser: argparse.ArgumentParser, _decode: argparse.ArgumentParser) -> None:
    """The options that the loop has beyond those of every driver."""
    parser.add_argument(
        "--feeding",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="feed what attention gave to the next step",
    )
    parser.add_argument(
        "--sampling",
        action="store_true",
        help=f"toss a coin at each step: below {RATIO} feed the gold id, else the likeliest",
    )


if __name__ == "__main__":
    measure.main(train, load, more)
