"""What gpu.py found, as a section of the page."""

from collections.abc import Iterator
from typing import Any

Record = dict[str, Any]


def on_a_gpu(found: Record) -> list[str]:
    """What it was measured on, what was checked, and the speeds at the sizes of the targets."""
    machine, products = found["machine"]["machine"], found["machine"]["products_tflops"]
    rates = ", ".join(f"{rate:,.0f} of {name}" for name, rate in products.items())
    return [
        "",
        "## On a GPU",
        "",
        f"By `gpu.py`, from `results/gpu.json`: seqgen {machine['seqgen']} on "
        f"{machine['gpu']}, {machine['memory_gib']} GiB, torch {machine['torch']}, CUDA "
        f"{machine['cuda']}, driver {machine['driver']}. Matrix products, TFLOP/s: {rates}; "
        f"memory: {found['machine']['copy_gbs']:,} GB/s.",
        "",
        checked(found["correctness"]),
        "",
        "| | | |",
        "|---|--:|---|",
        *training(found["training"]),
        *learned(found["bleu"]),
        *decoding(found["decoding"]),
    ]


def checked(checks: Record) -> str:
    """How many checks held, and what those say that did not."""
    left_out = checks.get("left_out", [])
    told = [
        f"Checks that two ways agree: {checks['passed']:,} held, {checks['failed']:,} failed, "
        f"{len(checks['skipped']):,} say nothing of their network."
    ]
    told += [f"Failed: {'; '.join(checks['failures'])}."] if checks["failures"] else []
    told += [f"No time for {', '.join(left_out)}."] if left_out else []
    return " ".join(told)


def training(rows: Record) -> Iterator[str]:
    """Target tokens a second with the batch of the target."""
    for name, row in of_target(rows):
        size, arithmetic, inputs = name.split("/")
        speed, memory = row["tokens_per_s"], row["peak_mib"]
        yield (
            f"| training, {int(size):,} tokens a batch, {arithmetic}, {inputs} inputs "
            f"| {speed['median']:,} [{speed['least']:,}, {speed['most']:,}] target tokens/s "
            f"| {'' if memory is None else f'at most {memory:,} MiB, '}"
            f"waits for data {row['waited_for_data']:.1%} |"
        )


def learned(rows: Record) -> Iterator[str]:
    """The seconds of a process from text files to a BLEU."""
    for beam in (1, 5):
        row = rows[f"beam_{beam}"]
        yield (
            f"| text files to outputs of test_2016_flickr, beam {beam} "
            f"| {row['seconds_from_text']:.1f} s | BLEU {row['bleu']:.1f} |"
        )


def decoding(rows: Record) -> Iterator[str]:
    """Sentences a second with the batch of the target, and what outputs are worth."""
    for name, row in of_target(rows):
        size, beam, arithmetic = name.split("/")
        worth = f"{row['same_as_fp32']:.1%} of outputs as in fp32"
        if "bleu" in row:
            worth = f"BLEU {row['bleu']:.1f}, {worth}"
        yield (
            f"| decoding, {int(size):,} at a time, {beam}, {arithmetic} "
            f"| {row['sentences_per_s']:,} sentences/s | {worth} |"
        )


def of_target(rows: Record) -> Iterator[tuple[str, Record]]:
    """The rows whose batch is that of the target."""
    size, _, _ = rows["target"]["row"].partition("/")
    return ((name, row) for name, row in rows.items() if name.startswith(f"{size}/"))
