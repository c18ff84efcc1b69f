"""Runs: they learn, resume to the bit, stop when asked, and count every token once."""

import contextlib
import hashlib
import itertools
import json
import math
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import toy
from safetensors.torch import load_file

from seqgen import start, training
from seqgen.batching import Batch, Encoded
from seqgen.checkpoint import checkpoints, damage
from seqgen.config import Config
from seqgen.decoding import padded
from seqgen.devices import precision
from seqgen.errors import CheckpointError, ConfigError, SeqgenError, TrainingError
from seqgen.metrics import METRICS
from seqgen.model import build
from seqgen.optimizers import make_optimizer
from seqgen.progress import Silent
from seqgen.sampling import GOLD, Forcing
from seqgen.sections import DecodeConfig
from seqgen.trainsection import TrainConfig
from seqgen.translator import Translator
from seqgen.updates import RECENT, Clipping, update
from seqgen.validation import Validation
from seqgen.vocabulary import BOS, EOS

CLOCK = {"tokens_per_second"}
# What unpickling other bytes raises.
NO_PICKLE = (pickle.UnpicklingError, EOFError, ValueError, IndexError, KeyError, ImportError,
             AttributeError, TypeError, OverflowError, MemoryError)  # fmt: skip
GOLDEN = Path(__file__).parent / "golden" / "loss_curve.json"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return toy.write_pairs(tmp_path_factory.mktemp("toy"))


CPU = torch.device("cpu")


class Told(Silent):
    """A reporter that hands on what is said."""

    def __init__(self, say):
        self.say = say


def run(config, folder, say=None, **options):
    return training.train(config, folder, report=Told(say) if say else Silent(), **options)


def lines(folder):
    """The log's lines of training."""
    rows = (folder / "metrics.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, rows) if "gradient_norm" in row]


def after(steps):
    """A stop that is asked for once so many updates have been made."""
    asked = iter([False] * steps)
    return lambda: next(asked, True)


def state(folder):
    """Everything a run ends with that is no clock reading."""
    found = {}
    newest = checkpoints(folder)[-1]
    for path in (folder / "model.safetensors", *sorted(newest.glob("*.safetensors"))):
        for name, tensor in load_file(path).items():
            found[f"{path.name} {name}"] = hashlib.sha256(tensor.numpy().tobytes()).hexdigest()
    progress = json.loads((newest / "progress.json").read_text())
    found["progress"] = {name: value for name, value in progress.items()
                         if name not in ("seconds", "log_bytes")}  # fmt: skip
    return found


def log(folder):
    lines = (folder / "metrics.jsonl").read_text("utf-8").splitlines()
    return [{name: value for name, value in json.loads(line).items() if name not in CLOCK}
            for line in lines]  # fmt: skip


FEEDING = "slower      input feeding takes target steps one by one"
STEPPING = "slower      scheduled sampling predicts step by step"
COVERING = "slower      coverage takes the steps of attention one by one"
TWICE = "slower      R-Drop takes every batch twice, and keeps its loss off the kernel"
ONE_BY_ONE = "layers take their steps one by one"
AGAIN = "slower      the encoder runs again, window by window, on the way back"


def test_a_run_learns_to_reverse(tmp_path):
    data = toy.write_pairs(tmp_path / "data", train=1400, held=60)
    config = toy.config(
        data, model__hidden=64, model__embedding=32, model__dropout=0.0, train__epochs=14,
        train__batch_tokens=400, train__learning_rate=0.006,
    )  # fmt: skip
    outcome = run(config, tmp_path / "run")
    assert outcome.finished
    assert outcome.scores["exact"] >= 95
    losses = [line["loss"] for line in lines(tmp_path / "run")]
    assert losses[-1] < losses[0] / 3
    # Weights of 8 bits come from the same folder and cost next to nothing.
    translator = Translator.from_pretrained(tmp_path / "run", device="cpu")
    assert translator.why_not_int8() == ""
    sources, targets = zip(*toy.pairs(300, 6), strict=True)
    exact, small = (
        translator.hypotheses(sources, DecodeConfig(int8=int8)) for int8 in (False, True)
    )
    scores, less = ([one.score for (one,) in found] for found in (exact, small))
    assert scores != less, "the weights are others"
    chrf = [
        METRICS["chrf"].score([one.text for (one,) in found], [[target] for target in targets])
        for found in (exact, small)
    ]
    assert chrf[0] > 90
    assert chrf[1] > chrf[0] - 0.5


@pytest.mark.parametrize(
    ("name", "told"), [("input_feeding", [FEEDING, STEPPING]), ("hard_attention", [])]
)
def test_a_run_says_whether_it_is_slower_and_learns(name, told, data, tmp_path):
    said, report = [], Silent()
    report.say = said.append
    config = toy.config(data, **{f"model__{name}": True}, model__dropout=0.0, train__epochs=12,
                        train__learning_rate=0.01, sampling__forcing_warmup=9.0)  # fmt: skip
    training.train(config, tmp_path / "run", report=report)
    assert slower(said) == told
    losses = [line["loss"] for line in lines(tmp_path / "run")]
    assert losses[-1] < losses[0] / 2
    translator = Translator.from_pretrained(tmp_path / "run", device="cpu")
    source = toy.pairs(1, 6)[0][0]
    ((one,),) = translator.hypotheses([source])
    assert one.score == pytest.approx(translator.score([source], [one.text])[0].score, rel=1e-4)


def slower(said):
    """The lines that say what makes training slow."""
    return [line for line in said if line.startswith("slower")]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, []),
        ({"sampling__passes": 0}, [STEPPING]),
        ({"sampling__passes": 0, "sampling__forcing_floor": 1.0}, []),
        ({"sampling__passes": 0, "sampling__teacher_forcing": "constant"}, []),
        ({"model__input_feeding": True, "sampling__teacher_forcing": "constant"}, [FEEDING]),
        ({"model__attention_coverage": True}, [COVERING]),
        ({"train__coverage_loss": 1.0}, []),
        ({"model__weight_dropout": 0.2}, []),
        (
            {"model__recurrent_dropout": 0.2, "model__zoneout": 0.1, "model__layer_norm": "inside"},
            ["slower      dropout on the state, zoneout, layer norm inside cells: " + ONE_BY_ONE],
        ),
        ({"model__layer_norm": "between", "model__layers": 2}, []),
        ({"train__truncate": 50}, []),
        ({"train__truncate_source": 200}, [AGAIN]),
    ],
)
def test_a_run_says_what_makes_it_slow(data, tmp_path, values, told):
    said, report = [], Silent()
    report.say = said.append
    config = toy.config(data, train__epochs=1, train__max_steps=1, **values)
    training.train(config, tmp_path / "run", report=report)
    assert slower(said) == told


@pytest.mark.parametrize(("pieces", "told"), [
    (1000, []),
    (1001, ["slower      hard attention scores 1,001 pieces of source tokens as well"]),
])  # fmt: skip
def test_hard_attention_is_said_to_be_slow_with_many_pieces(pieces, told):
    config = Config().with_values({"model.hard_attention": True}, "test")
    assert slower(start._model_lines(build(config.model, 30, pieces), config)) == told


def test_a_run_with_coverage_and_mixed_feedback_learns(data, tmp_path):
    config = toy.config(
        data, model__attention_coverage=True, train__coverage_loss=0.5, model__dropout=0.0,
        train__epochs=10, train__learning_rate=0.01, sampling__forcing_warmup=2.0,
        sampling__feedback="mixed", sampling__feedback_temperature=0.5,
    )  # fmt: skip
    outcome = run(config, tmp_path / "run")
    assert outcome.finished
    losses = [
        line["loss"]
        for line in log(tmp_path / "run")
        if "loss" in line and "validation" not in line
    ]
    assert losses[-1] < losses[0] / 2
    model = Translator.from_pretrained(tmp_path / "run", device="cpu").model
    assert model.decoder.coverage.weight.any()


def test_feedback_and_coverage_are_as_the_settings_say(data, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "seqgen.training.update",
        lambda model, group, optimizer, forcing, clipping: (
            seen.append((model, forcing)) or update(model, group, optimizer, forcing, clipping)
        ),
    )
    config = toy.config(data, train__max_steps=1, train__coverage_loss=0.5,
                        sampling__feedback="mixed", sampling__feedback_k=7,
                        sampling__feedback_temperature=0.25, sampling__passes=3)  # fmt: skip
    run(config, tmp_path / "run")
    ((model, forcing),) = seen
    assert model.coverage_loss == 0.5
    assert forcing._replace(ratio=0) == Forcing(0, 3, "mixed", 7, 0.25)


def test_a_run_says_in_which_windows_gradients_stay_and_learns(data, tmp_path):
    said, losses = [], {}
    for target, source in ((0, 0), (3, 2)):
        folder = tmp_path / f"run{target}"
        config = toy.config(data, train__truncate=target, train__truncate_source=source)
        run(config, folder, say=said.append)
        losses[target] = [line["loss"] for line in lines(folder)]
    assert [line for line in said if line.startswith("truncated")] == [
        "truncated   gradients stay in windows of 3 target steps and 2 source steps"
    ]
    assert losses[3] != losses[0]
    assert losses[3][-1] < 0.9 * losses[3][0]


STRICT = {
    "train__accumulate": 2,
    "train__plateau_patience": 0,
    "train__patience": 3,
    "train__epochs": 4,
    "sampling__forcing_warmup": 0.5,
    "sampling__forcing_floor": 0.3,
    "sampling__feedback": "sample",
    "model__layers": 2,
}


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """A run that nobody interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert run(toy.config(data, **STRICT), folder).finished
    return folder


def per_epoch(folder):
    return next(line["step"] for line in log(folder) if line.get("validation"))


@pytest.mark.parametrize("where", ["mid epoch 1", "epoch end", "mid epoch 2", "twice"])
def test_resumed_equals_uninterrupted_to_the_bit(where, data, whole, tmp_path):
    config, epoch = toy.config(data, **STRICT), per_epoch(whole)
    assert epoch >= 4
    stops = {"mid epoch 1": [1], "epoch end": [epoch - 1], "mid epoch 2": [epoch + 1],
             "twice": [2, 3]}[where]  # fmt: skip
    folder = tmp_path / "run"
    for steps in stops:
        outcome = run(config, folder, stop=_counting(steps))
        assert not outcome.finished
    assert run(config, folder).finished
    assert state(folder) == state(whole)
    assert log(folder) == log(whole)


def test_masks_and_running_statistics_resume_to_the_bit(data, tmp_path):
    config = toy.config(
        data, model__layers=2, model__batch_norm=True, model__layer_norm="inside",
        model__zoneout=0.1, model__recurrent_dropout=0.2, model__weight_dropout=0.2,
        train__epochs=2, sampling__forcing_warmup=0.0,
    )  # fmt: skip
    said = []
    assert run(config, tmp_path / "whole", say=said.append).finished
    assert "batch norm  each batch of each rank for itself: several are not one large one" in said
    assert not run(config, tmp_path / "run", stop=_counting(4)).finished
    assert run(config, tmp_path / "run").finished
    assert state(tmp_path / "run") == state(tmp_path / "whole")
    assert log(tmp_path / "run") == log(tmp_path / "whole")
    kept = load_file(tmp_path / "run" / "model.safetensors")
    assert kept["decoder.norms.0.over_batch.running_mean"].any(), "what it has seen is in the model"


def _counting(steps):
    """Asked once an update, and now and then before the first."""
    asked = {"updates": 0}
    real = training.Training._update

    def stop():
        return asked["updates"] > steps

    def counted(self, group):
        asked["updates"] += 1
        return real(self, group)

    training.Training._update = counted
    return stop


@pytest.fixture(autouse=True)
def _unpatched():
    real = training.Training._update
    yield
    training.Training._update = real


def test_what_a_killed_run_wrote_after_its_checkpoint_is_forgotten(data, whole, tmp_path):
    config, folder = toy.config(data, **STRICT), tmp_path / "run"
    run(config, folder, stop=_counting(2))
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 99, "lo')
    (folder / "training" / ".step-00000009.draft").mkdir()
    assert run(config, folder).finished
    assert state(folder) == state(whole)
    assert log(folder) == log(whole)


def test_every_sentence_is_seen_once_an_epoch_over_interruptions(data, tmp_path, monkeypatch):
    seen = []
    real = Encoded.batch

    def batch(self, sentences):
        if len(self) == 200:  # the training data
            seen.extend(int(one) for one in sentences)
        return real(self, sentences)

    monkeypatch.setattr(Encoded, "batch", batch)
    config = toy.config(data, train__epochs=2, train__instruments=False)  # which look at pairs
    folder = tmp_path / "run"
    for steps in (2, 4, 9, 1):  # the last two within the second epoch
        assert not run(config, folder, stop=_counting(steps)).finished
    assert json.loads((checkpoints(folder)[-1] / "progress.json").read_text())["epoch"] == 1
    assert run(config, folder).finished
    assert len(seen) == 400
    assert sorted(seen[:200]) == sorted(seen[200:]) == list(range(200))
    assert seen[:200] != seen[200:]


def test_the_same_seed_gives_the_golden_curve(data, tmp_path, request):
    config = toy.config(data, train__max_steps=20, train__log_every=1, train__epochs=9)
    curves = []
    for name in ("one", "two"):
        run(config, tmp_path / name)
        curves.append([line["loss"] for line in lines(tmp_path / name)])
    assert len(curves[0]) == 20
    assert curves[0] == curves[1]
    if request.config.getoption("--rewrite-golden"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(json.dumps(curves[0], indent=1) + "\n")
    assert curves[0] == pytest.approx(json.loads(GOLDEN.read_text()), abs=1e-4)


def in_a_process(data, folder, *options):
    """`seqgen train` on the toy, with a cache of its own, so that nothing is ready before."""
    environment = {**os.environ, "SEQGEN_CACHE": str(folder.parent / "cache")}
    command = [
        sys.executable, "-m", "seqgen", "train", "--train-file", str(data / "train.tsv"),
        "--validation-file", str(data / "validation.tsv"), "--units", "word", "--hidden", "16",
        "--embedding", "12", "--batch-tokens", "100", "--patience", "0", "--dropout", "0.2",
        "--log-every", "1", "--threads", "1", "--output-dir", str(folder), *options,
    ]  # fmt: skip
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)


def ended(child):
    """The exit code, after what is left on stderr."""
    with child.stderr:
        rest = child.stderr.read()
    return child.wait(timeout=60), rest


def when_it_says(child, word):
    for line in child.stderr:
        if line.startswith(word):
            return
    raise AssertionError(f"never said {word}")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGUSR1, 0)]
)
def test_a_signal_finishes_the_step_saves_and_leaves(number, code, data, tmp_path):
    child = in_a_process(data, tmp_path / "run", "--epochs", "4000")
    when_it_says(child, "epoch")
    child.send_signal(number)
    assert ended(child)[0] == code
    saved = checkpoints(tmp_path / "run")
    assert saved
    assert [damage(path) for path in saved] == [None] * len(saved)
    assert not list((tmp_path / "run" / "training").glob(".step*"))


def test_a_signal_in_any_phase_costs_nothing(tmp_path):
    # Pairs enough that their encoding, and test sentences enough that their scoring, take a while.
    data = toy.write_pairs(tmp_path / "data", train=300, held=30)
    with (data / "train.tsv").open("a") as file:
        file.writelines(f"{'a b c d ' * 4}\t{' d c b a' * 4}\n" for _ in range(60_000))
    (data / "test.tsv").write_text(
        "a b c\tc b a\n"
        + "".join(f"{source} {source}\t{target}\n" for source, target in toy.pairs(9000, 5))
    )
    options = ["--max-steps", "30", "--test-file", str(data / "test.tsv"), "--seed", "3"]
    child = in_a_process(data, tmp_path / "one", *options)
    while not list((tmp_path / "cache").glob(".draft-*")):
        assert child.poll() is None
        time.sleep(0.005)
    child.send_signal(signal.SIGTERM)  # while SentencePiece reads the pairs
    code, said = ended(child)
    assert code == 143, said
    assert "error" not in said
    assert not list((tmp_path / "cache").iterdir())
    for phase in ("epoch", "evaluating"):
        child = in_a_process(data, tmp_path / "one", *options)
        when_it_says(child, phase)
        child.send_signal(signal.SIGTERM)
        assert ended(child)[0] == 143
        assert not (tmp_path / "one" / "eval_results.json").exists()
    for name in ("one", "whole"):
        code, said = ended(in_a_process(data, tmp_path / name, *options))
        assert code == 0, said
    assert state(tmp_path / "one") == state(tmp_path / "whole")
    assert log(tmp_path / "one") == log(tmp_path / "whole")


def test_asked_to_stop_while_the_data_are_read(data, tmp_path):
    outcome = run(toy.config(data, train__seed=77), tmp_path / "run", stop=lambda: True)
    assert (outcome.finished, outcome.steps) == (False, 0)
    assert run(toy.config(data, train__seed=77, train__max_steps=2), tmp_path / "run").finished


def test_a_finished_run_is_left_as_it_is(data, whole):
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*") if path.is_file()}
    started = time.monotonic()
    outcome = run(toy.config(data, **STRICT), whole)
    assert outcome.finished
    assert time.monotonic() - started < 20
    unchanged = {"model.safetensors", "metrics.jsonl", "README.md", "progress.json"}
    for path, changed in before.items():
        if path.name in unchanged:
            assert path.stat().st_mtime_ns == changed, path


def test_overwrite_starts_afresh_and_leaves_what_is_not_ours(data, tmp_path):
    folder = tmp_path / "run"
    run(toy.config(data, train__max_steps=4), folder)
    mine = ["notes.txt", "references.de.txt", "references.2024-01.txt"]
    for name in mine:
        (folder / name).write_text("mine")
    (folder / "references.7.txt").write_text("of an earlier evaluation")
    outcome = run(toy.config(data, train__max_steps=2, model__hidden=18), folder, overwrite=True)
    assert outcome.steps == 2
    assert [(folder / name).read_text() for name in mine] == ["mine"] * 3
    assert not (folder / "references.7.txt").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model__hidden": 18}, r"begun with other settings \(model\.hidden: 16 -> 18\); --over"),
        (
            {"train__length_blur": 3.0},
            r"begun with other settings \(train\.length_blur: 0\.25 -> 3",
        ),
        ({"data__max_target_length": 9}, r"begun with other settings \(data\.max_target_length: 2"),
        ({"train__seed": 5}, r"begun with other settings \(train\.seed: 1 -> 5\); --overwrite"),
        ({"tokenizer__units": "char"}, r"\(tokenizer\.units: 'word' -> 'char'\); --overwrite"),
    ],
)
def test_another_model_is_not_resumed(change, message, data, tmp_path):
    run(toy.config(data, train__max_steps=2), tmp_path / "run")
    with pytest.raises(CheckpointError, match=message):
        run(toy.config(data, train__max_steps=2, **change), tmp_path / "run")


def test_other_data_are_not_resumed_and_other_rates_are_said(data, tmp_path):
    copy = shutil.copytree(data, tmp_path / "copy")
    folder = tmp_path / "run"
    run(toy.config(copy, train__max_steps=2), folder)
    said = []
    report = Silent()
    report.say = said.append
    changed = toy.config(copy, train__max_steps=3, train__learning_rate=0.001)
    assert training.train(changed, folder, report=report).steps == 3
    assert "changed     train.learning_rate: 0.004 -> 0.001" in said
    with (copy / "train.tsv").open("a") as file:
        file.write("a a a\ta a a\n")
    with pytest.raises(CheckpointError, match=r"trained on other pairs than .* holds now"):
        run(changed, folder)


def test_a_folder_that_is_no_run_is_not_written_to(data, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(CheckpointError, match=r"holds files, but no run; --output-dir names"):
        run(toy.config(data), tmp_path)
    with pytest.raises(CheckpointError, match=r"is a file; --output-dir names another place$"):
        run(toy.config(data), tmp_path / "thesis.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_two_runs_cannot_share_a_folder(data, tmp_path):
    from filelock import FileLock

    (tmp_path / "run" / "training").mkdir(parents=True)
    with (
        FileLock(tmp_path / "run" / "training" / ".lock"),
        pytest.raises(CheckpointError, match=r"another process trains there; wait for it"),
    ):
        run(toy.config(data), tmp_path / "run")


def test_an_update_without_a_finite_gradient_changes_no_weight_and_is_counted(
    data, tmp_path, monkeypatch
):
    seen = []

    def broken(model, group, *rest):
        before = [weight.detach().clone() for weight in model.parameters()]
        if len(seen) == 4:
            model.decoder.output.bias.data[7] = math.nan
        done = update(model, group, *rest)
        model.decoder.output.bias.data.nan_to_num_(0.25)
        seen.append(sum(bool((after != one).any()) for after, one in
                        zip(model.parameters(), before, strict=True)))  # fmt: skip
        return done

    monkeypatch.setattr(training, "update", broken)
    found = run(toy.config(data, train__max_steps=9), tmp_path / "run")
    assert found.finished
    assert seen[4] == 1, "but for the bias, which the test changes"
    assert min(seen[:4] + seen[5:]) > 3
    log = lines(tmp_path / "run")
    assert [line["skipped"] for line in log] == pytest.approx([0, 1 / 3, 0])
    assert [line["loss"] is None for line in log] == [False, True, False]
    weights = load_file(tmp_path / "run" / "model.safetensors")
    assert all(bool(weight.isfinite().all()) for weight in weights.values())


def _not_finite(monkeypatch, bad):
    """Of the updates from now on, counted from 1, those in `bad` have no finite gradient."""
    step = itertools.count(1)

    def broken(model, group, *rest):
        if next(step) not in bad:
            return update(model, group, *rest)
        bias = model.decoder.output.bias.data
        bias[7] = math.nan
        done = update(model, group, *rest)
        bias.nan_to_num_(0.0)
        return done

    monkeypatch.setattr(training, "update", broken)


def test_a_run_that_diverges_goes_back_with_half_the_rate_and_gives_up_in_the_end(
    data, tmp_path, monkeypatch
):
    bad = set(range(18, 23)) | set(range(31, 36))
    _not_finite(monkeypatch, bad)
    config = toy.config(data, train__save_every=8, train__max_steps=30)
    said = []
    found = run(config, tmp_path / "run", say=said.append)
    assert found.finished
    assert found.steps == 30
    returns = [line for line in said if line.startswith("diverged")]
    # Checkpoints are those of steps 8, 16 and, eight updates after the return, 24.
    assert [re.search(r", to step (\d+)$", line)[1] for line in returns] == ["16", "24"]
    assert "no finite gradient in 5 updates up to step 22 (" in returns[0]
    rates = {line["step"]: line["learning_rate"] for line in lines(tmp_path / "run")}
    assert [rates[6] / rates[18], rates[6] / rates[30]] == [2, 4]

    bad.update(range(10**4))
    with pytest.raises(TrainingError, match=r"up to step 5 .*after 3 returns .*lower --learning"):
        run(config, tmp_path / "hopeless", say=said.append)
    assert said[-1].endswith(", to step 0"), "there was no checkpoint: from the weights of the seed"


def test_a_loss_far_above_guessing_is_a_divergence_for_who_has_known_better(
    data, tmp_path, monkeypatch
):
    step = [0]

    def broken(model, group, *rest):
        step[0] += 1
        if step[0] == 12:
            model.decoder.output.weight.data *= 1000
        return update(model, group, *rest)

    monkeypatch.setattr(training, "update", broken)
    said = []
    found = run(toy.config(data, train__save_every=5, train__max_steps=20), tmp_path / "run",
                say=said.append)  # fmt: skip
    assert found.finished
    (line,) = (line for line in said if line.startswith("diverged"))
    assert re.search(r"a loss of \d+\.\d+, more than 2 times that of guessing, up to step 12", line)
    assert line.endswith("back with half the rate (return 1 of 3), to step 10")


def _returns(said):
    """Where a run went back to, return by return."""
    found = [line for line in said if line.startswith("diverged")]
    return [int(re.search(r", to step (\d+)$", line)[1]) for line in found]


def test_what_has_diverged_since_the_last_line_of_the_log_is_no_state_to_go_back_to(
    data, tmp_path, monkeypatch
):
    step, real = [0], update

    def broken(model, group, *rest):
        step[0] += 1
        if step[0] == 24:  # one update among 23 good ones hardly shows in their mean
            model.decoder.output.weight.data *= 20
        return real(model, group, *rest)

    monkeypatch.setattr(training, "update", broken)
    said = []
    config = toy.config(data, train__save_every=8, train__max_steps=40, train__log_every=40)
    assert run(config, tmp_path / "run", say=said.append).finished
    assert _returns(said) == [16], "not 24, the newest checkpoint there could be"


def test_weights_that_have_just_diverged_are_found_out_by_their_validation(
    data, tmp_path, monkeypatch
):
    step, real = [0], update

    def broken(model, group, *rest):
        step[0] += 1
        done = real(model, group, *rest)
        if step[0] == 24:  # no training loss has seen it
            model.decoder.output.weight.data *= 20
        return done

    monkeypatch.setattr(training, "update", broken)
    said = []
    config = toy.config(data, train__validate_every=8, train__max_steps=40, train__log_every=40)
    assert run(config, tmp_path / "run", say=said.append).finished
    assert _returns(said) == [16]


def test_a_state_that_gives_no_finite_gradient_is_not_kept_to_go_back_to(
    data, tmp_path, monkeypatch
):
    _not_finite(monkeypatch, set(range(23, 28)))
    said = []
    config = toy.config(data, train__save_every=8, train__max_steps=32)
    assert run(config, tmp_path / "run", say=said.append).finished
    assert _returns(said) == [16]

    # One bad update among good ones only puts off what is saved.
    _not_finite(monkeypatch, {8})
    config = toy.config(data, train__save_every=8, train__max_steps=11)
    run(config, tmp_path / "other", say=said.append)
    saved = [int(one.name.removeprefix("step-")) for one in checkpoints(tmp_path / "other")]
    assert saved == [9, 11]
    assert len(_returns(said)) == 1


@pytest.mark.parametrize(
    ("factor", "every", "kept", "told"),
    [(math.nan, 8, [8, 16], "the checkpoint of step 16"), (20.0, 0, [], "the start")],
)
def test_a_run_that_is_stopped_after_a_bad_update_goes_on_from_its_last_good_state(
    factor, every, kept, told, data, tmp_path, monkeypatch
):
    config = toy.config(data, train__save_every=every or 1000, train__max_steps=23,
                        train__log_every=4)  # fmt: skip
    assert run(config, tmp_path / "whole").finished
    step, real = [0], update

    def broken(model, group, *rest):
        step[0] += 1
        if step[0] == 20:
            model.decoder.output.weight.data *= factor
        return real(model, group, *rest)

    monkeypatch.setattr(training, "update", broken)
    said, folder = [], tmp_path / "run"
    assert not run(config, folder, say=said.append, stop=lambda: step[0] == 20).finished
    saved = [int(one.name.removeprefix("step-")) for one in checkpoints(folder)]
    assert saved == kept
    assert said[-1] == (
        f"stopping    the last update went badly, so that the run will go on from {told}"
    )
    monkeypatch.setattr(training, "update", real)
    assert run(config, folder).finished
    assert state(folder) == state(tmp_path / "whole")
    assert log(folder) == log(tmp_path / "whole")


@pytest.mark.parametrize(
    "settings",
    [
        *({"optimizer": name} for name in ("adam", "adamw", "muon", "rmsprop", "adagrad", "sgd")),
        {"clip_quantile": 0.3},
        {"ema": 0.7, "average": 3, "validate_every": 1},
        {"truncate": 2, "truncate_source": 3},
    ],
    ids=str,
)
def test_what_an_update_remembers_resumes_to_the_bit(settings, data, tmp_path):
    given = {f"train__{name}": value for name, value in settings.items()}
    config = toy.config(data, train__max_steps=5, **given)
    run(config, tmp_path / "one")
    run(config, tmp_path / "two", stop=_counting(2))
    run(config, tmp_path / "two")
    assert state(tmp_path / "one") == state(tmp_path / "two")


@pytest.mark.parametrize("units", ["bpe", "unigram"])
def test_drawn_pieces_and_r_drop_resume_to_the_bit(units, data, tmp_path):
    given = {"tokenizer__units": units, "tokenizer__subword_sampling": 0.3, "train__r_drop": 2.0,
             "train__epochs": 2, "train__batch_tokens": 400, "train__log_every": 1,
             "train__decay": "linear"}  # fmt: skip
    config = toy.config(data, **given)
    said = []
    run(config, tmp_path / "one", said.append)
    epoch = per_epoch(tmp_path / "one")
    for steps in (1, epoch):  # within both epochs
        assert not run(config, tmp_path / "two", stop=_counting(steps)).finished
    assert run(config, tmp_path / "two").finished
    assert state(tmp_path / "one") == state(tmp_path / "two")
    assert log(tmp_path / "one") == log(tmp_path / "two")
    for setting in ("tokenizer__subword_sampling", "train__r_drop"):
        run(toy.config(data, **given | {setting: 0.0, "train__max_steps": 1}), tmp_path / setting)
        assert log(tmp_path / setting)[0]["loss"] != log(tmp_path / "one")[0]["loss"], setting
    (line,) = (line for line in said if line.startswith("pieces"))
    assert "drawn anew for each epoch on both sides" in line
    assert slower(said) == [TWICE]


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_every_cell_resumes_to_the_bit(cell, data, tmp_path):
    config = toy.config(data, model__cell=cell, model__copy=cell != "rnn",
                        model__follow=cell != "rnn", train__max_steps=5,
                        train__batch_growth=1.5)  # fmt: skip
    run(config, tmp_path / "one")
    run(config, tmp_path / "two", stop=_counting(2))
    run(config, tmp_path / "two")
    assert state(tmp_path / "one") == state(tmp_path / "two")


@pytest.mark.parametrize("growth", [1.0, 2.0])
def test_plateaus_are_remembered(growth, data, tmp_path):
    config = toy.config(
        data, train__metric="exact", train__validate_every=2, train__plateau_patience=0,
        train__patience=9, train__learning_rate=1e-6, train__max_steps=14,
        train__plateau_growth=growth, train__rate_scaling="linear",
    )  # fmt: skip
    run(config, tmp_path / "one")
    run(config, tmp_path / "two", stop=_counting(8))
    progress = json.loads((checkpoints(tmp_path / "two")[-1] / "progress.json").read_text())
    assert (progress["epoch"], progress["grown"]) == (0, [1] if growth > 1 else [])
    assert progress["scale"] < 1
    assert progress["waited"] >= 2
    run(config, tmp_path / "two")
    assert state(tmp_path / "one") == state(tmp_path / "two")
    assert log(tmp_path / "one") == log(tmp_path / "two")


def test_an_older_checkpoint_leads_to_the_same_end(data, tmp_path):
    config = toy.config(data, train__save_every=4, train__max_steps=14, train__keep=3)
    run(config, tmp_path / "one")
    run(config, tmp_path / "two", stop=_counting(10))
    newest = checkpoints(tmp_path / "two")[-1]
    (newest / "optimizer.safetensors").write_bytes(b"damaged")
    run(config, tmp_path / "two")
    assert state(tmp_path / "one") == state(tmp_path / "two")
    assert log(tmp_path / "one") == log(tmp_path / "two")


@pytest.mark.parametrize("metric", ["accuracy", *METRICS])
def test_every_metric_can_decide(metric, data, tmp_path):
    run(toy.config(data, train__max_steps=2, train__metric=metric), tmp_path / "run")
    (line,) = (line for line in log(tmp_path / "run") if line.get("validation"))
    assert line["best"]
    assert metric in line


def test_an_unknown_device_is_an_error(data, tmp_path):
    with pytest.raises(ConfigError, match=r"'gpu' is none that there is; --device takes auto"):
        run(toy.config(data, train__device="gpu"), tmp_path / "run")


def test_only_a_few_files_are_written_and_none_is_a_pickle(whole):
    allowed = {"config.json", "tokenizer.model", "model.safetensors", "README.md", "training",
               "metrics.jsonl", "eval_results.json", "generated_predictions.txt"}  # fmt: skip
    # Some sources of the test split have up to three targets.
    allowed |= {f"references.{number}.txt" for number in range(3)}
    assert {path.name for path in whole.iterdir()} == allowed
    files = [path for path in whole.rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        assert path.read_bytes()[:2] != b"PK", path
        with contextlib.suppress(*NO_PICKLE):
            pickle.loads(path.read_bytes())
            raise AssertionError(f"{path} is a pickle")
    kept = {"model.safetensors", "optimizer.safetensors", "progress.json", "manifest.json"}
    for path in (whole / "training").iterdir():
        assert path.name == ".lock" or {one.name for one in path.iterdir()} == kept


def network(cell="lstm"):
    torch.manual_seed(4)
    config = toy.config(Path(), model__dropout=0.0, model__cell=cell)
    return build(config.model, 13, 13).double().train()


def batch(rows):
    source, lengths = padded([[*row, EOS] for row in rows])
    target, _ = padded([[BOS, *row[::-1], EOS] for row in rows])
    return Batch(source, lengths, target, sum(len(row) + 1 for row in rows))


ROWS = [[4 + (3 * n + m) % 9 for m in range(1 + n)] for n in range(7)]


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("sizes", [[1, 6], [3, 3, 1]])
def test_grouping_does_not_change_the_update(sizes, cell):
    results = []
    for split in ([7], sizes):
        model, rows = network(cell), iter(ROWS)
        group = [batch([next(rows) for _ in range(size)]) for size in split]
        settings = TrainConfig(optimizer="sgd", clip_norm=0.5)
        done = update(model, group, make_optimizer(model, settings), GOLD, Clipping(settings, CPU))
        results.append([done.nats, done.norm, *(weight.detach() for weight in model.parameters())])
        assert done.tokens == sum(len(row) + 1 for row in ROWS)
    torch.testing.assert_close(results[0], results[1])


@pytest.mark.parametrize(
    ("norm", "value"), [(0.01, 0.0), (0.0, 1e-4), (0.0, 0.0), (0.05, 0.01), (9.0, 0.01)]
)
def test_clipping_bounds_the_step(norm, value):
    model = network()
    before = [weight.detach().clone() for weight in model.parameters()]
    settings = TrainConfig(optimizer="sgd", momentum=0.0, learning_rate=1.0, clip_norm=norm,
                           clip_value=value)  # fmt: skip
    done = update(
        model, [batch(ROWS)], make_optimizer(model, settings), GOLD, Clipping(settings, CPU)
    )
    moves = [after.detach() - one for after, one in zip(model.parameters(), before, strict=True)]
    length = float(torch.cat([move.flatten() for move in moves]).norm())
    assert float(done.norm) > 0.1, "what is logged is the norm before clipping"
    assert bool(done.clipped) == (length < 0.99 * float(done.norm))
    largest = max(float(move.abs().max()) for move in moves)
    if value and norm != 0.05:
        assert largest == pytest.approx(value)
    if norm in (0.01, 0.05):  # the norm of what the values are clipped to
        assert length == pytest.approx(norm, rel=1e-3)
        assert not value or largest < value
    if norm == 9.0:
        assert float(done.norm) > length
    if not norm and not value:
        assert length == pytest.approx(float(done.norm))


def test_weight_decay_spares_biases():
    model = network()
    settings = TrainConfig(optimizer="sgd", momentum=0.0, learning_rate=0.5, weight_decay=0.1)
    optimizer = make_optimizer(model, settings)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    for weight in model.parameters():
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    kinds = set()
    for name, weight in model.named_parameters():
        left = 1.0 if weight.dim() == 1 else 1 - 0.5 * 0.1
        torch.testing.assert_close(weight.detach(), left * before[name])
        kinds.add(weight.dim())
    assert kinds == {1, 2}


# Two updates of a weight that is 1, with gradients 2 and -1, a rate of 0.1 and a decay of 0.01.
def adam(decayed):
    weight, mean, square = 1.0, 0.0, 0.0
    for updates, found in enumerate((2.0, -1.0), start=1):
        # Loshchilov and Hutter (2019), algorithm 2: apart from the moments.
        gradient = found + 0.01 * weight * (not decayed)
        weight -= 0.1 * 0.01 * weight * decayed
        mean = 0.9 * mean + 0.1 * gradient  # Kingma and Ba (2015), algorithm 1
        square = 0.98 * square + 0.02 * gradient**2
        root = math.sqrt(square / (1 - 0.98**updates))
        weight -= 0.1 * mean / (1 - 0.9**updates) / (root + 1e-8)
    return weight


def of_squares(left, new, epsilon):
    """Gradients over the root of the squares so far: all of them, or what is left of each."""
    weight, square = 1.0, 0.0
    for found in (2.0, -1.0):
        gradient = found + 0.01 * weight
        square = left * square + new * gradient**2
        weight -= 0.1 * gradient / (math.sqrt(square) + epsilon)
    return weight


def with_momentum():
    weight, velocity = 1.0, 0.0
    for gradient in (2.0, -1.0):
        velocity = 0.7 * velocity + gradient + 0.01 * weight
        weight -= 0.1 * velocity
    return weight


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("adam", adam(decayed=False)),
        ("adamw", adam(decayed=True)),
        ("rmsprop", of_squares(0.99, 0.01, 1e-8)),  # Tieleman and Hinton (2012)
        ("adagrad", of_squares(1, 1, 1e-10)),  # Duchi, Hazan and Singer (2011)
        ("sgd", with_momentum()),
    ],
)
def test_optimizers_take_the_steps_of_their_papers(name, expected):
    layer = torch.nn.Linear(1, 1, bias=False).double()
    layer.weight.data.fill_(1.0)
    settings = TrainConfig(optimizer=name, learning_rate=0.1, weight_decay=0.01, beta2=0.98,
                           momentum=0.7)  # fmt: skip
    optimizer = make_optimizer(layer, settings)
    for gradient in (2.0, -1.0):
        layer.weight.grad = torch.full((1, 1), gradient).double()
        optimizer.step()
    assert layer.weight.item() == pytest.approx(expected, rel=1e-6)


def test_nesterov_looks_ahead():
    # Sutskever et al. (2013): from 1, with gradient 2 each time and momentum 0.5, a plain step
    # moves by the velocities 2 and 3; looking ahead adds half of each velocity to the gradient.
    moves = []
    for ahead in (False, True):
        layer = torch.nn.Linear(1, 1, bias=False)
        layer.weight.data.fill_(1.0)
        settings = TrainConfig(optimizer="sgd", momentum=0.5, nesterov=ahead, learning_rate=0.1)
        optimizer = make_optimizer(layer, settings)
        for _ in range(2):
            layer.weight.grad = torch.full((1, 1), 2.0)
            optimizer.step()
        moves.append(1 - layer.weight.item())
    assert moves == pytest.approx([0.1 * (2 + 3), 0.1 * ((2 + 1) + (2 + 1.5))])
    with pytest.raises(ConfigError, match=r"nesterov is for train.optimizer = 'sgd'"):
        TrainConfig(nesterov=True)


def test_a_plateau_goes_back_to_the_best_weights(data, tmp_path, monkeypatch):
    losses = iter([3.0, 2.0, 2.5, 2.6, 1.0, 1.0])
    held = []

    def validated(translator, *_):
        weights = [weight.detach().clone() for weight in translator.model.parameters()]
        held.append(weights)
        return Validation({"loss": next(losses)}, [], 0)

    monkeypatch.setattr(training, "validate", validated)
    said = []
    config = toy.config(data, train__validate_every=3, train__plateau_patience=1,
                        train__plateau_revert=True, train__max_steps=15)  # fmt: skip
    taken = []

    def noted(model, *rest):
        taken.append([weight.detach().clone() for weight in model.parameters()])
        return update(model, *rest)

    monkeypatch.setattr(training, "update", noted)
    run(config, tmp_path / "run", say=said.append)
    # The fourth validation, at step 12, is the second without improvement over that at step 6.
    assert [line for line in said if line.startswith("plateau")] == [
        "plateau     back to the weights of step 6 at a learning rate of 2.00e-03"
    ]
    assert all(map(torch.equal, taken[12], held[1]))
    assert not all(map(torch.equal, held[3], held[1]))


def test_a_quantile_of_recent_norms_bounds_the_step():
    settings = TrainConfig(clip_norm=0.0, clip_quantile=0.5)
    clipping = Clipping(settings, CPU)
    norms = [4.0, 1.0, 2.0, math.inf, 8.0]
    # The medians of 4; 4, 1; 4, 1, 2; the same, as infinity is none; and of 4, 1, 2, 8.
    bounds = [4.0, 2.5, 2.0, None, 3.0]
    for norm, bound in zip(norms, bounds, strict=True):
        gradients = [torch.tensor([0.6 * norm]), torch.tensor([[0.8 * norm]])]
        found, clipped = clipping(gradients)
        assert float(found) == pytest.approx(norm)
        if bound is not None:
            left = float(torch.cat([one.flatten() for one in gradients]).norm())
            assert left == pytest.approx(min(norm, bound), rel=1e-5)
            assert bool(clipped) == (norm > bound)
    again = Clipping(settings, CPU, clipping.recent())
    assert again.recent() == [4.0, 1.0, 2.0, None, 8.0]


def test_only_recent_norms_count():
    clipping = Clipping(TrainConfig(clip_norm=0.0, clip_quantile=1.0), CPU)
    for number in range(2 * RECENT + 3):
        clipping([torch.tensor([100.0 if number < 5 else 1.0 + number / 10**4])])
    recent = clipping.recent()
    assert len(recent) == RECENT
    assert recent == sorted(recent)
    assert recent[-1] == pytest.approx(1.0 + (2 * RECENT + 2) / 10**4)
    resumed = Clipping(TrainConfig(clip_norm=0.0, clip_quantile=1.0), CPU, recent)
    for one in (clipping, resumed):
        one([torch.tensor([1.9])])
    assert resumed.recent() == clipping.recent()


def test_errors_are_ours():
    assert issubclass(TrainingError, SeqgenError)


def test_bf16_is_taken_where_it_is_faster_unless_a_setting_forbids(monkeypatch):
    capable = [{}, {"avx512_bf16": True}, {"amx_bf16": True}]
    found = []
    for capabilities in capable:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=capabilities: found)
        settings = TrainConfig(device="cpu")
        found.append([precision(settings, cell) for cell in ("lstm", "gru")])
        assert precision(replace(settings, precision="fp32"), "lstm") == "fp32"
        assert precision(replace(settings, precision="bf16"), "gru") == "bf16"
    assert found == [["fp32", "fp32"], ["bf16", "fp32"], ["bf16", "fp32"]]
