"""What the decoder makes of target ids, all steps at once or one at a time."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqgen import monotonic
from seqgen.attention import ATTENTIONS, Attention, Memory
from seqgen.blended import Ids, plain
from seqgen.cells import Chance, inside
from seqgen.coverage import Coverage
from seqgen.dropout import Dropout
from seqgen.feeding import Fed
from seqgen.following import Following, before_each
from seqgen.mixing import mixed, powers
from seqgen.modelsection import ModelConfig
from seqgen.normalization import Normalization, between
from seqgen.recurrent import (
    ACTIVATIONS,
    Inputs,
    Recurrent,
    State,
    embedded,
    parts,
    trains_here,
    whole,
)
from seqgen.vocabulary import PAD


class Decoder(nn.Module):
    """Target ids to readouts, all steps at once: attention is asked by the first layer.

    With input feeding (Luong, Pham and Manning 2015, section 3.3) that layer reads the readout of
    the step before as well, so that it is one step after the other, and the last readout [1, N, R]
    is the last part of the state. Before that stand coverage, what is followed and, of monotonic
    attention, where the last token may have come from, [1, N, S] each.
    """

    def __init__(self, config: ModelConfig, vocabulary: int):
        super().__init__()
        hidden = config.hidden
        self.embedding = nn.Embedding(vocabulary, config.embedding, padding_idx=PAD)
        memory = hidden + config.embedding * config.lexical
        readout = hidden if config.tie == "none" else config.embedding
        below = config.embedding + readout * config.input_feeding
        widths = [below] + [hidden + memory] * (config.layers - 1)
        self.layers = nn.ModuleList(
            Recurrent(config.cell, wide, hidden, inside(config)) for wide in widths
        )
        self.norms = nn.ModuleList(Normalization(hidden, between(config)) for _ in widths[1:])
        self.attention: Attention = ATTENTIONS[config.attention](hidden, memory)
        self.readout = nn.Linear(hidden + memory, readout)
        self.output = nn.Linear(readout, vocabulary)
        # Whether to write a token or to copy one: after See, Liu and Manning (2017), equation 8,
        # out of the readout.
        self.gate = nn.Linear(readout, 1) if config.copy else None
        self.follow = Following(hidden) if config.follow else None
        self.coverage = Coverage(self.attention, hidden) if config.attention_coverage else None
        self.hard, self.monotonic = config.hard_attention, config.monotonic
        self.dropout = Dropout(config.dropout)
        self.activation = ACTIVATIONS[config.activation]
        self.residual = config.residual
        self.recurrent_parts = parts(config.cell)
        self.feeding, self.readout_width, self.width = config.input_feeding, readout, hidden

    def start(self, state: State, steps: int) -> State:
        """The state before the first step, out of that of the layers and how long sources are."""
        rows = state[0].shape[1]
        if self.coverage is not None:
            state = (*state, self.coverage.start(rows, steps))
        if self.follow is not None:
            state = (*state, self.follow.start(rows, steps))
        if self.monotonic:
            state = (*state, monotonic.start(rows, steps, state[0]))
        if not self.feeding:
            return state
        return (*state, state[0].new_zeros(1, rows, self.readout_width))

    def draw(self, rows: int) -> list[Chance]:
        """What chance decides of one pass over `rows` targets, layer by layer."""
        return [layer.draw(rows) for layer in self._recurrent()]

    def forward(
        self,
        inputs: Ids,
        memory: Memory,
        state: State,
        real: Tensor | None = None,
        drawn: list[Chance] | None = None,
    ) -> tuple[Tensor, State, Tensor]:
        """Readouts [N, T, R], the state after the last step, attention [B, N / B * T, S].

        With hard attention what they make, the log-probabilities of all ids [N, T, V].
        `inputs` [N, T]; the memory holds B sentences, each of which N / B rows attend to. Where
        `real` [N, T] is False nothing is to be predicted; None says that everywhere something is.
        `drawn` is what `draw` has given, where these steps are a part of a pass.
        """
        found, inputs = embedded(self.embedding, self.dropout, inputs), plain(inputs)
        chances = drawn or self.draw(len(inputs))
        if not self.feeding:
            return self._run(found, inputs, memory, state, chances, real)
        if self._has_kernel(found):
            return self._at_once(whole(found), memory, state, chances[0])
        readouts, attended = [], []
        fed = state[-1].transpose(0, 1)  # [N, 1, R]
        embeddings = torch.split(whole(found), 1, dim=1)
        for ids, embedding in zip(torch.split(inputs, 1, dim=1), embeddings, strict=True):
            below = torch.cat([embedding, fed], dim=-1)
            fed, layers, weights = self._run(below, ids, memory, state[:-1], chances)
            state = (*layers, fed.transpose(0, 1))
            readouts.append(fed)
            attended.append(weights)
        # [B, N / B] by steps, sentence after sentence.
        return torch.cat(readouts, dim=1), state, torch.stack(attended, dim=2).flatten(1, 2)

    def _has_kernel(self, read: Inputs) -> bool:
        """Whether a gradient is wanted of what `Fed` computes."""
        bare = self.follow is None and self.coverage is None and self.activation is torch.tanh
        bare = bare and self._recurrent()[0].unrolled is None
        known = bare and self.attention.factor is not None
        return trains_here(read) and known and len(self.layers) == 1 and self.recurrent_parts == 2

    def _at_once(
        self, embeddings: Tensor, memory: Memory, state: State, chance: Chance
    ) -> tuple[Tensor, State, Tensor]:
        """What `forward` gives of one LSTM layer with input feeding, in training."""
        layer, factor = self._recurrent()[0], self.attention.factor
        assert factor is not None
        weight_ih, weight_hh, bias_ih, bias_hh = layer.weights(chance)
        of_embeddings = weight_ih[:, : embeddings.shape[-1]]
        of_fed = weight_ih[:, embeddings.shape[-1] :]
        steps = embeddings.transpose(0, 1)
        hidden, cell, fed = (part.squeeze(0) for part in state)
        readouts, weights, *ended = Fed.apply(  # type: ignore[no-untyped-call]
            functional.linear(steps, of_embeddings, bias_ih + bias_hh),
            ~memory.mask,
            self.dropout(fed.new_ones(*steps.shape[:2], self.readout_width)),
            hidden,
            cell,
            fed,
            torch.cat([of_fed, weight_hh], dim=1),
            memory.keys * factor,
            memory.states,
            self.readout.weight,
            self.readout.bias,
        )
        last = (*(part[None] for part in ended), readouts[-1:])
        return readouts.transpose(0, 1), last, weights.transpose(0, 1)

    def _recurrent(self) -> list[Recurrent]:
        return [layer for layer in self.layers if isinstance(layer, Recurrent)]

    def _run(
        self,
        read: Inputs,
        inputs: Tensor,
        memory: Memory,
        state: State,
        chances: list[Chance],
        real: Tensor | None = None,
    ) -> tuple[Tensor, State, Tensor]:
        """Readouts, state and attention of all steps of `inputs` at once.

        `read` is what the first layer reads there: embeddings, and what it is fed.
        """
        state, looked = state[: self.recurrent_parts], state[self.recurrent_parts :]
        kept = len(looked) - self.monotonic
        looked, came = looked[:kept], looked[kept:]
        first, ended = self.layers[0](read, _layer(state, 0), chances[0])
        queries = first.reshape(len(memory.mask), -1, first.shape[-1])  # [B, N / B * T, H]
        contexts, weights, looked = self._looked(inputs, queries, memory, looked)
        context = contexts.reshape(*inputs.shape, -1)
        hidden, ends = first, [ended]
        for number, (layer, norm) in enumerate(zip(self.layers[1:], self.norms, strict=True), 1):
            below = self.dropout(torch.cat([norm(hidden, real), context], dim=-1))
            outputs, ended = layer(below, _layer(state, number), chances[number])
            hidden = hidden + outputs if self.residual else outputs
            ends.append(ended)
        state = (*(torch.cat(part) for part in zip(*ends, strict=True)), *looked)
        if self.hard:
            logs, weights, came = self._apart(hidden, inputs, memory, weights, came)
            return logs, (*state, *came), weights
        readouts = self.activation(self.readout(torch.cat([hidden, context], dim=-1)))
        return self.dropout(readouts), state, weights

    def _apart(
        self, hidden: Tensor, inputs: Tensor, memory: Memory, weights: Tensor, came: State
    ) -> tuple[Tensor, Tensor, State]:
        """Log-probabilities [N, T, V] out of outputs [N, T, H], each source state by itself.

        With them what each state has weighed, and where tokens came from, if that is kept.
        """
        weight, bias = self.readout.weight, self.readout.bias
        asked = self.activation(functional.linear(hidden, weight[:, : self.width], bias))
        given = self.activation(functional.linear(memory.states, weight[:, self.width :]))
        of_steps = powers(self.output(self.dropout(asked)))
        of_states = powers(functional.linear(self.dropout(given), self.output.weight))
        rows = of_steps.reshape(len(given), -1, of_steps.shape[-1])
        if not self.monotonic:
            return mixed(rows, of_states, weights).view(of_steps.shape), weights, ()
        logs, weights, after = monotonic.mixed(rows, of_states, weights, inputs, memory.mask, *came)
        return logs.view(of_steps.shape), weights, (after,)

    def _looked(
        self, inputs: Tensor, queries: Tensor, memory: Memory, looked: State
    ) -> tuple[Tensor, Tensor, State]:
        """Contexts, weights, and what attention keeps of its steps; `looked` is that before."""
        bonus, followed = None, looked[self.coverage is not None :]
        if self.follow is not None:
            bonus, after = self.follow(inputs, queries, before_each(memory.ids), *followed)
            followed = (after,)
        if self.coverage is None:
            return *self.attention(queries, memory, bonus), followed
        contexts, weights, covered = self.coverage(
            self.attention, queries, memory, bonus, looked[0]
        )
        return contexts, weights, (covered, *followed)


def _layer(state: State, number: int) -> State:
    return tuple(part[number : number + 1].contiguous() for part in state)
