"""The embedded data set: its readings, its splits, its card, and that it can be remade."""

import importlib.util
import json
import re
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

FOLDER = Path(__file__).parents[1] / "data" / "normalize"
SPLITS = ("train", "validation", "test")
CLASSES = (
    "cardinal ordinal date year decimal fraction money measure percent time telephone".split()  # noqa: SIM905
)


def load(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sys.path.insert(0, str(FOLDER))  # make.py imports its neighbors, as it does when it is run
try:
    make = load("make")
    from number_words import cardinal_words, listed, ordinal_words
    from readings import compound, read
    from units import UNITS
finally:
    sys.path.remove(str(FOLDER))


@pytest.fixture(scope="module")
def examples():
    return make.examples()


@pytest.fixture(scope="module")
def rows():
    return {
        split: [
            json.loads(line)
            for line in (FOLDER / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
        ]
        for split in SPLITS
    }


DEMANDED = {
    "cardinal": {
        "333": "three hundred thirty three",
        "14,356,007": "fourteen million three hundred fifty six thousand seven",
        "-5": "minus five",
    },
    "ordinal": {"138th": "one hundred thirty eighth"},
    "year": {
        "1984": "nineteen eighty four",
        "1805": "eighteen o five",
        "2008": "two thousand eight",
        "2016": "twenty sixteen",
        "1900": "nineteen hundred",
        "1250s": "twelve fifties",
    },
    "date": {
        "August 31, 1987": "august thirty first nineteen eighty seven",
        "Aug 31, 1987": "august thirty first nineteen eighty seven",
        "25 January 2001": "the twenty fifth of january two thousand one",
        "15th March 2014": "the fifteenth of march twenty fourteen",
        "2021-05-12": "the twelfth of may twenty twenty one",
        "October 2009": "october two thousand nine",
        "May 15": "may fifteenth",
    },
    "decimal": {
        "2.06": "two point o six",
        "0.5": "zero point five",
        ".267": "point two six seven",
        "97.0": "ninety seven point zero",
    },
    "fraction": {"4/3": "four thirds", "1/2": "one half", "3 1/4": "three and one quarter"},
    "money": {
        "$300,000": "three hundred thousand dollars",
        "$3.50": "three dollars and fifty cents",
        "$1": "one dollar",
        "$30 billion": "thirty billion dollars",
        "$2.5 million": "two point five million dollars",
        "£30 billion": "thirty billion pounds",
        "€2.5 million": "two point five million euros",
    },
    "measure": {
        "2.5 km": "two point five kilometers",
        "1 cm": "one centimeter",
        "142/km²": "one hundred forty two per square kilometers",
        "1984 km": "one thousand nine hundred eighty four kilometers",
    },
    "percent": {
        "93%": "ninety three percent",
        "1984%": "one thousand nine hundred eighty four percent",
    },
    "time": {
        "10:30pm": "ten thirty p m",
        "9:00 am": "nine a m",
        "14:05": "fourteen o five",
        "8 p.m.": "eight p m",
    },
    "telephone": {"978-0-19": "nine seven eight sil o sil one nine"},
}


@pytest.mark.parametrize(
    ("name", "written", "spoken"),
    [(name, *pair) for name, pairs in DEMANDED.items() for pair in pairs.items()],
)
def test_phrases_read_as_agreed(name, written, spoken):
    assert read(written) == (name, spoken)


def card_examples():
    """(class, written, spoken) of every row of the card's tables of conventions."""
    section = ""
    for line in (FOLDER / "README.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            section = line.strip("# ")
        if section in CLASSES and (found := re.fullmatch(r"\| `(.+)` \| (.+) \|", line)):
            yield section, found[1], found[2]


def test_the_card_states_only_readings_that_the_program_gives():
    stated = list(card_examples())
    assert {name for name, _, _ in stated} == set(CLASSES)
    for name, written, spoken in stated:
        assert read(written) == (name, spoken)


def test_the_card_names_every_unit_that_occurs(examples):
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    listing = card[card.index("- length:") : card.index("### percent")]
    listing = listing.replace("\n  ", " ").replace("µ", "μ")
    used = Counter()
    for phrase in (phrase for example in examples["train"] for phrase in example.phrases):
        if read(phrase)[0] == "measure" and not compound(phrase):
            amount = r"^[-\u2212]?[\d.,\u2013]+(?: (?:m|b|tr)illion)?(?: thousand)? ?"
            unit = re.sub(amount, "", phrase)
            assert unit in UNITS, phrase
            used[unit] += 1
    assert len(used) > 100
    symbols = {unit: count for unit, count in used.items() if UNITS[unit] != (unit, unit)}
    assert min(symbols.values()) >= 30  # none so rare that it could not be learned
    powers = re.compile(r"^(?:sq |cu )?(km|m|cm|mm|mi|ft|in|yd)[²³23]?$")
    for symbol in used:
        unit = symbol.replace("µ", "μ")
        stem = powers.sub(r"\1", unit)
        singular = unit.replace("feet", "foot").replace("inches", "inch")
        names = {stem, unit, singular, singular.removesuffix("s")}
        assert any(re.search(rf"(?<![\w/]){re.escape(word)}(?!\w)", listing) for word in names), (
            unit
        )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "five",
        "1/1",
        "31 February 2001",
        "25:00",
        "21th",
        "1,23",
        "13 pm",
        " 2½",
        "½½",
        "15–10",
        "3.5–3.5 km",
        "13/13/2021",
        "2/30/2021",
        "3/14/00",
        "21th of May",
        "21 of May",
        "1080p",
        "'00",
        "13 o'clock",
        "5' 2 in",
        "5 kk",
    ],
)
def test_what_is_no_phrase_is_refused(text):
    with pytest.raises(ValueError, match="has 0 readings"):
        read(text)


def number_of(words):
    """The number that number words name."""
    small = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    small = listed(small + " fifteen sixteen seventeen eighteen nineteen")
    tens = listed("twenty thirty forty fifty sixty seventy eighty ninety")
    scales = listed("thousand million billion trillion quadrillion")
    total = group = 0
    for word in words.split():
        if word in small:
            group += small.index(word)
        elif word in tens:
            group += 20 + 10 * tens.index(word)
        elif word == "hundred":
            group *= 100
        else:
            total += group * 1000 ** (1 + scales.index(word))
            group = 0
    return total + group


@given(st.integers(0, 10**18 - 1))
def test_number_words_name_their_number(number):
    assert number_of(cardinal_words(number)) == number


@given(st.integers(1, 10**9))
def test_ordinals_differ_from_cardinals_in_their_last_word(number):
    *front, _ = cardinal_words(number).split()
    *front_of_ordinal, last = ordinal_words(number).split()
    assert front == front_of_ordinal
    assert last.endswith(("first", "second", "third", "th"))


def test_remaking_gives_the_same_bytes(examples, tmp_path, monkeypatch):
    monkeypatch.setattr(make, "examples", lambda: examples)  # made a moment ago
    make.write(tmp_path)
    for split in SPLITS:
        name = f"{split}.jsonl"
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()


def test_load_dataset_reads_the_folder_as_it_stands(tmp_path, monkeypatch, rows):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(str(FOLDER), cache_dir=str(tmp_path))
    assert list(loaded) == list(SPLITS)
    for split in SPLITS:
        assert loaded[split].column_names == ["written", "spoken", "class"]
        assert {feature.dtype for feature in loaded[split].features.values()} == {"string"}
        assert loaded[split].num_rows == len(rows[split])
        assert loaded[split][7] == rows[split][7]


def test_splits_have_their_sizes_and_classes_and_the_card_counts_them(rows):
    assert [len(rows[split]) for split in SPLITS] == [100000, 4000, 4000]
    counts = {split: Counter(row["class"] for row in rows[split]) for split in SPLITS}
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name in CLASSES:
        assert counts["test"][name] >= 100
        assert counts["validation"][name] >= 100
        numbers = " | ".join(str(counts[split][name]) for split in SPLITS)
        assert f"| {name} | {numbers} |" in card


def test_no_text_or_phrase_of_a_held_out_split_occurs_in_train(examples):
    def spans(text):
        """Every part of `text` beside which no letter or digit goes on, found word by word."""
        words = [found.span() for found in re.finditer(r"[^\W_]+|[\W_]", text)]
        return {
            text[words[first][0] : words[last][1]]
            for first in range(len(words))
            for last in range(first, min(len(words), first + longest))
        }

    for held_out, others in (("test", ("train", "validation")), ("validation", ("train",))):
        kept = examples[held_out]
        whole = [phrase for example in kept for phrase in example.phrases]
        phrases = {*whole, *map(make.verbalized, whole)}
        assert len(phrases) > 3900
        longest = max(len(re.findall(r"[^\W_]+|[\W_]", phrase)) for phrase in phrases)
        for example in (example for split in others for example in examples[split]):
            assert phrases.isdisjoint(spans(example.written)), example.written


def test_half_of_each_split_is_bare_phrases(examples):
    for kept in examples.values():
        bare = sum(example.written == example.phrases[0] for example in kept)
        assert abs(bare / len(kept) - 0.5) < 0.02


def test_everything_around_a_phrase_passes_through(examples):
    for example in (example for kept in examples.values() for example in kept):
        readings = [read(phrase) for phrase in example.phrases]
        assert readings[0][0] == example.name
        assert example.written == make.woven(example.around, example.phrases)
        assert example.spoken == make.woven(example.around, [spoken for _, spoken in readings])
        assert not re.search(r"\d", "".join(example.around))
        assert not re.search(r"\d", example.spoken)


def test_some_sentences_have_two_phrases_and_many_are_long(examples):
    for kept in examples.values():
        sentences = [example for example in kept if example.written != example.phrases[0]]
        assert 0.02 < sum(len(one.phrases) == 2 for one in sentences) / len(sentences) < 0.12
        assert 0.07 < sum(len(one.written) > 60 for one in sentences) / len(sentences) < 0.3
        assert all(one.around[1] for one in sentences if len(one.phrases) == 2)


def test_what_follows_a_phrase_never_continues_it(examples):
    """A phrase with its next word is no other phrase, but for "in", which the card explains."""
    found = 0
    for example in (example for kept in examples.values() for example in kept):
        for phrase, after in zip(example.phrases, example.around[1:], strict=True):
            follower = re.match(r"\S* ?\w+", after)
            if follower and after[:1] == " " and not after.startswith(" in "):
                found += 1
                with pytest.raises(ValueError, match="has 0 readings"):
                    read(phrase + follower[0])
    assert found > 10000


def test_a_text_has_one_reading_and_occurs_once(rows):
    texts = [(row["written"], row["spoken"]) for split in SPLITS for row in rows[split]]
    assert len({written for written, _ in texts}) == len(texts)
    for written, spoken in texts:
        assert written == written.strip() != ""
        assert spoken == spoken.strip() != ""
        assert "  " not in written + spoken


def test_digit_strings_are_as_long_as_the_card_says(rows):
    texts = [row["written"] for split in SPLITS for row in rows[split]]
    assert max(len(digits) for text in texts for digits in re.findall(r"\d+", text)) == 9
    assert max(len(digits) for text in texts for digits in re.findall(r"\.(\d+)", text)) == 6


def test_inches_are_never_followed_by_a_word(examples):
    """But for those after feet, which no preposition follows."""
    inches = [
        after
        for kept in examples.values()
        for example in kept
        for phrase, after in zip(example.phrases, example.around[1:], strict=True)
        if re.search(r"[\d ]in$", phrase) and not compound(phrase)
    ]
    assert len(inches) > 20
    assert not [after for after in inches if re.match(r" \w", after)]


OUTSIDE = Path(__file__).parents[1] / "benchmarks" / "outside"


@pytest.fixture(scope="module", params=("validation", "test"))
def outside(request):
    lines = (OUTSIDE / f"{request.param}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def read_within(text):
    """The classes of the phrases in a text, the longest first from the left, and its reading."""
    names, spoken, start = [], "", 0
    edges = [
        place
        for place in range(len(text) + 1)
        if not (text[place - 1 : place].isalnum() and text[place : place + 1].isalnum())
    ]
    while start < len(text):
        ends = [end for end in reversed(edges) if start in edges and end > start]
        end = next((end for end in ends if make.is_read(text[start:end])), None)
        preposition = end and re.search(r"\d in$", text[start:end]) and text[end:].startswith(" ")
        end = end - 3 if preposition else end
        name, reading = read(text[start:end]) if end else ("", text[start])
        names += [name] * bool(end)
        spoken += reading
        start = end or start + 1
    return names, spoken


def test_what_was_written_by_hand_is_read_as_the_card_says(outside):
    assert len(outside) > 100
    assert {row["class"] for row in outside} == set(CLASSES)
    for row in outside:
        names, spoken = read_within(row["written"])
        assert (row["class"] in names, spoken) == (True, row["spoken"]), row["written"]


def test_no_sentence_written_by_hand_is_in_the_dataset(outside, rows):
    known = {row["written"] for split in SPLITS for row in rows[split]}
    sentences = [row["written"] for row in outside if len(row["written"].split()) > 3]
    assert len(sentences) > 0.45 * len(outside)
    assert known.isdisjoint(sentences)
