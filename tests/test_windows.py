"""Layers in windows of the source: the same outputs, gradients that end where a window begins."""

import itertools

import pytest
import torch
from test_truncation import most_alive

from seqgen.cells import Chance, Inside
from seqgen.normalization import Between
from seqgen.stack import Stack
from seqgen.windows import in_windows

B, S, E, D = 3, 7, 5, 6
LENGTHS = torch.tensor([5, 7, 2])


def stack(cell="gru", layers=1, both=True, **values):
    torch.manual_seed(3)
    between = Between(values.get("dropout", 0.0), residual=layers > 1)
    made = Stack(cell, E, D, layers, both, between, values.get("inside", Inside()))
    made = made.to(values.get("kind", torch.float64)).train()
    for weight in made.parameters():
        weight.data += 0.3 * torch.randn_like(weight)
    return made


def found(made, inputs, run, coins=0):
    """The outputs, and the gradient of a weighted sum of them."""
    torch.manual_seed(coins)
    inputs = inputs.clone().requires_grad_()
    outputs = run(made, inputs)
    wanted = torch.linspace(-1, 1, outputs.numel()).to(outputs).view_as(outputs)
    gradients = torch.autograd.grad((outputs * wanted).sum(), [inputs, *made.parameters()])
    return [outputs.detach(), *gradients]


def given(kind=torch.float64):
    torch.manual_seed(2)
    return torch.randn(B, S, E).to(kind)


def whole(made, inputs):
    return made(inputs, LENGTHS)


def windowed(window):
    def run(made, inputs):
        made.window = window
        return made(inputs, LENGTHS)

    return run


def by_hand(window):
    """Sentence by sentence, step by step, cut off from what was before where a window begins.

    What is dropped of states and of weights is drawn once for all sentences and steps.
    """

    def directed(layer, chance, sentence):
        state, outputs = None, []
        for t, step in enumerate(sentence):
            if state is not None and t % window == 0:
                state = tuple(part.detach() for part in state)
            output, state = layer(step[None, None], state, chance)
            outputs.append(output[0, 0])
        return torch.stack(outputs)

    def run(made, inputs):
        rows, depth = [], len(made.forwards)
        drawn = [[layer.draw(B) for layer in made._layers(number)] for number in range(depth)]
        for row, (sentence, length) in enumerate(zip(inputs, LENGTHS.tolist(), strict=True)):
            hidden = sentence[:length]
            for number, forwards in enumerate(made.forwards):
                mine = [chance.select(torch.tensor([row])) for chance in drawn[number]]
                outputs = directed(forwards, mine[0], hidden)
                for backwards in made.backwards[number : number + 1]:
                    back = directed(backwards, mine[1], hidden.flip(0)).flip(0)
                    outputs = torch.cat([outputs, back], dim=1)
                hidden = hidden + outputs if number else outputs
            rows.append(torch.nn.functional.pad(hidden, (0, 0, 0, S - length)))
        return torch.stack(rows)

    return run


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize(("layers", "both"), [(1, True), (3, True), (2, False)])
@pytest.mark.parametrize("window", [1, 2, 3])
@pytest.mark.parametrize("inside", [Inside(), Inside(weight_dropout=0.4), Inside(0.3, 0.4)])
def test_gradients_end_where_a_window_of_either_direction_begins(
    cell, layers, both, window, inside
):
    made, inputs = stack(cell, layers, both, inside=inside), given()
    results = [found(made, inputs, run(window)) for run in (windowed, by_hand)]
    torch.testing.assert_close(*results)
    full = found(made, inputs, windowed(0))
    torch.testing.assert_close(results[0][0], full[0])  # no output is another
    assert not torch.allclose(results[0][1], full[1])


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("kind", [torch.float64, torch.float32])
@pytest.mark.parametrize("window", [S, S + 4])
def test_a_window_as_long_as_the_source_cuts_nothing_off(cell, kind, window):
    inside = Inside(weight_dropout=0.3)
    made, inputs = stack(cell, layers=2, dropout=0.5, kind=kind, inside=inside), given(kind)
    full, same = (found(made, inputs, run) for run in (whole, windowed(window)))
    near = {"atol": 1e-5, "rtol": 1e-4} if kind == torch.float32 else {}
    torch.testing.assert_close(same, full, **near)
    assert not torch.allclose(found(made, inputs, whole, coins=1)[0], full[0]), "coins fall"


def test_windows_are_of_training_alone():
    made, inputs = stack().eval(), given()
    made.window = 2
    results = [found(made, inputs, run) for run in (windowed(2), windowed(0))]
    torch.testing.assert_close(*results, rtol=0, atol=0)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_way_back_computes_in_the_precision_of_the_way_there(cell):
    made, inputs, results = stack(cell, kind=torch.float32), given(torch.float32), []
    made.window = 3
    for inside in (True, False):
        made.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            total = made(inputs, LENGTHS).float().square().sum()
            if inside:
                total.backward()
        if not inside:
            total.backward()
        results.append([weight.grad for weight in made.parameters()])
    torch.testing.assert_close(*results, rtol=0, atol=0)
    exact = found(made, inputs, windowed(3))[2]
    assert torch.equal(exact, results[0][0]) is False


def test_what_is_drawn_inside_a_layer_is_drawn_once():
    class Coins(torch.nn.Module):
        def forward(self, inputs, state, chance):
            return torch.nn.functional.dropout(inputs, 0.5), (inputs[:, -1:],)

    torch.manual_seed(1)
    inputs = torch.rand(B, S, E, requires_grad=True)
    outputs = in_windows(Coins(), inputs, 3, Chance())
    assert 0 < int((outputs == 0).sum()) < outputs.numel()
    outputs.sum().backward()
    torch.testing.assert_close(inputs.grad * inputs, outputs)


def test_of_the_inside_of_a_layer_no_more_is_kept_than_of_a_window():
    def alive(cell, steps, window):
        made, lengths = stack(cell, layers=2), torch.full((B,), steps)
        inputs = torch.randn(B, steps, E).double()
        made.window = window
        return most_alive(lambda: made(inputs, lengths).sum().backward())

    grown = {(cell, window): alive(cell, 160, window) - alive(cell, 80, window)
             for cell in ("lstm", "gru") for window in (0, 16)}  # fmt: skip
    # What the layers read and write is the same whatever is inside, but for an LSTM's cells.
    states = B * 80 / 16 * 2 * D * 8
    assert grown["lstm", 16] == pytest.approx(grown["gru", 16], abs=2 * states)
    coins = len(torch.get_rng_state()) * 2 * 2 * 80 / 16  # of layers, directions, windows
    for cell in ("lstm", "gru"):
        assert grown[cell, 16] - coins < 0.5 * grown[cell, 0]


def test_the_windows_differ():
    made, inputs = stack(), given()
    each = [found(made, inputs, windowed(window))[1] for window in (1, 2, 3, S)]
    assert not any(torch.allclose(*two) for two in itertools.combinations(each, 2))
