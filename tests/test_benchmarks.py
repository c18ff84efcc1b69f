"""The programs that measure run, on little; what they measure is no matter of tests."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("speed.py", ["limits:", "start:", "training, seqgen, input feeding:",
                      "words, seqgen, width 256:", "dev loss, seqgen:",
                      "decoding 1/5, seqgen --int8:"]),
        ("growth.py", ["width 1024, training:", "beam 16, decoding:"]),
        ("quality.py", ["seqgen, one model |", "seqgen, 2 together |",
                        "1 of 2, below", ", 2 seeds |",
                        "no file", "seqgen, 5 together | not run"]),
        ("instruments.py", ["instruments, lstm 256, 3,000 tokens a batch:"]),
        ("truncation.py", ["both of 60, window 20:", "both of 60, window 0:"]),
    ],
)  # fmt: skip
def test_a_quick_run_goes_through_every_part_and_leaves_no_result(program, told):
    before = contents()
    done = quick_run(program)
    assert [line for line in told if line not in done.stderr + done.stdout] == []
    assert contents() == before


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
    ("apart", "left_out", "trouble"),
    [
        (0.0, None, ""),
        (0.5, None, "failed checks: 1\nready_steps lstm/dot/1: 0.5 apart"),
        (0.0, "gru/dot/3", "no time for the checks of gru/dot/3"),
    ],
)
def test_a_check_that_fails_or_is_left_out_is_trouble(
    apart, left_out, trouble, gpu, tmp_path, monkeypatch, capsys
):
    from gpuparts.correctness import Tally
    from gpuparts.work import Notes

    def run(name, options, folder, seconds):
        notes = Notes(folder / f"{name}.json")
        tally = Tally(notes)
        tally.take("ready_steps", "lstm/dot/1", 1e-8, lambda: apart)
        tally.write()
        if left_out:
            notes.leave_out(left_out)
        return ""  # the process itself ended well

    monkeypatch.setattr(gpu, "run", run)
    options = argparse.Namespace(
        device="cpu", quick=True, out=tmp_path, data=None, parts=["correctness"]
    )
    assert gpu.main(options) == bool(trouble)
    told = json.loads(capsys.readouterr().out)["trouble"]
    assert told == ({"correctness": trouble} if trouble else {})
