"""Outputs in lower case get the case that words mostly have in training texts."""

import itertools
import json
import shutil

import pytest
import toy
from hypothesis import given, settings
from hypothesis import strategies as st

from seqgen import tokenizer, training
from seqgen.casing import Casing, learned
from seqgen.corpus import read_corpus
from seqgen.errors import ConfigError, ModelError
from seqgen.evaluation import evaluate
from seqgen.forms import Form
from seqgen.progress import Silent
from seqgen.sections import DecodeConfig, TokenizerConfig
from seqgen.translator import Translator

LOWER = Form(lowercase=True, recase=True)
# Each word has one case inside a sentence, and each of the texts begins with a capital.
WORDS = ["Paris", "iPhone", "NASA", "straße", "élan", "Ölkrug", "İzmir", "l", "Été", "mp3", "3D"]
SENTENCE = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5)


@st.composite
def texts(draw):
    sentences = []
    for words in draw(st.lists(SENTENCE, min_size=1, max_size=3)):
        first, *rest = words
        first = first if first != first.lower() else first[0].title() + first[1:]
        gap = draw(st.sampled_from([" ", ", ", "-", " («", "'"]))
        sentences.append(gap.join([first, *rest]) + draw(st.sampled_from([".", "!", '?"', "..."])))
    return " ".join(sentences)


TAUGHT = learned([f"Ab {' '.join(WORDS)}.", "Bc l. De mp3?", "3 l"], LOWER)


@given(text=texts())
@settings(max_examples=300, deadline=None)
def test_words_of_one_case_and_beginnings_come_back(text):
    lowered = LOWER.written(LOWER.read(text))
    assert TAUGHT.restored(lowered) == text


@given(text=st.one_of(st.text(), texts()))
@settings(max_examples=300, deadline=None)
def test_only_case_changes_and_what_is_settled_stays(text):
    whole = LOWER.written(LOWER.read(text))
    restored = TAUGHT.restored(whole)
    plain = Casing({}, capital=False)
    assert plain.restored(whole) == whole
    if text.isascii():
        assert restored.lower() == whole
    shown = [TAUGHT.settled(TAUGHT.restored(whole[:end])) for end in range(len(whole) + 1)]
    for before, after in itertools.pairwise([*shown, restored]):
        assert after.startswith(before)


def test_the_most_frequent_case_inside_sentences_counts():
    # What a sentence begins with, be it ever so frequent, says nothing about the word.
    found = learned(["Will you? Will you? Will you go to Will", "they will. And Bob will"], LOWER)
    assert found.words == {"bob": "Bob"}
    assert found.restored("will bob? will he") == "Will Bob? Will he"
    assert learned(["a Will", "a will"], LOWER).words == {}, "of two as frequent, the lower case"


def test_sentences_begin_as_most_do():
    assert not learned(["she saw Rome", "ils ont vu", "Rome"], LOWER).capital
    assert learned(["She saw", "Ils ont vu", "rome", "3 times"], LOWER).capital
    assert not learned(["3 times", "4"], LOWER).capital
    assert not learned([], LOWER).capital


def test_a_word_is_no_part_of_another():
    found = Casing({"us": "US", "o": "O", "neill": "Neill"}, capital=False)
    assert found.restored("bus us us. o'neill's") == "bus US US. O'Neill's"


def test_recase_needs_a_target_in_lower_case():
    for side in ("none", "source"):
        with pytest.raises(ConfigError, match=r"--lowercase target or both does$"):
            TokenizerConfig(recase=True, lowercase=side)
    assert TokenizerConfig(recase=True, lowercase="both").recase


def test_a_full_stop_that_mostly_ends_no_sentence_is_of_an_abbreviation():
    texts = ["Er hat z. B. ein Haus. Das Haus ist alt.", "Sie sah u. a. das Haus, d. h. Das."]
    found = learned([*texts, "Ja. Das, z. B. ein Hund.", "Sie sah Haus. Ihr Haus."], LOWER)
    assert found.abbreviations == {"b", "u", "a", "d"}
    for text in texts[:1]:
        assert found.restored(text.lower()) == text
    assert found.restored("d. h. das! u. a. z. ein") == "D. h. Das! U. a. z. Ein"


@pytest.mark.parametrize("text", ["ßab", "\ufb01n", "\u0149ab"])
def test_a_letter_whose_capital_is_two_stays(text):
    assert Casing({}, capital=True).restored(text) == text


def test_long_runs_of_stops_take_no_time():
    text = "a " + "." * 200_000 + "b " + "... " * 50_000 + "c"
    assert Casing({}, capital=True).restored(text) == f"A{text[1:-1]}C"


WRONG = ({"capital": 1}, {"words": {"a": 1}}, {"words": []}, {"abbreviations": {}},
         {"abbreviations": [1]}, {"words": {"a": "\ud800"}})  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose targets have capitals that only the texts tell."""
    path = tmp_path_factory.mktemp("cased")
    data = toy.write_pairs(path / "data", train=120, held=12)
    toy.rewrite(data, cased)
    config = toy.config(data, tokenizer__units="char", tokenizer__lowercase="both",
                        tokenizer__recase=True, train__epochs=2)  # fmt: skip
    training.train(config, path / "run", report=Silent())
    return path / "run"


def cased(text: str) -> str:
    rows = (line.split("\t") for line in text.splitlines())
    return "".join(f"{source}\t{cased_as(target)}\n" for source, target in rows)


def cased_as(target: str) -> str:
    """Every word that has a b in it with a capital, and so the first."""
    words = [word.capitalize() if "b" in word else word for word in target.split(" ")]
    return f"Zu {' '.join(words)}"


def test_a_run_writes_in_the_case_of_its_training_texts(run):
    loaded = Translator.from_pretrained(run, device="cpu")
    casing = loaded.tokenizers.target.casing
    assert casing.capital
    assert casing.words
    assert all("b" in word for word in casing.words)
    report = evaluate(loaded, read_corpus(loaded.config.data).test)
    assert report.compared == ""
    assert all(text.startswith("Zu ") for row in report.references for text in row)
    for text in ("ab c", "", "c c ab"):
        shown = list(loaded.stream(text, DecodeConfig()))
        assert all(after.startswith(before) for before, after in itertools.pairwise(shown))
        assert shown[-1] == loaded.translate([text])[0]
        assert shown[-1] == casing.restored(shown[-1].lower())
    both = loaded.tokenizers
    assert both.target.decode(both.target.encode(["ZU B"])) == [f"Zu {casing.restored(' b')[1:]}"]


def test_the_casing_belongs_to_the_model(run, tmp_path):
    config = Translator.from_pretrained(run, device="cpu").config
    folder = shutil.copytree(run, tmp_path / "copy")
    again = tokenizer.load(folder, config.facts.tokenizer_sha256, config.tokenizer)
    assert again.target.casing == Casing.from_json((run / "casing.json").read_text("utf-8"))
    file = folder / "casing.json"
    found = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps(found | {"words": {"b": "B!"}}), encoding="utf-8")
    with pytest.raises(ModelError, match="the tokenizer is not the one"):
        Translator.from_pretrained(folder, device="cpu")
    for wrong in ("[", "{}", "[" * 100_000, *(json.dumps(found | values) for values in WRONG)):
        file.write_text(wrong, encoding="utf-8")
        with pytest.raises(ModelError, match=r"casing\.json: cannot be read .* copy the whole"):
            Translator.from_pretrained(folder, device="cpu")
    file.unlink()
    with pytest.raises(ModelError, match=r"casing\.json: cannot be read"):
        Translator.from_pretrained(folder, device="cpu")
