"""What the decoder is fed, on a table whose answers can be read."""

import pytest
import torch

from seqgen.blended import plain
from seqgen.sampling import SEQUENTIAL, Forcing, Mixture
from seqgen.vocabulary import BOS, EOS, PAD

B, T, V = 3, 5, 11


def successor(ids):
    """Scores under which the token after n is n + 1."""
    return torch.nn.functional.one_hot((ids + 1) % V, V).float()


def mixed_inputs(gold, scores_of, forcing, embeddings=None, window=0):
    """The inputs under scores [B, T, V] of what follows inputs [B, T]."""
    mixture = Mixture(gold, forcing, embeddings)

    def walk(ids, state, places):
        return scores_of(ids).flatten(0, 1)[places], state

    if forcing.passes != SEQUENTIAL:
        return mixture.in_passes(walk, (), window)
    return mixture.step_by_step(walk, ())


@pytest.mark.parametrize("passes", [T, SEQUENTIAL])
def test_ratio_zero_with_enough_passes_runs_free(passes):
    gold = torch.randint(4, V, (B, T))
    gold[:, 0] = BOS
    inputs = mixed_inputs(gold, successor, Forcing(0.0, passes=passes))
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


@pytest.mark.parametrize("feedback", ["argmax", "sample"])
@pytest.mark.parametrize("passes", [1, 3, T])
@pytest.mark.parametrize("window", [1, 2, T, T + 1])
def test_windows_change_no_prediction_and_ask_for_few_at_a_time(window, passes, feedback):
    torch.manual_seed(3)
    gold, scores = torch.randint(4, V, (B, T)), torch.randn(V, V)
    gold[:, 0] = BOS
    asked = []

    def walk(ids, state, places):
        # What follows depends on all ids before, whose sum is carried on.
        sums = ids.cumsum(1) + state[0][0]
        asked.append(len(places))
        return scores[sums % V].flatten(0, 1)[places], (sums[None, :, -1:],)

    found = []
    for steps in (0, window):
        torch.manual_seed(4)
        mixture = Mixture(gold, Forcing(0.4, passes, feedback))
        asked.clear()
        found.append(mixture.in_passes(walk, (torch.zeros(1, B, 1).long(),), steps))
    assert torch.equal(*found)
    assert not torch.equal(found[0], gold)
    assert max(asked) <= B * window


@pytest.mark.parametrize("passes", [1, SEQUENTIAL])
def test_sampled_feedback_has_the_frequencies_of_the_scores(passes):
    torch.manual_seed(1)
    chances = torch.tensor([0.0] * 4 + [0.5, 0.3, 0.2])
    gold = torch.full((300, 31), BOS)
    scores = chances.log().expand(300, 31, -1)
    forcing = Forcing(0.0, passes, feedback="sample")
    drawn = mixed_inputs(gold, lambda ids: scores[:, : ids.shape[1]], forcing)[:, 1:]
    shares = torch.bincount(drawn.flatten(), minlength=7) / drawn.numel()
    torch.testing.assert_close(shares, chances, atol=0.02, rtol=0)


def test_predictions_are_asked_for_where_the_coin_fell_on_the_models_side_alone():
    torch.manual_seed(2)
    gold = torch.tensor([[BOS, 4, 5, 6, 7, 8], [BOS, 9, 9, EOS, PAD, PAD]])
    asked = []

    def walk(ids, state, places):
        asked.append(places)
        return successor(ids).flatten(0, 1)[places], state

    mixture = Mixture(gold, Forcing(0.5))
    inputs = mixture.in_passes(walk, ())
    (places,) = asked
    assert 0 < len(places) < 7
    before = mixture.own.roll(-1, 1).flatten()
    assert places.tolist() == before.nonzero().flatten().tolist()
    assert torch.equal(inputs[~mixture.own], gold[~mixture.own])
    assert not mixture.own[(gold == PAD) | (gold == EOS)].any()


@pytest.mark.parametrize("passes", [1, SEQUENTIAL])
def test_top_k_draws_among_the_likeliest_by_their_probability(passes):
    torch.manual_seed(2)
    gold = torch.full((3000, 3), 9)
    gold[:, 0] = BOS
    logs = torch.tensor([0.3, 0.0, 0.0, 0.05, 0.25, 0.0, 0.4, 0.0, 0.0, 0.0, 0.0]).log()

    def scores(ids):
        return logs.expand(*ids.shape, V)

    forcing = Forcing(0.0, passes=passes, feedback="top_k", k=2)
    drawn = mixed_inputs(gold, scores, forcing)[:, 1:]
    shares = drawn.flatten().bincount(minlength=V) / drawn.numel()
    expected = torch.zeros(V)
    expected[0], expected[6] = 0.3 / 0.7, 0.4 / 0.7
    torch.testing.assert_close(shares, expected, atol=0.02, rtol=0)
    all_of_them = mixed_inputs(gold, scores, forcing._replace(k=50))[:, 1:]
    assert set(all_of_them.unique().tolist()) == {0, 3, 4, 6}


@pytest.mark.parametrize("feedback", ["argmax", "sample", "top_k", "mixed"])
@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
def test_scores_that_are_not_finite_still_give_ids(feedback, broken):
    gold = torch.full((B, T), 9)
    scores = torch.zeros(B, T, V)
    scores[..., 2] = broken
    forcing = Forcing(0.0, feedback=feedback)
    found = mixed_inputs(gold, lambda _: scores, forcing, torch.randn(V, 3))
    assert 0 <= int(plain(found).min()) <= int(plain(found).max()) < V


@pytest.mark.parametrize("passes", [1, SEQUENTIAL])
@pytest.mark.parametrize(("feedback", "kept"), [("sample", [4, 5, 6]), ("top_k", [4, 5])])
def test_a_temperature_of_a_half_squares_what_is_drawn(passes, feedback, kept):
    torch.manual_seed(1)
    chances = torch.tensor([0.0] * 4 + [0.5, 0.3, 0.2])
    gold = torch.full((300, 31), BOS)
    scores = chances.log().expand(300, 31, -1)
    forcing = Forcing(0.0, passes, feedback, k=2, temperature=0.5)
    drawn = mixed_inputs(gold, lambda ids: scores[:, : ids.shape[1]], forcing)[:, 1:]
    shares = torch.bincount(drawn.flatten(), minlength=7) / drawn.numel()
    expected = torch.zeros(7)
    expected[kept] = chances[kept] ** 2 / (chances[kept] ** 2).sum()
    torch.testing.assert_close(shares, expected, atol=0.02, rtol=0)


@pytest.mark.parametrize("passes", [1, 3, T, SEQUENTIAL])
@pytest.mark.parametrize("temperature", [1.0, 0.25])
def test_what_is_mixed_is_the_mean_of_all_embeddings_by_their_probability(passes, temperature):
    torch.manual_seed(3)
    gold = torch.tensor([[BOS, 9, 5, 7, 4], [BOS, 8, EOS, PAD, PAD], [BOS, 6, 10, 4, EOS]])
    table, scores = torch.randn(V, 3).double(), torch.randn(V, V).double()
    forcing = Forcing(0.3, passes, "mixed", temperature=temperature)
    found = mixed_inputs(gold, lambda inputs: scores[plain(inputs)], forcing, table)
    read = found.over(table[found.ids])
    torch.manual_seed(3)
    torch.randn(V, 3).double(), torch.randn(V, V).double()
    own = Mixture(gold, forcing).own
    assert 2 < int(own.sum()) < 9
    assert sorted(found.places.tolist()) == own.flatten().nonzero().flatten().tolist()
    # Scores follow from the likeliest alone here, of which pass k knows those of pass k - 1.
    ids = [gold]
    for _ in range(T if passes == SEQUENTIAL else passes):
        ids.append(torch.where(own, scores[ids[-1]].argmax(-1).roll(1, 1), gold))
    assert torch.equal(found.ids, ids[-1])
    for row, step in ((row, step) for row in range(B) for step in range(T)):
        expected = table[gold[row, step]]
        if own[row, step]:
            powers = (scores[ids[-2][row, step - 1]] / temperature).exp()
            expected = sum(power * vector for power, vector in zip(powers, table, strict=True))
            expected = expected / powers.sum()
        torch.testing.assert_close(read[row, step], expected)
