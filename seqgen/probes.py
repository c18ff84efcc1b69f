"""A look inside a network with a few sentences: what training leaves unseen, at no cost to it.

Nothing here draws a random number, keeps a gradient or changes a weight.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqgen.batching import Batch
from seqgen.decoding import decode
from seqgen.diagnostics import GATES, KEEPING, Noise, entropies, noise, saturated
from seqgen.model import Seq2Seq, evaluating
from seqgen.recurrent import Recurrent, State, whole
from seqgen.sections import DecodeConfig
from seqgen.vocabulary import PAD

Heard = Callable[[str, Recurrent, Any, Any], Any]  # name, layer, what it read, what it gave


class Looked(NamedTuple):
    """What the inside of a network does while it is fed the targets of a batch."""

    saturation: dict[str, float]  # by layer and gate
    keeping: dict[str, float]  # mean of a layer's forget gate, or of a GRU's update gate
    entropy: float  # of attention, nats, mean over target tokens
    spread: float  # the same as a share of what attention to all alike would have


class Exposure(NamedTuple):
    """How often the token at each target position is the right one."""

    forced: list[float]  # [T] where the tokens before it were the right ones
    free: list[float]  # [T] where they were the model's own
    tokens: list[int]  # [T] targets that have such a position

    @property
    def totals(self) -> tuple[float, float]:
        """The shares over all positions: fed the right tokens, and on its own."""
        count = sum(self.tokens)
        forced, free = (
            sum(share * tokens for share, tokens in zip(shares, self.tokens, strict=True)) / count
            for shares in (self.forced, self.free)
        )
        return forced, free


def look(model: Seq2Seq, batch: Batch) -> Looked:
    """Gates and attention of `batch`, fed its targets."""
    heard: dict[str, list[Tensor]] = {}

    def hear(name: str, layer: Recurrent, read: Any, gave: Any) -> None:
        found = _gates(layer, read, gave[0])
        if found is not None:
            heard.setdefault(name, []).append(found)

    with torch.no_grad(), _listening(model, hear):
        weights = model.forced(batch).weights
    real = {True: batch.source != PAD, False: batch.target[:, 1:] != PAD}
    saturation, keeping = {}, {}
    for name, steps in heard.items():
        gates = torch.cat(steps, dim=1)[real[name.startswith("encoder.")]]  # [tokens, gates, H]
        names = GATES[{2: 3, 3: 4}[gates.shape[1]]]
        squashed = [gate for gate in names if gate != "new"]
        for gate, found in zip(squashed, gates.unbind(1), strict=True):
            saturation[f"{name} {gate}"] = saturated(found)
            if gate == KEEPING[len(names)]:
                keeping[name] = float(found.mean())
    return Looked(saturation, keeping, *_spread(weights, batch))


def reach(model: Seq2Seq, batch: Batch) -> list[float]:
    """How strongly the loss hangs on the encoder's states, by steps up to the end of reading.

    The norm of the gradient of a sentence's summed loss with respect to all parts of a step's
    states, those of all layers and both directions together, mean over sentences that are so long.
    """
    states: dict[str, list[State]] = {}

    def step_by_step(name: str, layer: Recurrent, read: Any, gave: Any) -> Any:
        if not name.startswith("encoder."):
            return gave
        inputs, state = whole(read[0]), _start(layer, read)
        steps = states.setdefault(name, [])
        for step in torch.split(inputs, 1, dim=1):
            _, state = layer.forward(step, state)
            steps.append(state)
        return torch.cat([step[0].transpose(0, 1) for step in steps], dim=1), state

    with _listening(model, step_by_step), torch.enable_grad():
        loss = model(batch)
        every = [part for steps in states.values() for state in steps for part in state]
        found = iter(torch.autograd.grad(loss, every, allow_unused=True, materialize_grads=True))
    squares = torch.zeros(batch.source.shape, device=model.device)
    for steps in states.values():
        for number, state in enumerate(steps):
            for _ in state:
                squares[:, number] += next(found)[0].square().sum(-1)
    return _by_distance(squares.sqrt(), batch.source_lengths)


def gradient_noise(model: Seq2Seq, batches: Sequence[Batch]) -> Noise:
    """Signal and noise of the gradient, from that of each batch and that of all together."""
    parameters = list(model.parameters())
    total: list[Tensor] = []
    small = torch.zeros((), device=model.device)
    for batch in batches:
        with _evaluated(model), torch.enable_grad():
            loss = model(batch)
            found = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
        small = small + _squared(found) / batch.tokens**2
        total = list(torch._foreach_add(total, list(found)) if total else found)
    many = sum(batch.tokens for batch in batches)
    # Of batches that are not of one size the harmonic mean is what the noise is divided by.
    few = len(batches) / sum(1 / batch.tokens for batch in batches)
    return noise(float(small) / len(batches), float(_squared(total)) / many**2, few, many)


def exposure(model: Seq2Seq, batch: Batch) -> Exposure:
    """Right tokens by target position, fed the targets and found greedily without them."""
    real = (batch.target[:, 1:] != PAD).cpu()
    lengths: list[int] = real.sum(1).tolist()
    sources = [row[: length - 1] for row, length in
               zip(batch.source.tolist(), batch.source_lengths.tolist(), strict=True)]  # fmt: skip
    with _evaluated(model), torch.no_grad():
        forced = model.forced(batch).correct.cpu()
        found = decode(model, sources, lengths, DecodeConfig(beam_size=1))
    free = torch.full(real.shape, PAD)
    for row, (best, *_) in enumerate(found):
        free[row, : len(best.ids)] = torch.tensor(best.ids, dtype=free.dtype)
    right = (free == batch.target[:, 1:].cpu()) & real
    tokens = real.sum(0)
    shares = [(each.sum(0) / tokens).tolist() for each in (forced, right)]
    return Exposure(shares[0], shares[1], tokens.tolist())


def together(parts: Sequence[Exposure]) -> Exposure:
    """The exposure of all batches out of that of each."""
    longest = max(len(one.tokens) for one in parts)
    forced, free, tokens = ([0.0] * longest for _ in range(3))
    for one in parts:
        for place, count in enumerate(one.tokens):
            forced[place] += one.forced[place] * count
            free[place] += one.free[place] * count
            tokens[place] += count
    right, own = (
        [share / count for share, count in zip(each, tokens, strict=True)]
        for each in (forced, free)
    )
    return Exposure(right, own, [int(count) for count in tokens])


@contextmanager
def _listening(model: Seq2Seq, heard: Heard) -> Iterator[None]:
    """Evaluation, in which `heard` is told of each recurrent layer, and may change what it gives.

    The encoder's layers run over padded sentences, padding last in both directions.
    """
    stack = model.encoder.stack
    packing, stack.pack = stack.pack, False

    def hook(name: str) -> Callable[[nn.Module, Any, Any], Any]:
        return lambda layer, read, gave: heard(name, layer, read, gave)  # type: ignore[arg-type]

    layers = [(name, each) for name, each in model.named_modules() if isinstance(each, Recurrent)]
    hooks = [layer.register_forward_hook(hook(name)) for name, layer in layers]
    try:
        with _evaluated(model):
            yield
    finally:
        stack.pack = packing
        for each in hooks:
            each.remove()


@contextmanager
def _evaluated(model: Seq2Seq) -> Iterator[None]:
    """Evaluation, of which cuDNN gives no gradient and torch does."""
    with evaluating(model), torch.backends.cudnn.flags(enabled=False):
        yield


def _gates(layer: Recurrent, read: Any, outputs: Tensor) -> Tensor | None:
    """Activations of the squashing gates, [B, T, gates, H]; None of a layer of another kind."""
    weights = list(layer.parameters())
    if type(layer.cell) not in (nn.LSTM, nn.GRU) or len(weights) != 4:
        return None
    weight_ih, weight_hh, bias_ih, bias_hh = layer.cell.all_weights[0]
    inputs, start = whole(read[0]).to(weight_ih.dtype), _start(layer, read)
    first = outputs.new_zeros(len(outputs), 1, outputs.shape[2])
    first = first if start is None else start[0].transpose(0, 1).to(first)
    before = torch.cat([first, outputs[:, :-1]], dim=1)
    found = functional.linear(inputs, weight_ih, bias_ih)
    found = found + functional.linear(before, weight_hh, bias_hh)
    every: Tensor = found.view(*found.shape[:2], -1, outputs.shape[2])  # [B, T, gates, H]
    return every[:, :, [0, 1, 3] if layer.parts == 2 else [0, 1]].sigmoid()


def _start(layer: Recurrent, read: Any) -> State | None:
    """The state that a layer began with, which it may not have been given."""
    return read[1] if len(read) > 1 else None


def _spread(weights: Tensor, batch: Batch) -> tuple[float, float]:
    """Entropy of attention [B, T, S], in nats and as a share of the most there can be."""
    real = batch.target[:, 1:] != PAD
    nats = entropies(weights.double())
    most = batch.source_lengths.to(nats).log()[:, None].expand_as(nats)
    several = real & (most > 0)
    share = float((nats / most)[several].mean()) if several.any() else 0.0
    return float(nats[real].mean()), share


def _squared(gradients: Sequence[Tensor]) -> Tensor:
    """The squared norm of all together."""
    each = torch.stack(list(torch._foreach_norm(list(gradients))))
    norm: Tensor = torch.linalg.vector_norm(each)
    return norm.square()


def _by_distance(norms: Tensor, lengths: Tensor) -> list[float]:
    """Means of `norms` [B, S] of what is so many steps before each sentence's end."""
    rows = norms.tolist()
    ends: list[int] = lengths.tolist()
    curve = []
    for distance in range(max(ends)):
        found = [row[end - 1 - distance] for row, end in zip(rows, ends, strict=True)
                 if end > distance]  # fmt: skip
        curve.append(sum(found) / len(found))
    return curve
