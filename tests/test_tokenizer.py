"""Text to ids and back: nothing is lost, nothing crashes, the same data give the same file."""

import hashlib
import itertools
import shutil
import subprocess
import sys

import pytest
import toy
from hypothesis import given, settings
from hypothesis import strategies as st

from seqgen import tokenizer
from seqgen.errors import ConfigError, ModelError
from seqgen.sections import TokenizerConfig
from seqgen.tokenizer import Tokenizer, encodable
from seqgen.vocabulary import EOS, UNK

PAIRS = [(f"{n} {source} é", f"{target} 日本 🙂") for n, (source, target) in
         enumerate(toy.pairs(300, longest=9))]  # fmt: skip
UNITS = ("unigram", "bpe", "char", "word")


def trained(**values):
    return tokenizer.train(lambda: iter(PAIRS), len(PAIRS), TokenizerConfig(**values))


@pytest.fixture(scope="module")
def joint():
    return trained().source


@pytest.mark.parametrize("units", UNITS)
@pytest.mark.parametrize("joined", [True, False])
def test_covered_text_comes_back(units, joined):
    both = trained(units=units, joint=joined)
    assert (both.source is both.target) == joined
    for side, texts in zip(both, zip(*PAIRS, strict=True), strict=True):
        assert side.decode(side.encode(texts)) == list(texts)
        assert all(min(ids) > EOS for ids in side.encode(texts))


def test_the_target_side_may_have_units_of_its_own():
    both = trained(units="char", target_units="word", joint=False)
    alike = trained(units="char", joint=False), trained(units="word", joint=False)
    assert both.source.model == alike[0].source.model
    assert both.target.model == alike[1].target.model
    assert both.target.pieces(both.target.encode(["a b"])[0]) == ["▁a", "▁b"]
    message = r"tokenizer\.joint has one vocabulary for both; --no-joint$"
    with pytest.raises(ConfigError, match=message):
        TokenizerConfig(units="char", target_units="word")


@settings(max_examples=300, deadline=None)
@given(text=st.text())
def test_any_text_comes_back_by_bytes(joint, text):
    # U+2581 is how SentencePiece writes a space.
    expected = encodable(text).replace("\u2581", " ")
    assert joint.decode(joint.encode([text])) == [expected]


def test_surrogates_become_replacement_characters(joint):
    text = "a\udcffb"
    assert joint.decode(joint.encode([text])) == ["a\ufffdb"]


@pytest.mark.parametrize("typed", ["<s>", "</s>", "<pad>", "<unk>", "<0x41>"])
def test_special_pieces_typed_by_a_user_stay_text(joint, typed):
    (ids,) = joint.encode([typed])
    assert min(ids) > EOS
    assert joint.decode([ids]) == [typed]


def test_digits_are_pieces_of_their_own(joint):
    assert [
        piece for piece in joint.pieces(joint.encode(["a 1984"])[0]) if piece.isdigit()
    ] == list("1984")


QUOTED = [(f"{mark}{word}{end} {word}", f"{word} {mark}{word} x{end}")
          for mark, end in ("()", "[]", '""')
          for word in ("may", "six", "9", "$4", "-2")] * 9  # fmt: skip


@pytest.fixture(scope="module", params=["unigram", "bpe"])
def quoting(request):
    config = TokenizerConfig(units=request.param, byte_fallback=False, vocabulary=0)
    return tokenizer.train(lambda: iter(QUOTED), len(QUOTED), config).source


def test_a_word_behind_a_bracket_is_the_piece_that_it_is_behind_a_space(quoting):
    for text in ("(may", "x [may]", '"may"'):
        pieces = quoting.pieces(quoting.encode([text])[0])
        assert "\u2581may" in pieces
        assert any(piece.endswith("\u203f") for piece in pieces)
    assert quoting.decode(quoting.encode(["a\ufdd0 x"])) == quoting.decode(
        quoting.encode(["a\ufffd x"])
    )
    named = trained(units="unigram", normalization="nfkc").source
    for whole in (named, trained(units="char").source):  # nothing is put in
        assert not any("\u203f" in piece for piece in whole.pieces(range(whole.size)))


@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet='([")] maysix9$4-2', max_size=12))
def test_quoted_text_comes_back_and_grows(quoting, text):
    (ids,) = quoting.encode([text])
    grown = [quoting.prefix(ids[:end]) for end in range(len(ids) + 1)]
    assert all(after.startswith(before) for before, after in itertools.pairwise(grown))
    assert grown[-1] == quoting.decode([ids])[0] == text


@pytest.mark.parametrize("text", ["one cat", "", "\ud800(May", "\u00fc"])
def test_a_text_alone_has_the_ids_that_it_has_in_a_list(joint, text):
    encoded = joint.encode([text, "two dogs"])
    assert joint.encode([text]) == encoded[:1]
    assert joint.decode(encoded[:1]) == joint.decode(encoded)[:1]


def test_words_without_a_piece_are_unknown():
    assert UNK in trained(units="word").source.encode(["zebra"])[0]


@settings(max_examples=200, deadline=None)
@given(text=st.text(alphabet="ab é日🙂𝄞\u0301", max_size=12))
def test_prefixes_grow_and_hold_back_half_characters(joint, text):
    (ids,) = joint.encode([text])
    grown = [joint.prefix(ids[:end]) for end in range(len(ids) + 1)]
    for before, after in itertools.pairwise(grown):
        assert after.startswith(before)
    assert grown[-1] == text
    assert all("\ufffd" not in one for one in grown)


def test_the_same_data_give_the_same_file_on_one_processor_and_on_two():
    code = (
        "import hashlib, sys; sys.path.insert(0, 'tests'); import test_tokenizer as t;"
        "print(hashlib.sha256(t.trained(units='unigram').source.model).hexdigest())"
    )
    here = hashlib.sha256(trained().source.model).hexdigest()
    pins = [["taskset", "-c", "0"], []] if shutil.which("taskset") else [[]]
    for pin in pins:
        done = subprocess.run([*pin, sys.executable, "-c", code], capture_output=True, text=True,
                              check=True)  # fmt: skip
        assert done.stdout.strip() == here


def test_a_vocabulary_that_the_data_cannot_fill_is_an_error():
    message = (
        r"^tokenizer\.vocabulary = 9000 does not fit both sides of the data: .*; 0 finds a size$"
    )
    with pytest.raises(ConfigError, match=message):
        trained(vocabulary=9000)


@pytest.mark.parametrize("content", [b"", b"\x00" * 40, b"no model", None])
def test_a_broken_file_is_an_error(content, joint, tmp_path):
    content = joint.model[:100] if content is None else content
    (tmp_path / tokenizer.JOINT).write_bytes(content)
    with pytest.raises(ModelError, match=r"tokenizer\.model: cannot be read as a tokenizer: "):
        tokenizer.load(tmp_path)
    with pytest.raises(ValueError, match=r"no SentencePiece model|has \d+ pieces|is empty"):
        Tokenizer(content)


def test_a_missing_or_foreign_tokenizer_is_an_error(tmp_path):
    with pytest.raises(ModelError, match=r"tokenizer\.source\.model: cannot be read"):
        tokenizer.load(tmp_path)
    both = trained(units="char")
    for name, content in both.files().items():
        (tmp_path / name).write_bytes(content)
    assert tokenizer.load(tmp_path, both.sha256).sha256 == both.sha256
    with pytest.raises(ModelError, match=r"is not the one the model was trained with; copy"):
        tokenizer.load(tmp_path, "0" * 64)
