"""The page of speed.py says what its figures are of, whatever part of them is there."""

import argparse
import importlib
import importlib.util
import json
import sys
from copy import deepcopy
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
costs, goals, pages, records, speedtables = (
    importlib.import_module(name) for name in ("costs", "goals", "pages", "records", "speedtables")
)
KNOWN = json.loads((BENCHMARKS / "results" / "speed.json").read_text("utf-8"))


@pytest.fixture
def known():
    return deepcopy(KNOWN)


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("part", speedtables.TABLES)
@pytest.mark.parametrize("tools", ["seqgen", "a peer", "both"])
def test_there_is_a_page_of_any_part_and_any_tools(known, part, tools):
    alone = {"on": {part: known["on"].get(part)}, part: known[part]}
    if part in records.BY_TOOL:
        rows = known[part].get("rows", known[part])
        peer = records.peers(rows)[0]
        kept = {"seqgen": ["seqgen"], "a peer": [peer], "both": ["seqgen", peer]}[tools]
        for name in rows.keys() - set(kept):
            del rows[name]
    assert pages.page({"on": {}}).count("\n## ") < pages.page(alone).count("\n## ")


def test_rows_of_a_later_run_keep_what_they_were_measured_beside(known):
    before = [speedtables.ceiling_of(name, known["training"], known["on"]["training"])
              for name in ("seqgen", "tutorial loop")]  # fmt: skip
    on = deepcopy(known["on"]["training"])
    on["limits"]["copy"] = 9.9
    rows = {"tutorial loop": known["training"]["rows"]["tutorial loop"] | {"median": 1}}
    records.put(known, "training", {"ceilings": [1000], "rows": rows}, on, some=True)
    after = [speedtables.ceiling_of(name, known["training"], known["on"]["training"])
             for name in ("seqgen", "tutorial loop")]  # fmt: skip
    assert after == [before[0], pytest.approx(1000 * 7.4 / 8.5)]
    assert known["training"]["rows"]["seqgen"] == KNOWN["training"]["rows"]["seqgen"]
    assert "\nMeasured apart: tutorial loop, memory at 9.9 GB/s.\n" in pages.page(known)


def test_a_whole_run_leaves_no_row_apart(known):
    on = known["on"]["training"]
    known["on"]["training"] = on | {"apart": {"eole": on}}
    records.put(known, "training", known["training"], on, some=False)
    assert known["on"]["training"] == on


def test_rows_of_two_machines_are_not_put_together(known):
    machine = known["on"]["training"]["machine"]
    records.comparable(known, "training", machine | {"torch": "3.0"})
    with pytest.raises(SystemExit, match=r"^training: rows of another machine \(cores \d+\) would"):
        records.comparable(known, "training", machine | {"cores": 999})


def test_a_ceiling_counts_input_feeding_and_the_rate_of_its_precision():
    limits = {"float32": 100.0, "bfloat16": 700.0}
    names = ("seqgen", "seqgen, bf16", "seqgen, input feeding", "opennmt")
    shares = [costs.own_ceiling(name, 850.0, limits) for name in names]
    assert shares == pytest.approx([850, 5950, 740, 740])


def test_a_ratio_at_less_bleu_is_not_plainly_reached():
    figures = {"seqgen": (900, 34.2), "seqgen --int8": (900, 35.0), "opennmt": (100, 34.5)}
    decoded = {
        name: {"64/5": {"median": median, "bleu": bleu}} for name, (median, bleu) in figures.items()
    }
    result = {"decoding": decoded, "models": {"opennmt": {"dev_loss": 2.065}}}
    rows = [goal.row for goal in goals.decoding(result)]
    assert "(BLEU 34.2; opennmt 34.5, dev loss 2.065)" in rows[0]
    assert [row.split(" | ")[-1] for row in rows] == ["reached, at 0.3 BLEU less |", "reached |"]


@pytest.mark.parametrize(
    ("loss", "told", "state"),
    [
        (None, "(not trained for its dev loss)", "reached, without a dev loss |"),
        (2.0, "(dev loss 2.000; opennmt 2.065)", "reached |"),
        (2.1, "(dev loss 2.100; opennmt 2.065)", "reached, at a dev loss 0.035 above |"),
    ],
)
def test_a_rate_of_training_says_its_dev_loss(known, loss, told, state):
    name = "seqgen, input feeding"
    known["training"]["rows"][name]["median"] = 99999
    known["models"] = {"opennmt": {"dev_loss": 2.065}}
    if loss:
        known["models"][name] = {"dev_loss": loss}
    row = next(goal.row for goal in goals.training(known) if name in goal.what)
    assert told in row
    assert row.endswith(state)


def test_paces_are_of_the_median_time_a_piece_where_all_rows_have_it():
    rows = {name: {"1/1": {"median": 100}} for name in ("seqgen", "eole")}
    rows["seqgen"]["1/1"]["ms_a_piece"] = {"median": 2.0}
    assert records.paces(rows, "1/1") == {"seqgen": 100, "eole": 100}
    rows["eole"]["1/1"]["ms_a_piece"] = {"median": 4.0}
    assert records.paces(rows, "1/1") == {"seqgen": 500, "eole": 250}


@pytest.mark.parametrize(
    ("batch", "calls"),
    [(64, [["a b", "c"], ["a b", "c", "d"]]), (1, [["a b"], ["c"], ["a b"], ["c"], ["d"]])],
)
def test_drivers_translate_two_sentences_before_the_clock(tmp_path, batch, calls):
    measure = load(BENCHMARKS / "peers" / "measure.py")
    seen = []
    options = argparse.Namespace(batch=batch, file=tmp_path / "found")
    done = measure.decoded(lambda texts: seen.append(texts) or texts, ["a b", "c", "d"], options)
    assert seen == calls
    assert (done["pieces"], done["sentences"]) == (3 + 2 + 2, 3)
    assert ("ms_a_piece" in done) == (batch == 1)
    assert (tmp_path / "found").read_text("utf-8") == "a b\nc\nd\n"
