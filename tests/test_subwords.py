"""Drawn pieces: the same text always, the same draw for a seed and an epoch, and nothing else."""

import itertools
import math
import subprocess
import sys
from dataclasses import replace

import numpy
import pytest
import toy
from test_tokenizer import PAIRS as MIXED
from test_tokenizer import QUOTED

from seqgen import tokenizer
from seqgen.batching import Batches, Budget
from seqgen.checkpoint import Progress
from seqgen.course import Course
from seqgen.errors import ConfigError
from seqgen.forms import Form
from seqgen.preparation import prepare
from seqgen.sections import TokenizerConfig
from seqgen.subwords import Drawn, Side, drawn
from seqgen.tokenizer import Tokenizer

WORDS = ["under", "over", "stand", "standing", "go", "going", "undergo", "water", "waters"]
TEXTS = [f"{a} {b}" for a, b in itertools.product(WORDS, WORDS)]
PAIRS = [(text, text[::-1]) for text in TEXTS]


def trained(units):
    config = TokenizerConfig(units=units, vocabulary=0, joint=False)
    return tokenizer.train(lambda: iter(PAIRS * 3), 3 * len(PAIRS), config)


@pytest.fixture(scope="module", params=["unigram", "bpe"])
def sides(request):
    return trained(request.param)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    for name, pairs in (("train", PAIRS), ("validation", PAIRS[::7]), ("test", PAIRS[::9])):
        text = "".join(f"{source}\t{target}\n" for source, target in pairs)
        (folder / f"{name}.tsv").write_text(text, encoding="utf-8")
    return folder


def settings(data, alpha=0.3, units="bpe", **values):
    return toy.config(
        data, tokenizer__units=units, tokenizer__subword_sampling=alpha, tokenizer__joint=False,
        **values,
    )  # fmt: skip


def ready(data, alpha=0.3, **values):
    config = settings(data, alpha, **values)
    return drawn(prepare(config), config)


def rows(side):
    return [part.tolist() for part in numpy.split(numpy.asarray(side.ids), side.offsets[1:-1])]


def test_drawn_pieces_say_the_same_text_in_other_pieces(sides):
    for side, texts in zip(sides, zip(*PAIRS, strict=True), strict=True):
        found = side.sample(texts, 0.3, seed=5)
        assert found != side.encode(texts)
        assert side.decode(found) == list(texts)


@pytest.mark.parametrize("units", ["unigram", "bpe"])
@pytest.mark.parametrize("pairs", [QUOTED, MIXED], ids=["quoted", "mixed"])
def test_text_with_brackets_bytes_and_digits_comes_back_as_well(units, pairs):
    config = TokenizerConfig(units=units, vocabulary=0)
    side = tokenizer.train(lambda: iter(pairs), len(pairs), config).source
    texts = [*(text for pair in pairs for text in pair), "(\U00020b9f) 1984 ¿x?", ""]
    found = side.sample(texts, 0.5, seed=2)
    assert found != side.encode(texts)
    assert side.decode(found) == texts


def test_drawn_pieces_are_of_the_form_that_is_read(sides):
    folded = Tokenizer(sides.source.model, Form(lowercase=True))
    shouted = [source.upper() for source, _ in PAIRS[:20]]
    assert shouted != [text.lower() for text in shouted]
    drawn = folded.decode(folded.sample(shouted, 0.5, 3))
    assert drawn == [text.lower() for text in shouted]


def test_a_draw_is_a_function_of_its_seed(sides):
    source, many = sides.source, TEXTS * 30  # enough for threads to get in one another's way
    first = source.sample(many, 0.2, seed=2**40 + 1)
    assert source.sample(many, 0.2, seed=3) != first
    assert source.sample(many, 0.2, seed=2**40 + 1) == first
    assert Tokenizer(source.model).sample(many, 0.2, seed=2**40 + 1) == first


def test_a_draw_is_the_same_in_every_process(sides, tmp_path):
    (tmp_path / "model").write_bytes(sides.source.model)
    code = (
        "import sys; from seqgen.tokenizer import Tokenizer;"
        "side = Tokenizer(open(sys.argv[1], 'rb').read());"
        "print(side.sample(['undergoing waters'] * 50, 0.3, 7))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "model")]
    found = [subprocess.run(command, capture_output=True, text=True, check=True).stdout
             for _ in range(2)]  # fmt: skip
    assert found[0] == found[1] == f"{sides.source.sample(['undergoing waters'] * 50, 0.3, 7)}\n"


def test_without_a_merge_left_out_bpe_is_that_of_the_library():
    texts = [
        *TEXTS,
        *(text for pair in [*QUOTED, *MIXED] for text in pair),
        "(\U00020b9f) 1984",
        "",
    ]
    config = TokenizerConfig(units="bpe", vocabulary=0)
    for byte_fallback in (True, False):
        config = replace(config, byte_fallback=byte_fallback)
        side = tokenizer.train(lambda: iter([*PAIRS, *QUOTED, *MIXED]), 200, config).source
        assert side.sample(texts, 0.0, seed=1) == side.encode(texts)


def test_bpe_leaves_out_the_share_of_merges_that_is_asked_for():
    pairs = [("a", "a")] * 30
    config = TokenizerConfig(units="bpe", vocabulary=0)
    side = tokenizer.train(lambda: iter(pairs), 30, config).source
    assert side.pieces(side.encode(["a"])[0]) == ["\u2581a"], "one merge"
    for alpha in (0.1, 0.4, 1.0):
        found = [side.pieces(row) for row in side.sample(["a"] * 4000, alpha, seed=1)]
        assert found.count(["\u2581", "a"]) / 4000 == pytest.approx(alpha, abs=0.03)


def cuts(text):
    """Every way to cut a text."""
    for end in range(1, len(text)):
        yield from ((text[:end], *rest) for rest in cuts(text[end:]))
    yield (text,)


@pytest.mark.parametrize("alpha", [0.1, 0.7])
def test_unigrams_are_drawn_by_their_probability_to_the_power_of_alpha(alpha):
    side = trained("unigram").source
    score = {side.pieces([number])[0]: side._pieces.get_score(number)
             for number in range(side.size)}  # fmt: skip
    known = {cut: math.exp(alpha * sum(score[one] for one in cut))
             for cut in cuts("\u2581undergo") if all(one in score for one in cut)}  # fmt: skip
    assert len(known) > 2
    found = [tuple(side.pieces(row)) for row in side.sample(["undergo"] * 4000, alpha, seed=1)]
    for cut, mass in known.items():
        expected = mass / sum(known.values())
        assert found.count(cut) / 4000 == pytest.approx(expected, abs=0.03), cut


def test_pieces_that_are_too_many_give_way_and_no_pair_comes_or_goes(sides):
    for longest in (5, 9, 99):
        likeliest = sides.source.encode(TEXTS)
        found = Side(sides.source, longest, 0.1, seed=1).encode(TEXTS)
        assert sides.source.decode(found) == TEXTS
        short = [len(row) < longest for row in likeliest]
        assert [len(row) < longest for row in found] == short
        assert longest == 5 or found != likeliest
    assert Side(sides.source, 99, 0.0, seed=1).encode(TEXTS) == likeliest


class Table:
    """A tokenizer whose pieces are written down."""

    LIKELIEST, DRAWN = {"a": 2, "b": 2, "c": 4, "d": 4}, {"a": 1, "b": 4, "c": 1, "d": 5}

    def encode(self, texts, threads=0):
        return [[7] * self.LIKELIEST[text] for text in texts]

    def sample(self, texts, alpha, seed):
        return [[8] * self.DRAWN[text] for text in texts]


def test_a_draw_counts_where_it_and_the_likeliest_pieces_are_few_enough():
    found = Side(Table(), 4, 0.1, seed=1).encode("abcd")
    assert found == [[8], [7, 7], [7] * 4, [7] * 4]


def test_an_epoch_has_pieces_of_its_own_whoever_asks_and_when(data):
    config = settings(data)
    plain = prepare(config)
    one, two = (Drawn(plain.corpus.train, plain.tokenizers, config) for _ in range(2))
    found = {epoch: [rows(side) for side in one(epoch)] for epoch in (0, 1, 2)}
    for epoch in (2, 0, 1):
        assert [rows(side) for side in two(epoch)] == found[epoch]
    for place, texts in enumerate(zip(*PAIRS, strict=True)):
        assert found[0][place] != found[1][place] != found[2][place]
        for epoch in found:
            assert plain.tokenizers[place].decode(found[epoch][place]) == list(texts)
    other = Drawn(plain.corpus.train, plain.tokenizers, settings(data, train__seed=8))
    assert [rows(side) for side in other(0)] != found[0]


@pytest.mark.parametrize("side", ["source", "target", "both"])
def test_only_the_side_that_is_asked_for_is_drawn_and_never_validation(side, data):
    plain = prepare(settings(data, 0.0))
    found = ready(data, tokenizer__subword_side=side)
    same = [rows(a) == rows(b) for a, b in zip(found.drawn(1), plain.train, strict=True)]
    assert same == {"source": [False, True], "target": [True, False], "both": [False] * 2}[side]
    assert [rows(one) for one in found.validation] == [rows(one) for one in plain.validation]
    assert found.tokenizers.sha256 == plain.tokenizers.sha256, "training finds the same pieces"
    line = found.found[-1]
    assert line.startswith(f"pieces      drawn anew for each epoch on {side}")
    assert 1 < float(line.split(": ")[1].split(" times")[0]) < 4


def test_without_sampling_all_is_as_it_was(data):
    config = settings(data, 0.0)
    plain = prepare(config)
    assert drawn(plain, config) is plain
    assert plain.drawn is None


def test_outputs_may_be_as_long_as_what_was_learned(data):
    plain, found = prepare(settings(data, 0.0)), ready(data, 0.9, tokenizer__subword_side="target")
    facts, lengths = found.facts, found.drawn(0).target.lengths
    assert facts.length_slope == plain.facts.length_slope
    limits = facts.length_slope * plain.train.source.lengths + facts.length_excess
    assert (lengths <= limits + 1e-6).all()
    assert facts.length_excess > plain.facts.length_excess


def test_texts_are_cut_once_an_epoch_whatever_is_counted(data):
    config = settings(data, train__epochs=9, train__plateau_growth=2.0)
    found = drawn(prepare(config), config)
    cut = []
    pairs = found.drawn._encoded
    found.drawn._encoded = lambda epoch: cut.append(epoch) or pairs(epoch)
    budget = Budget.of(config.train)
    batches = Batches(found.train, budget, seed=1, drawn=found.drawn)
    Course(config, batches)
    updates = batches.updates(3)
    groups = batches.groups(3)
    next(groups)
    batches.budget = Budget.of(config.train, [4])  # a plateau within the epoch
    course = Course(config, batches)
    progress = Progress(step=20, epoch=3, update=1)
    assert course.epochs(progress) == round(3 + 1 / updates, 4)
    targets = found.drawn(3).target
    tokens = int(targets.offsets[-1]) - len(PAIRS)  # no BOS is predicted
    assert course.tokens(progress) == pytest.approx(tokens / updates)
    # At the end of an epoch its updates are those that have been made.
    assert course.tokens(Progress(step=30, epoch=4)) == pytest.approx(tokens / updates)
    assert len(list(groups)) == updates - 1
    assert cut == [3], "the first was cut by `drawn`"


def test_batches_are_those_of_the_epoch(data):
    found = ready(data, 0.5)
    batches = Batches(found.train, Budget(60), seed=1, blur=0.2, drawn=found.drawn)
    plain = Batches(found.train, Budget(60), seed=1, blur=0.2)
    counts = [batches.updates(epoch) for epoch in (0, 1, 0)]
    assert counts[0] == counts[2] > plain.updates(0)
    assert batches.expected(2.5) == 2.5 * counts[0]
    for epoch in (1, 0):
        groups = list(batches.groups(epoch))
        assert len(groups) == batches.updates(epoch)
        later = list(batches.groups(epoch, start=3))
        assert [one.target.tolist() for (one,) in later] == [
            one.target.tolist() for (one,) in groups[3:]
        ]
        assert all(one.target.numel() <= 60 or len(one.target) == 1 for (one,) in groups)
        seen = [ids for (one,) in groups for ids in one.target.tolist()]
        targets = sorted(found.tokenizers.target.decode(seen))
        assert targets == sorted(text for _, text in PAIRS)


@pytest.mark.parametrize("units", ["char", "word"])
def test_units_without_a_choice_are_an_error(units):
    message = rf"subword_sampling draws one of many ways to cut a text, .* = '{units}' has one"
    with pytest.raises(ConfigError, match=message):
        TokenizerConfig(units=units, subword_sampling=0.1)
    TokenizerConfig(units=units)
