"""Several models as one: a model with itself is itself, two are the mean that a hand computes."""

import math
from dataclasses import replace

import pytest
import torch
import toy
from test_model import batch, network

from seqgen import training
from seqgen.decoding import Decoding, decode
from seqgen.ensemble import Ensemble, averaged, together
from seqgen.errors import ModelError
from seqgen.inference import ready
from seqgen.progress import Silent
from seqgen.recurrent import select
from seqgen.sections import DecodeConfig
from seqgen.translator import Translator
from seqgen.vocabulary import BOS, EOS, PAD

AVERAGES = ("probability", "log_probability")
SEARCHES = {
    "greedy": DecodeConfig(),
    "beam": DecodeConfig(beam_size=4, nbest=3),
    "coverage": DecodeConfig(beam_size=3, coverage_penalty=0.4),
    "sampling": DecodeConfig(sample=True, nbest=3, top_k=5),
}
SOURCES, LIMITS = [[4, 5, 6, 7, 8], [8], [5, 4], [7, 7, 7]], [9, 2, 7, 5]


def different():
    """Networks that agree in nothing but their vocabulary."""
    return [
        network("lstm", "general", 3),
        network("gru", "additive", 1, hidden=12, input_feeding=True),
        network("rnn", "dot", 1, embedding=9, bridge="mean"),
    ]


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("prepare", [lambda model: model, ready], ids=["model", "ready"])
def test_a_model_together_with_itself_is_itself(average, search, prepare):
    model = prepare(network("lstm", layers=3))
    both = Ensemble([model, model, model], average)
    alone, found = (decode(one, SOURCES, LIMITS, SEARCHES[search]) for one in (model, both))
    for row, other in zip(alone, found, strict=True):
        assert [one.ids for one in row] == [one.ids for one in other]
        for one, same in zip(row, other, strict=True):
            assert same.token_scores == pytest.approx(one.token_scores, abs=1e-12)
            assert same.ranked == pytest.approx(one.ranked, abs=1e-12)


def test_the_mean_of_two_is_what_a_hand_computes():
    one, two = torch.tensor([[0.5, 0.4, 0.1]]).log(), torch.tensor([[0.125, 0.4, 0.475]]).log()
    both = torch.stack([one, two]).double()
    mean = averaged(both, "probability").exp()
    torch.testing.assert_close(mean, torch.tensor([[0.3125, 0.4, 0.2875]]).double())
    # Geometric: sqrt(0.0625) = 0.25, 0.4, sqrt(0.0475), over their sum.
    roots = [0.25, 0.4, math.sqrt(0.0475)]
    wanted = torch.tensor([[root / sum(roots) for root in roots]]).double()
    torch.testing.assert_close(averaged(both, "log_probability").exp(), wanted)


class Table:
    """A member whose answer can be read: the next id depends on the last alone."""

    device = torch.device("cpu")

    def __init__(self, parts, rows):
        self.parts, self.table = parts, torch.full((7, 7), 1e-9).double()
        for last, chances in rows.items():
            for after, chance in chances.items():
                self.table[last, after] = chance

    def encode(self, source, lengths):
        state = torch.zeros(1, len(source), 2)
        return Rows(torch.arange(len(source))), (state,) * self.parts

    def step(self, ids, memory, state):
        assert len(state) == self.parts
        assert len(ids) % len(memory.rows) == 0, "finished sentences leave every member"
        assert all(part.shape[1] == len(ids) for part in state)
        return self.table[ids].log(), tuple(part + 1 for part in state)


class Rows:
    def __init__(self, rows):
        self.rows = rows

    def select(self, sentences):
        return Rows(self.rows[sentences])


@pytest.mark.parametrize("beam", [1, 3])
def test_search_finds_what_is_best_on_average_and_best_for_neither(beam):
    # Alone one writes 4 and the other 5; together the likeliest is 6.
    one = Table(1, {BOS: {4: 0.5, 5: 0.1, 6: 0.4}, 4: {EOS: 1}, 5: {EOS: 1}, 6: {EOS: 1}})
    two = Table(2, {BOS: {4: 0.1, 5: 0.5, 6: 0.4}, 4: {EOS: 1}, 5: {EOS: 1}, 6: {EOS: 1}})
    wanted = DecodeConfig(beam_size=beam)
    sources, limits = [[4], [5, 6], [4]], [3, 1, 2]
    ids = {
        name: [row[0].ids for row in decode(model, sources, limits, wanted)]
        for name, model in (
            ("one", one),
            ("two", two),
            ("both", Ensemble([one, two], "probability")),
        )
    }
    assert ids == {"one": [[4, EOS], [4], [4, EOS]], "two": [[5, EOS], [5], [5, EOS]],
                   "both": [[6, EOS], [6], [6, EOS]]}  # fmt: skip
    assert decode(Ensemble([one, two], "probability"), [[4]], [3], wanted)[0][0].score == (
        pytest.approx(math.log(0.4), abs=1e-6)
    )


@pytest.mark.parametrize("average", AVERAGES)
def test_steps_of_different_networks_are_the_whole_sequence(average):
    model, given = Ensemble(different(), average), batch()
    whole = model.forced(given)
    wholes = torch.stack([member.whole(given)[0] for member in model.members])
    gold = given.target[:, 1:]
    with torch.inference_mode():
        memory, state = model.encode(given.source, given.source_lengths)
        for t in range(gold.shape[1]):
            log_probs, state = model.step(given.target[:, t], memory, state)
            one = log_probs.gather(1, gold[:, t, None]).squeeze(1) * (gold[:, t] != PAD)
            torch.testing.assert_close(one, whole.log_probs[:, t])
            torch.testing.assert_close(log_probs, averaged(wholes[:, :, t], average))
            torch.testing.assert_close(log_probs.exp().sum(1), torch.ones(3).double())
    weights = [member.forced(given).weights for member in model.members]
    torch.testing.assert_close(whole.weights, sum(weights) / 3)
    assert not torch.allclose(weights[0], weights[1])


@pytest.mark.parametrize("search", SEARCHES)
def test_neighbours_change_nothing_when_they_leave(search):
    model = Ensemble([ready(one) for one in different()], "probability")
    whole = decode(model, SOURCES, LIMITS, SEARCHES[search])
    for source, limit, row in zip(SOURCES, LIMITS, whole, strict=True):
        (alone,) = decode(model, [source], [limit], SEARCHES[search])
        assert [one.ids for one in alone] == [one.ids for one in row]
        assert [one.ranked for one in alone] == pytest.approx([one.ranked for one in row])


def test_rows_are_chosen_in_every_member():
    model = Ensemble(different(), "probability")
    with torch.inference_mode():
        step = Decoding(model, SOURCES)
        assert len(step.state) == 2 + 2 + 1
        stay = torch.tensor([0, 2])
        step.narrow(stay)
        found, _ = step(torch.tensor([5, 6]), select(step.state, stay))
        fresh = Decoding(model, [SOURCES[0], SOURCES[2]])
        wanted, _ = fresh(torch.tensor([5, 6]), fresh.state)
    torch.testing.assert_close(found, wanted)


def test_one_member_is_no_ensemble():
    model = network()
    assert together([model], "probability") is model


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two networks over one vocabulary, and one over another."""
    path = tmp_path_factory.mktemp("runs")
    data = toy.write_pairs(path / "data")
    shapes = {
        "a": {},
        "b": {"model__cell": "gru", "model__hidden": 20, "train__seed": 2},
        "c": {"tokenizer__units": "char"},
    }
    for name, values in shapes.items():
        config = toy.config(data, train__max_steps=6, **values)
        training.train(config, path / name, report=Silent())
    return path


def test_runs_decode_together_and_hypotheses_have_their_forced_score(runs):
    texts = [source for source, _ in toy.pairs(12, seed=4)]
    both = Translator.from_pretrained([runs / "a", runs / "b"], device="cpu")
    (other,) = both.others
    single = Translator.from_pretrained(runs / "a", device="cpu")
    assert single.others == ()
    for translator in (both, single):
        translator.model.double()
    other.double()
    wanted = DecodeConfig(beam_size=3, nbest=2, max_length=6)
    rows = both.hypotheses(texts, wanted)
    assert rows != single.hypotheses(texts, wanted)
    checked = 0
    for text, row in zip(texts, rows, strict=True):
        for one in row:
            (scored,) = both.score([text], [one.text])
            if scored.tokens == one.tokens:
                checked += 1
                assert scored.token_scores == pytest.approx(one.token_scores, abs=1e-9)
    assert checked
    geometric = both.hypotheses(texts, replace(wanted, ensemble="log_probability"))
    assert [row[0].score for row in geometric] != [row[0].score for row in rows]
    (arithmetic,), (scored,) = (
        both.score(texts[:1], [rows[0][0].text], replace(wanted, ensemble=average))
        for average in ("probability", "log_probability")
    )
    assert arithmetic.token_scores == pytest.approx(rows[0][0].token_scores, abs=1e-9)
    assert arithmetic.score != scored.score
    assert list(both.stream(texts[0], DecodeConfig()))[-1] == both.translate(texts[:1])[0]
    assert both.alignment("a b", "b a").target == single.alignment("a b", "b a").target


def test_an_ensemble_is_members_with_one_vocabulary_and_no_folder(runs, tmp_path):
    with pytest.raises(ModelError, match=r"c: has another vocabulary, .* than .*a; models decode"):
        Translator.from_pretrained([runs / "a", runs / "c"], device="cpu")
    with pytest.raises(ModelError, match="an ensemble of no model"):
        Translator.from_pretrained([])
    both = Translator.from_pretrained([runs / "a", runs / "b"], device="cpu")
    with pytest.raises(ModelError, match="an ensemble is several models; save each"):
        both.save_pretrained(tmp_path / "both")
