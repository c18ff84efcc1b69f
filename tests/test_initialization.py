"""How weights start."""

import pytest
import torch

from seqgen.initialization import INITIALIZATIONS, initialize_layer
from seqgen.recurrent import Recurrent

H, E = 10, 5


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(1)


@pytest.mark.parametrize("name", INITIALIZATIONS)
def test_initializations_have_the_spread_that_their_papers_give(name):
    rows, columns = 300, 200
    weight = torch.empty(rows, columns)
    INITIALIZATIONS[name](weight)
    expected = {
        "xavier": (2 / (rows + columns)) ** 0.5,
        "he": (2 / columns) ** 0.5,
        "lecun": (1 / columns) ** 0.5,
        "orthogonal": (1 / rows) ** 0.5,  # orthonormal columns
        "gaussian": 0.01,
        "uniform": 0.08 / 3**0.5,
        "identity": (1 / rows * (1 - 1 / rows)) ** 0.5,
    }[name]
    assert float(weight.std()) == pytest.approx(expected, rel=0.03)


def test_every_gate_starts_orthogonal_and_the_forget_gate_open():
    layer = Recurrent("lstm", E, H)
    initialize_layer(layer, "xavier", "orthogonal", forget_bias=1.5)
    for gate in torch.split(layer.cell.weight_hh_l0.detach(), H):
        torch.testing.assert_close(gate @ gate.T, torch.eye(H), atol=1e-5, rtol=0)
    bias = (layer.cell.bias_ih_l0 + layer.cell.bias_hh_l0).detach()
    assert torch.equal(bias, torch.tensor([0.0] * H + [1.5] * H + [0.0] * 2 * H))
