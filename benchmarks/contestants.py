"""The tools that are measured side by side, each with the options that make it do the work."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from machine import THREADS

from seqgen.devices import multiplies_bf16

HERE = Path(__file__).resolve().parent

Record = dict[str, Any]


class Contestant(NamedTuple):
    """A tool with the options that make it do the work."""

    name: str
    python: str  # of its environment
    driver: str
    train: tuple[str, ...] = ()
    decode: tuple[str, ...] = ()
    beams: tuple[int, ...] = (1, 5)
    model: str = ""  # the contestant whose model it decodes with, where it trains none of its own
    compared: bool = False  # by its dev loss, although it does not decode

    def run(self, command: str, *words: object) -> Record:
        """The last line that its driver prints."""
        environment = {**os.environ, "OMP_NUM_THREADS": str(THREADS)}
        line = [self.python, str(HERE / "peers" / self.driver), command, *map(str, words),
                "--threads", str(THREADS)]  # fmt: skip
        ran = subprocess.run(line, capture_output=True, text=True, env=environment, check=False)
        if ran.returncode:
            tail = "\n".join(ran.stderr.splitlines()[-5:])
            raise SystemExit(f"{self.name}: {' '.join(line)} failed\n{tail}")
        found: Record = json.loads(ran.stdout.splitlines()[-1])
        return found


def contestants(peers: Path | None) -> list[Contestant]:
    """seqgen, the tutorial loop, and the peers that are installed."""
    ours = sys.executable
    sampled = (*setting("sampling.forcing_floor", 0.75), *setting("sampling.forcing_start", 0.75))
    in_turn = (*sampled, *setting("sampling.passes", 0))
    fed = setting("model.input_feeding", "true")
    found = [
        Contestant("seqgen", ours, "ours.py"),
        Contestant("seqgen, sampled", ours, "ours.py", sampled, beams=()),
        Contestant("seqgen, sampled step by step", ours, "ours.py", in_turn, beams=()),
        Contestant("seqgen, input feeding", ours, "ours.py", fed, beams=(), compared=True),
        Contestant("seqgen --int8", ours, "ours.py", decode=("--int8",), model="seqgen"),
        Contestant("tutorial loop", ours, "tutorial.py", beams=(1,)),
    ]
    if multiplies_bf16():
        rounded = setting("train.precision", "bf16")
        found.append(Contestant("seqgen, bf16", ours, "ours.py", rounded, beams=(), compared=True))
    for name in ("opennmt", "eole", "joeynmt"):
        python = (peers or HERE) / name / "bin" / "python"
        if python.exists():
            found.append(Contestant(name, str(python), f"{name}.py"))
    return found


def setting(name: str, value: object) -> tuple[str, str]:
    """A setting of seqgen as options of its driver."""
    return "--set", f"{name}={value}"
