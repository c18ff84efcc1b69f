"""Metrics against values counted by hand, against sacreBLEU's own command, and against chance."""

import json
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgen.errors import DataError, UsageError
from seqgen.metrics import METRICS, Statistics, bleu, edit_distance, interval, paired

WORDS = ["the", "a", "small", "cat", "dog", "sat", "ran", "on", "mat,", "tree", ".", "it's", "3.5"]


def corpus(seed: int, sentences: int, noise: float) -> tuple[list[str], list[str]]:
    """Random sentences, and the same ones with a share of their words replaced."""
    chance = random.Random(seed)
    right = [[chance.choice(WORDS) for _ in range(chance.randint(4, 15))] for _ in range(sentences)]
    wrong = [
        [chance.choice(WORDS) if chance.random() < noise else word for word in line]
        for line in right
    ]
    return [" ".join(line) for line in wrong], [" ".join(line) for line in right]


def command(tmp_path, hypotheses: list[str], *streams: list[str], options=()) -> dict[str, dict]:
    """What the sacrebleu command says of these lines, by metric."""
    files = []
    for number, lines in enumerate([hypotheses, *streams]):
        files.append(tmp_path / f"{number}.txt")
        files[-1].write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "sacrebleu", *map(str, files[1:]), "-i", str(files[0]),
         "-m", "bleu", "chrf", "-w", "2", "-f", "json", *options],
        capture_output=True, text=True, check=True, encoding="utf-8",
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert len(found) == 2
    return {entry["name"].lower().rstrip("2"): entry for entry in found}


@pytest.mark.parametrize("number", [1, 2])
def test_bleu_and_chrf_equal_the_sacrebleu_command_with_signature(tmp_path, number):
    hypotheses, first = corpus(1, 60, 0.3)
    hypotheses[7] = ""
    hypotheses[8] += "   "
    hypotheses[9] = "Größe — “quoted” 日本 a&amp;b <x> 1,000.5 e\u0301\xa0z"
    streams = [first, corpus(2, 60, 0)[1]][:number]
    expected = command(tmp_path, hypotheses, *streams)
    references = [list(alternatives) for alternatives in zip(*streams, strict=True)]
    for name in ("bleu", "chrf"):
        metric = METRICS[name]
        assert round(metric.score(hypotheses, references), 2) == expected[name]["score"]
        assert metric.signature(references) == expected[name]["signature"]
        assert f"nrefs:{number}" in metric.signature(references)


def test_bleu_of_tokenized_text_equals_the_sacrebleu_command(tmp_path, capfd):
    hypotheses, right = corpus(3, 150, 0.3)
    hypotheses = [f"{line} ." for line in hypotheses]
    expected = command(tmp_path, hypotheses, right, options=["--tokenize", "none"])["bleu"]
    metric, references = bleu("none"), [[line] for line in right]
    assert round(metric.score(hypotheses, references), 2) == expected["score"]
    assert metric.signature(references) == expected["signature"]
    assert metric.score(hypotheses, references) != METRICS["bleu"].score(hypotheses, references)
    assert capfd.readouterr().err == "", "no warning about text that looks tokenized"


def test_sentences_may_have_different_numbers_of_references():
    from sacrebleu.metrics.bleu import BLEU

    hypotheses = ["the cat sat on the mat", "a dog ran under a tree"]
    references = [["the cat sat on a mat"], ["a dog ran", "the dog ran under a tree", "a dog"]]
    streams = [
        [references[0][0], references[1][0]],
        [None, references[1][1]],
        [None, references[1][2]],
    ]
    public = BLEU()
    assert METRICS["bleu"].score(hypotheses, references) == pytest.approx(
        public.corpus_score(hypotheses, streams).score
    )
    assert METRICS["bleu"].signature(references) == str(public.get_signature())
    assert "nrefs:var" in METRICS["bleu"].signature(references)
    assert METRICS["chrf"].score(hypotheses, references) > METRICS["chrf"].score(
        hypotheses, [row[:1] for row in references]
    )


def test_bleu_of_two_sentences_counted_by_hand():
    # Matches of 1 to 4 words: 10 of 11, 7 of 9, 4 of 7, 2 of 5; as long as the references.
    hypotheses = ["a b c d e f", "a b c d e"]
    references = [["a b c x e f"], ["a b c d e"]]
    precisions = [10 / 11, 7 / 9, 4 / 7, 2 / 5]
    expected = 100 * np.prod(precisions) ** 0.25
    assert METRICS["bleu"].score(hypotheses, references) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "hypotheses", "references", "expected"),
    [
        ("wer", ["a b c d"], [["a x c"]], 100 * 2 / 3),
        ("wer", ["", "a b"], [["a b c"], ["a b"]], 100 * 3 / 5),
        ("wer", ["a  b\t c "], [["a b c"]], 0.0),
        ("wer", ["x y"], [["a b c d e", "x z", "x y w"]], 100 * 1 / 3),  # nearest, then longest
        ("wer", ["a b"], [[""]], 200.0),
        ("per", ["K AE1 T S"], [["K AE1 T"]], 100 / 3),
        ("per", ["K AE1 T", "D AO1 G"], [["K AE0 T"], ["D AO1 G"]], 100 / 6),
        ("cer", ["kitten"], [["sitting"]], 100 * 3 / 7),
        ("cer", ["ab", "abcd"], [["abc"], ["abcd"]], 100 / 7),
        ("cer", ["straße"], [["strasse"]], 100 * 2 / 7),
        ("exact", ["a", "b", "c"], [["a"], ["x", "b"], ["d"]], 100 * 2 / 3),
        ("exact", ["a "], [["a"]], 0.0),
    ],
)
def test_values_counted_by_hand(name, hypotheses, references, expected):
    assert METRICS[name].score(hypotheses, references) == pytest.approx(expected)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_the_right_answer_scores_best_and_nonsense_worst(name):
    metric = METRICS[name]
    wrong, right = corpus(5, 40, 0.4)
    references = [[line] for line in right]
    best, middle = metric.score(right, references), metric.score(wrong, references)
    worst = metric.score(["§"] * 40, references)
    assert best == pytest.approx(100 if metric.higher else 0)
    assert (best > middle >= worst) if metric.higher else (best < middle <= worst)
    assert metric.label
    assert metric.unit in {"", "%"}


@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_part_of_the_table_scores_as_the_part_of_the_corpus(name):
    hypotheses, right = corpus(6, 30, 0.3)
    references, rows = [[line] for line in right], [3, 28, 11, 4]
    part = METRICS[name].score([hypotheses[row] for row in rows], [references[row] for row in rows])
    assert METRICS[name].statistics(hypotheses, references).score(rows) == pytest.approx(part)


def plain_distance(first: str, second: str) -> int:
    """The table of Wagner and Fischer, row by row."""
    above = list(range(len(second) + 1))
    for i, a in enumerate(first, start=1):
        row = [i]
        for j, b in enumerate(second, start=1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (a != b)))
        above = row
    return above[-1]


@given(first=st.text("abc", max_size=12), second=st.text("abc", max_size=12))
def test_edit_distance_equals_the_classic_table(first, second):
    assert edit_distance(first, second) == plain_distance(first, second)


def test_edit_distance_of_long_texts_equals_the_classic_table():
    chance = random.Random(4)
    for length in (63, 64, 65, 200):  # on both sides of a machine word
        first = "".join(chance.choices("abcdef", k=length))
        second = "".join(chance.choices("abcdef", k=length + 7))
        assert edit_distance(first, second) == plain_distance(first, second)
        assert edit_distance(first, first) == 0


# Intervals


@pytest.mark.parametrize("name", sorted(METRICS))
def test_an_interval_holds_the_score_and_repeats(name):
    hypotheses, right = corpus(7, 80, 0.15)
    references = [[line] for line in right]
    counted = METRICS[name].statistics(hypotheses, references)
    low, high = interval(counted)
    assert low < counted.score() < high
    assert (low, high) == interval(counted)


def test_the_interval_of_a_share_is_the_one_that_theory_gives():
    hits = np.array([[1.0, 1.0]] * 300 + [[0.0, 1.0]] * 100)
    counted = Statistics(hits, lambda sums: 100 * sums[0] / sums[1])
    half_width = 1.96 * 100 * (0.75 * 0.25 / 400) ** 0.5
    assert interval(counted) == pytest.approx((75 - half_width, 75 + half_width), abs=0.5)
    low, high = interval(counted, confidence=0.5)
    assert high - low == pytest.approx(2 * half_width * 0.6745 / 1.96, abs=0.6)


def test_the_interval_of_perfect_output_is_a_point():
    assert interval(METRICS["exact"].statistics(["a", "b"], [["a"], ["b"]])) == (100.0, 100.0)


# Paired test


def systems(name: str, noises: tuple[float, float]) -> list[Statistics]:
    counted = []
    for seed, noise in enumerate(noises):
        right = corpus(20, 120, 0)[1]
        chance = random.Random(seed)
        lines = [
            " ".join(chance.choice(WORDS) if chance.random() < noise else w for w in line.split())
            for line in right
        ]
        counted.append(METRICS[name].statistics(lines, [[line] for line in right]))
    return counted


@pytest.mark.parametrize("name", ["bleu", "chrf", "wer"])
def test_a_clear_difference_is_significant_and_the_order_does_not_matter(name):
    better, worse = systems(name, (0.1, 0.4))
    assert paired(better, worse) == paired(worse, better) == pytest.approx(1 / 1001)


def test_a_system_does_not_differ_from_itself():
    one, _ = systems("bleu", (0.2, 0.2))
    assert paired(one, one) == 1.0


def test_equally_good_systems_are_told_apart_as_rarely_as_chance_does_it():
    # The winner is known before its one-sided test is made: below 0.05 in 10 % of the cases.
    chance, significant = np.random.default_rng(3), 0
    for _ in range(100):
        hits = chance.random((2, 90)) < 0.6
        first, second = (
            Statistics(np.stack([row, np.ones(90)], axis=1), lambda sums: sums[0] / sums[1])
            for row in hits
        )
        significant += paired(first, second, resamples=200) < 0.05
    assert 4 <= significant <= 17


def test_the_p_value_is_the_share_of_resamples_that_the_winner_does_not_win():
    def value(sums):
        return 100 * sums[0] / sums[1]

    # First wins in 20 sentences, second in 12, and 68 are even. The difference of a resample is
    # nearly normal: mean 8, variance 20 + 12 - 8 ** 2 / 100.
    wins = np.array([[1.0, 1.0]] * 20 + [[0.0, 1.0]] * 12 + [[1.0, 1.0]] * 68)
    losses = np.array([[0.0, 1.0]] * 20 + [[1.0, 1.0]] * 12 + [[1.0, 1.0]] * 68)
    first, second = Statistics(wins, value), Statistics(losses, value)
    # P(Z <= (0.5 - 8) / 5.6), ties counting against the winner
    assert paired(first, second, resamples=4000) == pytest.approx(0.090, abs=0.02)


# Mistakes


def test_lines_that_do_not_pair_up_are_an_error():
    with pytest.raises(DataError, match=r"^2 hypotheses but references for 1 sentences; line N of"):
        METRICS["bleu"].score(["a", "b"], [["a"]])


def test_nothing_to_score_is_an_error():
    with pytest.raises(DataError, match=r"^there are no sentences to score; give at least one$"):
        METRICS["wer"].score([], [])


def test_a_sentence_without_reference_is_an_error_that_names_it():
    with pytest.raises(DataError, match=r"^sentence 2 has no reference; every one needs at least"):
        METRICS["chrf"].score(["a", "b"], [["a"], []])


def test_an_unknown_tokenizer_is_an_error_that_names_the_known():
    with pytest.raises(
        UsageError, match=r"^unknown BLEU tokenizer '13b'; sacreBLEU has none, zh, "
    ):
        bleu("13b").score(["a"], [["a"]])


def test_a_tokenizer_that_lacks_a_package_is_an_error_of_one_line(monkeypatch):
    def lacking(*arguments, **settings):
        raise RuntimeError("\nIt needs more.\n\n    pip install sacrebleu[ja]\n")

    monkeypatch.setattr("sacrebleu.metrics.bleu.BLEU.__init__", lacking)
    expected = r"^BLEU tokenizer 'ja-mecab' cannot be used here: It needs more. pip install \S+$"
    with pytest.raises(UsageError, match=expected):
        bleu("ja-mecab").score(["a"], [["a"]])


def test_a_paired_test_of_different_sentences_is_an_error():
    long, short = (METRICS["wer"].statistics(["a"] * n, [["a"]] * n) for n in (3, 2))
    with pytest.raises(DataError, match=r"^the two systems have 3 and 2 sentences; a paired test"):
        paired(long, short)
