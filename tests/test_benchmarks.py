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
    ],
)  # fmt: skip
def test_a_quick_run_goes_through_every_part_and_writes_nothing(program, told):
    before = {path: path.read_bytes() for path in BENCHMARKS.rglob("*") if path.suffix != ".pyc"
              and path.is_file()}  # fmt: skip
    done = subprocess.run([sys.executable, str(BENCHMARKS / program), "--quick"],
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [line for line in told if line not in done.stderr] == []
    assert {path: path.read_bytes() for path in before} == before
