"""Scores that others can recompute from the files."""

import json
import subprocess
import sys

import pytest
import toy
from huggingface_hub import ModelCard

from seqgen import evaluation, training
from seqgen.corpus import read_corpus
from seqgen.progress import Silent
from seqgen.sections import DataConfig
from seqgen.translator import Translator


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    data = toy.write_pairs(path / "data", held=40)
    # One source twice, so that it has two references.
    with (data / "test.tsv").open("a", encoding="utf-8") as file:
        file.write(f"{toy.pairs(40, 2)[0][0]}\tz z\n")
    training.train(toy.config(data, train__epochs=4), path / "run", report=Silent())
    return path


def test_the_references_beside_the_predictions_are_the_targets_of_the_sources(run):
    references: dict[str, list[str]] = {}
    for line in (run / "data" / "test.tsv").read_text("utf-8").splitlines():
        source, target = line.split("\t")
        references.setdefault(source, []).append(target)
    files = sorted((run / "run").glob("references.*.txt"))
    assert len(files) == max(map(len, references.values())) > 1
    columns = [file.read_text("utf-8").splitlines() for file in files]
    assert [set(row) for row in zip(*columns, strict=True)] == [*map(set, references.values())]
    assert columns[0] == [row[0] for row in references.values()]


def test_what_is_scored_is_what_is_written_and_foreign_files_stay(run, tmp_path):
    file = tmp_path / "pairs.jsonl"
    pairs = [{"source": "a b", "target": "x\ny"}, {"source": "c", "target": "z"}]
    file.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    data = DataConfig(train_file=str(file), validation_file=str(file), test_file=str(file))
    split = read_corpus(data).test
    translator = Translator.from_pretrained(run / "run", device="cpu")
    report = evaluation.evaluate(translator, split)
    assert report.references == [["x y"], ["z"]]
    for name in ("references.0.txt", "references.01.txt", "references.de.txt"):
        (tmp_path / name).write_text("old")
    evaluation.write(report, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "pairs.jsonl", "references.01.txt", "references.de.txt", "eval_results.json",
        "generated_predictions.txt"}  # fmt: skip


@pytest.mark.parametrize("metric", ["bleu", "chrf"])
def test_scores_are_those_of_the_sacrebleu_command(metric, run):
    files = sorted((run / "run").glob("references.*.txt"))
    done = subprocess.run(
        [sys.executable, "-m", "sacrebleu", *map(str, files), "-m", metric, "--width", "4", "-i",
         str(run / "run" / "generated_predictions.txt"), "-f", "json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    theirs = json.loads(done.stdout)
    found = json.loads((run / "run" / "eval_results.json").read_text("utf-8"))
    assert found["sources"] < found["pairs"] == 41
    assert round(found["scores"][metric], 4) == theirs["score"]
    assert found["signatures"][metric] == theirs["signature"]


def test_the_card_is_read_by_the_hub_and_tells_the_same_scores(run):
    card = ModelCard.load(run / "run" / "README.md")
    found = json.loads((run / "run" / "eval_results.json").read_text("utf-8"))
    told = {one.metric_type: one.metric_value for one in card.data.eval_results}
    assert told == {name: round(value, 4) for name, value in found["scores"].items()}
    low, high = found["intervals"]["exact"]
    assert low <= found["scores"]["exact"] <= high
