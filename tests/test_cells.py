"""Cells step by step: all off they are torch's, and each remedy does what its paper says."""

import pytest
import torch
from test_model import batch, network

from seqgen.cells import Chance, GateNorm, Inside, Unrolled
from seqgen.decoder import Decoder
from seqgen.initialization import initialize_layer
from seqgen.normalization import Between
from seqgen.recurrent import CELLS, Recurrent, parts
from seqgen.stack import Stack

B, T, E, H = 3, 5, 4, 6
LENGTHS = torch.tensor([5, 2, 4])
DROPPED = Inside(recurrent_dropout=0.4, weight_dropout=0.3)
EVERYTHING = Inside(0.4, 0.3, zoneout=0.2, layer_norm=True)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(1)


def layer_of(cell, inside):
    layer = Recurrent(cell, E, H, inside).double()
    for weight in layer.parameters():
        weight.data += 0.3 * torch.randn_like(weight)
    return layer


def start(cell, rows=B):
    return tuple(torch.randn(1, rows, H).double() for _ in range(parts(cell)))


def same_weights(inside, other):
    """Two layers that differ in what is inside alone."""
    one, two = layer_of("lstm", inside), Recurrent("lstm", E, H, other).double()
    two.cell.load_state_dict(one.cell.state_dict())
    return one, two


@pytest.mark.parametrize("cell", CELLS)
def test_with_all_off_the_loop_is_the_cell_of_torch(cell):
    layer = layer_of(cell, Inside())
    assert layer.unrolled is None
    loop = Unrolled(layer.cell.mode, H, Inside())
    inputs, state = torch.randn(B, T, E).double().requires_grad_(), start(cell)
    results = []
    for run in (
        lambda: layer.cell(inputs, state if cell == "lstm" else state[0]),
        lambda: loop(inputs, state, layer.weights(Chance()), None),
    ):
        outputs, ended = run()
        ended = ended if isinstance(ended, tuple) else (ended,)
        loss = outputs.sin().sum() + sum(part.cos().sum() for part in ended)
        results.append([outputs, *ended, *torch.autograd.grad(loss, [inputs, *layer.parameters()])])
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("training", [True, False])
def test_one_pass_equals_one_step_at_a_time_with_what_was_drawn(cell, training):
    inside = EVERYTHING._replace(zoneout=0.0 if training else 0.2)  # drawn anew at each step
    layer = layer_of(cell, inside).train(training)
    inputs, state = torch.randn(B, T, E).double(), start(cell)
    chance = layer.draw(B)
    assert (chance.kept is not None) == (chance.weight is not None) == training
    outputs, ended = layer(inputs, state, chance)
    for t in range(T):
        one, state = layer(inputs[:, t : t + 1], state, chance)
        torch.testing.assert_close(one[:, 0], outputs[:, t])
    torch.testing.assert_close(state, ended)


def test_the_mask_of_the_state_is_one_a_sequence_and_only_gates_read_through_it():
    layer = layer_of("gru", Inside(recurrent_dropout=0.5)).requires_grad_(False)
    seen = []
    layer.unrolled.of_state.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    # The identity as recurrent matrix shows in the products what the gates read.
    layer.cell.weight_hh_l0.copy_(torch.eye(H).repeat(3, 1))
    outputs, _ = layer(torch.randn(B, T, E).double(), start("gru"))
    states = outputs[:, :-1].unbind(1)
    ratios = torch.stack(
        [read[:, :H] / state for read, state in zip(seen[1:], states, strict=True)]
    )
    torch.testing.assert_close(ratios, ratios[:1].expand_as(ratios))
    assert set(ratios.unique().round(decimals=9).tolist()) == {0.0, 2.0}
    assert not torch.equal(ratios[0, 0], ratios[0, 1]), "each sequence has its own"
    assert outputs.all(), "what is carried on is not dropped"
    layer.eval()(torch.randn(B, T, E).double(), start("gru"))
    assert layer.draw(B) == Chance()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("grad", [True, False])  # the kernels where there are some, or torch
@pytest.mark.parametrize("single", [True, False])
def test_dropped_weights_are_a_plain_layer_with_these_weights(cell, grad, single):
    kind = torch.float32 if single else torch.float64
    dropping, plain = Recurrent(cell, E, H, Inside(weight_dropout=0.5)), Recurrent(cell, E, H)
    dropping.to(kind), plain.to(kind)
    assert dropping.unrolled is None
    chance = dropping.draw(B)
    share = chance.weight / dropping.cell.weight_hh_l0
    torch.testing.assert_close(share.unique(), torch.tensor([0.0, 2.0], dtype=kind),
                               atol=1e-3, rtol=0)  # fmt: skip
    plain.cell.load_state_dict(dropping.cell.state_dict())
    plain.cell.weight_hh_l0.data.copy_(chance.weight)
    inputs, state = torch.randn(B, T, E, dtype=kind), tuple(part.to(kind) for part in start(cell))
    with torch.set_grad_enabled(grad):
        for given in ((inputs, state), (inputs[:, :1], state), (inputs, None)):
            torch.testing.assert_close(dropping(*given, chance), plain(*given))
        packed = dropping.packed(inputs, LENGTHS, chance)
        torch.testing.assert_close(packed, plain.packed(inputs, LENGTHS))
    # Without a pass's draw it draws, in training alone.
    assert not torch.allclose(dropping(inputs, state)[0], dropping(inputs, state)[0])
    assert torch.equal(dropping.eval()(inputs, state)[0], dropping(inputs, state)[0])


@pytest.mark.parametrize("cell", CELLS)
def test_the_gradient_reaches_the_weights_that_were_kept(cell):
    layer = Recurrent(cell, E, H, Inside(weight_dropout=0.5)).double()
    chance = layer.draw(B)
    outputs, _ = layer(torch.randn(B, T, E).double(), start(cell), chance)
    (gradient,) = torch.autograd.grad(outputs.sin().sum(), layer.cell.weight_hh_l0)
    dropped = chance.weight == 0
    assert dropped.any()
    assert not gradient[dropped].any()
    assert gradient[~dropped].count_nonzero() > dropped.logical_not().sum() / 2


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_nothing_is_drawn_where_no_share_is_set(share):
    layer = Recurrent("lstm", E, H, Inside(weight_dropout=share))
    before = torch.get_rng_state()
    layer(torch.randn(B, T, E, generator=torch.Generator()), None)
    assert torch.equal(torch.get_rng_state(), before) == (share == 0)


def test_zoneout_is_on_average_what_it_is_outside_training():
    layer = layer_of("lstm", Inside(zoneout=0.3)).requires_grad_(False)
    many = 40_000
    inputs, state = torch.randn(1, 1, E).double(), start("lstm", rows=1)
    wide = tuple(part.expand(1, many, H) for part in state)
    _, drawn = layer(inputs.expand(many, 1, E), wide)
    _, expected = layer.eval()(inputs, state)
    plain = layer.cell(inputs, state)[1]
    for each, mean, before, after in zip(drawn, expected, state, plain, strict=True):
        torch.testing.assert_close(each.mean(1), mean[0], atol=0.02, rtol=0)
        torch.testing.assert_close(mean, 0.3 * before + 0.7 * after)
        kept = torch.isclose(each, before)
        assert torch.isclose(each, after)[~kept].all(), "an entry is as it was, or as it would be"
        assert float(kept.double().mean()) == pytest.approx(0.3, abs=0.01)
    both = torch.isclose(drawn[0], state[0]) & torch.isclose(drawn[1], state[1])
    assert float(both.double().mean()) == pytest.approx(0.09, abs=0.01), (
        "each with a mask of its own"
    )


@pytest.mark.parametrize(("mode", "widths"), [("LSTM", [24]), ("GRU", [12, 6]), ("RNN_TANH", [6])])
def test_normalised_products_have_mean_0_and_variance_1_before_the_gain(mode, widths):
    norm = GateNorm(mode, H).double()
    products = 3 + 7 * torch.randn(B, sum(widths)).double()
    for part in torch.split(norm(products), widths, dim=-1):
        torch.testing.assert_close(part.mean(-1), torch.zeros(B).double())
        variance = part.var(-1, correction=0)
        torch.testing.assert_close(variance, torch.ones(B).double(), atol=1e-5, rtol=0)
    norm.gain.data.copy_(torch.arange(sum(widths)))
    assert not norm(products)[:, 0].any(), "the gain is an entry's own"


def test_a_normalised_lstm_is_its_formula():
    layer = layer_of("lstm", Inside(layer_norm=True)).requires_grad_(False)
    weight_ih, weight_hh, bias_ih, bias_hh = layer.cell.all_weights[0]
    loop, inputs, (hidden, cell) = layer.unrolled, torch.randn(B, 1, E).double(), start("lstm")

    def normal(values):
        centred = values - values.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()

    gates = normal(inputs[:, 0] @ weight_ih.T) * loop.of_inputs.gain + bias_ih
    gates += normal(hidden[0] @ weight_hh.T) * loop.of_state.gain + bias_hh
    entering, forget, new, leaving = gates.chunk(4, -1)
    memory = forget.sigmoid() * cell[0] + entering.sigmoid() * new.tanh()
    shown = normal(memory) * loop.of_cell.weight + loop.of_cell.bias
    outputs, ended = layer(inputs, (hidden, cell))
    torch.testing.assert_close(ended[1][0], memory)
    torch.testing.assert_close(outputs[:, 0], leaving.sigmoid() * shown.tanh())


def test_a_normalised_gru_is_its_formula():
    layer = layer_of("gru", Inside(layer_norm=True)).requires_grad_(False)
    weight_ih, weight_hh, bias_ih, bias_hh = layer.cell.all_weights[0]
    loop, inputs, (hidden,) = layer.unrolled, torch.randn(B, 1, E).double(), start("gru")

    def normal(values, norm):
        """Both gates together, [B, 2 H], and the candidate by itself, [B, H]."""
        parts = [(part - part.mean(-1, keepdim=True))
                 / (part.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
                 for part in (values[:, : 2 * H], values[:, 2 * H :])]  # fmt: skip
        return torch.cat(parts, dim=-1) * norm.gain

    given = normal(inputs[:, 0] @ weight_ih.T, loop.of_inputs) + bias_ih
    across = normal(hidden[0] @ weight_hh.T, loop.of_state) + bias_hh
    reset = (given + across)[:, :H].sigmoid()
    update = (given + across)[:, H : 2 * H].sigmoid()
    new = (given[:, 2 * H :] + reset * across[:, 2 * H :]).tanh()
    outputs, ended = layer(inputs, (hidden,))
    torch.testing.assert_close(outputs[:, 0], (1 - update) * new + update * hidden[0])
    torch.testing.assert_close(ended[0][0], outputs[:, 0])


def test_the_forget_gate_starts_open_in_a_normalised_cell_too():
    layer = Recurrent("lstm", E, H, Inside(layer_norm=True))
    initialize_layer(layer, "xavier", "orthogonal", forget_bias=9.0)
    state = (torch.zeros(1, B, H), torch.randn(1, B, H))
    for weight in (layer.cell.weight_ih_l0, layer.cell.weight_hh_l0):
        weight.data.zero_()
    _, (_, cell) = layer(torch.randn(B, 1, E), state)
    torch.testing.assert_close(cell, state[1], atol=1e-3, rtol=0)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("pack", [True, False, None])
def test_a_source_is_read_to_its_end_and_no_further(cell, both, pack):
    stack = Stack(cell, E, H, 3, both, Between(0.0, True, layer_norm=True), EVERYTHING).double()
    stack.eval().pack = pack
    inputs = torch.randn(B, T, E).double()
    outputs = stack(inputs, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = stack(inputs[row : row + 1, :length], LENGTHS[row : row + 1])
        torch.testing.assert_close(outputs[row, :length], alone[0])
        assert not outputs[row, length:].any()
        torch.testing.assert_close(stack.last(outputs, LENGTHS)[row],
                                   stack.last(alone, LENGTHS[row : row + 1])[0])  # fmt: skip


def test_groups_of_one_length_share_weights_and_keep_each_sequences_mask(monkeypatch):
    # Sentences of two lengths, twice: in groups or side by side, with one draw.
    lengths = torch.tensor([2, 40] * 20)
    stack = Stack("rnn", E, H, 1, True, inside=DROPPED)
    drawn = [layer.draw(len(lengths)) for layer in stack._layers(0)]
    inputs = torch.randn(len(lengths), 40, E)
    found, calls = [], []
    for layer, chance in zip(stack._layers(0), drawn, strict=True):
        monkeypatch.setattr(layer, "draw", lambda rows, one=chance: calls.append(rows) or one)
    for stack.pack in (None, False):
        found.append(stack(inputs, lengths))
    assert calls == [40] * 4, "one draw a layer and pass, not a group"
    torch.testing.assert_close(*found, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("feeding", [True, False])
def test_a_pass_draws_once_a_layer_however_its_steps_are_taken(feeding, monkeypatch):
    dropped = {"recurrent_dropout": 0.4, "weight_dropout": 0.3}
    model = network("gru", layers=3, input_feeding=feeding, **dropped).train()
    draws, real = [], Recurrent.draw
    monkeypatch.setattr(Recurrent, "draw", lambda *given: draws.append(given[1]) or real(*given))
    model(batch()).backward()
    assert draws == [3] * (2 * 3 + 3), "both directions of three layers, and the decoder's"


def test_input_feeding_at_once_equals_the_loop_with_dropped_weights(monkeypatch):
    model, results = network("lstm", input_feeding=True, weight_dropout=0.4).train(), []
    for at_once in (True, False):
        if not at_once:
            monkeypatch.setattr(Decoder, "_has_kernel", lambda *_: False)
        torch.manual_seed(2)
        loss = model(batch())
        results.append([loss, *torch.autograd.grad(loss, list(model.parameters()))])
    torch.testing.assert_close(*results)
    assert not torch.isclose(results[0][0], model.eval()(batch()))


def test_a_cell_that_is_fed_readouts_learns_from_what_it_computes():
    model = network("lstm", input_feeding=True, layer_norm="inside")
    with torch.no_grad():  # where no gradient is wanted it is a loop
        expected = -model.forced(batch()).log_probs.sum()
    torch.testing.assert_close(model.train()(batch()), expected)


def test_gains_are_spared_by_weight_decay():
    layer = Recurrent("lstm", E, H, Inside(layer_norm=True))
    assert {weight.dim() for weight in layer.unrolled.parameters()} == {1}
    assert len(list(layer.unrolled.parameters())) == 4


def test_state_is_carried_in_full_precision_under_autocast():
    layer = Recurrent("gru", E, H, EVERYTHING).eval()
    inputs, state = torch.randn(B, T, E), tuple(part.float() for part in start("gru"))
    exact = layer(inputs, state)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(layer(inputs, state), exact, rtol=0, atol=0)
        near, _ = layer(inputs.bfloat16(), state)
    torch.testing.assert_close(near, exact[0], atol=0.05, rtol=0)
