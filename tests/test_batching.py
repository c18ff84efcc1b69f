"""Batches: every sentence once, budgets held, order a function of seed and epoch."""

import itertools
import tracemalloc

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqgen.batching import Batches, Budget, Encoded, Side, ahead, cut, mixed
from seqgen.trainsection import TrainConfig
from seqgen.vocabulary import BOS, EOS, PAD

PAIRS = 57


def side(lengths, begin=()):
    rows = [[*begin, *range(4, 4 + length), EOS] for length in lengths]
    offsets = numpy.concatenate([[0], numpy.cumsum([len(row) for row in rows])])
    return Side(numpy.array(list(itertools.chain(*rows)), dtype=numpy.int32), offsets)


def corpus(pairs=PAIRS, seed=0):
    draw = numpy.random.default_rng(seed)
    return Encoded(side(draw.integers(1, 9, pairs)), side(draw.integers(0, 12, pairs), [BOS]))


def seen(batches, epoch):
    return sorted(int(one) for batch in batches.order(epoch) for one in batch)


@pytest.mark.parametrize("budget", [Budget(40), Budget(100, 3), Budget(1), Budget(10**6)])
def test_every_sentence_is_in_one_batch_of_an_epoch(budget):
    batches = Batches(corpus(), budget, seed=1)
    for epoch in range(3):
        assert seen(batches, epoch) == list(range(PAIRS))


def test_batches_grow_from_one_epoch_to_the_next():
    batches = Batches(corpus(), Budget(40, 3, growth=2.5), seed=1)
    for epoch, (tokens, sentences) in enumerate([(40, 3), (100, 7), (250, 18)]):
        assert seen(batches, epoch) == list(range(PAIRS))
        assert max(map(len, batches.order(epoch))) == sentences
        for batch in batches.order(epoch):
            area = len(batch) * batches.corpus.target.lengths[batch].max()
            assert area <= tokens or len(batch) == 1
    assert Budget(40, growth=10).at(10**6).tokens == 40 * 10**9


def test_batches_grow_again_from_certain_epochs_on():
    budget = Budget(40, 3, growth=2.0, jump=1.5, jumps=(1, 3))
    assert [budget.at(epoch) for epoch in range(4)] == [
        Budget(40, 3), Budget(120, 9), Budget(240, 18), Budget(720, 54)
    ]  # fmt: skip
    batches = Batches(corpus(), Budget(40), seed=1)
    before = [batches.updates(epoch) for epoch in (0, 1)]
    batches.budget = Budget(40, jump=3.0, jumps=(1,))
    after = [batches.updates(epoch) for epoch in (1, 0)]
    assert after[1] == before[0]
    assert after[0] == len(list(batches.order(1))) < before[1] / 2
    assert batches.expected(3) == before[0] * (1 + 2 / 3)


def test_counted_sentences_may_be_of_any_length():
    settings = TrainConfig(batch_sentences=7, batch_tokens=20, batch_growth=2)
    batches = Batches(corpus(), Budget.of(settings), seed=1)
    for epoch, count in enumerate([7, 14]):
        sizes = [len(batch) for batch in batches.order(epoch)]
        assert sorted(sizes)[1:] == [count] * (len(sizes) - 1)
    assert Budget.of(TrainConfig(batch_tokens=20, batch_growth=1.5)) == Budget(20, 0, 1.5)
    settings = TrainConfig(batch_tokens=20, plateau_growth=4)
    assert Budget.of(settings, [2, 7]) == Budget(20, 0, 1.0, 4.0, (2, 7))


def test_the_updates_of_many_epochs_are_known_beforehand():
    steady, growing = (
        Batches(corpus(1000), Budget(60, growth=growth), seed=1) for growth in (1.0, 2.0)
    )
    first = steady.updates(0, size=3)
    assert steady.expected(2.5, size=3) == 2.5 * first
    assert growing.expected(2.5, size=3) == first * (1 + 1 / 2 + 1 / 8)
    found = sum(growing.updates(epoch, size=3) for epoch in range(3))
    assert abs(growing.expected(3, size=3) / found - 1) < 0.05


def test_a_large_corpus_is_mixed_in_shards(monkeypatch):
    monkeypatch.setattr("seqgen.batching.BLOCK", 8)
    monkeypatch.setattr("seqgen.batching.SHARD", 32)
    batches = Batches(corpus(200), Budget(40), seed=1)
    shards = set()
    for epoch in range(3):
        assert seen(batches, epoch) == list(range(200))
        first = numpy.concatenate(list(batches.order(epoch)))[:32]
        assert len({int(one) // 8 for one in first}) == 4
        shards.add(tuple(sorted(first.tolist())))
    assert len(shards) == 3
    whole = [group[0].target.tolist() for group in batches.groups(1)]
    assert len(whole) == batches.updates(1) > 9
    assert [group[0].target.tolist() for group in batches.groups(1, 7)] == whole[7:]


def test_the_order_of_a_large_corpus_takes_as_much_memory_as_that_of_a_small_one(tmp_path):
    offsets = numpy.lib.format.open_memmap(
        tmp_path / "offsets.npy", mode="w+", dtype=numpy.int64, shape=(4 * 2**20 + 1,)
    )
    offsets[:] = numpy.arange(len(offsets)) * 50
    peaks = []
    for pairs in (2**20, 4 * 2**20):
        one = Side(numpy.empty(0, numpy.int32), offsets[: pairs + 1])
        batches = Batches(Encoded(one, one), Budget(5000), seed=1)
        tracemalloc.start()
        shards = pairs // 2**20
        assert batches.updates(0) == shards * -(-(2**20) // 100)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_epochs_have_different_orders_and_a_seed_repeats_them():
    def order(seed, epoch):
        return [batch.tolist() for batch in Batches(corpus(), Budget(40), seed).order(epoch)]

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)


@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=80).map(numpy.array),
    tokens=st.integers(1, 200),
    sentences=st.integers(0, 9),
)
def test_a_batch_fills_its_budget_and_never_passes_it(lengths, tokens, sentences):
    runs = cut(numpy.arange(len(lengths)), lengths, Budget(tokens, sentences))
    assert numpy.concatenate(runs).tolist() == list(range(len(lengths)))
    for run, after in itertools.zip_longest(runs, runs[1:]):
        area = len(run) * lengths[run].max()
        assert area <= tokens or len(run) == 1
        assert not sentences or len(run) <= sentences
        if after is not None:  # one more would have been too many
            grown = (len(run) + 1) * lengths[[*run, after[0]]].max()
            assert grown > tokens or (sentences and len(run) == sentences)


def test_a_batch_is_padded_and_counted():
    encoded = Encoded(side([3, 1]), side([0, 4], [BOS]))
    batch = encoded.batch(numpy.array([1, 0]))
    assert batch.source.tolist() == [[4, EOS, PAD, PAD], [4, 5, 6, EOS]]
    assert batch.source_lengths.tolist() == [2, 4]
    assert batch.target.tolist() == [[BOS, 4, 5, 6, 7, EOS], [BOS, EOS, PAD, PAD, PAD, PAD]]
    assert batch.tokens == 6
    assert batch.source.dtype == batch.target.dtype == torch.int64


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 4])
def test_ranks_share_out_the_updates_that_one_would_make(world, size):
    batches = Batches(corpus(), Budget(50), seed=1)
    whole = [
        sorted((row for batch in group for row in batch.target.tolist()), key=str)
        for group in batches.groups(2, size=size)
    ]
    shares = [list(batches.groups(2, size=size, rank=rank, world=world)) for rank in range(world)]
    assert {len(groups) for groups in shares} == {len(whole)} == {batches.updates(2, size)}
    for update, expected in enumerate(whole):
        rows = [row for groups in shares for batch in groups[update]
                for row in batch.target.tolist()]  # fmt: skip
        stripped = [[one for one in row if one != PAD] for row in rows]
        assert sorted(stripped, key=str) == sorted(
            ([one for one in row if one != PAD] for row in expected), key=str
        )


@pytest.mark.parametrize("start", [0, 1, 5])
def test_a_cursor_goes_on_where_an_epoch_was_left(start):
    batches = Batches(corpus(), Budget(50), seed=1)
    whole = [group[0].target.tolist() for group in batches.groups(1)]
    assert [group[0].target.tolist() for group in batches.groups(1, start)] == whole[start:]


def test_groups_made_ahead_are_the_same_and_so_is_what_goes_wrong():
    batches = Batches(corpus(), Budget(40), seed=1)
    groups = list(batches.groups(2, size=2))
    for group, wanted in zip(ahead(batches.groups(2, size=2)), groups, strict=True):
        for batch, other in zip(group, wanted, strict=True):
            assert all(map(torch.equal, batch[:3], other[:3]))
    assert list(ahead(iter([[], []]))) == [[], []], "a rank without a share"
    asked = []

    def failing():
        for group in groups[:3]:
            asked.append(len(asked))
            yield group
        raise OSError("gone")

    coming = ahead(failing())
    next(coming)
    with pytest.raises(OSError, match="gone"):
        list(coming)
    asked.clear()
    coming = ahead(failing())
    next(coming)
    coming.close()  # waits for the one that is being made, and asks for no more
    assert asked == [0, 1]


def test_sorting_makes_batches_dense():
    batches = Batches(corpus(1000), Budget(200), seed=1)
    targets = [group[0].target for group in batches.groups(0)]
    real = sum(int((target != PAD).sum()) for target in targets)
    assert real / sum(target.numel() for target in targets) > 0.9


def test_a_batch_mixes_pairs_whose_sources_differ():
    spread = [numpy.ptp(one) for one in packed(blur=0.1, of="source")]
    assert len(spread) > 10
    assert numpy.median(spread) > 4  # of 8 lengths


def test_without_blur_sources_hardly_pad_either():
    spread = [numpy.ptp(one) for one in packed(blur=0, of="source")]
    assert numpy.median(spread) < 3


def test_blur_mixes_lengths_at_the_cost_of_padding():
    def padding(blur):
        return sum(int((one.max() - one).sum()) for one in packed(blur))

    assert 0 < padding(0) < padding(0.3) < padding(1.0)
    assert all(one.max() <= (one.min() * 1.3) + 1 for one in packed(0.3)[1:-1])


def packed(blur, of="target"):
    """The lengths in each batch of an epoch, from the shortest batch to the longest."""
    pairs = corpus(1000)
    lengths = getattr(pairs, of).lengths
    order = Batches(pairs, Budget(200), seed=1, blur=blur).order(0)
    return [lengths[one] for one in sorted(order, key=lambda one: pairs.target.lengths[one].max())]


def test_mixed_seeds_are_the_same_everywhere():
    assert mixed(1, 2) == 7777801250388762567
    assert len({mixed(a, b) for a in range(9) for b in range(9)}) == 81
