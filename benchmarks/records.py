"""Measurements as results/speed.json keeps them: the rows of each part, and what they are of.

`on` has the machine, its limits and the version of seqgen for each part, and under `apart` the same
for the rows that a later run of some tools put in.
"""

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

Record = dict[str, Any]

ALONE = 100  # sentences that are translated one at a time
BY_TOOL = ("training", "models", "decoding")  # the parts of which --tools takes some rows
SAME = ("cpu", "cores", "threads", "bf16")  # of machines whose figures compare


def spread(values: Sequence[float], digits: int = 0) -> Record:
    """The median with the least and the most."""
    named = {"median": statistics.median(values), "least": min(values), "most": max(values)}
    return {name: round(value, digits or None) for name, value in named.items()}


def told(name: str, runs: Sequence[Record], digits: int) -> Record:
    """A figure of the rounds, where the driver gives it."""
    values = [run[name] for run in runs if name in run]
    return {name: spread(values, digits)} if values else {}


def comparable(result: Record, part: str, machine: Record) -> None:
    """End where the rows that would stay are of another machine: ratios are of one."""
    if part == "models":  # losses compare, and each row tells what it was trained on
        return
    before = result["on"].get(part, {}).get("machine", machine)
    other = [f"{name} {before.get(name)}" for name in SAME if before.get(name) != machine[name]]
    if other:
        raise SystemExit(f"{part}: rows of another machine ({', '.join(other)}) would stay; "
                         "measure all tools")  # fmt: skip


def put(result: Record, part: str, measured: Record, on: Record, some: bool) -> None:
    """Put a part into the result; `some`: the rows of some tools, over what is known of all."""
    before = result.get(part)
    if part == "models":
        result[part] = {**(before or {}), **measured} if some else measured
        result["on"].pop(part, None)
        return
    if not (some and before):
        result[part], result["on"][part] = measured, on
        return
    rows = measured.get("rows", measured)
    before.get("rows", before).update(rows)
    own = on | {name: measured[name] for name in ("ceilings",) if name in measured}
    result["on"][part].setdefault("apart", {}).update(dict.fromkeys(rows, own))


def paces(decoded: Record, how: str) -> dict[str, float]:
    """How fast each contestant decodes: pieces a second.

    One sentence at a time it is that of the median time a piece, where all rows have it.
    """
    rows = {name: by[how] for name, by in decoded.items() if how in by}
    if all("ms_a_piece" in row for row in rows.values()):
        return {name: 1e3 / row["ms_a_piece"]["median"] for name, row in rows.items()}
    return {name: row["median"] for name, row in rows.items()}


def peers(names: Iterable[str]) -> list[str]:
    """Those that are not seqgen."""
    return [name for name in names if not name.startswith("seqgen")]
