"""The whole network: encoder, bridge, decoder, and the loss they are trained on."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqgen.attention import ATTENTIONS, Attention, Memory
from seqgen.batching import Batch
from seqgen.config import ModelConfig
from seqgen.dropout import Dropout
from seqgen.errors import ConfigError
from seqgen.losses import CrossEntropy
from seqgen.recurrent import (
    INITIALIZATIONS,
    Recurrent,
    State,
    embedded,
    initialize,
    parts,
    whole,
)
from seqgen.sampling import GOLD, Forcing, mixed_inputs
from seqgen.stack import Stack
from seqgen.vocabulary import BOS, PAD


class Forced(NamedTuple):
    """What the model thinks of given targets."""

    log_probs: Tensor  # [B, T] of each target id after BOS, in nats; 0 on PAD
    correct: Tensor  # [B, T] True where the likeliest id is the target's
    weights: Tensor  # [B, T, S] attention


class Encoder(nn.Module):
    """Source ids to states and to a summary of the sentence."""

    def __init__(self, config: ModelConfig, vocabulary: int):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, config.embedding, padding_idx=PAD)
        layers = config.encoder_layers or config.layers
        self.stack = Stack(
            config.cell,
            config.embedding,
            config.hidden,
            layers,
            config.bidirectional,
            config.dropout,
            config.residual,
        )
        self.dropout = Dropout(config.dropout)
        self.mean = config.bridge == "mean"
        # Source embeddings as part of what attention averages, so that a word can be copied or
        # looked up without passing through the states: after Nguyen and Chiang (2018), section 4.
        self.lexical = config.lexical

    def forward(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """States [B, S, D], zero on padding, and the summary [B, H] of the recurrent ones."""
        inputs = embedded(self.embedding, self.dropout, source)
        states = self.stack(inputs, lengths)
        if self.mean:
            summary = states.sum(1) / lengths.to(states.device)[:, None]
        else:
            summary = self.stack.last(states, lengths)
        return torch.cat([states, whole(inputs)], dim=-1) if self.lexical else states, summary


class Bridge(nn.Module):
    """The decoder's first state out of the encoder's summary: one tanh layer for each part.

    Bahdanau, Cho and Bengio (2015), section A.2.2; the mean is that of Sennrich et al. (2017).
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.layers, self.hidden = config.layers, config.hidden
        self.parts = parts(config.cell)
        # Zeros are what is left when the summary counts for nothing.
        width = self.parts * self.layers * self.hidden
        self.project = None if config.bridge == "zero" else nn.Linear(config.hidden, width)

    def forward(self, summary: Tensor) -> State:
        """One tensor [L, B, H] for each part of the state."""
        shape = (self.parts, self.layers, len(summary), self.hidden)
        if self.project is None:
            return tuple(summary.new_zeros(shape))
        state = torch.tanh(self.project(summary))
        return tuple(state.view(-1, self.parts, self.layers, self.hidden).permute(1, 2, 0, 3))


class Decoder(nn.Module):
    """Target ids to readouts, all steps at once: attention is asked by the first layer."""

    def __init__(self, config: ModelConfig, vocabulary: int):
        super().__init__()
        hidden = config.hidden
        self.embedding = nn.Embedding(vocabulary, config.embedding, padding_idx=PAD)
        memory = hidden + config.embedding * config.lexical
        widths = [config.embedding] + [hidden + memory] * (config.layers - 1)
        self.layers = nn.ModuleList(Recurrent(config.cell, wide, hidden) for wide in widths)
        self.attention: Attention = ATTENTIONS[config.attention](hidden, memory)
        readout = hidden if config.tie == "none" else config.embedding
        self.readout = nn.Linear(hidden + memory, readout)
        self.output = nn.Linear(readout, vocabulary)
        # Whether to write a token or to copy one: after See, Liu and Manning (2017), equation 8,
        # out of the readout.
        self.gate = nn.Linear(readout, 1) if config.copy else None
        # How much more a state is attended to whose predecessor is what was written last: after
        # the selective read of Gu et al. (2016), section 3.4, as a bonus on scores.
        self.follow = nn.Linear(hidden, 1) if config.follow else None
        self.dropout = Dropout(config.dropout)
        self.residual = config.residual

    def forward(self, inputs: Tensor, memory: Memory, state: State) -> tuple[Tensor, State, Tensor]:
        """Readouts [N, T, R], the state after the last step, attention [B, N / B * T, S].

        `inputs` [N, T]; the memory holds B sentences, each of which N / B rows attend to.
        """
        first, ended = self.layers[0](
            embedded(self.embedding, self.dropout, inputs), _layer(state, 0)
        )
        queries = first.reshape(len(memory.mask), -1, first.shape[-1])  # [B, N / B * T, H]
        contexts, weights = self.attention(queries, memory, self._bonus(inputs, queries, memory))
        context = contexts.reshape(*inputs.shape, -1)
        hidden, ends = first, [ended]
        for number, layer in enumerate(self.layers[1:], start=1):
            below = self.dropout(torch.cat([hidden, context], dim=-1))
            outputs, ended = layer(below, _layer(state, number))
            hidden = hidden + outputs if self.residual else outputs
            ends.append(ended)
        readouts = torch.tanh(self.readout(torch.cat([hidden, context], dim=-1)))
        state = tuple(torch.cat(part) for part in zip(*ends, strict=True))
        return self.dropout(readouts), state, weights

    def _bonus(self, inputs: Tensor, queries: Tensor, memory: Memory) -> Tensor | None:
        """What is added to the scores of attention [B, N / B * T, S], if anything."""
        if self.follow is None:
            return None
        # Before the first piece of a source stands what a target begins with.
        before = functional.pad(memory.ids[:, :-1], (1, 0), value=BOS)
        follows = inputs.reshape(len(before), -1, 1) == before[:, None]
        bonus: Tensor = follows * self.follow(queries)
        return bonus


class Seq2Seq(nn.Module):
    """Encoder, bridge and decoder. Calling it is the training loss and nothing else."""

    def __init__(self, encoder: Encoder, bridge: Bridge, decoder: Decoder):
        super().__init__()
        self.encoder, self.bridge, self.decoder = encoder, bridge, decoder
        self.label_smoothing = 0.0

    def forward(self, batch: Batch, forcing: Forcing = GOLD) -> Tensor:
        """Negative log-likelihood of the batch's targets, summed over tokens, in nats."""
        memory, state = self.encode(batch.source, batch.source_lengths)
        inputs, gold = batch.target[:, :-1], batch.target[:, 1:]
        if forcing.ratio < 1:
            with torch.no_grad(), _evaluating(self.decoder):
                inputs = mixed_inputs(inputs, lambda ids: self._scores(ids, memory, state), forcing)
        readouts, _, weights = self.decoder(inputs, memory, state)
        # The size is known, so that finding the real tokens waits for no device.
        real = torch.nonzero_static(gold.reshape(-1), size=batch.tokens).squeeze(-1)
        readouts = readouts.flatten(0, 1).index_select(0, real)  # [tokens, R]
        smoothing = self.label_smoothing if self.training else 0.0
        nats, spread = self._nats(readouts, gold.reshape(-1)[real], bool(smoothing))
        if self.decoder.gate is not None:
            copied = (weights * (gold[:, :, None] == memory.ids[:, None])).sum(-1)
            nats = -self._either(readouts, -nats[:, None], copied.reshape(-1)[real][:, None])
        total: Tensor = nats.sum()
        # What is spread over the vocabulary is written, never copied.
        return (1 - smoothing) * total + smoothing * spread.sum() if smoothing else total

    def _nats(self, readouts: Tensor, wanted: Tensor, smoothing: bool) -> tuple[Tensor, Tensor]:
        """What `wanted` [tokens] costs to write; with `smoothing`, any id on average as well."""
        output = self.decoder.output
        mixed = torch.is_autocast_enabled(readouts.device.type)
        if readouts.is_cuda or mixed or not torch.is_grad_enabled():
            logs = output(readouts).log_softmax(-1)
            nats = -logs.gather(1, wanted[:, None]).squeeze(1)
            return nats, -logs.mean(1) if smoothing else nats
        found: tuple[Tensor, Tensor] = CrossEntropy.apply(  # type: ignore[no-untyped-call]
            readouts, output.weight, output.bias, wanted, smoothing
        )
        return found

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Memory, State]:
        """What the decoder needs of `source` [B, S], whose lengths [B] are on the CPU."""
        states, summary = self.encoder(source, lengths)
        return self.decoder.attention.remember(states, source), self.bridge(summary)

    def step(self, ids: Tensor, memory: Memory, state: State) -> tuple[Tensor, State]:
        """Log-probabilities of the next id, [N, V], and the state after `ids` [N]."""
        readouts, state, weights = self.decoder(ids[:, None], memory, state)
        return self._log_probs(readouts, weights, memory).squeeze(1), state

    def forced(self, batch: Batch) -> Forced:
        """How likely the batch's own targets are, token by token, and where each looked."""
        memory, state = self.encode(batch.source, batch.source_lengths)
        inputs, gold = batch.target[:, :-1], batch.target[:, 1:]
        readouts, _, weights = self.decoder(inputs, memory, state)
        scores = self._log_probs(readouts, weights, memory)  # [B, T, V]
        log_probs = scores.gather(-1, gold[..., None]).squeeze(-1)
        real = gold != PAD
        return Forced(log_probs * real, (scores.argmax(-1) == gold) & real, weights)

    def _scores(self, inputs: Tensor, memory: Memory, state: State) -> Tensor:
        """What ranks the next ids [B, T, V]: their log-probabilities, up to a constant a token."""
        readouts, _, weights = self.decoder(inputs, memory, state)
        if self.decoder.gate is None:
            scores: Tensor = self.decoder.output(readouts)
            return scores
        return self._log_probs(readouts, weights, memory)

    def _log_probs(self, readouts: Tensor, weights: Tensor, memory: Memory) -> Tensor:
        """Log-probabilities [N, T, V] of every id; readouts and attention as the decoder's."""
        written: Tensor = self.decoder.output(readouts).log_softmax(-1)
        if self.decoder.gate is None:
            return written
        weights = weights.reshape(*readouts.shape[:2], -1).to(written)  # [N, T, S]
        ids = memory.ids.repeat_interleave(len(readouts) // len(memory.ids), dim=0)  # [N, S]
        places = ids[:, None].expand_as(weights)
        copied = torch.zeros_like(written).scatter_add(-1, places, weights)
        return self._either(readouts, written, copied)

    def _either(self, readouts: Tensor, written: Tensor, copied: Tensor) -> Tensor:
        """Log-probabilities of ids, written with `written` (logs) or copied with `copied`.

        See, Liu and Manning (2017), equation 9, in logarithms.
        """
        assert self.decoder.gate is not None
        gate = self.decoder.gate(readouts).to(written)  # rounded, the two would not add up to 1
        logs = copied.clamp_min(torch.finfo(copied.dtype).tiny).log()
        return torch.logaddexp(
            functional.logsigmoid(gate) + written, functional.logsigmoid(-gate) + logs
        )


def build(config: ModelConfig, source_vocabulary: int, target_vocabulary: int) -> Seq2Seq:
    """A network with fresh weights, drawn from torch's global generator."""
    model = _network(config, source_vocabulary, target_vocabulary)
    _initialize(model, config)
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


def _initialize(model: Seq2Seq, config: ModelConfig) -> None:
    source = model.encoder.embedding
    for module in model.modules():
        if isinstance(module, Recurrent):
            initialize(
                module, config.initialization, config.recurrent_initialization, config.forget_bias
            )
        elif isinstance(module, nn.Linear):
            INITIALIZATIONS[config.initialization](module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            # Embeddings far apart are told apart early. One that is the output projection as well
            # has to be small, or the first softmax would be far from uniform.
            tied = config.tie == "all" or (config.tie == "target" and module is not source)
            nn.init.normal_(module.weight, std=1 / math.sqrt(module.embedding_dim) if tied else 1.0)
            nn.init.zeros_(module.weight[PAD])
    if model.decoder.follow is not None:
        nn.init.zeros_(model.decoder.follow.weight)
        nn.init.ones_(model.decoder.follow.bias)


def _layer(state: State, number: int) -> State:
    return tuple(part[number : number + 1].contiguous() for part in state)


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)
