"""The programs that measure run, on little; what they measure is no matter of tests."""

import argparse
import copy
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("speed.py", ["limits:", "training, seqgen, input feeding:", "words, seqgen, width 256:",
                      "dev loss, seqgen:", "dev loss, seqgen, input feeding:",
                      "dev loss, tutorial loop:", "decoding 1/5, seqgen --int8:",
                      "'seqgen translate':", "'above import torch':", "done in"]),
        ("growth.py", ["width 1024, training:", "sentences 1024, decoding:", "beam 16, decoding:"]),
        ("quality.py", ["seqgen, one model |", "seqgen, 2 together |",
                        "1 of 2, below", ", 2 seeds |",
                        "no file", "1 thread, ", "seqgen, 5 together | not run"]),
        ("instruments.py", ["instruments, lstm 256, 3,000 tokens a batch:"]),
        ("truncation.py", ["both of 60, window 20:", "both of 60, window 0:"]),
    ],
)  # fmt: skip
def test_a_quick_run_goes_through_every_part_and_leaves_no_result(program, told):
    before = contents()
    done = quick_run(program)
    assert [line for line in told if line not in done.stderr + done.stdout] == []
    assert contents() == before


def test_parts_that_a_task_does_not_have_are_named():
    words = ["g2p-sigmorphon", "--data", "none", "--out", "none", "--parts", "kor", "xyz"]
    line = [sys.executable, str(BENCHMARKS / "quality.py"), *words]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 2
    assert "error: --parts xyz: g2p-sigmorphon has ady arm bul dut" in done.stderr


def quick_run(program, *words):
    """What a program says that measures little."""
    line = [sys.executable, str(BENCHMARKS / program), *words, "--quick"]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


def contents():
    """Every file of the folder but what Python compiles."""
    return {
        path: path.read_bytes()
        for path in BENCHMARKS.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


@pytest.fixture(scope="module")
def of_gpu(tmp_path_factory):
    """What gpu.py finds of little on a CPU; it is seen to leave no result."""
    before = contents()
    done = quick_run("gpu.py", str(tmp_path_factory.mktemp("gpu")), "--device", "cpu")
    assert contents() == before
    return json.loads(done.stdout)


@pytest.fixture
def gpu(monkeypatch):
    """The module gpu.py."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import gpu

    return gpu


def test_on_a_cpu_every_part_of_gpu_runs_and_no_check_fails(of_gpu, gpu):
    assert [name for name in gpu.PARTS if len(of_gpu.get(name, {})) < 2] == []
    assert of_gpu["trouble"] == {}
    checks = of_gpu["correctness"]
    assert (checks["failed"], checks["failures"], checks.get("left_out")) == (0, [], None)
    assert len(checks["checks"]) > 20
    assert [name for name, row in checks["checks"].items() if not row["passed"]] == []
    assert checks["passed"] == sum(row["passed"] for row in checks["checks"].values())


@pytest.mark.parametrize(
    ("part", "found", "trouble"),
    [
        ("correctness", {"apart": 0.0}, ""),
        ("correctness", {"apart": 0.5}, "failed checks: 1\nready_steps lstm/dot/1: 0.5 apart"),
        ("correctness", {"apart": 0.0, "left_out": ["gru/dot/3"]},
         "no time for the checks of gru/dot/3"),
        ("decoding", {"target": {"row": "8/beam 1"}, "8/beam 1": {}, "left_out": ["8/beam 5"]}, ""),
        ("decoding", {"target": {"row": "8/beam 1"}}, "no time for 8/beam 1, which has a target"),
    ],
)  # fmt: skip
def test_a_check_that_fails_or_is_left_out_is_trouble(
    part, found, trouble, gpu, tmp_path, monkeypatch, capsys
):
    from gpuparts.correctness import Tally
    from gpuparts.work import Notes

    def run(name, options, folder, seconds):
        notes = Notes(folder / f"{name}.json")
        for entry, value in found.items():
            notes.add(entry, value)
        if "apart" in found:
            tally = Tally(notes)
            tally.take("ready_steps", "lstm/dot/1", 1e-8, lambda: found["apart"])
            tally.write()
        return ""  # the process itself ended well

    monkeypatch.setattr(gpu, "run", run)
    options = argparse.Namespace(device="cpu", quick=True, out=tmp_path, data=None, parts=[part])
    assert gpu.main(options) == bool(trouble)
    told = json.loads(capsys.readouterr().out)["trouble"]
    assert told == ({part: trouble} if trouble else {})


def test_what_gpu_finds_stands_on_the_page(of_gpu, gpu):
    import pages

    found = made_up(of_gpu)
    speed = json.loads((BENCHMARKS / "results" / "speed.json").read_text("utf-8"))
    lines = pages.page(speed, found).splitlines()
    assert not any("no GPU was at hand" in line for line in lines)
    assert [line for line in GOALS if line not in lines] == []
    assert [line for line in SECTION if line not in lines] == []
    without = pages.page(speed).splitlines()
    assert any("no GPU was at hand" in line for line in without)
    # All else is as it is without.
    assert lines[-1] == without[-1]
    assert [line for line in without if line not in lines and "no GPU was" not in line] == []


def made_up(of_gpu):
    """A result of gpu.py, with figures that no machine has given."""
    found = copy.deepcopy(of_gpu)
    found["machine"]["machine"] |= {
        "gpu": "Abacus", "memory_gib": 1.5, "cuda": "99.1", "driver": "9.9"
    }  # fmt: skip
    rows = found["training"]
    fast = {"tokens_per_s": {"median": 1_600_000, "least": 1_500_000, "most": 1_700_000}}
    rows["200/bf16/gold"] |= {**fast, "waited_for_data": 0.004, "peak_mib": 4321}
    rows["200/bf16/sampled"]["tokens_per_s"]["median"] = 1_000_000
    found["bleu"]["beam_5"] |= {"bleu": 39.25, "seconds_from_text": 61.5}
    found["decoding"]["8/beam 1/fp32"]["sentences_per_s"] = 51_234
    found["decoding"]["8/beam 5/bf16"] |= {
        "sentences_per_s": 9876, "bleu": 38.9, "same_as_fp32": 0.9375
    }  # fmt: skip
    failures = ["ready_steps lstm/dot/1: 0.5 apart"]
    found["correctness"] |= {"passed": 900, "failed": 1, "failures": failures,
                             "left_out": ["gru/dot/3"], "skipped": ["packing"] * 7}  # fmt: skip
    return found


GOALS = [
    "| training on a GPU, 200 tokens a batch, bf16 | 1,600,000 tokens/s "
    "| at least 1,500,000 tokens/s | reached |",
    "| training on a GPU, 200 tokens a batch, bf16, time in making batches | 0.40 % "
    "| at most 1 % | reached |",
    "| training on a GPU, 200 tokens a batch, bf16, a step of scheduled sampling, one pass, of a "
    "teacher-forced one | 1.60 x | at most 1.2 x | not reached: see NOTES.md |",
    "| test_2016_flickr on a GPU, beam 5, BLEU | 39.25 | at least 39 | reached |",
    "| test_2016_flickr on a GPU, beam 5, wall clock from text files to that BLEU | 61.50 s "
    "| at most 60 s | not reached: see NOTES.md |",
    "| decoding on a GPU, 8 at a time, beam 1, fp32 | 51,234 sentences/s "
    "| at least 50,000 sentences/s | reached |",
    "| checks on a GPU that failed or were left out | 2 | at most 0 | not reached: see NOTES.md |",
]
SECTION = [
    "## On a GPU",
    "Checks that two ways agree: 900 held, 1 failed, 7 say nothing of their network. "
    "Failed: ready_steps lstm/dot/1: 0.5 apart. No time for gru/dot/3.",
    "| training, 200 tokens a batch, bf16, gold inputs "
    "| 1,600,000 [1,500,000, 1,700,000] target tokens/s "
    "| at most 4,321 MiB, waits for data 0.4% |",
    "| text files to outputs of test_2016_flickr, beam 5 | 61.5 s | BLEU 39.2 |",
    "| decoding, 8 at a time, beam 5, bf16 | 9,876 sentences/s "
    "| BLEU 38.9, 93.8% of outputs as in fp32 |",
]


@pytest.fixture
def normalizer(monkeypatch):
    """The program that counts what a normaliser reads wrong."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import normalizer

    return normalizer


def test_wrong_readings_are_counted_by_class(normalizer):
    class Reader:
        def translate(self, texts):
            return [{"1": "one", "2": "too", "3rd": "third"}[text] for text in texts]

    rows = [("1", "one", "cardinal"), ("3rd", "third", "ordinal"), ("2", "two", "cardinal")]
    found = normalizer.errors(Reader(), [normalizer.Text(*row) for row in rows])
    assert found == {"cardinal": (1, 2), "ordinal": (0, 1)}


def test_texts_drawn_anew_have_no_phrase_of_the_dataset(normalizer):
    first = normalizer.anew(400, {})
    assert len(first) == 2 * sum(400 * share // 200 for share in normalizer.make.SHARES.values())
    bare = {text.name: text.written for text in reversed(first)}  # the first of a class is alone
    known = [normalizer.make.Example(text, "", name, (text,), ()) for name, text in bare.items()]
    again = normalizer.anew(400, {"train": known})
    assert Counter(text.name for text in again) == Counter(text.name for text in first)
    assert set(bare.values()) & {text.written for text in first} == set(bare.values())
    assert not set(bare.values()) & {text.written for text in again}


def test_the_card_of_the_dataset_has_what_was_counted(normalizer):
    card = (normalizer.DATA / "README.md").read_text("utf-8")
    result = json.loads(normalizer.RESULTS.read_text("utf-8"))
    assert "\n".join(normalizer.table(result)) in card
