"""The parts of speed.py as tables: what was measured, and what it was measured on."""

import statistics
from typing import Any

from costs import FEEDING, MULTIPLY_ADDS, own_ceiling
from records import ALONE, paces, peers

Record = dict[str, Any]

ALL = 1000  # sentences of test_2016_flickr
TIMED = (
    " Milliseconds a piece are the median over sentences, with a call for each; where all rows "
    "have them, they make the ratio."
)


def tables(result: Record) -> list[str]:
    """A section for each part that was measured."""
    lines = []
    for name, lines_of in TABLES.items():
        if result.get(name):
            header = result["on"].get(name, {})
            title, *rest = lines_of(result[name], header)
            # Each model's row tells what it was trained on.
            where = [] if name == "models" else on(header)
            lines += ["", f"## {title}", "", *where, *rest]
    return lines


def on(header: Record) -> list[str]:
    """What was measured on; of rows that a later run put in, what is different."""
    known = facts(header)
    apart = [
        f"Measured apart: {name}, {', '.join(fact for fact in facts(own) if fact not in known)}."
        for name, own in header.get("apart", {}).items()
    ]
    return [f"{', '.join(known)}.", *(line for one in apart for line in ("", one))]


def facts(header: Record) -> list[str]:
    """The version, the machine and its limits."""
    machine, limits = header["machine"], header["limits"]
    rounded = f" and {limits['bfloat16']:,.0f} of bf16" if machine.get("bf16") else ""
    found = [
        f"seqgen {header['seqgen']}",
        machine["cpu"],
        f"{machine['cores']} cores",
        f"{machine['threads']} threads",
        f"torch {machine['torch']}",
        f"Python {machine['python']}",
        f"matrix products at {limits['float32']:,.0f} GFLOP/s{rounded}",
        f"memory at {limits['copy']} GB/s",
    ]
    if "rounds" in header:
        found.append(f"{header['rounds']} round{'s' * (header['rounds'] > 1)}")
    if "words" in header:
        found.append("{lines:,} words of {file} (SHA-256 {sha256})".format(**header["words"]))
    return found


def training(measured: Record, header: Record) -> list[str]:
    """Target tokens a second, beside the fastest peer and the ceiling."""
    rows = measured["rows"]
    fastest = max((rows[name]["median"] for name in peers(rows)), default=None)
    making = rows.get("seqgen", {}).get("making")
    return [
        "Training, fp32 where a row says nothing else",
        "",
        f"The rate of matrix products beside each round allows "
        f"{statistics.median(measured['ceilings']):,.0f} target tokens a second in fp32 without "
        f"input feeding, {MULTIPLY_ADDS / 1e6:g} million multiply-adds a token forward. The "
        f"ceiling of a row is that of its own: with input feeding, which the peers have, of "
        f"{FEEDING / 1e6:g} million, and of products in its precision. What sampling adds is not "
        "counted." + (f" Making batches takes {making['median']:.2%} of seqgen's time." if making
                      else ""),
        "",
        "| | target tokens/s | of the fastest peer | of the ceiling | peak MiB | differs |",
        "|---|--:|--:|--:|--:|---|",
        *(
            f"| {name} | {shown(row)} | {ratio(row['median'], fastest)} | "
            f"{row['median'] / ceiling_of(name, measured, header):.0%} | {row['peak_mib']:,} | "
            f"{'; '.join(row['differs'])} |"
            for name, row in rows.items()
        ),
    ]  # fmt: skip


def ceiling_of(name: str, measured: Record, header: Record) -> float:
    """The ceiling of a row by what was measured beside it."""
    own = header.get("apart", {}).get(name)
    ceilings, limits = (own or measured)["ceilings"], (own or header)["limits"]
    return own_ceiling(name, statistics.median(ceilings), limits)


def words(rows: Record, _header: Record) -> list[str]:
    """Target symbols a second on words of characters."""
    return [
        "Training on words of characters, 256 at a time, fp32",
        "",
        "| | target symbols/s | of yoyodyne | peak MiB | differs |",
        "|---|--:|--:|--:|---|",
        *(
            f"| {name} | {shown(row)} | {of_peer(rows, name)} | {row['peak_mib']:,} | "
            f"{'; '.join(row['differs'])} |"
            for name, row in rows.items()
        ),
    ]


def of_peer(rows: Record, name: str) -> str:
    """How many times as fast as yoyodyne of the same width."""
    peer = rows.get(name.replace("seqgen", "yoyodyne"))
    return ratio(rows[name]["median"], peer and peer["median"])


def models(losses: Record, _header: Record) -> list[str]:
    """The dev losses of the models that decode."""
    return [
        "Models",
        "",
        "| | dev loss, nats a token | epochs | trained on |",
        "|---|--:|--:|---|",
        *(
            f"| {name} | {one['dev_loss']:.3f}{seeds(one)} | {one['epochs']} | {one['cpu']} |"
            for name, one in losses.items()
        ),
    ]


def seeds(one: Record) -> str:
    """The least and the most of several seeds."""
    found = one.get("of_seeds", [])
    return f" [{min(found):.3f}, {max(found):.3f}] of {len(found)}" if len(found) > 1 else ""


def decoding(measured: Record, _header: Record) -> list[str]:
    """Output pieces a second, and what they are worth."""
    pace = {how: paces(measured, how) for by in measured.values() for how in by}
    fastest = {
        how: max((found[name] for name in peers(found)), default=None)
        for how, found in pace.items()
    }
    rows = [row for by in measured.values() for row in by.values()]
    timed = " ms a piece |" if any("ms_a_piece" in row for row in rows) else ""
    return [
        "Decoding test_2016_flickr",
        "",
        f"One at a time, rows are of the first {ALONE} sentences, whose BLEU does not compare with "
        f"that of all.{timed and TIMED}",
        "",
        f"| | sentences at a time / beam | sentences | output pieces/s |{timed}"
        " of the fastest peer | BLEU |",
        f"|---|---|--:|--:|{timed and '--:|'}--:|--:|",
        *(
            f"| {name} | {how} | {sentences(how, row):,} | {shown(row)} |"
            f"{timed and lasting(row)} {ratio(pace[how][name], fastest[how])} "
            f"| {row['bleu']:.1f} |"
            for name, by in measured.items()
            for how, row in by.items()
        ),
    ]


def sentences(how: str, row: Record) -> int:
    """How many a row is of; older ones do not say."""
    return int(row.get("sentences", ALONE if how.startswith("1/") else ALL))


def lasting(row: Record) -> str:
    """A cell of the milliseconds a piece, where they were measured."""
    return f" {shown(row['ms_a_piece'], 2)} |" if "ms_a_piece" in row else " |"


def start(seconds: Record, _header: Record) -> list[str]:
    """How long processes take that begin from nothing."""
    labels = {"above import torch": "`seqgen translate` above the `import torch` before it"}
    return [
        "Start, seconds of wall clock",
        "",
        "| | |",
        "|---|--:|",
        *(
            f"| {labels.get(name, f'`{name}`')} | {shown(row, 2)} |"
            for name, row in seconds.items()
        ),
    ]


def ratio(value: float, of: float | None) -> str:
    """How many times the other, if there is one."""
    return f"{value / of:.2f}" if of else ""


def shown(row: Record, digits: int = 0) -> str:
    """The median, with the least and the most."""
    median, least, most = (f"{row[name]:,.{digits}f}" for name in ("median", "least", "most"))
    return f"{median} [{least}, {most}]"


TABLES = {
    "training": training,
    "words": words,
    "models": models,
    "decoding": decoding,
    "start": start,
}
