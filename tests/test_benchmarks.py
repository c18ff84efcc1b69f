"""The programs that measure run, on little; what they measure is no matter of tests."""

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
        ("gpu.py OUT --device cpu", ['"trouble":{}', '"correctness":{']),
    ],
)  # fmt: skip
def test_a_quick_run_goes_through_every_part_and_leaves_no_result(program, told, tmp_path):
    before = contents()
    words = [str(tmp_path / word) if word == "OUT" else word for word in program.split()]
    done = subprocess.run([sys.executable, str(BENCHMARKS / words[0]), *words[1:], "--quick"],
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [line for line in told if line not in done.stderr + done.stdout] == []
    assert contents() == before


def contents():
    """Every file of the folder but what Python compiles."""
    return {
        path: path.read_bytes()
        for path in BENCHMARKS.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
