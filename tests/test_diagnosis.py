"""`seqgen diagnose`: what a run folder holds, as text and as a page that needs nothing else."""

import base64
import json
import shutil
import statistics
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
import toy

from seqgen import diagnosis, probes, report, resources, training
from seqgen.advice import advice
from seqgen.charts import banded, curves, heat_map
from seqgen.cli import main
from seqgen.curves import Log, steadiness
from seqgen.diagnosis import DRAWN, SHOWN, diagnose
from seqgen.forms import Form
from seqgen.metrics import METRICS
from seqgen.probes import Exposure
from seqgen.progress import Silent
from seqgen.tokenizer import Tokenizer, Tokenizers
from seqgen.translator import Translator

MARKUP = "<script>alert('x')</script> & $a$"
SAMPLES = 27


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose validation data have a pair that no page may obey."""
    folder = tmp_path_factory.mktemp("diagnosis")
    data = toy.write_pairs(folder / "data", train=90)
    for split in ("train", "validation"):
        path = data / f"{split}.tsv"
        path.write_text(f"{MARKUP}\t{MARKUP}\n" + path.read_text("utf-8"), encoding="utf-8")
    config = toy.config(data, train__epochs=2, train__learning_rate=0.02)
    training.train(config, folder / "run", report=Silent())
    return folder / "run"


@pytest.fixture(scope="module")
def found(run):
    return diagnose(run, SAMPLES, "cpu")


def section(found, title):
    return next(one for one in report.sections(found) if one.title == title)


def test_the_log_is_told_as_it_is(run, found):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert found.logs == [line for line in lines if "gradient_norm" in line]
    assert found.validations == [line for line in lines if "validation" in line]
    assert len(found.norms) == len(found.logs) > 3
    (first, *_) = section(found, "How it went").lines
    last = found.logs[-1]
    assert first == f"step {last['step']:,}, epoch {last['epoch']:,.2f}: loss {last['loss']:.3g}"
    norms = sorted(line["gradient_norm"] for line in found.logs)
    told = section(found, "Gradient").lines[0]
    assert f"largest {norms[-1]:.3g}" in told
    assert f"median {statistics.median(norms):.3g}" in told
    fit = found.fits[-1]
    assert (f"with nothing dropped or smoothed, step {fit['step']:,}: loss of training pairs "
            f"{fit['training_loss']:.3g}, of validation pairs {found.validations[-1]['loss']:.3g}"
            ) in section(found, "How it went").lines  # fmt: skip
    parts = section(found, "Parts of the network").lines
    assert len(parts) == 1 + len(found.norms[-1]["gradient_norms"])
    made = [{"step": 3, "gradient_norms": {"a": 0.09, "b": 4.9, "c": 5.1, "d": 10.1, "e": None}}]
    rows = section(found._replace(norms=made), "Parts of the network").lines[1:]
    bands = ["vanishing", "healthy", "warning", "exploding", "exploding"]
    assert [row.split()[2] for row in rows] == bands


def test_all_four_bands_are_drawn_and_named():
    points = [(1, 0.03), (2, 0.0), (3, None), (4, 7.0)]
    drawn = banded(points, (0.1, 5.0, 10.0)).partition(",")[2]
    named = base64.b64decode(drawn).decode()
    for band in ("vanishing", "healthy", "warning", "exploding"):
        assert f">{band}</text>" in named


def test_the_model_is_tried_on_the_first_validation_pairs(run, found):
    translator = Translator.from_pretrained(run, device="cpu")
    rows = (run.parent / "data" / "validation.tsv").read_text("utf-8").splitlines()[:SAMPLES]
    sources, targets = zip(*(row.split("\t") for row in rows), strict=True)
    exposed = probes.exposure(translator.model, translator.batch(sources, targets))
    assert found.tried.pairs == SAMPLES
    assert found.tried.exposure == exposed
    assert found.readings["free_accuracy"] == pytest.approx(100 * exposed.totals[1], rel=1e-5)
    hypotheses = translator.translate(sources, beam_size=1)
    scores = [METRICS["chrf"].score([written], [[target]])
              for written, target in zip(hypotheses, targets, strict=True)]  # fmt: skip
    assert [one.score for one in found.tried.worst] == pytest.approx(sorted(scores)[:SHOWN])
    worst = found.tried.worst[0]
    assert hypotheses[sources.index(worst.source)] == worst.hypothesis
    assert len(found.tried.attention) == DRAWN


def test_exposure_of_batches_together_is_that_of_all_pairs():
    parts = [Exposure([1.0, 0.5], [0.5, 0.0], [4, 2]), Exposure([0.5] * 3, [0.25] * 3, [8, 8, 4])]
    found = probes.together(parts)
    assert found.tokens == [12, 10, 4]
    assert found.forced == pytest.approx([8 / 12, 5 / 10, 2 / 4])
    assert found.free == pytest.approx([4 / 12, 2 / 10, 1 / 4])


def test_advice_is_that_of_the_readings(found):
    last = found.logs[-1]
    known = {**found.readings, "epoch": last["epoch"], "gradient_norm": last["gradient_norm"],
             "loss": last["loss"]}  # fmt: skip
    assert set(advice(known, found.config).values()) == set(found.advice)
    told = section(found._replace(advice=["clip!"], notes=["no disk"]), "Advice")
    assert told.lines == ["clip!", "no disk"]


class Page(HTMLParser):
    """What a browser would find."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.sources, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.sources += [value for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data


def test_the_page_is_whole_and_obeys_no_text(run, found):
    hostile = diagnose(run, 1, "cpu")
    assert hostile.tried.worst[0].source == MARKUP
    written = report.as_page(found._replace(name=MARKUP, tried=hostile.tried))
    page = Page(written)
    assert "http:" not in written
    assert "https:" not in written
    assert set(page.tags) == {"html", "head", "meta", "title", "style", "body", "h1", "h2", "pre",
                              "figure", "img", "figcaption"}  # fmt: skip
    assert page.text.count(MARKUP) >= 4, "title, heading, source, reference"
    prefix = "data:image/svg+xml;base64,"
    assert len(page.sources) >= 8
    for source in page.sources:
        assert source.startswith(prefix)
        picture = ElementTree.fromstring(base64.b64decode(source.removeprefix(prefix)))
        assert picture.tag.endswith("svg")


def test_page_and_text_say_the_same(found):
    page = Page(report.as_page(found)).text
    lines = [line.strip() for line in report.as_text(found) if line]
    assert len(lines) > 40
    assert [line for line in lines if line not in page] == []


def test_the_same_run_gives_the_same_page(run, found):
    assert report.as_page(found) == report.as_page(diagnose(run, SAMPLES, "cpu"))


def test_a_run_without_a_model_still_has_its_curves(run, tmp_path):
    for name in ("config.json", "metrics.jsonl"):
        shutil.copy(run / name, tmp_path)
    found = diagnose(tmp_path, SAMPLES, "cpu")
    assert found.tried is None
    assert len(found.notes) == 1
    assert found.notes[0].startswith("the model was not tried: ")
    assert section(found, "Gradient").pictures
    assert section(found, "Recurrence and gates").lines, "the log has them"
    report.as_page(found)


def test_a_run_before_its_first_validation_has_no_chart_of_none(found):
    early = found._replace(validations=[], tried=None)
    captions = [one.caption for one in section(early, "How it went").pictures]
    assert captions[:2] == ["Loss, nats a token", "Learning rate"]
    report.as_page(early)


def test_a_model_without_a_log_still_has_its_readings(run, found, tmp_path):
    folder = shutil.copytree(run, tmp_path / "run")
    (folder / "metrics.jsonl").unlink()
    bare = diagnose(folder, SAMPLES, "cpu")
    assert bare.notes == [
        f"{folder / 'metrics.jsonl'}: is missing or empty, so there are no curves"
    ]
    assert bare.tried == found.tried
    titles = [one.title for one in report.sections(bare)]
    assert "Worst examples" in titles
    assert "Gradient" not in titles
    report.as_page(bare)


def test_a_log_of_an_older_version_is_read(run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "run")
    lines = (run / "metrics.jsonl").read_text("utf-8").splitlines()
    old = [line for line in lines if "diagnosis" not in line]
    (folder / "metrics.jsonl").write_text("\n".join([*old, '{"step": 9, "lo']), encoding="utf-8")
    found = diagnose(folder, SAMPLES, "cpu")
    assert (found.norms, found.notes) == ([], [])
    assert found.readings["saturation"]
    report.as_page(found)


def test_the_best_validation_the_means_and_the_swing_are_told(found):
    seen = [{"step": step, "validation": True, "weights": "raw", "loss": loss,
             "ema_loss": loss + 0.2} for step, loss in ((3, 2.0), (6, 1.0), (9, 1.5))]  # fmt: skip
    seen[1] |= {"ema_loss": 0.5, "weights": "ema"}
    log = Log([*found.logs], seen, [])
    steady = steadiness(Path(found.name), log, "loss")
    told = found._replace(validations=seen, steady=steady, fits=[])
    part = section(told, "How it went")
    assert part.lines[2:] == ["best loss 0.5, at step 6 with the ema weights",
                              "from one validation to the next loss gets worse by 0.5 in the mean, "
                              "at most by 1"]  # fmt: skip
    page = base64.b64decode(part.pictures[0].address().partition(",")[2]).decode()
    assert "validation, ema" in page
    assert "average" not in page


def test_a_run_without_instruments_still_has_its_swings(run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "run")
    seen = [{"step": step, "epoch": step / 3, "validation": True, "loss": loss}
            for step, loss in ((3, 2.0), (6, 1.0), (9, 3.0))]  # fmt: skip
    (folder / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in seen), "utf-8")
    bare = diagnose(folder, SAMPLES, "cpu")
    assert bare.readings["swing_last"] == 2.0
    assert any(line.startswith("loss got worse by 2 since the last") for line in bare.advice)
    assert "gets worse by 1 in the mean, at most by 2" in "\n".join(report.as_text(bare))


def test_the_teacher_forcing_ratio_is_drawn_where_it_falls(found):
    captions = [one.caption for one in section(found, "How it went").pictures]
    assert captions[-1] == "Teacher-forcing ratio"
    constant = found._replace(logs=[one | {"teacher_forcing": 1.0} for one in found.logs])
    assert "Teacher-forcing ratio" not in [
        one.caption for one in section(constant, "How it went").pictures
    ]


def test_pairs_that_are_gone_are_said(run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "run")
    text = (folder / "config.json").read_text("utf-8").replace("train.tsv", "gone.tsv")
    (folder / "config.json").write_text(text, encoding="utf-8")
    found = diagnose(folder, SAMPLES, "cpu")
    assert found.tried is None
    assert "gone.tsv" in found.notes[0]


def test_pairs_that_training_leaves_out_are_left_out(run):
    translator = Translator.from_pretrained(run, device="cpu")
    longest = translator.config.data.max_target_length
    pairs = [("a b", "b a"), ("a", " ".join("a" * (longest + 3))), (" ".join("a" * 1500), "a")]
    assert diagnosis.fitting(translator, [*pairs, ("c", "c")]) == [("a b", "b a"), ("c", "c")]
    assert diagnosis.fitting(translator, []) == []


def test_the_worst_are_judged_as_outputs_are(run):
    translator = Translator.from_pretrained(run, device="cpu")
    (right,) = translator.translate(["a b"], beam_size=1)
    # An alternative is as right as the first translation.
    found = diagnosis._worst(translator, [("a b", "h h h"), ("a b", right)])
    assert [one.score for one in found] == [100.0]
    folded = Tokenizer(translator.tokenizers.target.model, Form(lowercase=True))
    lower = Tokenizers(translator.tokenizers.source, folded)
    other = Translator(translator.config, lower, translator.model)
    assert diagnosis._worst(other, [("a b", right.upper())])[0].score == 100.0


def test_what_is_right_is_none_of_the_worst_examples(found):
    right, wrong = (found.tried.worst[0]._replace(source=name, score=score)
                    for name, score in (("all right", 100.0), ("not at all", 99.9)))  # fmt: skip
    told = section(with_worst(found, [wrong, right]), "Worst examples").lines
    assert [line for line in told if "source" in line] == ["  source      not at all"]
    (line,) = section(with_worst(found, [right, right]), "Worst examples").lines
    assert line == f"none: chrF is 100 on all of {SAMPLES:,} validation pairs"


def with_worst(found, worst):
    return found._replace(tried=found.tried._replace(worst=worst))


def test_no_validation_pairs_are_said(run, monkeypatch):
    real = diagnosis.read_corpus
    monkeypatch.setattr(
        diagnosis, "read_corpus", lambda *given: real(*given)._replace(validation=None)
    )
    found = diagnose(run, SAMPLES, "cpu")
    assert found.notes == ["the model was not tried: there are no validation pairs that fit; "
                           "--validation-file names some in training"]  # fmt: skip


def test_pictures_take_what_is_no_number():
    for address in (curves({"a": [(1, None), (2, 3.0)], "b": []}, logarithmic=True),
                    heat_map([1, 2], {"a": [None, 0.0], "b": [1e-3, 2.0]}),
                    heat_map([5], {"a": [None]})):  # fmt: skip
        assert address.startswith("data:image/svg+xml;base64,")


def command(*words):
    return main(["diagnose", *map(str, words), "--samples", "5", "--device", "cpu"])


def test_the_command_prints_and_writes_the_page_beside_the_run(run, tmp_path, capsys):
    folder = shutil.copytree(run, tmp_path / "run")
    assert command(folder) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(f"{folder}\n\nAdvice\n")
    assert "over 5 validation pairs" in shown.out
    assert shown.err == f"seqgen: the page is {folder / 'diagnosis.html'}\n"
    assert (folder / "diagnosis.html").read_text("utf-8").startswith("<!doctype html>")
    assert command(folder, "--html", tmp_path / "other.html") == 0
    assert (tmp_path / "other.html").is_file()
    config = Translator.from_pretrained(folder, device="cpu").config
    training.train(config, folder, overwrite=True, report=Silent())
    assert not (folder / "diagnosis.html").exists(), "it was of another run"


def test_without_a_name_the_newest_run_is_diagnosed(run, tmp_path, monkeypatch, capsys):
    shutil.copytree(run, tmp_path / "checkpoints" / "toy")
    monkeypatch.chdir(tmp_path)
    for words in ([], ["toy"]):
        assert command(*words) == 0
        assert capsys.readouterr().out.startswith("checkpoints/toy\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["RUN", "--samples", "0"], "--samples takes a whole number above 0; got '0'"),
        (["RUN", "--html", "absent/page.html"], "absent is no folder; make it, or name another"),
        (["someone/model"], "is no folder here; diagnose reads the folder of a run"),
    ],
)
def test_wrong_usage_is_said_before_the_work(words, message, run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["diagnose", *(str(run) if word == "RUN" else word for word in words)]) == 2
    assert message in capsys.readouterr().err


def test_nothing_is_written_beside_a_model_that_ships(run, tmp_path, monkeypatch, capsys):
    folder = shutil.copytree(run, tmp_path / "checkpoints" / "en-fr")
    monkeypatch.setattr(resources, "PACKAGE", tmp_path / "seqgen")
    assert command(folder) == 0
    assert "no page is written; --html FILE says where to" in capsys.readouterr().err
    assert not (folder / "diagnosis.html").exists()
