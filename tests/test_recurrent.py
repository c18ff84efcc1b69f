"""Layers behind one state: whole = step by step, and packed = padded."""

import pytest
import torch
from torch import nn

from seqgen.dropout import Dropout
from seqgen.normalization import Between
from seqgen.recurrent import CELLS, Lookup, Recurrent, embedded, parts, select, whole
from seqgen.stack import Stack, divided

B, S, H, E, L = 3, 7, 10, 5, 2
LENGTHS = torch.tensor([7, 2, 4])


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(1)


@pytest.mark.parametrize("cell", CELLS)
def test_one_pass_equals_one_step_at_a_time(cell):
    layer = Recurrent(cell, E, H).double()
    inputs = torch.randn(B, S, E, dtype=torch.double)
    state = tuple(torch.randn(1, B, H, dtype=torch.double) for _ in range(parts(cell)))
    whole, ended = layer(inputs, state)
    pieces = []
    for t in range(S):
        piece, state = layer(inputs[:, t : t + 1], state)
        pieces.append(piece)
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole)
    torch.testing.assert_close(state, ended)
    assert [tuple(part.shape) for part in ended] == [(1, B, H)] * parts(cell)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("residual", [True, False])
def test_packed_equals_padded_and_masked(cell, both, residual):
    stack = Stack(cell, E, H, L, both, Between(0.0, residual)).double()
    inputs = torch.randn(B, S, E, dtype=torch.double, requires_grad=True)
    results = []
    for stack.pack in (True, False, None):
        inputs.grad = None
        stack.zero_grad()
        outputs = stack(inputs, LENGTHS)
        last = stack.last(outputs, LENGTHS)
        (outputs.sin().sum() + last.cos().sum()).backward()
        weights = [weight.grad for weight in stack.parameters()]
        results.append((outputs.detach(), last.detach(), inputs.grad, weights))
    assert tuple(results[0][0].shape) == (B, S, H)
    for other in results[1:]:
        torch.testing.assert_close(results[0], other)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("both", [True, False])
def test_looking_inputs_up_changes_nothing(cell, both):
    torch.manual_seed(3)
    table = nn.Embedding(7, E, padding_idx=0).double()
    ids = torch.randint(1, 7, (B, S)) * (torch.arange(S) < LENGTHS[:, None])
    stack = Stack(cell, E, H, L, both, Between(0.0, True)).double()
    layer = Recurrent(cell, E, H).double()
    state = tuple(torch.randn(1, B, H, dtype=torch.double) for _ in range(parts(cell)))
    results = []
    for dropout in (Dropout(0.0), Dropout(1e-300)):  # the second leaves them as they are
        inputs = embedded(table, dropout, ids)
        assert isinstance(inputs, Lookup) == (dropout.share == 0)
        torch.testing.assert_close(whole(inputs), table(ids))
        modules = (table, stack, layer)
        for module in modules:
            module.zero_grad()
        outputs, ended = layer(inputs, state)
        read = stack(inputs, LENGTHS)
        (outputs.sin().sum() + ended[-1].cos().sum() + read.exp().sum()).backward()
        weights = [weight.grad for module in modules for weight in module.parameters()]
        # All units of a small layer may be dead where they are rectified.
        assert cell == "rnn_relu" or all(weight.any() for weight in weights)
        results.append((outputs.detach(), read.detach(), weights))
    torch.testing.assert_close(*results)
    with torch.no_grad():
        assert isinstance(embedded(table, Dropout(0.0), ids), torch.Tensor)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("pack", [True, False, None])
def test_a_sentence_does_not_see_its_neighbours_or_its_padding(cell, pack):
    stack = Stack(cell, E, H, L, True, Between(0.0, False)).double()
    stack.pack = pack
    inputs = torch.randn(B, S, E, dtype=torch.double)
    together = stack(inputs, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = stack(inputs[row : row + 1, :length], LENGTHS[row : row + 1])
        torch.testing.assert_close(together[row : row + 1, :length], alone)
        assert not together[row, length:].any()


def test_last_is_where_each_direction_has_read_everything():
    stack = Stack("gru", E, H, L, True, Between(0.0, False))
    outputs = torch.arange(B * S * H, dtype=torch.float).view(B, S, H)
    last = stack.last(outputs, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        assert torch.equal(last[row, : H // 2], outputs[row, length - 1, : H // 2])
        assert torch.equal(last[row, H // 2 :], outputs[row, 0, H // 2 :])


def test_select_takes_rows_in_order():
    state = (torch.arange(L * B * H).view(L, B, H), torch.zeros(L, B, H))
    chosen = select(state, torch.tensor([2, 0]))
    assert torch.equal(chosen[0], state[0][:, [2, 0]])
    assert tuple(chosen[1].shape) == (L, 2, H)


def test_dropout_stands_between_layers_only():
    stack = Stack("gru", E, H, 1, True, Between(0.9, False))
    inputs = torch.randn(B, S, E)
    assert isinstance(stack.dropout, Dropout)
    torch.testing.assert_close(stack(inputs, LENGTHS), stack.eval()(inputs, LENGTHS))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_kernels_of_the_cpu_are_the_layers_of_torch(cell):
    torch.manual_seed(2)
    layer = Recurrent(cell, E, H).double()
    inputs = torch.randn(B, S, E, dtype=torch.double, requires_grad=True)
    state = [torch.randn(1, B, H, dtype=torch.double, requires_grad=True)
             for _ in range(parts(cell))]  # fmt: skip
    given = tuple(state) if cell == "lstm" else state[0]
    results = []
    for run in (lambda: layer(inputs, tuple(state)), lambda: layer.cell(inputs, given)):
        leaves = [inputs, *state, *layer.parameters()]
        for leaf in leaves:
            leaf.grad = None
        outputs, ended = run()
        ended = ended if isinstance(ended, tuple) else (ended,)
        loss = outputs.sin().sum() + sum(
            3 * n * part.cos().sum() for n, part in enumerate(ended, 1)
        )
        loss.backward()
        # Clipping changes each in place: none may be another's memory.
        assert len({leaf.grad.data_ptr() for leaf in leaves}) == len(leaves)
        results.append((outputs.detach(), [leaf.grad for leaf in leaves]))
    assert all(gradient.any() for gradient in results[0][1])
    torch.testing.assert_close(results[0], results[1])


def test_sentences_go_in_groups_where_padding_costs_more_than_a_group_does():
    assert divided([9] * 20) == [20]
    assert divided([9]) == [1]
    assert divided([40] * 20 + [5] * 20) == [20, 20]
    assert sum(divided(list(range(60, 0, -1)))) == 60
    assert len(divided(list(range(60, 0, -1)))) > 2


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("both", [True, False])
def test_in_groups_sources_are_read_as_they_are_side_by_side(cell, both):
    lengths = torch.tensor([2, 90, 3, 1, 88, 5, 90, 2, 4, 1, 87, 3] * 2)
    torch.manual_seed(5)
    stack = Stack(cell, E, H, L, both, Between(0.0, True))
    inputs = torch.randn(len(lengths), 90, E, requires_grad=True)
    leaves = [inputs, *stack.parameters()]
    results = []
    for stack.pack in (None, True):
        outputs = stack(inputs, lengths)
        results.append([outputs, *torch.autograd.grad(outputs.sin().sum(), leaves)])
    assert len(divided(lengths.sort(descending=True).values.tolist())) > 1
    torch.testing.assert_close(*results, atol=1e-4, rtol=1e-4)
