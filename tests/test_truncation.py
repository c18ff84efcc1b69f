"""Targets in windows: the same loss, gradients that end where a window begins, less memory."""

import weakref

import pytest
import test_model
import torch
from test_model import EVERY, batch, network
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from seqgen.batching import Batch
from seqgen.decoding import padded
from seqgen.errors import ConfigError
from seqgen.sampling import GOLD, Forcing
from seqgen.trainsection import TrainConfig
from seqgen.truncation import WIDTH, Border, learn
from seqgen.vocabulary import BOS, EOS, PAD

TARGETS = (4, 6, 2)
DRAWN = ("zoneout", "recurrent_dropout", "weight_dropout")
T = max(TARGETS) + 1
KINDS = [
    ("lstm", "general", 1, {}),
    ("gru", "additive", 3, {"bridge": "mean", "lexical": True}),
    ("rnn", "dot", 2, {"bridge": "zero"}),
    ("lstm", "scaled_dot", 3, {"bridge": "learned"}),
    ("gru", "general", 1, {"copy": True, "tie": "all"}),
    ("lstm", "general", 1, {"input_feeding": True}),
    ("gru", "additive", 3, {"input_feeding": True, "copy": True}),
    ("lstm", "additive", 3, {"attention_coverage": True}),
    ("gru", "general", 3, {"layer_norm": "both"}),
    ("lstm", "general", 3, {"weight_dropout": 0.4}),
    ("gru", "dot", 2, {"weight_dropout": 0.4, "recurrent_dropout": 0.3}),
    ("lstm", "general", 1, {"weight_dropout": 0.4, "input_feeding": True}),
    ("rnn", "general", 1, {"recurrent_dropout": 0.3, "zoneout": 0.2}),
]


@pytest.mark.parametrize("name", ["r_drop", "coverage_loss"])
def test_what_compares_whole_targets_wants_no_windows(name):
    with pytest.raises(ConfigError, match=rf"^train\.{name} compares whole targets, .* = 5 takes"):
        TrainConfig(truncate=5, **{name: 0.5})
    TrainConfig(truncate_source=5, **{name: 0.5})


def learned(model, given, window, forcing=GOLD, tokens=13.0):
    """The loss, and the gradient of every weight over `tokens`, under the same coins."""
    torch.manual_seed(5)
    model.window = window
    model.zero_grad()
    loss = learn(model, given, forcing, tokens)
    return loss, gradients(model)


def gradients(model):
    return {name: weight.grad for name, weight in model.named_parameters()}


def by_hand(model, given, window, forcing=GOLD, tokens=13.0):
    """Step by step in one graph, cut off from what was before where a window begins.

    What is dropped of states and of weights is drawn once for all steps.
    """
    model.decoder._has_kernel = lambda _: False  # one of whole targets, that ends gradients
    torch.manual_seed(5)
    model.window = 0
    model.zero_grad()
    memory, state, inputs = model.begin(given, forcing)
    drawn = model.decoder.draw(len(given.target))
    model.decoder.draw = lambda _: drawn
    gold, smoothing, total = given.target[:, 1:], model.label_smoothing, 0.0
    for t in range(gold.shape[1]):
        if t and t % window == 0:
            state = tuple(part.detach() for part in state)
        log_probs, state = model.step(inputs[:, t], memory, state)
        right = log_probs.gather(1, gold[:, t, None]).squeeze(1)
        each = (1 - smoothing) * right + smoothing * log_probs.mean(1)
        total = total - each[gold[:, t] != PAD].sum()
    (total / tokens).backward()
    del model.decoder._has_kernel, model.decoder.draw
    return total.detach(), gradients(model)


@pytest.mark.parametrize(("cell", "attention", "layers", "extra"), KINDS)
@pytest.mark.parametrize("forcing", [GOLD, Forcing(0.4, 2, "sample"), Forcing(0.4, 0)])
def test_gradients_end_where_a_window_begins(cell, attention, layers, extra, forcing):
    model, given = network(cell, attention, layers, **extra).train(), batch(target_lengths=TARGETS)
    model.label_smoothing = 0.0 if extra.get("copy") else 0.1
    full = learned(model, given, 0, forcing)
    for window in (1, 2, 3):
        found = learned(model, given, window, forcing)
        torch.testing.assert_close(found, by_hand(model, given, window, forcing))
        torch.testing.assert_close(found[0], full[0])  # the loss is that of the whole target
        name = "decoder.layers.0.cell.weight_hh_l0"
        assert not torch.allclose(found[1][name], full[1][name])


@pytest.mark.parametrize(("cell", "attention", "layers", "extra"), KINDS)
@pytest.mark.parametrize("window", [T, T + 5])
def test_a_window_as_long_as_the_target_cuts_nothing_off(cell, attention, layers, extra, window):
    model = network(cell, attention, layers, dropout=0.4, word_dropout=0.3, **extra).train()
    model.label_smoothing = 0.1
    given, forcing = batch(target_lengths=TARGETS), Forcing(0.5, 1)
    torch.testing.assert_close(
        learned(model, given, window, forcing), learned(model, given, 0, forcing)
    )


def test_without_windows_the_update_is_what_it_was_to_the_bit():
    model, given = network(dropout=0.4).float().train(), batch(target_lengths=TARGETS)
    torch.manual_seed(5)
    loss = model(given)
    (loss / 13.0).backward()
    expected = loss.detach(), {name: one.clone() for name, one in gradients(model).items()}
    torch.testing.assert_close(learned(model, given, 0), expected, rtol=0, atol=0)


@pytest.mark.parametrize("extra", [{"copy": True}, {"input_feeding": True}])
def test_windows_of_a_sentence_do_not_depend_on_its_neighbours(extra):
    model, given = network("lstm", layers=2, **extra).train(), batch(target_lengths=TARGETS)
    model.encoder.stack.window = 2
    together, expected = learned(model, given, 2), None
    for row in range(3):
        length, size = int(given.source_lengths[row]), TARGETS[row] + 2
        one = Batch(given.source[row : row + 1, :length], given.source_lengths[row : row + 1],
                    given.target[row : row + 1, :size], size - 1)  # fmt: skip
        loss, found = learned(model, one, 2)
        expected = (loss, found) if expected is None else (
            expected[0] + loss, {name: expected[1][name] + each for name, each in found.items()}
        )  # fmt: skip
    torch.testing.assert_close(together, expected)


def test_windows_of_padding_alone_are_left_out():
    model, given = network().train(), batch(target_lengths=TARGETS)
    wider = given._replace(target=torch.nn.functional.pad(given.target, (0, 5), value=PAD))
    torch.testing.assert_close(learned(model, wider, 2), learned(model, given, 2))


@pytest.mark.parametrize(("cell", "attention", "layers", "extra"), EVERY)
def test_padding_that_makes_shapes_recur_changes_no_update(cell, attention, layers, extra):
    # Dropout draws other numbers in a wider batch; what is drawn is not the claim.
    extra = {**extra, **{name: 0.0 for name in DRAWN if name in extra}}
    model, given = network(cell, attention, layers, **extra).train(), batch(target_lengths=TARGETS)
    wider = given.widened(WIDTH)
    assert {ids.shape[1] % WIDTH for ids in (wider.source, wider.target)} == {0}
    assert given.widened(1).source.shape == given.source.shape
    torch.testing.assert_close(learned(model, wider, 0), learned(model, given, 0))


@pytest.mark.parametrize(("mixed", "window"), [(True, 0), (False, 0), (True, 3)])
def test_in_bf16_on_the_cpu_widths_of_batches_recur(mixed, window, monkeypatch):
    model, given, seen = network().float().train(), batch(target_lengths=TARGETS), []
    read = model.encoder.forward
    monkeypatch.setattr(
        model.encoder,
        "forward",
        lambda ids, *rest: (seen.append(ids.shape[1]), read(ids, *rest))[1],
    )
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        learned(model, given, window)
    assert seen == [WIDTH if mixed and not window else given.source.shape[1]]


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_bf16_on_the_cpu_gives_nearly_the_same(cell):
    model, given = network(cell).float().train(), batch(target_lengths=TARGETS)
    model.encoder.stack.window = 2
    results = []
    for mixed in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            results.append(learned(model, given, 2))
    (exact, gradient), (rounded, other) = results
    assert float(rounded) == pytest.approx(float(exact), rel=0.02)
    assert float(rounded) != float(exact), "something was rounded to 8 bits"
    for name, each in gradient.items():
        both = each.flatten(), other[name].flatten()
        assert float(torch.nn.functional.cosine_similarity(*both, dim=0)) > 0.99, name


def test_gradients_of_few_bits_are_summed_with_more():
    made = torch.ones(1, dtype=torch.bfloat16, requires_grad=True)
    border = Border([made * 2])
    for _ in range(1000):  # bf16 counts to 256
        (border.parts()[0].float() * 1.0).backward()
    border.pass_back()
    assert float(made.grad) == pytest.approx(2000, rel=0.01)


class Alive(TorchDispatchMode):
    """Counts the bytes of what is alive of all that was made under it."""

    def __init__(self):
        super().__init__()
        self.now = self.most = 0
        self.known = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for each in tree_leaves(made):
            if isinstance(each, torch.Tensor):
                self._count(each.untyped_storage())
        self.most = max(self.most, self.now)
        return made

    def _count(self, storage):
        key, size = storage._cdata, storage.nbytes()
        if key not in self.known:
            self.now += size
            self.known[key] = weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key, size):
        del self.known[key]
        self.now -= size


def most_alive(call):
    """The most bytes of tensors that were alive at a time."""
    with Alive() as mode:
        call()
    assert mode.most > 0
    return mode.most


@pytest.mark.parametrize("forcing", [GOLD, *(Forcing(0.5, passes, feedback) for passes, feedback in
                                             ((1, "argmax"), (1, "sample"), (0, "top_k")))]
)  # fmt: skip
@pytest.mark.parametrize(("cell", "extra"), [("lstm", {}), ("gru", {"weight_dropout": 0.3}),
                                             ("lstm", {"input_feeding": True})])  # fmt: skip
def test_memory_grows_with_the_window_and_not_with_the_target(cell, extra, forcing, monkeypatch):
    # As many ids as real vocabularies have beside a width: scores of all targets would show.
    monkeypatch.setattr(test_model, "TARGETS", 307)
    model = network(cell, hidden=40, **extra).train()

    def alive(steps, window):
        source, lengths = padded([[5, 6, 7, EOS], [8, EOS]])
        target, _ = padded([[BOS, *[4, 9, 7, 5] * (steps // 4)]] * 2)
        given = Batch(source, lengths, target, 2 * steps)
        learned(model, given, window, forcing)  # gradients are there from now on
        return most_alive(lambda: learned(model, given, window, forcing))

    grown = {window: alive(160, window) - alive(80, window) for window in (0, 8, 16)}
    assert grown[8] < 0.02 * grown[0]
    assert grown[16] < 0.02 * grown[0]
