"""Encoder, bridge and decoder put together, and the loss they are trained on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from seqgen import copying
from seqgen.agreement import Agreement, Parts, Scored, TwoPasses
from seqgen.attention import Memory
from seqgen.batching import Batch
from seqgen.blended import Blended, Ids, plain
from seqgen.cells import Chance
from seqgen.coverage import repeated
from seqgen.decoder import Decoder
from seqgen.encoder import Bridge, Encoder
from seqgen.errors import ConfigError
from seqgen.initialization import initialize
from seqgen.losses import CrossEntropy
from seqgen.modelsection import ModelConfig
from seqgen.recurrent import State, trains_here
from seqgen.sampling import GOLD, SEQUENTIAL, Forcing, Mixture
from seqgen.vocabulary import EOS, PAD, UNK


class Forced(NamedTuple):
    """What the model thinks of given targets."""

    log_probs: Tensor  # [B, T] of each target id after BOS, in nats; 0 on PAD
    correct: Tensor  # [B, T] True where the likeliest id is the target's
    weights: Tensor  # [B, T, S] attention


class Pass(NamedTuple):
    """What the decoder makes of given inputs."""

    readouts: Tensor  # [tokens, R], of those that have a target; what the decoder calls so
    weights: Tensor  # [B, T, S] attention
    state: State  # after the inputs


class Seq2Seq(nn.Module):
    """Encoder, bridge and decoder. Calling it is the training loss and nothing else."""

    def __init__(self, encoder: Encoder, bridge: Bridge, decoder: Decoder):
        super().__init__()
        self.encoder, self.bridge, self.decoder = encoder, bridge, decoder
        self.label_smoothing = 0.0
        self.word_dropout = 0.0
        self.coverage_loss = 0.0
        self.r_drop = 0.0
        self.window = 0  # target steps that a gradient stays within in training; 0: all

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def forward(self, batch: Batch, forcing: Forcing = GOLD) -> Tensor:
        """Negative log-likelihood of the batch's targets, summed over tokens, in nats.

        In training with what label smoothing, attention that repeats itself and passes that
        disagree add.
        """
        memory, state, inputs = self.begin(batch, forcing)
        if self.training and self.r_drop:
            return self._agreeing(inputs, batch, memory, state)
        return self.loss(inputs, batch.target[:, 1:], batch.tokens, memory, state)[0]

    def begin(self, batch: Batch, forcing: Forcing) -> tuple[Memory, State, Ids]:
        """What the decoder attends to, starts from and is fed, [B, T], in training."""
        memory, state = self._read(batch)
        inputs: Ids = batch.target[:, :-1]
        if forcing.ratio < 1:
            with torch.no_grad(), evaluating(self.decoder):
                inputs = self._mixed(batch.target[:, :-1], memory, state, forcing)
        return memory, state, inputs

    def loss(
        self,
        inputs: Ids,
        gold: Tensor,
        tokens: int,
        memory: Memory,
        state: State,
        drawn: list[Chance] | None = None,
    ) -> tuple[Tensor, State]:
        """The loss of `tokens` ids, `gold` [B, T] without PAD, and the state after them.

        `drawn` is what the decoder has drawn, where these ids are a part of the targets.
        """
        real = _real(gold, tokens)
        drawn = drawn or self.decoder.draw(len(gold))
        passed = self._pass(inputs, gold, real, memory, state, drawn)
        smoothing = self.label_smoothing if self.training else 0.0
        nats, spread = self._nats(passed.readouts, gold.reshape(-1)[real], bool(smoothing))
        if self.decoder.gate is not None:
            copied = copying.copied(passed.weights, gold, memory.ids).reshape(-1)[real]
            gate = self.decoder.gate(passed.readouts)
            nats = -copying.either(gate, -nats[:, None], copied[:, None])
        total: Tensor = nats.sum()
        if smoothing:  # what is spread over the vocabulary is written, never copied
            total = (1 - smoothing) * total + smoothing * spread.sum()
        return total + self._repeating(passed, gold), passed.state

    def _pass(
        self,
        inputs: Ids,
        gold: Tensor,
        real: Tensor,
        memory: Memory,
        state: State,
        drawn: list[Chance] | None = None,
    ) -> Pass:
        """The decoder over inputs [B, T] whose targets are `gold`, of which `real` are no PAD."""
        hidden = self._hidden(inputs)
        readouts, state, weights = self.decoder(hidden, memory, state, gold != PAD, drawn)
        return Pass(readouts.flatten(0, 1).index_select(0, real), weights, state)

    def _repeating(self, passed: Pass, gold: Tensor) -> Tensor | float:
        """What attention costs in training that goes where it has been."""
        if not self.training or not self.coverage_loss:
            return 0.0
        return self.coverage_loss * repeated(passed.weights, gold != PAD)

    def _read(self, batch: Batch) -> tuple[Memory, State]:
        memory, state = self.encode(self._dropped(batch.source), batch.source_lengths)
        return memory._replace(ids=batch.source), state  # what is copied is what stands there

    def _agreeing(self, inputs: Ids, batch: Batch, memory: Memory, state: State) -> Tensor:
        """The loss of two passes over the same inputs [B, T]; the first has read the source."""
        gold = batch.target[:, 1:]
        real = _real(gold, batch.tokens)
        first = self._pass(inputs, gold, real, memory, state)
        again, state = self._read(batch)
        second = self._pass(inputs, gold, real, again, state)
        wanted, output = gold.reshape(-1)[real], self.decoder.output
        agreement = Agreement(self.r_drop, self.label_smoothing)
        plain = self.decoder.gate is None and not self.decoder.hard
        if plain and trains_here(first.readouts):
            loss: Tensor = TwoPasses.apply(  # type: ignore[no-untyped-call]
                *agreement, torch.is_autocast_enabled("cpu"), wanted, first.readouts,
                second.readouts, output.weight, output.bias,
            )  # fmt: skip
        else:
            loss = agreement.loss(
                self._scored,
                self._parts(first, memory, real),
                self._parts(second, again, real),
                wanted,
                output.out_features,
            )
        return loss + (self._repeating(first, gold) + self._repeating(second, gold)) / 2

    def _parts(self, passed: Pass, memory: Memory, real: Tensor) -> Parts:
        """What a pass scores `real` tokens by: readouts and, to copy, attention and source ids."""
        if self.decoder.gate is None:
            return (passed.readouts,)
        weights = passed.weights
        sentences = real // weights.shape[1]
        return passed.readouts, weights.flatten(0, 1).index_select(0, real), memory.ids[sentences]

    def _scored(self, readouts: Tensor, *attended: Tensor) -> Scored:
        written = self._written(readouts)
        if not attended:
            return Scored(written, written)
        either = self._either(readouts[:, None], written[:, None], *attended)
        return Scored(either.squeeze(1), written)

    def _dropped(self, ids: Tensor) -> Tensor:
        """Ids [B, T], in training some of them unknown: Bowman et al. (2016), section 3.1."""
        if not self.training or not self.word_dropout:
            return ids
        dropped = torch.rand(ids.shape, device=ids.device) < self.word_dropout
        return ids.masked_fill(dropped & (ids > EOS), UNK)

    def _hidden(self, inputs: Ids) -> Ids:
        """The decoder's inputs after `_dropped`, which a mean of embeddings may become as well."""
        if not isinstance(inputs, Blended):
            return self._dropped(inputs)
        ids = self._dropped(inputs.ids)
        if ids is inputs.ids:
            return inputs
        return inputs.hidden(ids, self.decoder.embedding.weight[UNK])

    def _nats(self, readouts: Tensor, wanted: Tensor, smoothing: bool) -> tuple[Tensor, Tensor]:
        """What `wanted` [tokens] costs to write; with `smoothing`, any id on average as well."""
        output = self.decoder.output
        mixed = torch.is_autocast_enabled(readouts.device.type)
        if self.decoder.hard or not trains_here(readouts):
            logs = self._written(readouts)
            nats = -logs.gather(1, wanted[:, None]).squeeze(1)
            return nats, -logs.mean(1) if smoothing else nats
        found: tuple[Tensor, Tensor] = CrossEntropy.apply(  # type: ignore[no-untyped-call]
            readouts, output.weight, output.bias, wanted, smoothing, mixed
        )
        return found

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Memory, State]:
        """What the decoder needs of `source` [B, S], whose lengths [B] are on the CPU."""
        states, summary = self.encoder(source, lengths)
        return self.decoder.attention.remember(states, source), self.decoder.start(
            self.bridge(summary), source.shape[1]
        )

    def step(self, ids: Tensor, memory: Memory, state: State) -> tuple[Tensor, State]:
        """Log-probabilities of the next id, [N, V], and the state after `ids` [N]."""
        readouts, state, weights = self.decoder(ids[:, None], memory, state)
        return self._log_probs(readouts, weights, memory.ids).squeeze(1), state

    def forced(self, batch: Batch) -> Forced:
        """How likely the batch's own targets are, token by token, and where each looked."""
        return judged(*self.whole(batch), batch.target)

    def whole(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Log-probabilities [B, T, V] after each of the batch's ids, and attention [B, T, S]."""
        memory, state = self.encode(batch.source, batch.source_lengths)
        readouts, _, weights = self.decoder(batch.target[:, :-1], memory, state)
        return self._log_probs(readouts, weights, memory.ids), weights

    def _mixed(self, gold: Tensor, memory: Memory, state: State, forcing: Forcing) -> Ids:
        """The decoder's inputs [B, T] under scheduled sampling."""
        mixture = Mixture(gold, forcing, self.decoder.embedding.weight)

        def walk(inputs: Ids, state: State, places: Tensor) -> tuple[Tensor, State]:
            readouts, state, weights = self.decoder(inputs, memory, state)
            readouts, weights = (each.flatten(0, 1)[places] for each in (readouts, weights))
            sentences = places // plain(inputs).shape[1]
            return self._scores(readouts, weights, memory.ids[sentences]), state

        if forcing.passes == SEQUENTIAL or self.decoder.feeding:  # a pass is a loop as well
            return mixture.step_by_step(walk, state)
        return mixture.in_passes(walk, state, self.window)

    def _scores(self, readouts: Tensor, weights: Tensor, ids: Tensor) -> Tensor:
        """What ranks the next ids, [N, V]: their log-probabilities, up to a constant a row.

        `readouts` [N, R] and attention [N, S] to sources of `ids` [N, S].
        """
        if self.decoder.gate is None:
            scores: Tensor = readouts if self.decoder.hard else self.decoder.output(readouts)
            return scores
        return self._log_probs(readouts[:, None], weights[:, None], ids).squeeze(1)

    def _log_probs(self, readouts: Tensor, weights: Tensor, ids: Tensor) -> Tensor:
        """Log-probabilities [N, T, V] of every id; readouts and attention as the decoder's.

        `ids` [B, S] are those of the sources, each of which N / B rows attend to.
        """
        return self._either(readouts, self._written(readouts), weights, ids)

    def _written(self, readouts: Tensor) -> Tensor:
        """Log-probabilities of ids that are written, exact where autocast rounds their scores."""
        if self.decoder.hard:
            return readouts
        scores: Tensor = self.decoder.output(readouts)
        return scores.to(torch.promote_types(scores.dtype, torch.float32)).log_softmax(-1)

    def _either(self, readouts: Tensor, written: Tensor, weights: Tensor, ids: Tensor) -> Tensor:
        """Log-probabilities [N, T, V] of ids that are written, with `written` (logs), or copied."""
        if self.decoder.gate is None:
            return written
        return copying.whole(self.decoder.gate(readouts), written, weights, ids)


def _real(gold: Tensor, tokens: int) -> Tensor:
    """Where ids [B, T] are no PAD, [tokens]: as their number is known, no device is waited for."""
    return torch.nonzero_static(gold.reshape(-1), size=tokens).squeeze(-1)


def judged(scores: Tensor, weights: Tensor, target: Tensor) -> Forced:
    """What log-probabilities [B, T, V] of every id say of those of `target`."""
    gold = target[:, 1:]
    log_probs = scores.gather(-1, gold[..., None]).squeeze(-1)
    real = gold != PAD
    return Forced(log_probs * real, (scores.argmax(-1) == gold) & real, weights)


def build(config: ModelConfig, source_vocabulary: int, target_vocabulary: int) -> Seq2Seq:
    """A network with fresh weights, drawn from torch's global generator."""
    model = _network(config, source_vocabulary, target_vocabulary)
    model.word_dropout = config.word_dropout
    initialize(model.encoder, model.bridge, model.decoder, config)
    return _tied(model, config)


def unfilled(config: ModelConfig, source_vocabulary: int, target_vocabulary: int) -> Seq2Seq:
    """The same network with any weights, which a file is to fill: orthogonal ones take a second."""
    return _tied(_network(config, source_vocabulary, target_vocabulary), config)


def _network(config: ModelConfig, source_vocabulary: int, target_vocabulary: int) -> Seq2Seq:
    if config.tie == "all" and source_vocabulary != target_vocabulary:
        raise ConfigError(
            f"model.tie = 'all' shares one embedding, but the vocabularies have "
            f"{source_vocabulary} and {target_vocabulary} pieces; tokenizer.joint makes them one"
        )
    if (config.copy or config.follow) and source_vocabulary != target_vocabulary:
        name = "model.copy copies" if config.copy else "model.follow compares"
        raise ConfigError(
            f"{name} pieces, but the vocabularies have {source_vocabulary} and "
            f"{target_vocabulary} of their own; tokenizer.joint makes them one"
        )
    return Seq2Seq(
        Encoder(config, source_vocabulary), Bridge(config), Decoder(config, target_vocabulary)
    )


def _tied(model: Seq2Seq, config: ModelConfig) -> Seq2Seq:
    if config.tie != "none":
        model.decoder.output.weight = model.decoder.embedding.weight
    if config.tie == "all":
        model.encoder.embedding.weight = model.decoder.embedding.weight
    return model


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation, and the mode that there was before afterwards."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)
