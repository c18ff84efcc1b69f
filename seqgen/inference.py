"""A model made ready for decoding: the same function, one step in as few calls as it takes.

A step of a search multiplies few rows with all weights of the decoder. On a CPU, MKL arranges a
weight anew for each product, which takes longer than multiplying, and each small call takes as
long as a product: weights are arranged once, what depends on the source alone is computed once a
sentence, and what is added or squashed is so where it stands.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqgen import copying, monotonic
from seqgen.alone import Alone
from seqgen.devices import multiplies_bf16
from seqgen.following import before_each
from seqgen.mixing import mixed, powers
from seqgen.model import Seq2Seq
from seqgen.packed import Product, Quantized, made_ready, quantizes
from seqgen.recurrent import Recurrent, State
from seqgen.vocabulary import PAD

Making = Callable[[Tensor, Tensor | None], Product]  # of weight [O, I] and bias [O]


def ready(model: Seq2Seq, int8: bool = False, several: bool = True) -> "Ready":
    """The same function as `model`, faster step by step, while its weights stay as they are.

    With `int8`, nearly the same: the decoder's weights have 8 bits, if `why_not_int8` is empty, and
    where sources may come `several` at a time, an LSTM encoder reads all of them in bf16, if the
    processor multiplies that.
    """
    single = model.decoder.output.weight.dtype == torch.float32
    if not int8 or not single or why_not_int8(model.device):
        return Ready(model, made_ready)
    is_lstm = model.decoder.recurrent_parts == 2
    return Ready(model, Quantized, bf16=several and is_lstm and multiplies_bf16())


def why_not_int8(device: torch.device) -> str:
    """What keeps weights on this device from having 8 bits; empty where nothing does."""
    if device.type != "cpu":
        return f"the model is on {device}, and weights of 8 bits are for the CPU"
    if not quantizes():
        return f"torch {torch.__version__} has no products of 8 bits here"
    return ""


class Source(NamedTuple):
    """What a step needs of the encoded sources."""

    keys: Tensor  # [B, A, S] if scores are products, else [B, S, A]
    values: Tensor  # [B, S, X] what each state adds to all that reads the context, or predicts
    closed: Tensor  # [B, 1, S] 0 on real ids, -inf on padding
    ids: Tensor  # [B, S]
    before: Tensor  # [B, S] the id before each

    def select(self, sentences: Tensor) -> "Source":
        """The same of these sentences, in this order."""
        return Source(*(part.index_select(0, sentences) for part in self))


class Ready:
    """A model as searches ask it. Its steps understand what its own `encode` gives alone.

    The state is a tensor [N, H] for each layer and part, coverage, what is followed and where the
    last token came from [N, S], what is fed [N, R].
    """

    def __init__(self, model: Seq2Seq, product: Making, bf16: bool = False):
        self.model, self.device, self.bf16 = model, model.device, bf16
        self.forced, self.whole = model.forced, model.whole
        decoder = self.decoder = model.decoder
        context = decoder.readout.in_features - decoder.width
        reading = [layer for layer in decoder.layers if isinstance(layer, Recurrent)]
        # The first layer does not read the context, those above and the readout end with it.
        self.steps = [_step(layer, context * (number > 0), product)
                      for number, layer in enumerate(reading)]  # fmt: skip
        weight = decoder.readout.weight.detach()
        self.read = product(weight[:, : decoder.width].contiguous(), decoder.readout.bias)
        self.write = product(decoder.output.weight, decoder.output.bias)
        above = [step.of_context for step in self.steps[1:]]
        # Of what reads the mean of the states, which hard attention's readout does not.
        self.widths = [len(each) for each in above] + [len(weight)] * (not decoder.hard)
        self.width = sum(self.widths)
        # Of states, without 8 bits: it is once a sentence.
        self.context = torch.cat([*above, weight[:, decoder.width :]])
        self.value = made_ready(self.context)
        key = decoder.attention.key
        self.key = made_ready(key.weight) if isinstance(key, nn.Linear) else key
        self.embedding, self.factor = decoder.embedding.weight.detach(), decoder.attention.factor
        self.alone = Alone(model.encoder.stack)

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Source, State]:
        """What `step` needs of `source` [B, S], whose lengths [B] are on the CPU."""
        # One that is alone is read in bf16 as it is among others.
        run = self.alone if not self.bf16 and self.alone.fits(source, lengths) else None
        with torch.autocast("cpu", torch.bfloat16) if self.bf16 else nullcontext():
            states, summary = self.model.encoder(source, lengths, run)
            state = self.decoder.start(self.model.bridge(summary), source.shape[1])
            keys, values = (self._rounded if self.bf16 else self._exact)(states)
            values = self._predicted(values) if self.decoder.hard else values
        state = tuple(part.to(self.context) for part in state)
        kinds = self.decoder.recurrent_parts
        parts, others = state[:kinds], state[kinds:]
        layers = [part[layer] for layer in range(len(self.steps)) for part in parts]
        closed = keys.new_zeros(source.shape).masked_fill_(source == PAD, float("-inf"))
        kept = Source(
            keys=keys if self.factor is None else keys.transpose(1, 2).contiguous(),
            values=values,
            closed=closed[:, None],
            ids=source,
            before=before_each(source),
        )
        return kept, (*layers, *(part[0] for part in others))

    def _exact(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """What queries are compared with and what is read, [B, S, A] and [B, S, X]."""
        flat, shape = states.flatten(0, 1), (*states.shape[:2], -1)
        return self.key(flat).view(shape), self.value(flat).view(shape)

    def _rounded(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """The same out of products that autocast rounds."""
        keys, values = self.decoder.attention.key(states), functional.linear(states, self.context)
        return keys.to(self.context), values.to(self.context)

    def _predicted(self, values: Tensor) -> Tensor:
        """The values with what each state predicts in the place of what the readout reads."""
        means, read = values[..., : self.width], values[..., self.width :]
        scores = functional.linear(self.decoder.activation(read), self.decoder.output.weight)
        return torch.cat([means, powers(scores)], dim=2)

    def step(self, ids: Tensor, memory: Source, state: State) -> tuple[Tensor, State]:
        """Log-probabilities of the next id, [N, V], and the state after `ids` [N]."""
        decoder = self.decoder
        below = [torch.embedding(self.embedding, ids)]
        below += state[-1:] if decoder.feeding else ()
        first, *layers = self.steps
        ended = first(below, state[: first.parts], None)
        hidden = ended[0]
        queries = hidden.view(memory.ids.shape[0], -1, hidden.shape[1])  # [B, N / B, H]
        others = len(state) - decoder.feeding - decoder.monotonic
        looked = state[len(self.steps) * first.parts : others]
        weights, looked = self._attention(ids, queries, memory, looked)
        means = torch.bmm(weights, memory.values[..., : self.width]).flatten(0, 1)  # [N, X]
        shares = means.split_with_sizes(self.widths, 1) if layers else (means,)
        for number, (layer, share) in enumerate(zip(layers, shares, strict=False), start=1):
            before = state[number * layer.parts : (number + 1) * layer.parts]
            after = layer([decoder.norms[number - 1](hidden)], before, share)
            hidden = hidden + after[0] if decoder.residual else after[0]
            ended = (*ended, *after)
        ended = (*ended, *looked)
        if decoder.hard:
            written, came = self._mixed(hidden, ids, weights, memory, state[len(ended) :])
            return written, (*ended, *came)
        readouts = decoder.activation(self.read(hidden).add_(shares[-1]))
        scores = self.write(readouts)
        # On a GPU autocast may have made the scores bf16, and their logarithms are to be fp32.
        where = None if scores.is_cuda else scores
        written = torch.log_softmax(scores, 1, out=where)
        if decoder.gate is not None:
            gate = decoder.gate(readouts)[:, None]
            written = copying.whole(gate, written[:, None], weights, memory.ids).squeeze(1)
        return written, (*ended, readouts) if decoder.feeding else ended

    def _mixed(
        self, hidden: Tensor, ids: Tensor, weights: Tensor, memory: Source, came: State
    ) -> tuple[Tensor, State]:
        """Log-probabilities [N, V] that each source state predicts by itself, mixed."""
        of_steps = powers(self.write(self.decoder.activation(self.read(hidden))))
        of_states = memory.values[..., self.width :]
        rows = of_steps.view(len(weights), -1, of_steps.shape[1])
        if not self.decoder.monotonic:
            return mixed(rows, of_states, weights).flatten(0, 1), ()
        logs, _, after = monotonic.mixed(
            rows, of_states, weights, ids[:, None], memory.ids != PAD, came[0][None]
        )
        return logs.flatten(0, 1), (after[0],)

    def _attention(
        self, ids: Tensor, queries: Tensor, memory: Source, looked: State
    ) -> tuple[Tensor, State]:
        """Weights [B, N / B, S], and coverage and what is followed; `looked` is those before."""
        decoder, closed, added = self.decoder, memory.closed, None
        kept = int(decoder.coverage is not None)
        covered, followed = looked[:kept], looked[kept:]
        if decoder.follow is not None:
            bonus, after = decoder.follow(ids[:, None], queries, memory.before, followed[0][None])
            closed, followed = closed + bonus, (after[0],)
        if decoder.coverage is not None:
            added = decoder.coverage.added(covered[0].view(*queries.shape[:2], -1))
        if self.factor is None:
            scores = decoder.attention.scores(queries, memory.keys, added) + closed
        else:
            closed = closed if added is None else closed + added.squeeze(-1)
            scores = torch.baddbmm(closed, queries, memory.keys, alpha=self.factor)
        weights = scores.softmax(-1)
        covered = tuple(part + weights.flatten(0, 1) for part in covered)
        return weights, (*covered, *followed)


class _Step:
    """A recurrent layer that is asked for one step at a time.

    It reads inputs as wide together as those of the layer without the last `context` columns. What
    these give, `of_context` [G, context] times the context, is added as it is.
    """

    parts = 1  # of the state

    def __init__(self, layer: Recurrent, context: int, product: Making):
        weight_ih, self.weight_hh, self.bias_ih, self.bias_hh = (
            self.ordered(each.detach()) for each in layer.cell.all_weights[0]
        )
        read = weight_ih.shape[1] - context
        self.weight_ih, self.of_context = weight_ih[:, :read], weight_ih[:, read:]
        self.width = layer.cell.hidden_size
        self.prepare(product)

    def ordered(self, gates: Tensor) -> Tensor:
        """Rows of a weight or bias in the order in which a step computes gates."""
        return gates

    def prepare(self, product: Making) -> None:
        """Make the products ready."""
        both = torch.cat([self.weight_ih, self.weight_hh], dim=1)
        self.both = product(both, self.bias_ih + self.bias_hh)

    def gates(self, inputs: list[Tensor], hidden: Tensor, share: Tensor | None) -> Tensor:
        """What comes before the nonlinearities, [N, G]."""
        found = self.both(torch.cat([*inputs, hidden], dim=1))
        return found if share is None else found.add_(share)

    def __call__(self, inputs: list[Tensor], state: State, share: Tensor | None) -> State:
        """The state [N, H] after one step, whose first part is the output."""
        return (self.gates(inputs, state[0], share).tanh_(),)


class _LSTM(_Step):
    parts = 2

    def ordered(self, gates: Tensor) -> Tensor:
        entering, forget, new, leaving = gates.chunk(4)
        return torch.cat([entering, forget, leaving, new])  # the sigmoids beside each other

    def __call__(self, inputs: list[Tensor], state: State, share: Tensor | None) -> State:
        hidden, cell = state
        found = self.gates(inputs, hidden, share)
        squashed, new = found.split_with_sizes([3 * self.width, self.width], 1)
        entering, forget, leaving = squashed.sigmoid_().chunk(3, 1)
        cell = torch.mul(forget, cell).addcmul_(entering, new.tanh_())
        return torch.tanh(cell).mul_(leaving), cell


class _GRU(_Step):
    def prepare(self, product: Making) -> None:
        # The reset gate stands between the two products.
        self.given = product(self.weight_ih.contiguous(), self.bias_ih)
        self.recurrent = product(self.weight_hh, self.bias_hh)

    def __call__(self, inputs: list[Tensor], state: State, share: Tensor | None) -> State:
        (hidden,) = state
        given = self.given(torch.cat(inputs, dim=1) if len(inputs) > 1 else inputs[0])
        given = given if share is None else given.add_(share)
        parts = [2 * self.width, self.width]
        gates, new = given.split_with_sizes(parts, 1)
        of_gates, of_new = self.recurrent(hidden).split_with_sizes(parts, 1)
        reset, update = gates.add_(of_gates).sigmoid_().chunk(2, 1)
        new = torch.addcmul(new, reset, of_new).tanh_()
        return (torch.lerp(new, hidden.to(new.dtype), update),)  # autocast may mix the two


class _ReLU(_Step):
    def __call__(self, inputs: list[Tensor], state: State, share: Tensor | None) -> State:
        return (self.gates(inputs, state[0], share).relu_(),)


class _Unrolled(_Step):
    """A layer whose step is its own, in evaluation."""

    def __init__(self, layer: Recurrent, context: int, product: Making):
        super().__init__(layer, context, product)
        assert layer.unrolled is not None
        self.unrolled, self.parts = layer.unrolled, layer.parts

    def prepare(self, product: Making) -> None:
        # What is normalised is each product by itself.
        self.given = product(self.weight_ih.contiguous(), None)
        self.recurrent = product(self.weight_hh, None)

    def __call__(self, inputs: list[Tensor], state: State, share: Tensor | None) -> State:
        given = self.given(torch.cat(inputs, dim=1))
        given = given if share is None else given.add_(share)
        across = self.recurrent(state[0])
        return self.unrolled.step(given, across, state, (self.bias_ih, self.bias_hh))


def _step(layer: Recurrent, context: int, product: Making) -> _Step:
    """What asks `layer` for a step."""
    kind = _Unrolled if layer.unrolled is not None else STEPS[layer.cell.mode]
    return kind(layer, context, product)


STEPS = {"LSTM": _LSTM, "GRU": _GRU, "RNN_TANH": _Step, "RNN_RELU": _ReLU}
