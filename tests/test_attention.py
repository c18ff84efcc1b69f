"""Scores, masks, and shapes that cannot be swapped."""

import pytest
import torch

from seqgen import energies
from seqgen.attention import ATTENTIONS
from seqgen.energies import Energies

B, Q, S, H, D = 2, 5, 3, 7, 11
LENGTHS = torch.tensor([3, 2])
IDS = torch.tensor([[7, 9, 2], [7, 2, 0]])


def made(name, states=D):
    torch.manual_seed(1)
    states = H if name in ("dot", "scaled_dot") else states
    attention = ATTENTIONS[name](H, states).double()
    return attention, torch.randn(B, Q, H).double(), torch.randn(B, S, states).double()


@pytest.mark.parametrize("name", ATTENTIONS)
def test_shapes_and_padding(name):
    attention, queries, states = made(name)
    memory = attention.remember(states, IDS)
    contexts, weights = attention(queries, memory)
    assert tuple(memory.keys.shape) == (B, S, H)
    assert tuple(contexts.shape) == (B, Q, states.shape[-1])
    assert tuple(weights.shape) == (B, Q, S)
    assert not weights[1, :, 2].any()
    torch.testing.assert_close(weights.sum(-1), torch.ones(B, Q).double())


@pytest.mark.parametrize("name", ATTENTIONS)
def test_all_queries_at_once_equal_one_at_a_time(name):
    attention, queries, states = made(name)
    memory = attention.remember(states, IDS)
    together, _ = attention(queries, memory)
    for place in range(Q):
        alone, _ = attention(queries[:, place : place + 1], memory)
        torch.testing.assert_close(together[:, place : place + 1], alone)


@pytest.mark.parametrize("name", ATTENTIONS)
def test_scores_are_the_formula_written_out(name):
    attention, queries, states = made(name)
    scores = attention.scores(queries, attention.remember(states, IDS).keys)
    for b in range(B):
        for q in range(Q):
            for s in range(S):
                query, state = queries[b, q], states[b, s]
                if name == "additive":
                    mixed = attention.query(query) + attention.key.weight @ state
                    expected = attention.energy.weight[0] @ torch.tanh(mixed)
                elif name == "general":
                    expected = query @ (attention.key.weight @ state)
                else:
                    expected = query @ state / (H**0.5 if name == "scaled_dot" else 1)
                torch.testing.assert_close(scores[b, q, s], expected)


@pytest.mark.parametrize("block", [1, S * H, 2 * S * H, Q * S * H, 10**6])
def test_additive_scores_in_blocks_and_their_gradients(block, monkeypatch):
    monkeypatch.setattr(energies, "BLOCK", block)
    attention, queries, states = made("additive")
    asked, keys = attention.query(queries), attention.remember(states, IDS).keys
    inputs = [each.detach().requires_grad_() for each in (asked, keys, attention.energy.weight[0])]
    expected = torch.tanh(asked[:, :, None] + keys[:, None]) @ inputs[2]
    torch.testing.assert_close(Energies.apply(*inputs), expected)
    assert torch.autograd.gradcheck(Energies.apply, inputs)


def test_training_keeps_nothing_of_every_query_and_state():
    attention, queries, states = made("additive")
    kept = []

    def keep(each):
        kept.append(each)
        return each

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda each: each):
        scores = attention.scores(queries, attention.remember(states, IDS).keys)
    assert scores.requires_grad
    assert 0 < max(each.numel() for each in kept) < B * Q * S * H
    with torch.no_grad():
        torch.testing.assert_close(
            scores, attention.scores(queries, attention.remember(states, IDS).keys)
        )


def test_additive_scores_are_of_fp32_under_autocast():
    attention, queries, states = made("additive")
    attention, queries, states = attention.float(), queries.float(), states.float()
    keys = attention.remember(states, IDS).keys
    expected = attention.scores(queries, keys)
    with torch.autocast("cpu", torch.bfloat16):
        found = attention.scores(queries, keys)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02)
    found.sum().backward()
    assert attention.energy.weight.grad.dtype == torch.float32


def test_memory_selects_sentences():
    attention, _, states = made("general")
    chosen = attention.remember(states, IDS).select(torch.tensor([1]))
    assert torch.equal(chosen.states, states[1:])
    assert chosen.mask.tolist() == [[True, True, False]]
    assert chosen.ids.tolist() == [[7, 2, 0]]
