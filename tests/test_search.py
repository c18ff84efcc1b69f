"""Search on models whose answers can be read, enumerated, or found by a simpler search."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seqgen.recurrent import State
from seqgen.search import (
    PLAIN,
    Found,
    Sampling,
    beam,
    drawn,
    forced,
    greedy,
    penalty,
    sample,
    stream,
)
from seqgen.vocabulary import BOS, EOS, PAD, UNK

A, B, C = 4, 5, 6
ALPHAS = [0.0, 0.6, 1.0]
NOTHING = Found([], [], 0.0, 0.0, True)


def markov(table: Tensor):
    """A step whose answer depends on the previous id only: a model we can read."""
    return lambda ids, state: (table[ids].log(), state)


def chain(*rows: tuple[int, dict[int, float]], size: int = 7) -> Tensor:
    """A table of probabilities [V, V] from its rows."""
    table = torch.zeros(size, size, dtype=torch.float64)
    for previous, following in rows:
        for following_id, probability in following.items():
            table[previous, following_id] = probability
    return table


TRAP = chain(
    (BOS, {A: 0.6, B: 0.4}),  # greedy takes A ...
    (A, {A: 0.9, EOS: 0.1}),  # ... which hardly ends
    (B, {EOS: 1.0}),  # beam 2 must find B EOS, p = 0.4
)


class Prefixes:
    """A model with its own table for each sentence, which depends on the whole prefix.

    The state is a number made of the prefix. Tables are memory: a row that is served by another
    sentence's table, or that goes on from another row's state, gives other text.
    """

    def __init__(self, tables: Tensor):
        self.tables = tables  # [B, P, V] log-probabilities
        self.narrowed: list[list[int]] = []

    def state(self) -> State:
        return (torch.zeros(1, len(self.tables), 1, dtype=torch.float64),)

    def __call__(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        assert len(ids) % len(self.tables) == 0, "not a rectangle"
        prefix = (state[0] * 11 + ids[None, :, None]) % self.tables.shape[1]
        own = torch.arange(len(self.tables)).repeat_interleave(len(ids) // len(self.tables))
        assert len(own) == prefix.shape[1] == len(ids)
        return self.tables[own, prefix[0, :, 0].long()], (prefix,)

    def narrow(self, stay: Tensor) -> None:
        self.narrowed.append(stay.tolist())
        self.tables = self.tables[stay]


def prefixes(seed: int, count: int, size: int, sharpness: float = 2.0) -> Tensor:
    """Random tables [B, P, V], in which forbidden ids are the likeliest."""
    logits = sharpness * torch.randn(
        count, 101, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    logits[:, :, :EOS] += 3
    return logits.log_softmax(-1)


def run(kind: str, tables: Tensor, limits: list[int], **options) -> list[list[Found]]:
    model = Prefixes(tables)
    search = {"greedy": greedy, "beam": beam, "sample": sample}[kind]
    return search(model, model.state(), limits, **options, narrow=model.narrow)


def enumerated(table: Tensor, limit: int, alpha: float) -> list[tuple[float, list[int]]]:
    """Every finished text of one sentence with its ranked score, best first."""
    texts = []
    letters = range(EOS + 1, table.shape[-1])
    for length in range(limit):
        for prefix in itertools.product(letters, repeat=length):
            ids = [*prefix, EOS]
            model = Prefixes(table[None])
            score = sum(forced(model, model.state(), [ids])[0])
            texts.append((score / penalty(len(ids), alpha), ids))
    return sorted(texts, reverse=True)


def plain_beam(
    table: Tensor, limit: int, size: int, alpha: float, nbest: int
) -> list[tuple[list[int], bool, float]]:
    """Beam search of one sentence as one would say it, which never stops early."""
    live, finished = [(0.0, [])], []
    while live and len(live[0][1]) < limit:
        continuations = []
        for total, ids in live:
            prefix = 0
            for written in [BOS, *ids]:
                prefix = prefix * 11 + written
            row = table[prefix % len(table)].tolist()
            possible = [i for i in range(EOS, len(row)) if row[i] > -math.inf]
            continuations += [(total + row[i], [*ids, i]) for i in possible]
        continuations.sort(key=lambda entry: -entry[0])
        chosen = continuations[: size - len(finished)]
        finished += [(total, ids) for total, ids in chosen if ids[-1] == EOS]
        live = [(total, ids) for total, ids in chosen if ids[-1] != EOS]

    def ranked(entries):
        values = [(total / penalty(len(ids), alpha), ids) for total, ids in entries]
        return sorted(values, key=lambda entry: -entry[0])

    entries = [(ids, False, value) for value, ids in ranked(finished)]
    return [*entries, *((ids, True, value) for value, ids in ranked(live))][:nbest]


def test_greedy_takes_the_trap_and_beam_two_does_not():
    [[likeliest]] = greedy(markov(TRAP), (), [6])
    [[best, second]] = beam(markov(TRAP), (), [6], size=2, length_penalty=0, nbest=2)
    assert likeliest.ids == [A] * 6
    assert likeliest.cut
    assert best.ids == [B, EOS]
    assert best.score == pytest.approx(math.log(0.4))
    assert best.token_scores == pytest.approx([math.log(0.4), 0])
    assert not best.cut
    assert second.ids == [A] * 6
    assert second.cut


@pytest.mark.parametrize("alpha", ALPHAS)
def test_a_beam_as_wide_as_the_space_finds_what_enumeration_finds(alpha):
    letters, limit = 2, 5  # three ids that can be produced, with EOS
    size = sum(letters**length for length in range(limit + 1))
    for seed in range(4):
        tables = prefixes(seed, 3, EOS + 1 + letters, sharpness=1.0)
        found = run("beam", tables, [limit] * 3, size=size, length_penalty=alpha, nbest=7)
        for sentence, table in zip(found, tables, strict=True):
            expected = enumerated(table, limit, alpha)[:7]
            assert [hypothesis.ids for hypothesis in sentence] == [ids for _, ids in expected]
            ranked = [hypothesis.ranked for hypothesis in sentence]
            assert ranked == pytest.approx([value for value, _ in expected])


@pytest.mark.parametrize("nbest", [1, 3, 4])
@pytest.mark.parametrize("alpha", ALPHAS)
def test_beam_equals_a_plain_search_that_never_stops_early(alpha, nbest):
    for seed in range(6):
        tables = prefixes(seed, 5, 8)
        limits = [1, 9, 4, 17, 2]
        found = run("beam", tables, limits, size=4, length_penalty=alpha, nbest=nbest)
        for sentence, table, limit in zip(found, tables, limits, strict=True):
            expected = plain_beam(table, limit, 4, alpha, nbest)
            assert [(text.ids, text.cut, text.ranked) for text in sentence] == expected


def test_search_stops_as_soon_as_nothing_live_can_enter_the_nbest():
    table = chain((BOS, {EOS: 0.7, A: 0.3}), (A, {A: 0.99, EOS: 0.01}))
    steps = []

    def step(ids, state):
        steps.append(len(ids))
        return markov(table)(ids, state)

    [[best]] = beam(step, (), [50], size=2, length_penalty=0)
    assert best.ids == [EOS]
    assert steps == [1]
    steps.clear()
    # Over the penalty of 50 ids, ln 0.3 is above ln 0.7: A might win until the end.
    [[best]] = beam(step, (), [50], size=2, length_penalty=1)
    assert best.ids == [EOS]
    assert len(steps) == 50
    # ln 0.58 / (7/6) is above ln 0.42 / (10/6), the most that B might reach with five ids.
    table = chain((BOS, {A: 0.58, B: 0.42}), (A, {EOS: 1}), (B, {B: 1}))
    steps.clear()
    [[best]] = beam(step, (), [5], size=2, length_penalty=1)
    assert best.ids == [A, EOS]
    assert len(steps) == 2


@pytest.mark.parametrize("seed", range(8))
def test_beam_one_equals_greedy(seed):
    tables, limits = prefixes(seed, 6, 9), [13, 1, 5, 8, 2, 3]
    assert run("beam", tables, limits, size=1, length_penalty=0) == run("greedy", tables, limits)


@pytest.mark.parametrize("options", [{"size": 3, "nbest": 3}, {"size": 6, "nbest": 2}])
def test_every_score_equals_its_forced_score(options):
    tables, limits = prefixes(2, 5, 10), [12, 3, 7, 1, 9]
    for number, sentence in enumerate(run("beam", tables, limits, **options)):
        assert sentence
        for hypothesis in sentence:
            model = Prefixes(tables[number, None])
            [expected] = forced(model, model.state(), [hypothesis.ids])
            assert hypothesis.token_scores == expected
            assert hypothesis.score == pytest.approx(sum(expected), abs=1e-12)
            over = penalty(len(hypothesis.ids), 1.0)
            assert hypothesis.ranked == pytest.approx(hypothesis.score / over, abs=1e-12)


def test_forced_scores_do_not_depend_on_longer_neighbours():
    tables = prefixes(3, 3, 7)
    targets = [[A, EOS], [B, C, A, A, EOS], []]
    model = Prefixes(tables)
    together = forced(model, model.state(), targets)
    for table, target, scores in zip(tables, targets, together, strict=True):
        alone = Prefixes(table[None])
        assert forced(alone, alone.state(), [target]) == [scores]
    assert [len(scores) for scores in together] == [2, 5, 0]


@pytest.mark.parametrize("kind", ["greedy", "beam", "sample"])
def test_every_sentence_ends_within_its_own_limit(kind):
    endless = chain((BOS, {A: 1}), (A, {A: 0.5, B: 0.5}), (B, {A: 0.5, B: 0.5}))
    options = {"greedy": {}, "beam": {"size": 3, "nbest": 2}, "sample": {"seeds": [3, 1, 4]}}[kind]
    search = {"greedy": greedy, "beam": beam, "sample": sample}[kind]
    found = search(markov(endless), (), [2, 11, 1], **options)
    assert [{len(text.ids) for text in sentence} for sentence in found] == [{2}, {11}, {1}]
    assert all(text.cut for sentence in found for text in sentence)


@pytest.mark.parametrize("kind", ["greedy", "beam", "sample"])
def test_a_text_that_ends_at_its_limit_is_not_cut(kind):
    table = chain((BOS, {A: 1}), (A, {EOS: 1}))
    options = {"greedy": {}, "beam": {"size": 2}, "sample": {"seeds": [1]}}[kind]
    search = {"greedy": greedy, "beam": beam, "sample": sample}[kind]
    assert search(markov(table), (), [2], **options) == [[Found([A, EOS], [0, 0], 0, 0, False)]]


def test_cut_hypotheses_come_back_only_where_finished_ones_are_too_few():
    table = chain((BOS, {A: 0.9, B: 0.1}), (A, {A: 1}), (B, {EOS: 0.5, B: 0.5}))
    [[best]] = beam(markov(table), (), [4], size=3)
    assert best.ids == [B, EOS]
    [both] = beam(markov(table), (), [4], size=3, nbest=3)
    assert [text.cut for text in both] == [False, False, True]
    assert both[2].ids == [A] * 4
    assert both[2].ranked > both[0].ranked


@given(
    seed=st.integers(0, 10_000),
    order=st.permutations(range(6)),
    count=st.integers(1, 6),
    kind=st.sampled_from(["greedy", "beam", "sample"]),
)
@settings(max_examples=60, deadline=None)
def test_a_sentence_does_not_depend_on_its_neighbours_or_its_place(seed, order, count, kind):
    tables, limits, seeds = prefixes(seed, 6, 9), [7, 2, 10, 4, 1, 6], [5, 6, 7, 8, 9, 10]
    options = {"beam": {"size": 3, "nbest": 2}}.get(kind, {})

    def found(rows):
        own = {"seeds": [seeds[row] for row in rows]} if kind == "sample" else {}
        return run(kind, tables[list(rows)], [limits[row] for row in rows], **options, **own)

    together, some = found(range(6)), found(order[:count])
    assert some == [together[row] for row in order[:count]]


@pytest.mark.parametrize("kind", ["greedy", "beam"])
def test_the_owner_is_told_which_sentences_stay(kind):
    tables = prefixes(12, 4, 8)
    tables[:, :, EOS] = -math.inf  # only limits end a text
    model = Prefixes(tables)
    search = {"greedy": greedy, "beam": beam}[kind]
    options = {"beam": {"size": 2}}.get(kind, {})
    found = search(model, model.state(), [3, 1, 4, 1], **options, narrow=model.narrow)
    assert model.narrowed == [[0, 2], [1]]
    assert [len(sentence[0].ids) for sentence in found] == [3, 1, 4, 1]


@pytest.mark.parametrize("kind", ["greedy", "beam", "sample"])
def test_ids_without_text_are_never_produced(kind):
    tables = prefixes(7, 8, 7)
    assert tables.exp()[:, :, [PAD, UNK, BOS]].sum(-1).mean() > 0.7, "they must be tempting"
    options = {"greedy": {}, "beam": {"size": 5, "nbest": 5}, "sample": {"seeds": range(8)}}[kind]
    found = run(kind, tables, [12] * 8, **options)
    written = {i for sentence in found for text in sentence for i in text.ids}
    assert written == {EOS, A, B, C}


def test_nbest_is_sorted_and_distinct():
    found = run("beam", prefixes(4, 7, 9), [9] * 7, size=8, nbest=8)
    assert found
    for sentence in found:
        assert len({tuple(text.ids) for text in sentence}) == len(sentence) == 8
        keys = [(text.cut, -text.ranked) for text in sentence]
        assert keys == sorted(keys)


def test_a_beam_wider_than_the_vocabulary_never_returns_the_impossible():
    table = chain((BOS, {A: 0.7, B: 0.3}), (A, {EOS: 1}), (B, {EOS: 1}))
    [sentence] = beam(markov(table), (), [5], size=50, nbest=50)
    assert [text.ids for text in sentence] == [[A, EOS], [B, EOS]]


def test_one_possible_start_fills_one_place_of_the_beam():
    tables = prefixes(13, 2, 8)
    for table in tables:
        table[BOS] = torch.full((8,), -math.inf).index_fill(0, torch.tensor(C), 0.0)
    found = run("beam", tables, [6, 3], size=4, nbest=2)
    assert found
    for sentence, table, limit in zip(found, tables, [6, 3], strict=True):
        assert {text.ids[0] for text in sentence} == {C}
        expected = plain_beam(table, limit, 4, 1.0, 2)
        assert [(text.ids, text.cut, text.ranked) for text in sentence] == expected


def test_where_nothing_can_follow_the_text_is_cut():
    dead = chain((BOS, {A: 1}), (A, {B: 1}), (B, {UNK: 1}))
    for [[text]] in (greedy(markov(dead), (), [9]), beam(markov(dead), (), [9], size=3)):
        assert text == Found([A, B], [0.0, 0.0], 0.0, 0.0, True)
    assert list(stream(markov(dead), (), 9)) == [A, B]


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_a_broken_model_gives_one_empty_text(value):
    def broken(ids, state):
        return torch.full((len(ids), 7), value), state

    assert greedy(broken, (), [3, 2]) == [[NOTHING], [NOTHING]]
    assert beam(broken, (), [3, 2], size=4, nbest=2) == [[NOTHING], [NOTHING]]
    assert sample(broken, (), [3, 2], seeds=[1, 2]) == [[NOTHING], [NOTHING]]
    chosen = Sampling(temperature=0.5, top_k=2, top_p=0.9)
    assert sample(broken, (), [3, 2], [1, 2], chosen) == [[NOTHING], [NOTHING]]


def test_no_sentences_no_results():
    model = Prefixes(prefixes(1, 0, 7))
    assert greedy(model, model.state(), []) == []
    assert beam(model, model.state(), [], size=3) == []
    assert sample(model, model.state(), [], seeds=[]) == []
    assert forced(model, model.state(), []) == []


def test_streaming_gives_the_greedy_ids_one_by_one():
    tables = prefixes(11, 1, 9)
    [[whole]] = run("greedy", tables, [15])
    model = Prefixes(tables)
    ids = stream(model, model.state(), 15)
    assert next(ids) == whole.ids[0]
    assert list(ids) == whole.ids[1:]


def test_limits_may_be_a_tensor():
    tables = prefixes(5, 3, 8)
    as_list = run("beam", tables, [4, 9, 2], size=2)
    assert run("beam", tables, torch.tensor([4, 9, 2]), size=2) == as_list


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_scores_keep_the_precision_of_the_model_and_never_less_than_single(dtype):
    tables = prefixes(6, 4, 9).to(dtype)
    for [text] in run("beam", tables, [11] * 4, size=3, length_penalty=0):
        kept = torch.float64 if dtype == torch.float64 else torch.float32
        total = torch.zeros((), dtype=kept)
        for token_score in text.token_scores:
            total = total + torch.tensor(token_score, dtype=kept)
        assert text.score == text.ranked == total.item()


# Ties


def test_equal_hypotheses_come_in_the_order_of_their_ids():
    even = torch.full((9, 9), 1 / 9, dtype=torch.float64)
    [sentence] = beam(markov(even), (), [1], size=5, nbest=5)
    assert [text.ids for text in sentence] == [[EOS], [A], [B], [C], [7]]
    [[likeliest]] = greedy(markov(even), (), [4])
    assert likeliest.ids == [EOS]


# Sampling


def test_a_seed_gives_the_same_text_again_and_others_give_others():
    tables = prefixes(8, 1, 12, sharpness=0.5).expand(20, -1, -1)
    found = run("sample", tables, [9] * 20, seeds=[*range(10), *range(10)])
    assert found[:10] == found[10:]
    assert len({tuple(sentence[0].ids) for sentence in found[:10]}) > 5


@pytest.mark.parametrize(
    "chosen",
    [
        Sampling(temperature=1e-6),
        Sampling(temperature=1e-30),
        Sampling(top_k=1),
        Sampling(top_p=1e-9),
        Sampling(temperature=5.0, top_k=3, top_p=1e-9),
    ],
)
def test_sampling_at_its_coldest_equals_greedy(chosen):
    tables = prefixes(9, 6, 11)
    limits = [9, 3, 12, 1, 5, 7]
    found = run("sample", tables, limits, seeds=range(6), settings=chosen)
    assert found == run("greedy", tables, limits)


def frequencies(probabilities: dict[int, float], chosen: Sampling) -> dict[int, float]:
    """Shares of the ids that 4,000 sentences begin with."""
    draws = 4_000
    step = markov(chain((BOS, probabilities), size=9))
    found = sample(step, (), [1] * draws, seeds=range(draws), settings=chosen)
    first = torch.tensor([sentence[0].ids[0] for sentence in found])
    return {i: (first == i).sum().item() / draws for i in set(first.tolist())}


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (Sampling(), {EOS: 0.1, A: 0.4, B: 0.2, C: 0.3}),
        (Sampling(temperature=0.5), {EOS: 1 / 30, A: 16 / 30, B: 4 / 30, C: 9 / 30}),
        (Sampling(top_k=2), {A: 4 / 7, C: 3 / 7}),
        (Sampling(top_k=30), {EOS: 0.1, A: 0.4, B: 0.2, C: 0.3}),
        (Sampling(top_p=0.65), {A: 4 / 7, C: 3 / 7}),
        (Sampling(top_p=0.75), {A: 4 / 9, C: 3 / 9, B: 2 / 9}),
        (Sampling(top_k=3, top_p=0.5), {A: 4 / 7, C: 3 / 7}),
    ],
)
def test_frequencies_are_those_of_the_table(chosen, expected):
    shares = frequencies({EOS: 0.1, A: 0.4, B: 0.2, C: 0.3}, chosen)
    assert shares == pytest.approx(expected, abs=0.03)


def test_forbidden_probability_goes_to_the_others_in_proportion():
    shares = frequencies({UNK: 0.5, PAD: 0.1, A: 0.3, B: 0.1}, Sampling())
    assert shares == pytest.approx({A: 0.75, B: 0.25}, abs=0.03)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_noise_at_its_ends_never_picks_the_impossible(dtype):
    for seed in range(200):
        row = torch.randn(1, 9, generator=torch.Generator().manual_seed(seed), dtype=dtype)
        row[0, [0, 4, 8]] = -math.inf
        for noise, expected in ((0.0, 1), (1 - 2**-24, 7)):
            picked = drawn(row, torch.tensor([noise]).to(dtype), PLAIN)
            assert picked.tolist() == [expected]


def test_sampled_scores_are_the_models_own():
    tables = prefixes(10, 4, 9)
    chosen = Sampling(temperature=3.0, top_k=4, top_p=0.8)
    found = run("sample", tables, [8, 3, 5, 2], seeds=range(4), settings=chosen)
    model = Prefixes(tables)
    expected = forced(model, model.state(), [sentence[0].ids for sentence in found])
    assert [sentence[0].token_scores for sentence in found] == expected


# Mistakes


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda step: beam(step, (), [3], size=2, nbest=3), "and the beam size, 2; got 3"),
        (lambda step: beam(step, (), [3], size=2, nbest=0), "and the beam size, 2; got 0"),
        (lambda step: beam(step, (), [3], 2, length_penalty=-1), "must be at least 0; got -1"),
        (lambda step: greedy(step, (), [3, 0]), "a sentence needs a limit of at least 1"),
        (lambda step: sample(step, (), [3], [1], Sampling(0.0)), "temperature must be above 0"),
        (lambda step: sample(step, (), [3], [1], Sampling(top_p=0)), "top_p must be above 0 and"),
        (lambda step: sample(step, (), [3], [1], Sampling(top_k=-1)), "top_k must be at least 0"),
        (lambda step: sample(step, (), [3, 2], [1]), "2 sentences need as many seeds"),
    ],
)
def test_settings_out_of_range_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(markov(TRAP))
