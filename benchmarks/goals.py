"""What the figures of speed.py are to be, beside what they are."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from records import paces, peers
from speedtables import ceiling_of

Record = dict[str, Any]

# Why a goal is missed; NOTES.md has what was tried and what it gave.
GAPS = {
    "training": "nearly all of an update is products of matrices and the LSTM's layers, which run "
    "slower than products",
    "feeding": "as a step needs the one before, its products are small; those of embeddings and "
    "of the weights' gradients were moved out of the steps",
    "bf16": "much of an update is fp32, or making a program for each new shape",
    "ceiling": "the LSTM's layers run slower than products, and some of an update is neither",
    "memory": "the programs that oneDNN makes for shapes of bf16 are kept, as they come back; "
    "without them training is slower",
    "64/1": "most of the time is products of fp32, then the encoder, as in the peers; sentences "
    "that take the places of finished ones saved nothing",
    "64/1 --int8": "products are the largest part, then the encoder, calls and search; rows in "
    "multiples of 16, scaling block by block and memory that is kept gave nothing",
    "64/5": "most of the time is products of fp32, as in the peers",
    "64/5 --int8": "products are the largest part, then log-softmax and choosing",
    "1/1": "nearly all of a step is three products, which read all their weights for one row",
    "1/1 --int8": "products are the largest part, then encoding, calls and the search; "
    "torch.compile made it slower",
}
UNSEEN = [
    "| training with bf16 on a CPU, of the fastest peer's fp32 | not measured: no processor with "
    "bf16 was at hand; it is taken where there is one, and loss and gradients are tested on one "
    "without | at least 2.5 x | |",
    "| training, waiting for data, decoding and time to 39 BLEU on a GPU | not measured: no GPU "
    "was at hand; "
    "`gpu.py` is ready | 1.5 million tokens/s; 50,000 sentences/s; 60 s | |",
]


class Goal(NamedTuple):
    """One line of the table."""

    what: str
    here: float | None
    wanted: float
    unit: str = ""
    most: bool = False  # whether what is wanted is the most, and not the least
    gap: str = ""
    but: str = ""  # what takes from its being reached

    @property
    def row(self) -> str:
        """The line in Markdown."""
        bound = f"{'at most' if self.most else 'at least'} {self.wanted:,}{self.unit}"
        if self.here is None:
            return f"| {self.what} | not measured | {bound} | |"
        reached = self.here <= self.wanted if self.most else self.here >= self.wanted
        state = ("reached" if reached else "not reached") + (f", {self.but}" if self.but else "")
        if not reached:
            state += f": {GAPS.get(self.gap, 'see NOTES.md')}"
        here = f"{self.here:,}" if isinstance(self.here, int) else f"{self.here:,.2f}"
        return f"| {self.what} | {here}{self.unit} | {bound} | {state} |"


def goals(result: Record, of_gpu: Record | None = None) -> list[str]:
    """A table of all goals that were measured, in Markdown; `of_gpu` is what gpu.py found."""
    judges = {"training": training, "words": words, "decoding": decoding, "start": start}
    found = [goal for name, judge in judges.items() if result.get(name) for goal in judge(result)]
    found += gpu(of_gpu) if of_gpu else ()
    return ["## Goals", "", "| | here | wanted | |", "|---|--:|--:|---|",
            *(goal.row for goal in found), *unseen(result, bool(of_gpu))]  # fmt: skip


def unseen(result: Record, gpu: bool) -> list[str]:
    """What no machine at hand could show."""
    seen = "seqgen, bf16" in result.get("training", {}).get("rows", {})
    return UNSEEN[seen : 1 if gpu else 2]


def training(result: Record) -> Iterator[Goal]:
    """Against the fastest peer, whose dev loss a ratio must have reached to count."""
    rows, losses = result["training"]["rows"], result.get("models", {})
    fastest = max(peers(rows), key=lambda name: rows[name]["median"], default="")
    if fastest:
        yield from against(fastest, rows, losses)
    if "seqgen" in rows:
        ceiling = ceiling_of("seqgen", result["training"], result["on"]["training"])
        share = 100 * rows["seqgen"]["median"] / ceiling
        yield Goal("training, of the ceiling of products", share, 80, " %", gap="ceiling")
    if {"seqgen", "seqgen, sampled"} <= rows.keys():
        yield Goal(
            "a step of scheduled sampling, one pass, of a teacher-forced one",
            rows["seqgen"]["median"] / rows["seqgen, sampled"]["median"], 1.2, " x", most=True,
        )  # fmt: skip
    if {"seqgen, sampled step by step", "tutorial loop"} <= rows.keys():
        steps = rows["seqgen, sampled step by step"]["median"]
        ratio = steps / rows["tutorial loop"]["median"]
        yield Goal("sampled step by step, of the tutorial loop", ratio, 1, " x")
    if fastest and "seqgen" in rows:
        leanest = min(rows[name]["peak_mib"] for name in peers(rows))
        for name in ("seqgen", "seqgen, bf16"):
            if name in rows:
                ratio = rows[name]["peak_mib"] / leanest
                what = f"peak memory in training, {name}, of the leanest peer"
                yield Goal(what, ratio, 1, " x", most=True, gap="memory")
    if {"seqgen", "seqgen, bf16"} <= losses.keys():
        ratio = losses["seqgen, bf16"]["dev_loss"] / losses["seqgen"]["dev_loss"]
        above = 100 * (ratio - 1)
        yield Goal("dev loss with bf16, above that with fp32", above, 1, " %", most=True)
    making = rows.get("seqgen", {}).get("making")
    yield Goal("time in making batches", making and 100 * making["median"], 1, " %", most=True)


def against(fastest: str, rows: Record, losses: Record) -> Iterator[Goal]:
    """Rates of training, each with its dev loss and the least of the peers."""
    wanted = {"seqgen": (1.6, "training", ""), "seqgen, input feeding": (1.6, "feeding", ""),
              "seqgen, bf16": (2.5, "bf16", " in fp32")}  # fmt: skip
    known = {name: losses[name]["dev_loss"] for name in peers(losses)}
    for name, (least, gap, how) in wanted.items():
        if name not in rows:
            continue
        told, but = "not trained for its dev loss", "without a dev loss"
        if name in losses and known:
            own, best = losses[name]["dev_loss"], min(known, key=lambda peer: known[peer])
            told = f"dev loss {own:.3f}; {best} {known[best]:.3f}"
            more = own - known[best]
            but = f"at a dev loss {more:.3f} above" if more > 0 else ""
        what = f"training, {name}, of {fastest}{how} ({told})"
        pace = rows[name]["median"] / rows[fastest]["median"]
        yield Goal(what, pace, least, " x", gap=gap, but=but)


def words(result: Record) -> Iterator[Goal]:
    """Against yoyodyne."""
    rows = result["words"]
    for name, row in rows.items():
        peer = rows.get(name.replace("seqgen", "yoyodyne"))
        if "seqgen" in name and peer:
            what = f"training on words of characters, {name.split(', ')[1]}, of yoyodyne"
            yield Goal(what, row["median"] / peer["median"], 4, " x")


def decoding(result: Record) -> Iterator[Goal]:
    """Against the fastest peer, whose BLEU a ratio must have reached to count."""
    rows, losses = result["decoding"], result.get("models", {})
    wanted = {"64/1": (2.5, 2.5), "64/5": (2.5, 2.5), "1/1": (3, 6)}
    for how, bounds in wanted.items():
        pace = paces(rows, how)
        fastest = max(peers(pace), key=lambda name: pace[name], default="")
        batch, beam = how.split("/")
        for name, least in zip(("seqgen", "seqgen --int8"), bounds, strict=True):
            if not fastest or name not in pace:
                continue
            own, other = rows[name][how]["bleu"], rows[fastest][how]["bleu"]
            loss = f", dev loss {losses[fastest]['dev_loss']:.3f}" if fastest in losses else ""
            what = (f"decoding {batch} at a time, beam {beam}, {name}, of {fastest} "
                    f"(BLEU {own:.1f}; {fastest} {other:.1f}{loss})")  # fmt: skip
            less = f"{other - own:.1f}"
            but = f"at {less} BLEU less" if float(less) > 0 else ""
            gap = f"{how}{name.removeprefix('seqgen')}"
            yield Goal(what, pace[name] / pace[fastest], least, " x", gap=gap, but=but)


def start(result: Record) -> Iterator[Goal]:
    """Seconds."""
    rows = result["start"]
    for name in ("seqgen --help", "seqgen train --help", "seqgen train --hiden 3"):
        if name in rows:
            yield Goal(f"`{name}`", rows[name]["median"], 0.3, " s", most=True)
    what = "`seqgen translate`, cold, above `import torch`"
    above = None
    if "above import torch" in rows:
        row = rows["above import torch"]
        what += f", pairs from {row['least']:.2f} to {row['most']:.2f} s"
        above = row["median"]
    elif "seqgen translate" in rows:
        what += ", medians not of pairs"
        above = rows["seqgen translate"]["median"] - rows["import torch"]["median"]
    yield Goal(what, above, 0.3, " s", most=True)


def gpu(found: Record) -> Iterator[Goal]:
    """On a GPU; each part tells which of its rows is the one wanted."""
    yield from gpu_training(found["training"])
    target = found["bleu"]["target"]
    row, beam = found["bleu"][target["row"]], target["row"].removeprefix("beam_")
    what = f"test_2016_flickr on a GPU, beam {beam}"
    yield Goal(f"{what}, BLEU", row["bleu"], target["bleu"])
    yield Goal(
        f"{what}, wall clock from text files to that BLEU",
        row["seconds_from_text"], target["seconds"], " s", most=True,
    )  # fmt: skip
    target = found["decoding"]["target"]
    what = "decoding on a GPU, {} at a time, {}, {}".format(*target["row"].split("/"))
    speed = found["decoding"][target["row"]]["sentences_per_s"]
    yield Goal(what, speed, target["sentences_per_s"], " sentences/s")
    failed = found["correctness"]["failed"] + len(found["correctness"].get("left_out", []))
    yield Goal("checks on a GPU that failed or were left out", failed, 0, most=True)


def gpu_training(rows: Record) -> Iterator[Goal]:
    """The speed of the row of the target, its waits, and what sampling costs there."""
    target = rows["target"]
    size, arithmetic, _ = target["row"].split("/")
    gold, sampled = rows[target["row"]], rows[f"{size}/{arithmetic}/sampled"]
    what = f"training on a GPU, {int(size):,} tokens a batch, {arithmetic}"
    speed = gold["tokens_per_s"]["median"]
    yield Goal(what, speed, target["tokens_per_s"], " tokens/s")
    yield Goal(f"{what}, time in making batches", 100 * gold["waited_for_data"], 1, " %", most=True)
    yield Goal(
        f"{what}, a step of scheduled sampling, one pass, of a teacher-forced one",
        speed / sampled["tokens_per_s"]["median"], 1.2, " x", most=True,
    )  # fmt: skip
