"""What the decoder is fed, on a table whose answers can be read."""

import torch

from seqgen.sampling import Forcing, mixed_inputs
from seqgen.vocabulary import BOS

B, T, V = 3, 5, 11


def successor(ids):
    """Scores under which the token after n is n + 1."""
    return torch.nn.functional.one_hot((ids + 1) % V, V).float()


def test_ratio_zero_with_enough_passes_runs_free():
    gold = torch.randint(4, V, (B, T))
    gold[:, 0] = BOS
    inputs = mixed_inputs(gold, successor, Forcing(0.0, passes=T))
    assert inputs.tolist() == [[BOS, 3, 4, 5, 6]] * B


def test_one_pass_predicts_from_gold():
    gold = torch.tensor([[BOS, 9, 5, 7, 4]])
    inputs = mixed_inputs(gold, successor, Forcing(0.0, passes=1))
    assert inputs.tolist() == [[BOS, 3, 10, 6, 8]]


def test_every_pass_makes_one_more_input_sequential():
    gold = torch.tensor([[BOS, 9, 9, 9, 9]])
    for passes, expected in enumerate([[3, 10, 10, 10], [3, 4, 0, 0], [3, 4, 5, 1]], start=1):
        inputs = mixed_inputs(gold, successor, Forcing(0.0, passes=passes))
        assert inputs.tolist() == [[BOS, *expected]]


def test_coins_fall_token_by_token_at_the_ratio():
    torch.manual_seed(1)
    gold = torch.full((400, 26), 9)
    gold[:, 0] = BOS
    inputs = mixed_inputs(gold, successor, Forcing(0.7))
    kept = (inputs[:, 1:] == 9).float()
    assert (inputs[:, 0] == BOS).all()
    assert abs(float(kept.mean()) - 0.7) < 0.02
    # Neighbouring coins are independent: a coin a sentence would make them equal.
    assert abs(float((kept[:, 1:] == kept[:, :-1]).float().mean()) - (0.7**2 + 0.3**2)) < 0.02


def test_sampled_feedback_has_the_frequencies_of_the_scores():
    torch.manual_seed(1)
    chances = torch.tensor([0.0] * 4 + [0.5, 0.3, 0.2])
    gold = torch.full((300, 31), BOS)
    scores = chances.log().expand(300, 31, -1)
    drawn = mixed_inputs(gold, lambda ids: scores, Forcing(0.0, feedback="sample"))[:, 1:]
    shares = torch.bincount(drawn.flatten(), minlength=7) / drawn.numel()
    torch.testing.assert_close(shares, chances, atol=0.02, rtol=0)
