"""Minimum Bayes risk: utilities are those of the field, expectations those that a hand computes."""

import math

import numpy as np
import pytest
from sacrebleu.metrics.chrf import CHRF

from seqgen import risk
from seqgen.errors import ConfigError
from seqgen.metrics import edit_distance
from seqgen.sections import DecodeConfig

TEXTS = ["the cat sat", "a cat sat on it", "dog", "", "the  cat\tsat down here", "日本 語", "x"]


def settings(metric, mbr="samples", **values):
    return DecodeConfig(mbr=mbr, mbr_metric=metric, **values)


def test_chrf_is_that_of_sacrebleu_sentence_by_sentence():
    found = risk.chrf(TEXTS)
    assert found.shape == (len(TEXTS), len(TEXTS))
    for row, text in enumerate(TEXTS):
        for column, reference in enumerate(TEXTS):
            wanted = CHRF().sentence_score(text, [reference]).score
            assert found[row, column] == pytest.approx(wanted, abs=1e-9), (text, reference)
    assert not np.allclose(found, found.T)


def test_edits_and_equality_are_counted():
    assert risk.edit(["abc", "abd", ""]).tolist() == [[0, -1, -3], [-1, 0, -3], [-3, -3, 0]]
    assert risk.edit(TEXTS)[0, 1] == -edit_distance(TEXTS[0], TEXTS[1])
    assert risk.exact(["a", "b"]).tolist() == [[100, 0], [0, 100]]


def test_samples_count_the_same_and_equal_ones_together():
    # b is drawn most, but what is nearest to all is bc, first drawn at place 1.
    texts = ["b", "bc", "abc", "b", "bcd"]
    assert risk.ranked(texts, [-9.0] * 5, settings("exact"))[0] == (0, pytest.approx(40.0))
    edits = dict(risk.ranked(texts, [0.0] * 5, settings("edit")))
    assert edits == {0: pytest.approx(-1.0), 1: pytest.approx(-0.8), 2: pytest.approx(-1.4),
                     4: pytest.approx(-1.4)}  # fmt: skip
    assert risk.ranked(texts, [0.0] * 5, settings("edit"))[0][0] == 1


def test_hypotheses_of_a_list_count_as_much_as_the_model_believes_in_them():
    # 0.4, 0.3, 0.3 of the list: alone the first is best, by edits the second, as 0.3 is one away.
    texts, scores = ["xxxx", "ab", "abc"], [math.log(p) - 2000 for p in (0.4, 0.3, 0.3)]
    found = risk.ranked(texts, scores, settings("exact", "nbest"))
    assert found == [(0, pytest.approx(40)), (1, pytest.approx(30)), (2, pytest.approx(30))]
    edits = risk.ranked(texts, scores, settings("edit", "nbest"))
    assert edits == [
        (1, pytest.approx(-0.4 * 4 - 0.3)),
        (2, pytest.approx(-0.4 * 4 - 0.3)),
        (0, pytest.approx(-0.6 * 4)),
    ]
    # Drawn, all three would count the same.
    assert risk.ranked(texts, scores, settings("exact"))[0][1] == pytest.approx(100 / 3)


def test_the_pool_is_drawn_or_searched_for_without_choosing_again():
    drawn = risk.pool(settings("chrf", mbr_size=7, temperature=0.5, beam_size=2))
    assert (drawn.mbr, drawn.sample, drawn.nbest, drawn.temperature) == ("none", True, 7, 0.5)
    found = risk.pool(settings("chrf", "nbest", mbr_size=7, beam_size=2))
    assert (found.mbr, found.sample, found.nbest, found.beam_size) == ("none", False, 7, 7)
    wide = risk.pool(settings("chrf", "nbest", mbr_size=7, beam_size=12))
    assert (wide.nbest, wide.beam_size) == (7, 12)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mbr": "samples", "nbest": 5, "mbr_size": 4}, r"but decode\.mbr_size is 4; --mbr-size 5"),
        ({"mbr": "nbest", "sample": True}, r"decode\.sample draws; --mbr samples chooses among"),
    ],
)
def test_what_contradicts_itself_is_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        DecodeConfig(**values)
    assert DecodeConfig(mbr="nbest", nbest=5, mbr_size=5).nbest == 5
