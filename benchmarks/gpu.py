"""Everything about seqgen on a GPU in one call: is it right, how fast, what to improve.

    python benchmarks/gpu.py OUT [--data FOLDER] [--set SECTION.NAME=VALUE ...] [--parts NAME ...]
    python benchmarks/gpu.py OUT --quick --device cpu

FOLDER holds tokenized parallel text, {train,val,test_2016_flickr}.{en,de}, a sentence a line;
without it the part `bleu` is left out and the others use made-up sentences. --set changes
settings of `bleu`. OUT gets gpu.json after every part and the profiles as text; the last line
printed is gpu.json. All parts on a GPU end within nine minutes and are kept in
benchmarks/results/gpu.json as well, failed checks and all; --quick runs every part on little and
keeps nothing. The exit code is not 0 where a part broke off or had no time for what has a target,
and where a check failed or was left out for want of time.

It needs torch, numpy, filelock, sentencepiece (0.2.3), safetensors, sacrebleu (with portalocker,
regex, tabulate, colorama, lxml), and for the model card huggingface_hub and pyyaml; no datasets,
pyarrow, typer, rich or gradio. Where nothing can be fetched, carry what is missing as wheels:

    pip download --no-deps --only-binary=:all: --python-version 3.12 \\
        --platform manylinux_2_28_x86_64 -d WHEELS 'sentencepiece>=0.2.3'
    python -m pip install --no-index --no-deps --target SITE WHEELS/*.whl
    PYTHONPATH=SITE:. python benchmarks/gpu.py OUT --data FOLDER

A part runs in a process of its own, with a time of its own: one that fails, hangs or breaks its
CUDA context takes nothing from the others. What it had found until then is kept.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results" / "gpu.json"
ENDING = 4  # seconds that a part is given to end by itself
LATEST = 525  # seconds after which nothing runs any more
PATIENCE = 20  # times as long for --quick, which may run on a busy machine

# The parts in their order, and the seconds of each; what one leaves is there for the next.
PARTS = {
    "machine": 25,
    "correctness": 115,
    "training": 115,
    "bleu": 115,
    "decoding": 90,
    "profiles": 60,
}


def main(options: argparse.Namespace) -> int:
    """Run the parts, write what they found, and return the exit code."""
    check_device(options.device)
    options.out.mkdir(parents=True, exist_ok=True)
    chosen = [name for name in PARTS if name in (options.parts or PARTS)]
    result: dict[str, Any] = {"device": options.device, "quick": options.quick, "trouble": {}}
    begun, end, ended = time.monotonic(), 0.0, True
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen:
            end = min(end + PARTS[name], LATEST)
            started = time.monotonic()
            last = begun + end * (PATIENCE if options.quick else 1)
            trouble = run(name, options, Path(folder), last - started)
            notes = Path(folder) / f"{name}.json"
            result[name] = json.loads(notes.read_text("utf-8")) if notes.exists() else {}
            result[name]["part_seconds"] = round(time.monotonic() - started, 1)
            trouble = trouble or lacking(result[name])
            ended = ended and not trouble
            if trouble := "\n".join(filter(None, [trouble, *complaints(result[name])])):
                result["trouble"][name] = trouble
            result["seconds"] = round(time.monotonic() - begun, 1)
            write(result, options.out / "gpu.json")
    whole = len(chosen) == len(PARTS) and options.data is not None and ended
    if whole and options.device != "cpu" and not options.quick:
        write(result, RESULTS)
    print(json.dumps(result, separators=(",", ":")), flush=True)
    return 1 if result["trouble"] else 0


def check_device(name: str) -> None:
    """End with one line where there is no such device."""
    if name == "cpu":
        return
    from seqgen.devices import pick_device
    from seqgen.errors import SeqgenError

    try:
        pick_device(name)
    except SeqgenError as error:
        raise SystemExit(str(error)) from None


def run(name: str, options: argparse.Namespace, folder: Path, seconds: float) -> str:
    """Run a part in a process of its own; what went wrong, if anything."""
    line = [sys.executable, __file__, *sys.argv[1:], "--part", name, "--folder", str(folder)]
    line += ["--seconds", str(seconds - 2 * ENDING), "--begun", str(time.time())]
    print(f"{name}, {seconds:.0f} s at most", file=sys.stderr, flush=True)
    errors = folder / f"{name}.errors"
    with errors.open("wb") as stream:
        process = subprocess.Popen(line, stdout=sys.stderr, stderr=stream)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = None
    said = errors.read_text("utf-8", "replace")
    sys.stderr.write(said)
    if code == 0:
        return ""
    why = "took too long" if code is None else f"exit code {code}"
    return "\n".join([why, *said.splitlines()[-6:]])


def lacking(found: dict[str, Any]) -> str:
    """That a part had no time for the row of its target; empty where it had."""
    row = found["target"]["row"] if "target" in found else ""
    return f"no time for {row}, which has a target" if row and row not in found else ""


def complaints(found: dict[str, Any]) -> list[str]:
    """Which checks of a part failed, and which it left out."""
    lines = []
    if failed := found.get("failed"):
        lines += [f"failed checks: {failed}", *found["failures"]]
    if "checks" in found and (names := found.get("left_out")):
        lines.append(f"no time for the checks of {', '.join(names)}")
    return lines


def part(options: argparse.Namespace) -> None:
    """What the process of a part does."""
    os.environ["SEQGEN_CACHE"] = str(options.folder / f"cache-{options.part}")
    import torch
    from gpuparts.work import Notes, Work

    work = Work(
        device=torch.device(options.device),
        quick=options.quick,
        data=options.data,
        changes=dict(map(setting, options.set)),
        folder=options.folder,
        out=options.out,
        begun=options.begun,
        until=time.monotonic() + options.seconds,
    )
    module = importlib.import_module(f"gpuparts.{options.part}")
    module.measure(work, Notes(options.folder / f"{options.part}.json"))


def setting(words: str) -> tuple[str, Any]:
    """A setting of the command line, `model.hidden=64`."""
    name, _, value = words.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def write(result: dict[str, Any], path: Path) -> None:
    """Put a result where it belongs, whole."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    draft.replace(path)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, help="a folder of tokenized parallel text")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="every part, on little")
    parser.add_argument("--parts", nargs="*", choices=PARTS)
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.NAME=VALUE")
    # Of the process of a part.
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--begun", type=float, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    asked = arguments()
    sys.exit(part(asked) if asked.part else main(asked))
