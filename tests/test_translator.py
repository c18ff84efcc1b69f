"""Texts to texts: nothing depends on neighbours, nothing is lost, nothing crashes."""

import copy
import itertools
import math
import shutil
from dataclasses import replace
from functools import cache

import pytest
import torch
import toy
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from seqgen import decoding, risk, training
from seqgen.errors import DataError, ModelError
from seqgen.progress import Silent
from seqgen.sections import DecodeConfig
from seqgen.segments import segments, split_sentences
from seqgen.translator import Translator

TEXTS = [source for source, _ in toy.pairs(60, seed=9, longest=8)]
MANY = [source for source, _ in toy.pairs(200, seed=11, longest=8)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model that has half learned to reverse, over pieces and bytes."""
    path = tmp_path_factory.mktemp("model")
    data = toy.write_pairs(path / "data", train=600)
    config = toy.config(data, tokenizer__units="unigram", model__hidden=32, model__embedding=24,
                        model__layers=2, train__epochs=8)  # fmt: skip
    training.train(config, path / "run", report=Silent())
    return path / "run"


@pytest.fixture(scope="module", params=["lstm", "gru", "rnn"])
def untrained(request, tmp_path_factory):
    """A model of each cell in double precision, far from knowing anything."""
    path = tmp_path_factory.mktemp(request.param)
    data = toy.write_pairs(path / "data")
    config = toy.config(data, tokenizer__units="bpe", tokenizer__joint=request.param == "gru",
                        model__cell=request.param, model__copy=request.param == "gru",
                        model__follow=request.param == "gru",
                        model__layers=3, train__max_steps=3)  # fmt: skip
    training.train(config, path / "run", report=Silent())
    loaded = Translator.from_pretrained(path / "run", device="cpu")
    loaded.model.double()
    return loaded


def assert_alike(found, wanted):
    """The same hypotheses; how a product is rounded depends, on some processors, on its place."""
    for row, other in zip(found, wanted, strict=True):
        for one, two in zip(row, other, strict=True):
            numbers = {"score": 0.0, "ranked": 0.0, "token_scores": []}
            assert one._replace(**numbers) == two._replace(**numbers)
            assert [one.score, one.ranked, *one.token_scores] == pytest.approx(
                [two.score, two.ranked, *two.token_scores], abs=1e-10
            )


@pytest.mark.parametrize("beam", [1, 4])
def test_every_cell_searches_scores_and_is_saved_alike(beam, untrained, tmp_path):
    wanted = DecodeConfig(beam_size=beam, nbest=beam, max_length=7)
    rows = untrained.hypotheses(TEXTS[:20], wanted)
    assert_alike(rows[::-1], untrained.hypotheses(TEXTS[:20][::-1], wanted))
    for text, row in zip(TEXTS, rows, strict=False):
        (alone,) = untrained.hypotheses([text], wanted)
        assert [one.tokens for one in alone] == [one.tokens for one in row]
        for one, other in zip(alone, row, strict=True):
            assert one.score == pytest.approx(other.score, abs=1e-10)
            assert one.score == pytest.approx(sum(one.token_scores), abs=1e-10)
    texts = [row[0].text for row in rows]
    for row, scored in zip(rows, untrained.score(TEXTS[:20], texts), strict=True):
        if scored.tokens == row[0].tokens:
            assert scored.score == pytest.approx(row[0].score, abs=1e-9)
    again = Translator.from_pretrained(untrained.save_pretrained(tmp_path / "saved"), device="cpu")
    for name, tensor in again.model.state_dict().items():
        assert torch.equal(tensor, untrained.model.state_dict()[name].float()), name


@pytest.fixture(scope="module")
def translator(folder):
    return Translator.from_pretrained(folder, device="cpu")


@pytest.fixture(scope="module")
def exact(folder):
    """The same model in double precision."""
    loaded = Translator.from_pretrained(folder, device="cpu")
    loaded.model.double()
    return loaded


@pytest.mark.parametrize("beam", range(1, 9))
def test_a_text_does_not_depend_on_its_neighbours(beam, exact):
    wanted = DecodeConfig(beam_size=beam, nbest=min(beam, 3), batch_size=64)
    together = exact.hypotheses(TEXTS, wanted)
    for order in (TEXTS[::-1], TEXTS[::2]):
        for size in (1, 7):
            found = dict(zip(order, exact.hypotheses(order, replace(wanted, batch_size=size)),
                             strict=True))  # fmt: skip
            for text, row in zip(TEXTS, together, strict=True):
                for one, other in zip(row, found.get(text, row), strict=True):
                    assert (one.text, one.tokens, one.cut) == (other.text, other.tokens, other.cut)
                    assert one.score == pytest.approx(other.score, abs=1e-10)


@pytest.mark.parametrize(("beam", "nbest"), [(1, 1), (2, 2), (5, 3), (8, 1)])
def test_texts_are_equal_in_single_precision_too(beam, nbest, translator):
    wanted = DecodeConfig(beam_size=beam, nbest=nbest)

    def found(texts, size):
        rows = translator.hypotheses(texts, replace(wanted, batch_size=size))
        return [[one.text for one in row] for row in rows]

    whole = found(MANY, 64)
    assert found(MANY[::-1], 3) == whole[::-1]
    assert found(MANY, 1) == whole


@given(
    order=st.permutations(range(12)), size=st.integers(1, 12), beam=st.sampled_from([1, 3, 4]),
    coverage=st.sampled_from([0.0, 0.3]),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_no_batch_changes_a_hypothesis(exact, order, size, beam, coverage):
    wanted = DecodeConfig(beam_size=beam, nbest=beam, coverage_penalty=coverage)
    alone = replace(wanted, batch_size=1)
    whole = _remembered(exact, tuple(TEXTS[:12]), alone)
    texts = [TEXTS[place] for place in order]
    for place, row in zip(order, exact.hypotheses(texts, replace(wanted, batch_size=size)),
                          strict=True):  # fmt: skip
        assert [one.text for one in row] == [one.text for one in whole[place]]
        ranks = [one.ranked for one in whole[place]]
        assert [one.ranked for one in row] == pytest.approx(ranks, abs=1e-10)


@cache
def _remembered(translator, texts, wanted):
    return translator.hypotheses(texts, wanted)


@pytest.mark.parametrize("beam", [1, 4])
def test_the_score_of_every_hypothesis_is_its_forced_score(beam, exact):
    wanted = DecodeConfig(beam_size=beam, nbest=beam)
    rows = exact.hypotheses(TEXTS[:20], wanted)
    pairs = [(text, one) for text, row in zip(TEXTS, rows, strict=False) for one in row
             if not one.cut and exact.tokenizers.target.encode([one.text])[0]]  # fmt: skip
    assert len(pairs) >= 15
    scored = exact.score([text for text, _ in pairs], [one.text for _, one in pairs])
    compared = 0
    for (_, one), forced in zip(pairs, scored, strict=True):
        if one.tokens == forced.tokens:  # the search may spell a text in other pieces
            compared += 1
            assert one.score == pytest.approx(forced.score, abs=1e-9)
            assert one.token_scores == pytest.approx(forced.token_scores, abs=1e-9)
    assert compared >= 10


def test_lines_keep_their_number_and_order_and_blank_ones_stay(translator):
    texts = ["a b", "", "   ", "\t", "c d e", "a b"]
    found = translator.translate(texts)
    assert len(found) == len(texts)
    assert found[1:4] == ["", "", ""]
    assert found[0] == found[5]
    assert translator.translate([]) == []


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.text(max_size=20), max_size=4))
def test_any_text_in_gives_a_text_that_can_be_encoded(translator, texts):
    found = translator.translate([*texts, "\udcff \x00 \u202e"])
    assert len(found) == len(texts) + 1
    for text in found:
        text.encode("utf-8")


def test_streamed_texts_are_prefixes_and_end_as_the_translation(translator):
    for text in [*TEXTS[:10], "", "a 日本 🙂"]:
        shown = list(translator.stream(text))
        for before, after in itertools.pairwise(shown):
            assert after.startswith(before)
        assert shown[-1] == translator.translate([text])[0]
    assert any(len(list(translator.stream(text))) > 2 for text in TEXTS)
    for text, limit in [("a b c. A e f! A h a? B c", 9), ("a b", 1)]:
        split = DecodeConfig(max_input=limit)  # a long text is streamed part after part
        assert len(translator.parts(text, split)) > 1
        shown = list(translator.stream(text, split))
        assert all(after.startswith(before) for before, after in itertools.pairwise(shown))
        assert shown[-1] == translator.translate([text], settings=split)[0]
    assert list(translator.stream("a b c", DecodeConfig(beam_size=3))) == [
        translator.translate(["a b c"], beam_size=3)[0]
    ]
    assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize(
    "settings", [DecodeConfig(), DecodeConfig(beam_size=4), DecodeConfig(sample=True)]
)
def test_a_search_can_be_ended_before_any_step(settings, translator):
    def decoded(allowed):
        asked = iter(range(allowed))

        def pause():
            if next(asked, None) is None:
                raise InterruptedError

        return translator.hypotheses(["a b c d"], settings, pause)

    steps = 0
    while True:
        try:
            found = decoded(steps)
            break
        except InterruptedError:
            steps += 1
    assert steps > 2
    assert found == translator.hypotheses(["a b c d"], settings)


def test_saved_and_loaded_equals_itself(folder, translator, tmp_path):
    saved = translator.save_pretrained(tmp_path / "saved")
    loaded = Translator.from_pretrained(saved, device="cpu")
    one, two = load_file(folder / "model.safetensors"), load_file(saved / "model.safetensors")
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert loaded.translate(TEXTS) == translator.translate(TEXTS)
    assert {path.name for path in saved.iterdir()} == {
        "config.json", "model.safetensors", "tokenizer.model", "README.md", "eval_results.json",
        "generated_predictions.txt"}  # fmt: skip


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda tensors: tensors.pop("bridge.project.bias"), r"lacks the tensor bridge\.pro"),
        (lambda tensors: tensors.update(extra=torch.ones(2)), r"has a tensor extra, which this"),
        (lambda tensors: tensors.update({"bridge.project.bias": torch.ones(3)}),
         r"bridge\.project\.bias has the shape \[3\], but config\.json asks for \[128\]; copy"),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit_are_named(damage, message, folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    tensors = load_file(copy / "model.safetensors")
    damage(tensors)
    save_file(tensors, copy / "model.safetensors")
    with pytest.raises(ModelError, match=message):
        Translator.from_pretrained(copy)


def test_missing_and_broken_models_are_errors(folder, tmp_path):
    with pytest.raises(ModelError, match=r"is no model folder: it has no config\.json; train one"):
        Translator.from_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"^some/name: is no folder here, and the Hub gave none"):
        Translator.from_pretrained("some/name")
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"model\.safetensors: cannot be read as weights: "):
        Translator.from_pretrained(copy)


def test_samples_repeat_with_their_seed_and_do_not_see_neighbours(exact):
    wanted = DecodeConfig(sample=True, nbest=3, sample_seed=5, temperature=1.3)
    rows = exact.hypotheses(TEXTS, wanted)
    assert [[one.text for one in row] for row in exact.hypotheses(TEXTS[::-1], wanted)] == [
        [one.text for one in row] for row in rows[::-1]
    ]
    other = exact.hypotheses(TEXTS, replace(wanted, sample_seed=6))
    assert [row[0].text for row in other] != [row[0].text for row in rows]
    likeliest = replace(wanted, nbest=1, top_k=1)
    assert exact.translate(TEXTS, settings=likeliest) == exact.translate(TEXTS)


@pytest.mark.parametrize("mbr", ["samples", "nbest"])
@pytest.mark.parametrize("metric", ["chrf", "edit", "exact"])
def test_what_has_the_least_risk_is_one_of_the_pool_and_sees_no_neighbours(exact, mbr, metric):
    wanted = DecodeConfig(mbr=mbr, mbr_metric=metric, mbr_size=6, nbest=3, max_length=9)
    pools = exact.hypotheses(TEXTS[:9], risk.pool(wanted))
    rows = exact.hypotheses(TEXTS[:9], wanted)
    assert_alike(exact.hypotheses(TEXTS[:9][::-1], wanted)[::-1], rows)
    assert any(len(row) > 1 for row in rows)
    for text, pool, row in zip(TEXTS, pools, rows, strict=False):
        assert len(pool) == 6
        texts = [one.text for one in row]
        assert len(set(texts)) == len(texts) <= 3
        unranked = {tuple(one.tokens): one._replace(ranked=0.0) for one in pool}
        for one in row:
            assert_alike([[one._replace(ranked=0.0)]], [[unranked[tuple(one.tokens)]]])
        ranks = [one.ranked for one in row if not one.cut]
        assert ranks == sorted(ranks, reverse=True)
        (alone,) = exact.hypotheses([text], wanted)
        assert [one.text for one in alone] == texts
        assert [one.ranked for one in alone] == pytest.approx([one.ranked for one in row])


def test_a_given_beam_searches_plainly_and_a_stream_has_the_least_risk(exact):
    least = DecodeConfig(mbr="samples", mbr_metric="edit", mbr_size=5, sample_seed=4)
    plain = DecodeConfig(beam_size=2)
    assert [row[0].text for row in exact.hypotheses(TEXTS[:6], plain)] == exact.translate(
        TEXTS[:6], beam_size=2, settings=least
    )
    assert list(exact.stream(TEXTS[0], least)) == exact.translate(TEXTS[:1], settings=least)


def test_the_coverage_penalty_is_its_formula(exact):
    wanted = DecodeConfig(beam_size=4, nbest=4, length_penalty=0.6)
    # By their tokens: one text may be spelt in several ways.
    plain = {tuple(one.tokens): one for one in exact.hypotheses(["a b c d"], wanted)[0]}
    ranked = exact.hypotheses(["a b c d"], replace(wanted, coverage_penalty=0.5))[0]
    checked = 0
    for one in ranked:
        alignment = exact.alignment("a b c d", one.text)
        if alignment.target != one.tokens:
            continue
        columns = [sum(row[place] for row in alignment.weights)
                   for place in range(len(alignment.source))]  # fmt: skip
        penalty = sum(math.log(max(min(column, 1.0), 1e-9)) for column in columns)
        assert one.ranked == pytest.approx(
            plain[tuple(one.tokens)].ranked + 0.5 * penalty, abs=1e-6
        )
        checked += 1
    assert checked
    assert [one.ranked for one in ranked] == sorted((one.ranked for one in ranked), reverse=True)


def test_long_texts_are_split_where_sentences_end(translator):
    side = translator.tokenizers.source
    text = "a b c.  A e f! B h a? B c"
    assert segments(text, side, 1000) == [text]
    limit = side.count("a b c.  A e f!") + 1
    parts = segments(text, side, limit)
    assert parts == ["a b c.  A e f! ", "B h a? B c"]
    assert segments(text, side, limit, sentences=1) == ["a b c.  ", "A e f! ", "B h a? ", "B c"]
    assert segments(text, side, 1000, longest=limit) == parts
    lines = "a b\nc  \n\n A e f! B\n"
    assert segments(lines, side, 1000) == ["a b\n", "c  \n\n ", "A e f! B\n"]
    for long in ("a" * 100, "a bb cc " * 30):
        pieces = segments(long, side, 20)
        assert "".join(pieces) == long
        assert all(side.count(piece) <= 20 for piece in pieces)
        assert "a" * 3 in long or all(piece[-1] == " " for piece in pieces)


def test_a_text_of_megabytes_is_refused_at_once(translator):
    for call in (translator.translate, translator.hypotheses):
        with pytest.raises(DataError, match=r"texts\[1\]: has 10,000,000 characters, more than"):
            call(["a", "a" * 10_000_000])
    with pytest.raises(DataError, match="100,000"):
        translator.parts("a" * 100_001)
    with pytest.raises(DataError, match="100,000"):
        list(translator.stream("a" * 100_001))


def test_lines_of_a_text_are_translated_each_by_itself(translator):
    found = translator.translate(["a b\nc d", "a b", "c d"])
    assert found[0] == f"{found[1]}\n{found[2]}"


def test_a_model_is_not_saved_over_what_is_none(translator, tmp_path):
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(ModelError, match=r"holds a README\.md of no model; name another folder"):
        translator.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="is a file; a model is a folder"):
        translator.save_pretrained(tmp_path / "README.md")
    assert (tmp_path / "README.md").read_text() == "mine"


def test_nothing_stays_of_a_model_that_is_saved_over(untrained, translator, tmp_path):
    place = untrained.save_pretrained(tmp_path / "model")
    (place / "casing.json").write_text("{}")
    translator.save_pretrained(place)
    assert Translator.from_pretrained(place, device="cpu").translate(TEXTS) == translator.translate(
        TEXTS
    )
    names = {path.name for path in place.iterdir()}
    assert not names & {"casing.json", "tokenizer.source.model", "tokenizer.target.model"}
    assert (place / "README.md").read_bytes() == (translator.folder / "README.md").read_bytes()
    unfiled = copy.copy(untrained)
    unfiled.folder = None
    unfiled.save_pretrained(place)
    again = Translator.from_pretrained(place, device="cpu")
    assert again.tokenizers.sha256 == untrained.tokenizers.sha256
    assert not {"README.md", "eval_results.json"} & {path.name for path in place.iterdir()}


def test_outputs_of_parts_are_put_together_as_the_parts_stood(translator):
    cut = DecodeConfig(max_input=9)
    text = "a b c.  A e f! B h a? B c"
    split = translator.parts(text, cut)
    assert len(split) > 1
    alone = translator.translate([part.rstrip() for part in split], settings=cut)
    gaps = [part[len(part.rstrip()) :] for part in split]
    joined = "".join(one + gap for one, gap in zip(alone, gaps, strict=True))
    assert translator.translate([text, "a"], settings=cut)[0] == joined


def test_an_nbest_list_of_a_text_in_parts_holds_the_best_sums(translator):
    settings = DecodeConfig(max_input=9, beam_size=4, nbest=3)
    text = "a b c. A e f! B h a"
    split = [part.rstrip() for part in translator.parts(text, settings)]
    assert len(split) > 1
    (found,) = translator.hypotheses([text], settings)
    each = translator.hypotheses(split, settings)
    sums = [
        (not any(one.cut for one in row), sum(one.ranked for one in row))
        for row in itertools.product(*each)
    ]
    best = [ranked for _, ranked in sorted(sums, reverse=True)[:3]]
    assert [one.ranked for one in found] == pytest.approx(best)
    assert found[0].tokens == [token for row in each for token in row[0].tokens]


def test_a_text_is_split_as_training_has_seen_texts(translator):
    count = translator.tokenizers.source.count
    longest = count("A b. C") + 1
    facts = replace(translator.config.facts, longest_source=longest, sentences=2)
    learned = Translator(
        replace(translator.config, facts=facts), translator.tokenizers, translator.model
    )
    assert learned.parts("A b. C d. E f.") == ["A b. ", "C d. ", "E f."]
    assert learned.parts("A b. C") == ["A b. C"]
    assert max(map(count, learned.parts("ab " * 50))) <= 2 * longest
    assert len(translator.parts("ab. Ba! Ca? D")) == 4  # the toy data hold single sentences


def test_attention_is_that_of_the_first_part(translator):
    looked = translator.attention("  \u3000a b. C d.")
    (output,) = translator.translate(["  \u3000a b."])
    assert looked == translator.alignment("  \u3000a b.", output)
    assert translator.attention("a b", output=output) == translator.alignment("a b", output)
    assert translator.attention(" ") is None


def test_texts_may_come_from_a_generator_and_must_be_strings(translator):
    assert translator.translate(text for text in ["a", "b c"]) == translator.translate(["a", "b c"])
    with pytest.raises(TypeError, match=r"texts\[1\] is None, not a string"):
        translator.translate(["a", None])
    with pytest.raises(TypeError, match=r"texts is one string; give a list of texts"):
        translator.score("a", ["b"])


def test_a_pair_too_long_to_be_scored_is_refused_with_its_count(translator):
    with pytest.raises(DataError, match=r"of 1,\d+ tokens is more than the 1,000 that are taken"):
        translator.score(["a"], ["b c " * 600])


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("It is late. We go.", 2),
        ("It cost $5. He left! Who? She.", 4),
        ('He said "no." Then he left.', 2),
        ("The value is 3.14. It rose to 2.71. Visit example.com. It is open.", 4),
        ("He left at 5 p.m. She paid $20. It was 3:30p.m. Tom slept.", 4),
        ("He came in. She said no. We left.", 3),
        ("Mr. Smith met Dr. Lee on St. Mary Street with Capt. Jones.", 1),
        ("He came on Aug. 5, 2014 by flight no. 5, see p. 7 and pp. 12.", 1),
        ("It is approx. 5 ft. 3 in. tall.", 1),
        ("It is 2.5 km. approx. five.", 1),
        ("J. R. Jones wrote to the U.S. Army.", 1),
        ("\u042d\u0442\u043e \u044f. \u041e\u043d \u0442\u0430\u043c. \u0414\u0430.", 3),
        ("Well... He knew.", 2),
        ("\u5929\u6c17\u3002\u96e8\u3002", 2),
        ("\u300c\u5929\u6c17\u3002\u300d\u96e8\u3002", 2),
        ("No end", 1),
        ("...  ", 1),
        ("", 1),
    ],
)
def test_where_sentences_end(text, sentences):
    found = split_sentences(text)
    assert len(found) == sentences
    assert "".join(found) == text


def test_the_length_limit_cuts_and_says_so(translator):
    (row,) = translator.hypotheses(["a b c d e f"], DecodeConfig(max_length=2))
    assert row[0].cut
    assert len(row[0].tokens) == 2
    assert translator.limit(6, DecodeConfig(max_length=2)) == 2


def test_alignments_are_distributions_over_the_source(translator):
    alignment = translator.alignment("a b c", "c b a")
    assert alignment.source[-1] == alignment.target[-1] == "</s>"
    assert len(alignment.weights) == len(alignment.target)
    for row in alignment.weights:
        assert len(row) == len(alignment.source)
        assert sum(row) == pytest.approx(1)


def test_one_string_is_not_a_list_of_texts(translator):
    with pytest.raises(TypeError, match="texts is one string; give a list of texts"):
        translator.translate("a b")


def test_padding_is_where_the_batch_ends():
    ids, lengths = decoding.padded([[5, 6], [7]])
    assert ids.tolist() == [[5, 6], [7, 0]]
    assert lengths.tolist() == [2, 1]
