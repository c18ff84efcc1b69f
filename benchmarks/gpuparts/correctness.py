"""Is what comes out of this device right? Counted by check, with the largest differences."""

from collections.abc import Callable

import torch

from gpuparts import arithmetic
from gpuparts.cases import CELLS, Case, cases, network
from gpuparts.equalities import equalities, undefined
from gpuparts.work import Notes, Record, Work, say

EXACT = 1e-8  # of double precision, after sums in another order
BF16_LOSS = 0.03  # a share of the loss
BF16_GRADIENT = 0.1  # of the norm of a weight's gradient
BF16_FALL = 0.05  # of the fall of the loss over 100 updates
RESUMED = 1e-4
BATCHES = (1000, 30_000, 100_000)  # target tokens whose mean loss gives a gradient


def measure(work: Work, notes: Notes) -> None:
    """Equalities in double precision, then bf16 beside fp32, then a run that was interrupted."""
    tally = Tally(notes)
    reserved = 0.4 * work.left()  # for what comes behind
    # One network after the other, so that a lack of time leaves out networks and no checks.
    for case in cases(work.quick):
        if work.left() < reserved:
            notes.leave_out(str(case))
            continue
        model = network(case, work.device)
        for name, check in equalities().items():
            if why := undefined(name, case):
                tally.skip(name, str(case), why)
                continue
            tally.take(name, str(case), EXACT, lambda check=check, model=model: check(model))
    tally.write()
    notes.add("recurrent_layers_of_bf16", arithmetic.kinds(work))
    of_bf16(work, notes, tally)
    tally.take(
        "resumed", "toy", RESUMED, lambda: _noted(notes, "resumed", arithmetic.resumed(work))
    )
    tally.write()


def of_bf16(work: Work, notes: Notes, tally: "Tally") -> None:
    """How near bf16 comes to fp32."""
    kinds = ((), ("copy",), ("input_feeding",), ("layer_norm",))
    for case in (Case(cell, "general", 2, extra) for cell in CELLS for extra in kinds):
        tally.take("bf16_loss", str(case), BF16_LOSS, lambda case=case: arithmetic.loss(case, work))
    for tokens in (300,) if work.quick else BATCHES:
        name = f"bf16_gradient_{tokens}"
        tally.take(name, "speed", BF16_GRADIENT, lambda name=name, tokens=tokens: _noted(
            notes, name, arithmetic.gradient(work, tokens)))  # fmt: skip
    tally.take("bf16_learns", "speed", BF16_FALL, lambda: _fall(notes, work))
    tally.write()


class Tally:
    """Which checks hold."""

    def __init__(self, notes: Notes):
        self.notes = notes
        self.rows: dict[str, Record] = {}
        self.failures: list[str] = []
        self.skipped: list[str] = []

    def skip(self, name: str, case: str, why: str) -> None:
        """Note that a check says nothing of a case."""
        self.skipped.append(f"{name} {case}: {why}")

    def take(self, name: str, case: str, most: float, check: Callable[[], float]) -> None:
        """Run a check on a case; it holds where the difference is at most `most`."""
        row = self.rows.setdefault(name, {"passed": 0, "failed": 0, "largest": 0.0, "most": most})
        try:
            apart = check()
            why = f"{apart:.3g} apart"
        except Exception as error:  # of any kind: the other checks are to run
            apart, why = float("inf"), f"{type(error).__name__}: {str(error)[:200]}"
            if "CUDA error" in str(error):  # after which nothing runs in this process
                self.write()
                raise
        row["largest"] = max(row["largest"], float(f"{apart:.3g}"))
        row["passed" if apart <= most else "failed"] += 1
        if not apart <= most:
            self.failures.append(f"{name} {case}: {why}")
            say(f"  FAILED {self.failures[-1]}")

    def write(self) -> None:
        """Note the checks so far."""
        rows = self.rows.values()
        # JSON has no infinity: one is told by the failures.
        shown = {name: {**row, "largest": min(row["largest"], 1e9)}
                 for name, row in self.rows.items()}  # fmt: skip
        self.notes.add("passed", sum(row["passed"] for row in rows))
        self.notes.add("failed", sum(row["failed"] for row in rows))
        self.notes.add("checks", shown)
        self.notes.add("failures", self.failures[:40])
        self.notes.add("skipped", self.skipped)


def _noted(notes: Notes, name: str, found: Record) -> float:
    """The difference that a record holds, or its largest."""
    notes.add(name, found)
    return float(found["difference"] if "difference" in found else max(found.values()))


def _fall(notes: Notes, work: Work) -> float:
    """How much less the loss falls in bf16, as a share of its fall in fp32."""
    found = arithmetic.learned(work)
    notes.add("bf16_learns", found)
    falls = {name: before - after for name, (before, after) in found.items()}
    assert falls["fp32"] > 0, "the loss does not fall"
    return float(torch.tensor(1 - falls["bf16"] / falls["fp32"]).clamp_min(0))
