"""Texts are read in a form and written back composed; nothing else about them changes."""

import itertools
import unicodedata

import pytest
import toy
from hypothesis import given, settings
from hypothesis import strategies as st

from seqgen import training
from seqgen.corpus import read_corpus
from seqgen.evaluation import evaluate
from seqgen.forms import PLAIN, Form, forms
from seqgen.progress import Silent
from seqgen.sections import DecodeConfig, TokenizerConfig
from seqgen.tokenizer import train
from seqgen.translator import Translator

COMPOSED = ("NFC", "NFD", "NFKC")
# Jamo, marks that reorder, letters that compose with letters, and what NFKC takes apart.
ALPHABET = "\u1112\u1161\u11ab\u1100\u1161ea\u0301\u0323\u0327\u09c7\u09be\u0d46\u0d57 ½ﬁÅÉ한"


@given(text=st.text())
def test_without_a_form_a_text_stays_as_it_is(text):
    assert PLAIN.read(text) == PLAIN.written(text) == PLAIN.compared(text) == text
    assert PLAIN.settled(text) == text


@given(text=st.one_of(st.text(), st.text(ALPHABET)))
@settings(max_examples=300, deadline=None)
def test_what_is_read_is_in_its_form_and_written_back_composed(text):
    for name in COMPOSED:
        for lowercase in (False, True):
            form = Form(name, lowercase)
            read = form.read(text)
            assert unicodedata.normalize(name, read) == read
            assert form.read(read) == read
        whole = unicodedata.normalize("NFC", text)
        assert name == "NFKC" or Form(name).written(Form(name).read(text)) == whole
        assert Form(name).compared(text) == whole


def test_hangul_is_taken_apart_and_put_together():
    form = Form("NFD")
    assert form.read("한국") == "\u1112\u1161\u11ab\u1100\u116e\u11a8"
    assert form.written(form.read("한국")) == "한국"


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("none", "ÀB", "àb"),
        ("NFD", "ÀB", "a\u0300b"),
        ("NFC", "İ", "i\u0307"),
        ("NFC", "İ\u0316", "i\u0316\u0307"),  # the lower case has its marks in another order
        ("NFKC", "℡ ½", "tel 1⁄2"),
    ],
)
def test_lowercase_comes_with_every_form(name, text, read):
    assert Form(name, lowercase=True).read(text) == read
    assert Form(name).read(text) != read


def test_what_nfkc_takes_away_stays_in_the_reference():
    assert Form("NFKC").compared("½ e\u0301") == "½ é"
    assert Form("NFKC", lowercase=True).compared("½ É") == "½ é"


@given(text=st.text(ALPHABET, max_size=12), name=st.sampled_from(COMPOSED))
@settings(max_examples=500, deadline=None)
def test_what_is_settled_never_changes(text, name):
    form = Form(name)
    read, whole = form.read(text), form.written(form.read(text))
    shown = [form.settled(form.written(read[:end])) for end in range(len(read) + 1)]
    for before, after in zip(shown, [*shown[1:], whole], strict=True):
        assert after.startswith(before)
    # No more is held back than a letter with its marks.
    assert len(shown) < 2 or len(whole) - len(shown[-1]) <= 1 + sum(
        bool(unicodedata.combining(one)) for one in whole
    )


def test_each_side_has_the_form_of_its_settings():
    config = TokenizerConfig(source_form="NFD", target_form="NFKC", lowercase="source")
    assert forms(config) == (Form("NFD", True), Form("NFKC"))
    assert forms(TokenizerConfig(lowercase="both")) == (Form(lowercase=True),) * 2
    assert forms(TokenizerConfig(lowercase="target"))[1].lowercase
    assert forms(TokenizerConfig()) == (PLAIN, PLAIN)


KOREAN = [(f"한국 {source}", f"{target} 말É") for source, target in toy.pairs(80)]


@pytest.mark.parametrize("joint", [True, False])
def test_pieces_are_made_of_texts_in_their_form(joint):
    values = {"units": "char", "joint": joint, "byte_fallback": False}
    config = TokenizerConfig(source_form="NFD", target_form="NFD", lowercase="target", **values)
    both = train(lambda: iter(KOREAN), 80, config)
    assert both.source.encode(["한국"]) == both.source.encode(
        ["\u1112\u1161\u11ab\u1100\u116e\u11a8"]
    )
    assert both.source.count("한") == 4  # with the mark of a word
    assert both.source.decode(both.source.encode(["한국 a"])) == ["한국 a"]
    assert both.target.decode(both.target.encode(["말É"])) == ["말é"]
    assert set(both.target.pieces(both.target.encode(["말"])[0])) >= set("\u1106\u1161\u11af")
    (ids,) = both.target.encode(["말é 말"])
    shown = [both.target.prefix(ids[:end]) for end in range(len(ids) + 1)]
    assert all(after.startswith(before) for before, after in itertools.pairwise(shown))
    assert shown[-1] == "말é "
    assert not any("\u1106" in text or "마" in text for text in shown)
    plain = train(lambda: iter(KOREAN), 80, TokenizerConfig(**values))
    assert plain.source.count("한") == 2
    assert (plain.source is plain.target) == joint
    assert both.source is not both.target


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run over jamo, and in lower case; a letter of the data is composed, and one is not."""
    path = tmp_path_factory.mktemp("jamo")
    data = toy.write_pairs(path / "data", train=120, held=12)
    letters = str.maketrans({"a": "한", "b": "É", "c": "E\u0301"})
    toy.rewrite(data, lambda text: text.translate(letters))
    config = toy.config(data, tokenizer__units="char", tokenizer__source_form="NFD",
                        tokenizer__target_form="NFD", tokenizer__lowercase="both",
                        train__epochs=2)  # fmt: skip
    training.train(config, path / "run", report=Silent())
    return path / "run"


def test_a_run_reads_and_writes_in_its_forms_wherever_it_is_loaded(run):
    loaded = Translator.from_pretrained(run, device="cpu")
    composed = ["한 é 한", "é", "한 d e"]
    apart = [unicodedata.normalize("NFD", text).upper() for text in composed]
    assert apart != composed
    written = loaded.translate(composed)
    assert written == loaded.translate(apart)
    assert all(unicodedata.is_normalized("NFC", text) for text in written)
    scores = [[one.score for one in loaded.score(composed, texts)] for texts in (written, apart)]
    for text in composed:
        shown = list(loaded.stream(text, DecodeConfig()))
        assert all(after.startswith(before) for before, after in itertools.pairwise(shown))
        assert shown[-1] == loaded.translate([text])[0]
    again = [text.upper() for text in written]
    assert [one.score for one in loaded.score(apart, again)] == scores[0] != scores[1]


def test_references_are_compared_as_outputs_are_written(run):
    loaded = Translator.from_pretrained(run, device="cpu")
    split = read_corpus(loaded.config.data).test
    report = evaluate(loaded, split)
    assert report.compared == "lowercased"
    assert ", compared lowercased" in report.lines()[0]
    texts = [one for row in report.references for one in row]
    raw = [target for _, target in split]
    assert any("É" in text for text in raw)
    assert any("E\u0301" in text for text in raw)
    assert set(texts) == {unicodedata.normalize("NFC", text.lower()) for text in raw}
    assert "are compared lowercased" in (run / "README.md").read_text("utf-8")
