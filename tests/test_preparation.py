"""Encoded corpora: used again where nothing changed, and never where something did."""

import hashlib
import os
import subprocess
import sys

import numpy
import pytest
import toy
from test_corpus import FORMS

from seqgen import preparation, tokenizer
from seqgen.batching import Batches, Budget
from seqgen.config import Config
from seqgen.errors import DataError
from seqgen.forms import Form
from seqgen.preparation import inspect, prepare
from seqgen.tokenizer import Tokenizer, Tokenizers
from seqgen.vocabulary import BOS, EOS


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQGEN_CACHE", str(tmp_path / "cache"))
    return toy.write_pairs(tmp_path / "data")


@pytest.fixture
def work(monkeypatch):
    """What is done anew, word by word."""
    done = []
    train, encode = tokenizer.train, preparation.write_ids

    def trained(*given):
        done.append("tokenizer")
        return train(*given)

    def encoded(*given):
        done.append("ids")
        return encode(*given)

    monkeypatch.setattr(tokenizer, "train", trained)
    monkeypatch.setattr(preparation, "write_ids", encoded)
    return done


def digest(prepared):
    arrays = [part for encoded in (prepared.train, prepared.validation)
              for side in encoded for part in side]  # fmt: skip
    return [hashlib.sha256(numpy.ascontiguousarray(part)).hexdigest() for part in arrays]


def test_ids_are_the_pieces_of_every_pair(data):
    prepared = prepare(toy.config(data))
    pairs = list(prepared.corpus.train)
    assert len(prepared.train) == len(pairs) == 200
    sides = (prepared.tokenizers.source, prepared.tokenizers.target)
    for number, pair in enumerate(pairs):
        source, target = (side.encode([text])[0] for side, text in zip(sides, pair, strict=True))
        found = [side.ids[side.offsets[number] : side.offsets[number + 1]].tolist()
                 for side in prepared.train]  # fmt: skip
        assert found == [[*source, EOS], [BOS, *target, EOS]]


def test_a_second_run_encodes_nothing(data, work):
    first = digest(prepare(toy.config(data)))
    assert work == ["tokenizer", "ids", "ids"]
    assert digest(prepare(toy.config(data, model__hidden=20, train__seed=9))) == first
    assert len(work) == 3


def test_any_number_of_threads_gives_the_same_ids(data, work, tmp_path, monkeypatch):
    digests = []
    for threads in (1, 2, 0):
        monkeypatch.setenv("SEQGEN_CACHE", str(tmp_path / f"cache{threads}"))
        digests.append(digest(prepare(toy.config(data, data__num_proc=threads))))
    assert digests[0] == digests[1] == digests[2]
    assert work == ["tokenizer", "ids", "ids"] * 3


@pytest.fixture(scope="module")
def first_batches():
    """What the first form of the data gave."""
    return []


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_data_gives_the_same_batches(form, first_batches, tmp_path):
    options = FORMS[form](tmp_path)
    values = {f"data.{name}": value for name, value in options.items()}
    config = Config().with_values(
        {**values, "data.source": "en", "data.target": "de", "tokenizer.units": "char"}, "test"
    )
    batches = Batches(prepare(config).train, Budget(30), seed=3)
    found = [
        [part.tolist() for part in group[0][:3]]
        for epoch in (0, 1)
        for group in batches.groups(epoch)
    ]
    assert len(found) > 20
    first_batches.append(found[:20])
    assert found[:20] == first_batches[0]


@pytest.mark.parametrize(
    ("change", "anew"),
    [
        ({"tokenizer__units": "char"}, ["tokenizer", "ids", "ids"]),
        ({"data__max_target_length": 4}, ["ids", "ids"]),
    ],
)
def test_other_settings_are_other_ids(change, anew, data, work):
    first = digest(prepare(toy.config(data)))
    del work[:]
    assert digest(prepare(toy.config(data, **change))) != first
    assert work == anew


def test_forms_of_one_tokenizer_share_no_ids(data):
    plain = prepare(toy.config(data, tokenizer__units="char")).tokenizers
    lower = Tokenizers(*(Tokenizer(side.model, Form(lowercase=True)) for side in plain))
    assert plain.sha256 == lower.sha256
    ids = [
        preparation.encode([("A b", "B a")], one, (99, 99), "pairs").source.ids.tolist()
        for one in (plain, lower)
    ]
    assert ids[0] != ids[1] == [*plain.source.encode(["a b"])[0], EOS]


def test_drawing_pieces_in_training_finds_no_others(data, work):
    first = digest(prepare(toy.config(data, tokenizer__units="bpe")))
    del work[:]
    drawing = toy.config(data, tokenizer__units="bpe", tokenizer__subword_sampling=0.1)
    assert digest(prepare(drawing)) == first
    assert not work


def test_other_pairs_are_other_ids(data, work):
    prepare(toy.config(data))
    del work[:]
    lines = (data / "train.tsv").read_text().splitlines()
    lines[7] = "a b c\tc b a"
    (data / "train.tsv").write_text("\n".join(lines) + "\n")
    prepare(toy.config(data))
    assert work == ["tokenizer", "ids", "ids"]


@pytest.mark.parametrize("file", ["source.ids", "target.offsets.npy", "tokenizer.model"])
@pytest.mark.parametrize("harm", ["cut", "gone"])
def test_what_is_damaged_is_made_again(file, harm, data, work, tmp_path):
    first = digest(prepare(toy.config(data)))
    for path in (tmp_path / "cache").glob(f"*/{file}"):
        path.unlink() if harm == "gone" else path.write_bytes(path.read_bytes()[:-5])
    del work[:]
    assert digest(prepare(toy.config(data))) == first
    assert work == (["tokenizer"] if file == "tokenizer.model" else ["ids", "ids"])


def test_a_tokenizer_that_is_cut_between_two_pieces_is_made_again(data, work, tmp_path):
    size = prepare(toy.config(data)).tokenizers.source.size
    (path,) = (tmp_path / "cache").glob("*/tokenizer.model")
    whole = path.read_bytes()
    for end in range(len(whole) - 1, 0, -1):
        try:
            if tokenizer.Tokenizer(whole[:end]).size < size:
                break
        except ValueError:
            continue
    path.write_bytes(whole[:end])
    del work[:]
    assert prepare(toy.config(data)).tokenizers.source.size == size
    assert work == ["tokenizer"]


def test_what_stops_the_work_leaves_nothing_half_done(data, tmp_path):
    drafts = []

    def pause():
        drafts.extend((tmp_path / "cache").glob(".draft-*"))
        if drafts:
            raise KeyboardInterrupt

    prepare(toy.config(data))  # the tokenizer is there
    before = sorted((tmp_path / "cache").iterdir())
    with pytest.raises(KeyboardInterrupt):
        prepare(toy.config(data, data__max_target_length=4), pause=pause)
    assert sorted((tmp_path / "cache").iterdir()) == before


def test_two_processes_that_encode_at_once_get_the_same(data, tmp_path):
    code = (
        "import sys, toy; from pathlib import Path; from seqgen.preparation import prepare; "
        "import test_preparation as t; print(*t.digest(prepare(toy.config(Path(sys.argv[1])))))"
    )
    command = [sys.executable, "-c", code, str(data)]
    children = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd="tests") for _ in range(2)
    ]
    outputs = [child.communicate(timeout=120)[0] for child in children]
    assert outputs[0] == outputs[1]
    assert len(outputs[0].split()) == 8
    assert not list((tmp_path / "cache").glob(".draft-*"))


def test_pairs_that_are_too_long_are_dropped_and_counted(data):
    lines = inspect(toy.config(data, data__max_source_length=4))
    pairs = {name: toy.pairs(count, seed)
             for name, count, seed in (("train", 200, 0), ("validation", 30, 1))}  # fmt: skip
    long = {name: sum(len(source.split()) >= 4 for source, _ in rows)
            for name, rows in pairs.items()}  # fmt: skip
    assert all(long.values())
    assert (
        f"            dropped as too long, or as no token at all: {long['train']} of train, "
        f"{long['validation']} of validation"
    ) in lines
    with pytest.raises(DataError, match=r"train\.tsv: every pair is longer than 1 source or"):
        prepare(toy.config(data, data__max_source_length=1))


def test_encoding_a_large_corpus_takes_no_memory_of_its_size(tmp_path):
    code = """
import resource, sys
from pathlib import Path
from seqgen.sections import TokenizerConfig
from seqgen import preparation, tokenizer

few = [("a b c", "c b a")] * 50
sides = tokenizer.train(lambda: iter(few), 50, TokenizerConfig(units="word"))
sentence = " ".join("abc" * 100)

def measured(count):
    pairs = ((sentence, sentence) for _ in range(count))
    encoded = preparation.encode(pairs, sides, (1000, 1000), str(count))
    assert len(encoded) == count and encoded.source.offsets[-1] == 301 * count
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

small = measured(10_000)
large = measured(60_000)
print(large - small, (2 * 4 * 301 * 50_000) / 2**20)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "SEQGEN_CACHE": str(tmp_path)},
    )  # fmt: skip
    grown, ids = map(float, done.stdout.split())
    assert ids > 110
    assert grown < 20, "MiB"


def test_a_corpus_without_pairs_to_train_on_says_what_would_do(data):
    config = Config().with_values({"data.validation_file": str(data / "validation.tsv")}, "test")
    with pytest.raises(DataError, match=r"--train-file"):
        prepare(config)
