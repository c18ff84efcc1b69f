"""What the figures of speed.py are to be, beside what they are."""

from collections.abc import Iterator
from typing import Any, NamedTuple

Record = dict[str, Any]

# Why a goal is missed; NOTES.md has what was tried and what it gave.
GAPS = {
    "training": "products of matrices and the LSTM's layers, which oneDNN runs at half their rate, "
    "are nine tenths of an update",
    "feeding": "as a step needs the one before, its products are those of 60 rows; all that could "
    "be was moved out of the steps",
    "bf16": "layers and products of bf16 take a half of an update; the rest is fp32, and making a "
    "program for each new shape",
    "ceiling": "the LSTM's layers run at half the rate of a product, and a tenth is neither",
    "64/1": "seven tenths of the time are products of fp32 and an eighth the encoder, as in the "
    "peers; sentences that take the places of finished ones saved nothing",
    "64/1 --int8": "products are half of the time, the encoder a tenth, calls and search the rest",
    "64/5": "three quarters of the time are products of fp32, as in the peers",
    "64/5 --int8": "products are half of the time, log-softmax and choosing a quarter",
    "1/1": "nearly all of a step is three products, which read 26 MB of weights, 1.0 ms at the "
    "rate of memory here; a third of the tutorial loop's time is 0.39 ms",
    "1/1 --int8": "products are two fifths of a piece's time, encoding a quarter, calls and the "
    "search the rest; torch.compile made it slower",
}
UNSEEN = [
    "| training with bf16 on a CPU, of the fastest peer's fp32 | not measured: no processor with "
    "bf16 was at hand; it is taken where there is one, and loss and gradients are tested on one "
    "without | at least 2.5 x | |",
    "| training, decoding and time to 39 BLEU on a GPU | not measured: no GPU was at hand; "
    "`gpu.py` is ready | 1.5 million tokens/s; 50,000 sentences/s; 60 s | |",
]


class Goal(NamedTuple):
    """One line of the table."""

    what: str
    here: float
    wanted: float
    unit: str = ""
    most: bool = False  # whether what is wanted is the most, and not the least
    gap: str = ""

    @property
    def row(self) -> str:
        """The line in Markdown."""
        reached = self.here <= self.wanted if self.most else self.here >= self.wanted
        bound = "at most" if self.most else "at least"
        state = "reached" if reached else f"not reached: {GAPS.get(self.gap, 'see NOTES.md')}"
        here = f"{self.here:,}" if isinstance(self.here, int) else f"{self.here:,.2f}"
        return (f"| {self.what} | {here}{self.unit} | {bound} {self.wanted:,}{self.unit} "
                f"| {state} |")  # fmt: skip


def goals(result: Record, of_gpu: Record | None = None) -> list[str]:
    """A table of all goals that were measured, in Markdown; `of_gpu` is what gpu.py found."""
    judges = {"training": training, "words": words, "decoding": decoding, "start": start}
    found = [goal for name, judge in judges.items() if result.get(name) for goal in judge(result)]
    found += gpu(of_gpu) if of_gpu else ()
    return ["## Goals", "", "| | here | wanted | |", "|---|--:|--:|---|",
            *(goal.row for goal in found), *unseen(result, bool(of_gpu))]  # fmt: skip


def unseen(result: Record, gpu: bool) -> list[str]:
    """What no machine at hand could show."""
    seen = "seqgen, bf16" in result["training"]["rows"]
    return UNSEEN[seen : 1 if gpu else 2]


def training(result: Record) -> Iterator[Goal]:
    """Against the fastest peer, whose dev loss a ratio must have reached to count."""
    rows, losses = result["training"]["rows"], result.get("models", {})
    peers = {name: row for name, row in rows.items() if "seqgen" not in name}
    fastest = max(peers, key=lambda name: peers[name]["median"])
    # The least loss of the peers whose model had as many epochs.
    known = {name: one["dev_loss"] for name, one in losses.items() if name in peers
             and one["epochs"] == losses["seqgen"]["epochs"]}  # fmt: skip
    for name in ("seqgen", "seqgen, input feeding"):
        row = rows[name]
        what = f"training, {name}, of {fastest}"
        if name in losses and known:
            least = min(known, key=lambda peer: known[peer])
            what += f" (dev loss {losses[name]['dev_loss']:.3f}; {least} {known[least]:.3f})"
        gap = "feeding" if "feeding" in name else "training"
        yield Goal(what, row["median"] / peers[fastest]["median"], 1.6, " x", gap=gap)
    ceiling = sorted(result["training"]["ceilings"])[len(result["training"]["ceilings"]) // 2]
    share = 100 * rows["seqgen"]["median"] / ceiling
    yield Goal("training, of the ceiling of products", share, 80, " %", gap="ceiling")
    yield Goal(
        "a step of scheduled sampling, one pass, of a teacher-forced one",
        rows["seqgen"]["median"] / rows["seqgen, sampled"]["median"], 1.2, " x", most=True,
    )  # fmt: skip
    yield Goal(
        "sampled step by step, of the tutorial loop",
        rows["seqgen, sampled step by step"]["median"] / rows["tutorial loop"]["median"], 1, " x",
    )  # fmt: skip
    yield Goal(
        "peak memory, of the leanest peer",
        rows["seqgen"]["peak_mib"] / min(row["peak_mib"] for row in peers.values()), 1, " x",
        most=True,
    )  # fmt: skip
    if "seqgen, bf16" in rows:
        yield from rounded(rows, rows[fastest]["median"], fastest, losses)
    yield Goal("time in making batches", 100 * rows["seqgen"]["waiting"], 1, " %", most=True)


def rounded(rows: Record, peer: float, fastest: str, losses: Record) -> Iterator[Goal]:
    """Training in bf16, whose dev loss is to be that of fp32."""
    what = f"training, seqgen, bf16, of {fastest} in fp32"
    yield Goal(what, rows["seqgen, bf16"]["median"] / peer, 2.5, " x", gap="bf16")
    if {"seqgen", "seqgen, bf16"} <= set(losses):
        ratio = losses["seqgen, bf16"]["dev_loss"] / losses["seqgen"]["dev_loss"]
        yield Goal(
            "dev loss with bf16, above that with fp32", 100 * (ratio - 1), 1, " %", most=True
        )


def words(result: Record) -> Iterator[Goal]:
    """Against yoyodyne."""
    rows = result["words"]
    for name, row in rows.items():
        peer = rows.get(name.replace("seqgen", "yoyodyne"))
        if "seqgen" in name and peer:
            what = f"training on words of characters, {name.split(', ')[1]}, of yoyodyne"
            yield Goal(what, row["median"] / peer["median"], 4, " x")


def decoding(result: Record) -> Iterator[Goal]:
    """Against the fastest peer."""
    rows = result["decoding"]
    wanted = {"64/1": (2.5, 2.5), "64/5": (2.5, 2.5), "1/1": (3, 6)}
    for how, (plain, small) in wanted.items():
        peers = [row[how]["median"] for name, row in rows.items()
                 if "seqgen" not in name and how in row]  # fmt: skip
        batch, beam = how.split("/")
        for name, least in (("seqgen", plain), ("seqgen --int8", small)):
            if peers and how in rows[name]:
                what = f"decoding {batch} at a time, beam {beam}, {name}, of the fastest peer"
                gap = f"{how}{name.removeprefix('seqgen')}"
                yield Goal(what, rows[name][how]["median"] / max(peers), least, " x", gap=gap)


def start(result: Record) -> Iterator[Goal]:
    """Seconds."""
    rows = {name: row["median"] for name, row in result["start"].items()}
    yield Goal("`seqgen --help`", rows["seqgen --help"], 0.3, " s", most=True)
    if "seqgen translate" in rows:
        above = rows["seqgen translate"] - rows["import torch"]
        yield Goal("`seqgen translate`, cold, above `import torch`", above, 0.3, " s", most=True)


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
