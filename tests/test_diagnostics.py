"""Readings of tensors: each is the number that a hand, or the exact function, comes to."""

import math

import pytest
import torch

from seqgen import diagnostics


def test_norms_are_those_of_all_tensors_of_a_part_together():
    tensors = {
        "decoder.layers.0.cell.weight_hh_l0": torch.tensor([[3.0, 0.0], [0.0, 4.0]]),
        "decoder.layers.0.cell.bias_hh_l0": torch.tensor([12.0]),
        "encoder.embedding.weight": torch.tensor([[6.0, 8.0]]),
        "bridge.learned": torch.tensor([-2.0]),
    }
    found = {part: float(norm) for part, norm in diagnostics.part_norms(tensors).items()}
    assert found == {"decoder.layers.0": 13.0, "encoder.embedding": 10.0, "bridge": 2.0}


def test_the_update_ratio_is_the_share_that_matrices_moved():
    before = {"a.weight": torch.tensor([[3.0, 4.0]]), "a.bias": torch.zeros(2),
              "b.bias": torch.ones(2)}  # fmt: skip
    after = {"a.weight": torch.tensor([[3.3, 4.4]]), "a.bias": torch.ones(2),
             "b.bias": torch.zeros(2)}  # fmt: skip
    found = diagnostics.update_ratios(before, after)
    assert list(found) == ["a"], "a part that has biases alone has no ratio"
    assert float(found["a"]) == pytest.approx(0.5 / 5, rel=1e-5)


ROTATION = [[math.cos(0.7), -math.sin(0.7)], [math.sin(0.7), math.cos(0.7)]]
MATRICES = {
    "diagonal": ([[0.5, 0.0], [0.0, -3.0]], 3.0, 3.0),
    "shear": ([[1.0, 100.0], [0.0, 1.0]], 1.0, 100.01),
    "rotation": (ROTATION, 1.0, 1.0),
    "nilpotent": ([[0.0, 7.0], [0.0, 0.0]], 0.0, 7.0),
    "zero": ([[0.0, 0.0], [0.0, 0.0]], 0.0, 0.0),
}


@pytest.mark.parametrize(("matrix", "radius", "singular"), MATRICES.values(), ids=MATRICES)
def test_spectral_radius_and_singular_value_of_matrices_that_can_be_read(matrix, radius, singular):
    given = torch.tensor(matrix)
    assert float(diagnostics.spectral_radius(given)) == pytest.approx(radius, abs=2e-3)
    assert float(diagnostics.largest_singular_value(given)) == pytest.approx(singular, rel=1e-3)


@pytest.mark.parametrize("scale", [1e-6, 0.04, 1.0, 1e6])
def test_they_are_those_of_the_exact_decompositions(scale):
    torch.manual_seed(2)
    given = scale * torch.randn(3, 5, 29, 29)
    exact = torch.linalg.eigvals(given).abs().amax(-1)
    torch.testing.assert_close(
        diagnostics.spectral_radius(given).float(), exact, rtol=5e-3, atol=0.0
    )
    torch.testing.assert_close(
        diagnostics.largest_singular_value(given).float(),
        torch.linalg.svdvals(given)[..., 0], rtol=1e-3, atol=0.0,
    )  # fmt: skip


def test_recurrent_matrices_are_taken_gate_by_gate_and_nothing_else_is():
    cells = {"one": torch.nn.RNN(3, 5), "three": torch.nn.GRU(3, 5), "four": torch.nn.LSTM(3, 5),
             "none": torch.nn.Linear(5, 20)}  # fmt: skip
    network = torch.nn.ModuleDict(cells)
    found = diagnostics.recurrent_matrices(network.named_parameters())
    assert {name: tuple(one.shape) for name, one in found.items()} == {
        "one": (1, 5, 5), "three": (3, 5, 5), "four": (4, 5, 5)}  # fmt: skip
    assert found["four"][1].equal(cells["four"].weight_hh_l0[5:10])
    names = [len(diagnostics.GATES[len(one)]) for one in found.values()]
    assert names == [1, 3, 4]


def test_a_gate_is_saturated_beyond_the_bounds():
    gates = torch.tensor([0.0, 0.049, 0.051, 0.5, 0.949, 0.951, 1.0, 0.3])
    assert diagnostics.saturated(gates) == pytest.approx(4 / 8)


def test_entropy_is_0_on_one_state_and_log_s_on_all_alike():
    weights = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.25] * 4, [0.5, 0.5, 0.0, 0.0]])
    expected = torch.tensor([0.0, math.log(4), math.log(2)])
    torch.testing.assert_close(diagnostics.entropies(weights), expected)


def test_noise_is_found_again_from_two_norms():
    # |G|^2 = 3 and tr(S) = 40: the expected squared norm over B tokens is 3 + 40 / B.
    found = diagnostics.noise(3 + 40 / 5, 3 + 40 / 20, 5, 20)
    assert found == pytest.approx((3, 40))
    assert found.scale == pytest.approx(40 / 3)
    assert math.isnan(diagnostics.noise(9.0, 1.0, 5, 20).scale), "noise hides the signal"


def test_a_swing_is_what_a_validation_lost_on_the_one_before():
    assert diagnostics.swings([1.0, 5.0, 3.0, 9.0], "exact") == [0.0, 2.0, 0.0]
    assert diagnostics.swings([1.0, 5.0, 3.0, 9.0], "wer") == [4.0, 0.0, 6.0]
    assert diagnostics.swings([3.0, math.nan, 2.0], "accuracy") == [1.0]
    assert diagnostics.swings([70.0], "exact") == []


def test_what_is_written_is_short_and_has_no_number_that_json_has_not():
    given = {"a": [1 / 3, math.nan], "b": {"c": math.inf, "d": 2}, "e": True, "f": "x"}
    assert diagnostics.plain(given) == {
        "a": [0.333333, None], "b": {"c": None, "d": 2}, "e": True, "f": "x"}  # fmt: skip
