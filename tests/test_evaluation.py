"""Scores that others can recompute from the files."""

import json
import subprocess
import sys

import pytest
import toy
from huggingface_hub import ModelCard

from seqgen import training
from seqgen.progress import Silent


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    data = toy.write_pairs(path / "data", held=40)
    # One source twice, so that it has two references.
    with (data / "test.tsv").open("a", encoding="utf-8") as file:
        file.write(f"{toy.pairs(40, 2)[0][0]}\tz z\n")
    training.train(toy.config(data, train__epochs=4), path / "run", report=Silent())
    return path


@pytest.mark.parametrize("metric", ["bleu", "chrf"])
def test_scores_are_those_of_the_sacrebleu_command(metric, run):
    # Some sources of the test split have several references, which lie beside the predictions.
    files = sorted((run / "run").glob("references.*.txt"))
    assert len(files) > 1
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
