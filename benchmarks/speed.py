"""How fast seqgen trains, decodes and starts, beside its peers and what the machine can do.

    python benchmarks/speed.py WORK OUT [--peers FOLDER] [--words FILE] [--rounds 3] [--seconds 40]
                               [--seeds 1]
    python benchmarks/speed.py --quick

WORK is a folder of benchmarks/pieces.py; OUT keeps models, which are trained for five epochs where
they are not there. Peers run in the environments that benchmarks/peers.sh made in FOLDER, in turn
with seqgen, A B A B. Each line of FILE has a word, a tab, and the word's symbols with spaces
between. Medians over the rounds go to benchmarks/results/speed.json, and from there
into the table of benchmarks/README.md. --quick runs every part on little and writes nothing.
--tools measures some of them anew and keeps what is known of the others, if that is of this
machine.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pages
from contestants import Contestant, contestants, setting
from machine import limits, machine
from pieces import described, spelled
from quickwork import quick
from records import ALONE, BY_TOOL, Record, comparable, put, spread, told

from seqgen import __version__

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "speed.json"
EPOCHS = 5
STARTS = 9  # of each command, after one that compiles
WIDTHS = (128, 256)  # of networks for words of characters
PLAIN = (*setting("model.dropout", 0.0), *setting("train.batch_sentences", 256))  # for them as well


def main(options: argparse.Namespace) -> None:
    """Measure what was asked for and write it down."""
    begun = time.perf_counter()
    found = [one for one in contestants(options.peers)
             if not options.tools or one.name in options.tools]  # fmt: skip
    here: Record = {"machine": machine(), "limits": limits(), "seqgen": __version__}
    here["rounds"] = options.rounds
    say(f"limits: {here['limits']}")
    result: Record = {"on": {}}
    if RESULTS.exists() and not options.quick:
        result = json.loads(RESULTS.read_text("utf-8"))
    chosen = {name: part for name, part in PARTS.items() if name in (options.parts or PARTS)}
    some = BY_TOOL if options.tools else ()
    for name in chosen:
        if name in some:
            comparable(result, name, here["machine"])
    for name, part in chosen.items():
        if name == "words" and options.words is None:
            say("words: left out, and what was measured before stays; --words names a file")
            continue
        measured = part(options, found)
        on = dict(here)
        if name == "words":
            on["words"] = described(options.words)
        if name == "start":
            on["rounds"] = STARTS
        put(result, name, measured, on, name in some)
        keep(result, options.quick)
    say(f"done in {time.perf_counter() - begun:.0f} s")


def keep(result: Record, quick: bool) -> None:
    """Write the result and its page; a quick one only has to make a page."""
    if quick:
        pages.page(result)
        return
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    pages.main()


def training(options: argparse.Namespace, found: list[Contestant]) -> Record:
    """Target tokens a second, in turn; the rate of products beside each round."""
    rows: dict[str, list[Record]] = {one.name: [] for one in found if not one.model}
    ceilings = []
    for _ in range(options.rounds):
        ceilings.append(limits()["ceiling"])
        for one in found:
            if one.model:
                continue
            with tempfile.TemporaryDirectory() as folder:
                done = one.run(
                    "train", options.work, folder, "--seconds", options.seconds, *one.train
                )
            rows[one.name].append(done)
            say(f"training, {one.name}: {done['tokens'] / done['seconds']:,.0f} tokens/s, "
                f"{done['peak_mib']} MiB")  # fmt: skip
    return {
        "ceilings": ceilings,
        "rows": {
            name: {
                **spread([done["tokens"] / done["seconds"] for done in runs]),
                "peak_mib": max(done["peak_mib"] for done in runs),
                "parameters": runs[0]["parameters"],
                "differs": runs[0]["differs"],
                **told("making", runs, 5),
            }
            for name, runs in rows.items()
        },
    }


def words(options: argparse.Namespace, _found: list[Contestant]) -> Record:
    """Target symbols a second on words of characters, 256 at a time, beside yoyodyne."""
    peer = (options.peers or HERE) / "yoyodyne" / "bin" / "python"
    rows: dict[str, list[Record]] = {}
    with tempfile.TemporaryDirectory() as folder:
        spelled(options.words, Path(folder))
        for width in WIDTHS * options.rounds:
            shape = (*setting("model.embedding", width), *setting("model.hidden", width), *PLAIN)
            tools = {"seqgen": Contestant("seqgen", sys.executable, "ours.py", shape)}
            if peer.exists():
                own = ("--width", str(width))
                tools["yoyodyne"] = Contestant("yoyodyne", str(peer), "yoyodyne.py", own)
            for name, one in tools.items():
                data = folder if name == "seqgen" else options.words
                out = Path(folder) / "out"
                done = one.run("train", data, out, "--seconds", options.seconds / 2, *one.train)
                shutil.rmtree(out)
                rows.setdefault(f"{name}, width {width}", []).append(done)
                say(f"words, {name}, width {width}: {done['tokens'] / done['seconds']:,.0f}/s")
    return {
        name: {
            **spread([done["tokens"] / done["seconds"] for done in runs]),
            "peak_mib": max(done["peak_mib"] for done in runs),
            "parameters": runs[0]["parameters"],
            "differs": runs[0]["differs"],
        }
        for name, runs in rows.items()
    }


def models(options: argparse.Namespace, found: list[Contestant]) -> Record:
    """The dev losses after `EPOCHS` epochs, of seqgen means over seeds; the models stay in OUT."""
    losses: Record = {}
    for one in found:
        if one.model or not (one.beams or one.compared):
            continue
        seeds = range(1, 1 + (options.seeds if one.name.startswith("seqgen") else 1))
        runs = [model(options, one, seed) for seed in seeds]
        of_seeds = [done["dev_loss"] for done in runs]
        losses[one.name] = {
            "dev_loss": round(statistics.mean(of_seeds), 4),
            "of_seeds": of_seeds,
            "epochs": runs[0]["epochs"],
            "cpu": runs[0].get("cpu", "not known"),
        }
    return losses


def model(options: argparse.Namespace, one: Contestant, seed: int) -> Record:
    """What training a contestant gave, now or before; only the first seed decodes."""
    name = one.name.replace(", ", " ")  # a comma parts two files
    place = options.out / (f"{name} {seed}" if seed > 1 else name)
    marker = place / "trained.json"
    if not marker.exists():
        shutil.rmtree(place, ignore_errors=True)
        epochs = 1 if options.quick else EPOCHS
        seeded = setting("train.seed", seed) if seed > 1 else ()
        done = one.run("train", options.work, place, "--epochs", epochs, *one.train, *seeded)
        done["cpu"] = machine()["cpu"]
        marker.write_text(json.dumps(done) + "\n", encoding="utf-8")
    done = json.loads(marker.read_text("utf-8"))
    say(f"dev loss, {one.name}: {done['dev_loss']:.4f} after {done['epochs']} epochs, seed {seed}")
    return done


def decoding(options: argparse.Namespace, found: list[Contestant]) -> Record:
    """Output pieces a second, in turn, and the BLEU of the pieces put together."""
    rows: dict[str, dict[str, list[Record]]] = {one.name: {} for one in found}
    for _ in range(options.rounds):
        for batch, beam in ((64, 1), (64, 5), (1, 1), (1, 5)):
            for one in found:
                place = options.out / (one.model or one.name)
                if beam not in one.beams or not place.exists():
                    continue
                file = options.out / "hypotheses"
                few = ("--sentences", 20) if options.quick else ()
                few = ("--sentences", ALONE) if batch == 1 and not few else few
                done = one.run("decode", options.work, place, file, "--batch", batch,
                               "--beam", beam, *few, *one.decode)  # fmt: skip
                done["bleu"] = bleu(options.work, file)
                rows[one.name].setdefault(f"{batch}/{beam}", []).append(done)
                say(f"decoding {batch}/{beam}, {one.name}: "
                    f"{done['pieces'] / done['seconds']:,.0f} pieces/s, "
                    f"BLEU {done['bleu']}")  # fmt: skip
    return {
        name: {
            how: {**spread([done["pieces"] / done["seconds"] for done in runs]),
                  **{one: runs[0][one] for one in ("bleu", "pieces", "sentences")},
                  **told("ms_a_piece", runs, 3)}
            for how, runs in by.items()
        }
        for name, by in rows.items() if by
    }  # fmt: skip


def bleu(work: Path, file: Path) -> float:
    """BLEU of lines of pieces against the first references, both put together again."""
    import sacrebleu

    lines = file.read_text("utf-8").removesuffix("\n").split("\n")
    gold = (work / "test.de").read_text("utf-8").split("\n")[: len(lines)]
    texts = [[line.replace(" ", "").replace("\u2581", " ").strip() for line in side]
             for side in (lines, gold)]  # fmt: skip
    return round(float(sacrebleu.corpus_bleu(texts[0], [texts[1]]).score), 2)


def start(options: argparse.Namespace, _found: list[Contestant]) -> Record:
    """Seconds of wall clock of processes that begin from nothing, in turn."""
    seqgen = [sys.executable, "-m", "seqgen"]
    commands = {
        "seqgen --help": [*seqgen, "--help"],
        "seqgen train --help": [*seqgen, "train", "--help"],
        "seqgen train --hiden 3": [*seqgen, "train", "--hiden", "3"],
        "import torch": [sys.executable, "-c", "import torch"],
    }
    model = options.model or options.out / "seqgen" / "run"
    if model.exists():
        commands["seqgen translate"] = [*seqgen, "translate", "--model", str(model), "A man ."]
    else:
        say("start: no model for seqgen translate; the part models trains it, --model names one")
    # What is installed has its bytecode beside it, whatever the shell says that started this.
    environment = {name: value for name, value in os.environ.items()
                   if name != "PYTHONDONTWRITEBYTECODE"}  # fmt: skip
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(1 + (1 if options.quick else STARTS)):
        for name, command in commands.items():
            begun = time.perf_counter()
            done = subprocess.run(command, capture_output=True, env=environment)
            if done.returncode != (2 if "--hiden" in command else 0):
                raise SystemExit(f"{name}: {done.stderr.decode()}")
            if turn:
                seconds[name].append(time.perf_counter() - begun)
    found = {name: spread(values, 3) for name, values in seconds.items()}
    if "seqgen translate" in seconds:
        pairs = zip(seconds["seqgen translate"], seconds["import torch"], strict=True)
        found["above import torch"] = spread([ours - torch for ours, torch in pairs], 3)
    say(f"start: {found}")
    return found


# What is decoded and started is trained before.
PARTS = {
    "training": training,
    "words": words,
    "models": models,
    "decoding": decoding,
    "start": start,
}


def say(line: str) -> None:
    """Tell whoever waits."""
    print(line, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path, nargs="?")
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--peers", type=Path, help="the folder of benchmarks/peers.sh")
    parser.add_argument("--words", type=Path, help="words and their symbols, for the part words")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--seeds", type=int, default=1, help="of models of seqgen, for dev losses")
    parser.add_argument("--model", type=Path, help="what `seqgen translate` starts with")
    parser.add_argument("--parts", nargs="+", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--tools", nargs="*", help="only these; what others gave before stays")
    parser.add_argument("--quick", action="store_true", help="every part, on little")
    options = parser.parse_args()
    if not options.quick and options.out is None:
        parser.error("WORK and OUT are needed")
    return options


if __name__ == "__main__":
    asked = arguments()
    with tempfile.TemporaryDirectory() as place:
        main(quick(asked, Path(place)) if asked.quick else asked)
