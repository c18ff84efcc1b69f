"""Runs side by side: the figures are those of their folders, and what is not comparable is said."""

import json
import shutil

import pytest
from test_curves import step, validation, write_log

from seqgen import evaluation
from seqgen.comparison import against_first, compare, differing, find_run, judged, read_runs, scores
from seqgen.config import Config
from seqgen.configfiles import to_json
from seqgen.errors import ModelError, UsageError
from seqgen.metrics import METRICS, interval, paired
from seqgen.webpage import Chart, Table, page

SOURCES = [f"s{number}" for number in range(40)]
RIGHT = [f"right answer {number}" for number in range(40)]
NAMES = list(METRICS)


def make_run(folder, wrong, references=RIGHT, sources=SOURCES, **values):
    """A run folder as training leaves it; the model gets the first `wrong` sentences wrong."""
    folder.mkdir()
    data = folder.parent / "test.tsv"
    rows = "".join(f"{s}\t{t}\n" for s, t in zip(sources, references, strict=True))
    data.write_text(rows, encoding="utf-8")
    paths = dict.fromkeys(("data.train_file", "data.validation_file", "data.test_file"), str(data))
    given = {name.replace("__", "."): value for name, value in values.items()}
    config = Config().with_values({**paths, **given}, "here")
    (folder / "config.json").write_text(to_json(config), encoding="utf-8")
    hypotheses = ["wrong"] * wrong + list(references[wrong:])
    evaluated(folder, hypotheses, [[one] for one in references])
    write_log(folder, step(1, 2.0), validation(1, 30.0), step(2, 1.0), validation(2, 25.0))
    return folder


def evaluated(folder, hypotheses, references, pairs=40):
    counted = {name: one.statistics(hypotheses, references) for name, one in METRICS.items()}
    report = evaluation.Report(
        "test", pairs, len(hypotheses), {name: one.score() for name, one in counted.items()},
        {name: interval(one, resamples=50) for name, one in counted.items()},
        {"bleu": "nrefs:1"}, {}, {}, {"beam_size": 1, "nbest": 1}, 1.0, 0, hypotheses, references,
    )  # fmt: skip
    evaluation.write(report, folder)


@pytest.fixture
def two(tmp_path):
    return [make_run(tmp_path / "good", 4), make_run(tmp_path / "bad", 20, model__cell="gru")]


def runs(folders):
    return read_runs([str(folder) for folder in folders])


def told(parts):
    return " / ".join(part for part in parts if isinstance(part, str))


def table(parts):
    return next(part for part in parts if isinstance(part, Table))


def test_scores_are_those_of_the_runs_with_their_intervals(two):
    found = table(scores(runs(two)))
    assert found.header == ["", "good", "bad"]
    row = found.rows[NAMES.index("exact")]
    report = json.loads((two[0] / "eval_results.json").read_bytes())
    low, high = report["intervals"]["exact"]
    assert row[:2] == ["exact match (higher is better)", f"90.00 [{low:.2f}, {high:.2f}]"]
    assert row[2].startswith("50.00 [")


def test_differences_are_those_of_the_paired_bootstrap_two_sided(two):
    found = against_first(runs(two))
    first, second = (judged(run) for run in runs(two))
    counted = [METRICS["exact"].statistics(*one) for one in (first, second)]
    chance = 2 * paired(*counted)
    assert chance < 0.05
    cell = table(found).rows[NAMES.index("exact")][1]
    assert cell == f"-40.00, p {chance:.3f} *"
    assert "on the same 40 sources" in told(found)


def test_a_run_does_not_differ_from_a_copy_of_itself(two):
    shutil.copytree(two[0], two[0].with_name("copy"))
    cells = [row[1] for row in table(against_first(runs([two[0], two[0].with_name("copy")]))).rows]
    assert [cell.strip() for cell in cells] == ["+0.00, p 1.000"] * len(METRICS)


def test_references_come_from_their_files_where_a_source_has_several_and_else_from_the_data(two):
    first = runs(two)[0]
    from_data = judged(first)
    assert from_data.references == [[one] for one in RIGHT]
    for number in (0, 1):
        text = "".join(f"{one}\n" for one in RIGHT)
        (two[0] / f"references.{number}.txt").write_text(text, encoding="utf-8")
    assert judged(first).references == [[one, one] for one in RIGHT]
    assert judged(first).hypotheses == from_data.hypotheses


def test_what_cannot_be_compared_is_said_in_a_line(two, tmp_path):
    two[0].with_name("test.tsv").rename(tmp_path / "gone.tsv")
    assert "no paired test: the references of good cannot be read: " in told(
        against_first(runs(two))
    )
    changed = "".join(f"{s}\tother {t}\n" for s, t in zip(SOURCES, RIGHT, strict=True))
    two[0].with_name("test.tsv").write_text(changed, encoding="utf-8")
    assert "good are no longer those that it was evaluated on" in told(against_first(runs(two)))
    (tmp_path / "gone.tsv").rename(tmp_path / "test.tsv")
    others = tmp_path / "elsewhere"
    others.mkdir()
    other = make_run(others / "other", 4, references=RIGHT[::-1])
    found = against_first(runs([*two, other]))
    assert told(found).endswith(
        "no paired test: other was evaluated on other sentences than good"
    )  # fmt: skip
    assert table(found).header == ["", "bad - good"]
    (two[0] / "generated_predictions.txt").unlink()
    assert "good has no eval_results.json with" in told(against_first(runs(two)))


def test_a_run_that_was_not_evaluated_keeps_the_others_scores(two):
    (two[1] / "eval_results.json").unlink()
    found = scores(runs(two))
    assert {row[2] for row in table(found).rows} == {"-"}
    assert f"bad: was not evaluated; seqgen evaluate --model {two[1]} does that" in told(found)
    (two[0] / "eval_results.json").unlink()
    assert not any(isinstance(part, Table) for part in scores(runs(two)))


def test_scores_that_were_made_in_other_ways_are_said_to_be(two):
    path = two[1] / "eval_results.json"
    report = json.loads(path.read_bytes())
    report["settings"]["beam_size"] = 5
    path.write_text(json.dumps(report), encoding="utf-8")
    assert told(scores(runs(two))) == (
        "evaluated with different settings: good beam_size = 1; bad beam_size = 5"
    )


def test_only_settings_that_differ_are_listed(two):
    configs = [run.config for run in runs(two)]
    assert differing(configs) == {"model.cell": ["lstm", "gru"]}
    assert differing(configs[:1] * 2) == {}
    shown = {section.title: section.parts for section in compare([str(one) for one in two])}
    assert table(shown["Settings that differ"]).rows == [["model.cell", '"lstm"', '"gru"']]


def test_the_page_has_a_curve_of_each_run_in_each_chart(two):
    config = json.loads((two[0] / "config.json").read_bytes())
    config["train"]["metric"] = "exact"
    (two[0] / "config.json").write_text(json.dumps(config), encoding="utf-8")
    sections = compare([str(one) for one in two])
    charts = [part for part in sections[-1].parts if isinstance(part, Chart)]
    assert [one.title for one in charts] == ["train loss", "dev loss", "dev exact", "gradient norm"]
    assert [curve.label for one in charts for curve in one.curves] == ["good", "bad"] * 4
    assert charts[2].curves[0].up == [30.0, 25.0]
    (training,) = (section.parts[0] for section in sections if section.title == "Training")
    assert training.rows[0][:5] == ["good", "exact", "30.00", "1", "5.00"]
    assert page("x", sections).count("<img") == 4


def test_the_best_of_a_run_with_means_is_that_of_the_best_weights(two):
    write_log(two[0], validation(4, 30.0) | {"weights": "ema", "ema_loss": 0.4, "loss": 0.9})
    shown = {section.title: section.parts for section in compare([str(one) for one in two])}
    assert table(shown["Training"]).rows[0][:4] == ["good", "loss", "0.40", "4, ema"]


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        (["good"], UsageError, "compare takes two runs or more; got 1"),
        (["good", "good"], UsageError, "compare takes different runs; one was named twice"),
        (["good", "nope"], ModelError, "nope: is no run folder, nor is checkpoints/nope: it has"),
    ],
)
def test_what_is_no_two_runs_is_refused(names, error, message, two, monkeypatch):
    monkeypatch.chdir(two[0].parent)
    with pytest.raises(error, match=message):
        read_runs(names)


def test_a_damaged_report_is_named(two):
    (two[0] / "eval_results.json").write_text("{}x", encoding="utf-8")
    with pytest.raises(ModelError, match=r"eval_results\.json: is no report of an evaluation"):
        runs(two)


def test_runs_under_checkpoints_go_by_their_names_and_namesakes_by_their_folders(
    two, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(two[0], tmp_path / "checkpoints" / "good")
    assert find_run("good") == two[0].relative_to(tmp_path)
    found = read_runs(["good", "checkpoints/good"])
    assert [run.name for run in found] == ["good", "checkpoints/good"]
