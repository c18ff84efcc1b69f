"""A diagnosis for people: the same sections as text and as one page that needs nothing else."""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from seqgen import charts
from seqgen.advice import band
from seqgen.averaging import AVERAGE, EMA, RAW
from seqgen.diagnosis import Diagnosis, Record
from seqgen.terminal import one_line
from seqgen.webpage import Lines, Picture, Section, Table, page

WIDEST = 100  # characters of a text that is shown
SCORES = ("loss", "accuracy", "bleu", "chrf", "exact", "cer", "wer", "per")
BANDS = ("vanishing", "healthy", "warning", "exploding")


def as_text(found: Diagnosis) -> Iterator[str]:
    """The report line by line."""
    yield found.name
    for section in sections(found):
        yield ""
        yield section.title
        yield from (f"  {one_line(line)}" for line in section.lines)


def as_page(found: Diagnosis) -> str:
    """The report as HTML."""
    return page(found.name, sections(found))


def sections(found: Diagnosis) -> list[Section]:
    """What there is to tell, the most useful first."""
    every = (_advice, _course, _gradient, _parts, _recurrence, _attention, _exposure, _rest, _worst)
    return [section for section in (part(found) for part in every) if section.parts]


def _advice(found: Diagnosis) -> Section:
    lines = found.advice or ["every reading that there is lies within its band"]
    return _section("Advice", [*lines, *found.notes])


def _course(found: Diagnosis) -> Section:
    """Loss, dev metrics, learning rate."""
    logs, seen = found.logs, found.validations
    lines = []
    if logs:
        lines.append(f"step {logs[-1]['step']:,}, epoch {logs[-1].get('epoch', 0):,.2f}: "
                     f"loss {_number(logs[-1].get('loss'))}")  # fmt: skip
    if seen:
        scores = "  ".join(f"{name} {_number(seen[-1].get(name))}" for name in SCORES
                           if name in seen[-1])  # fmt: skip
        lines.append(f"last validation, step {seen[-1]['step']:,}: {scores}")
    lines += _steadiness(found)
    if found.fits:
        last = found.fits[-1]
        lines.append(f"with nothing dropped or smoothed, step {last['step']:,}: loss of training "
                     f"pairs {_number(last['training_loss'])}, of validation pairs "
                     f"{_number(last.get('dev_loss'))}")  # fmt: skip
    losses = {"training": _points(logs, "loss"), "validation": _points(seen, "loss")}
    others = {f"validation, {kind}": _points(seen, f"{kind}_loss") for kind in (EMA, AVERAGE)}
    others["training, nothing dropped"] = _points(found.fits, "training_loss")
    losses |= {name: points for name, points in others.items() if points}
    metrics = {name: _points(seen, name) for name in SCORES[1:] if any(name in one for one in seen)}
    rate = {"learning rate": _points(logs, "learning_rate")}
    forcing = {"teacher-forcing ratio": _points(logs, "teacher_forcing")}
    pictures = [Picture("Loss, nats a token", lambda: charts.curves(losses)),
                *([Picture("Dev metrics", lambda: charts.curves(metrics))] if metrics else []),
                Picture("Learning rate", lambda: charts.curves(rate))]  # fmt: skip
    if {ratio for _, ratio in forcing["teacher-forcing ratio"]} - {1.0}:
        pictures.append(Picture("Teacher-forcing ratio", lambda: charts.curves(forcing)))
    return _section("How it went", lines, pictures if logs else [])


def _steadiness(found: Diagnosis) -> list[str]:
    """The best validation, and by how much others lost what there was."""
    steady, metric = found.steady, found.config.train.metric
    if steady.best is None:
        return []
    which = f" with the {steady.best_weights} weights" if steady.best_weights != RAW else ""
    lines = [f"best {metric} {_number(steady.best)}, at step {steady.best_step:,}{which}"]
    if steady.largest_swing is not None:
        lines.append(f"from one validation to the next {metric} gets worse by "
                     f"{_number(steady.mean_swing)} in the mean, at most by "
                     f"{_number(steady.largest_swing)}")  # fmt: skip
    return lines


def _gradient(found: Diagnosis) -> Section:
    train = found.config.train
    points = _points(found.logs, "gradient_norm")
    norms = sorted(value for _, value in points if value is not None)
    if not norms:
        return _section("Gradient", [])
    where = [band(norm, found.config) for norm in norms]
    shares = ", ".join(
        f"{where.count(name) / len(where):.0%} {name}" for name in BANDS if name in where
    )
    clipped = [one["clipped"] for one in found.logs if one.get("clipped") is not None]
    lines = [f"norm before clipping: median {_number(found.steady.norm_median)}, "
             f"largest {_number(norms[-1])}; {shares}",
             f"{sum(clipped) / max(len(clipped), 1):.0%} of updates clipped"]  # fmt: skip
    scale, tokens = found.readings.get("noise_scale"), found.readings.get("batch_tokens")
    if scale and tokens:
        lines.append(f"noise scale {scale:,.0f} tokens; an update has {tokens:,.0f}")
    bounds = (train.norm_vanishing, train.norm_warning, train.norm_exploding)
    pictures = [Picture("Gradient norm and its bands", lambda: charts.banded(points, bounds))]
    return _section("Gradient", lines, pictures)


def _parts(found: Diagnosis) -> Section:
    """Gradient norm and update ratio of each part over time."""
    if not found.norms:
        return _section("Parts", [])
    last = found.norms[-1]
    norms, ratios = last["gradient_norms"], last.get("update_ratios") or {}
    rows = [(part, _number(norm), _band(norm, found), _number(ratios.get(part)))
            for part, norm in norms.items()]  # fmt: skip
    lines = Table(("", "gradient norm", "band", "update / weights"), rows).lines()
    steps = [one["step"] for one in found.norms]

    def over_time(name: str) -> str:
        parts = list(last.get(name) or {})
        rows = {part: [(one.get(name) or {}).get(part) for one in found.norms] for part in parts}
        return charts.heat_map(steps, rows)

    return _section("Parts of the network", lines, [
        Picture("Gradient norm", lambda: over_time("gradient_norms")),
        Picture("Update to weights", lambda: over_time("update_ratios"))])  # fmt: skip


def _band(norm: float | None, found: Diagnosis) -> str:
    """Where the norm of a part lies; one that was not finite is exploding."""
    return band(math.inf if norm is None else norm, found.config)


def _recurrence(found: Diagnosis) -> Section:
    """Recurrent matrices, gates, and how far gradients reach."""
    read = found.readings
    radii, stretch = read.get("spectral_radius") or {}, read.get("singular_value") or {}
    shares, keeping = read.get("saturation") or {}, read.get("keeping") or {}
    rows = [(name, _number(radius), _number(stretch.get(name)), _percent(shares.get(name)))
            for name, radius in radii.items()]  # fmt: skip
    head = ("", "spectral radius", "singular value", "saturated")
    lines = Table(head, rows).lines() if rows else []
    lines += [f"{name} keeps {_percent(mean)} of its state a step" for name, mean in
              keeping.items()]  # fmt: skip
    curve = read.get("gradient_by_distance") or []
    picture = Picture(
        "Gradient at an encoder state, by steps to the end of reading",
        lambda: charts.curves({"norm": list(enumerate(curve))}, "steps", logarithmic=True),
    )
    return _section("Recurrence and gates", lines, [picture] if curve else [])


def _attention(found: Diagnosis) -> Section:
    read = found.readings
    if read.get("attention_entropy") is None:
        return _section("Attention", [])
    line = (f"entropy {_number(read['attention_entropy'])} nats, "
            f"{_percent(read.get('attention_spread'))} of the most there can be")  # fmt: skip
    drawn = found.tried.attention if found.tried else []
    pictures = [Picture(f"One of the worst examples, {number}", partial(charts.attention, one))
                for number, one in enumerate(drawn, start=1)]  # fmt: skip
    return _section("Attention", [line], pictures)


def _exposure(found: Diagnosis) -> Section:
    if found.tried is None:
        return _section("Exposure", [])
    exposed, pairs = found.tried.exposure, found.tried.pairs
    forced, free = exposed.totals
    lines = [f"right tokens over {pairs:,} validation pairs: {forced:.1%} fed the reference, "
             f"{free:.1%} on its own"]  # fmt: skip
    rows = []
    for place in _places(len(exposed.tokens)):
        right, own = exposed.forced[place], exposed.free[place]
        gap, tokens = f"{100 * (right - own):.1f}", f"{exposed.tokens[place]:,}"
        rows.append((f"{place + 1}", _percent(right), _percent(own), gap, tokens))
    lines += Table(("position", "forced", "free", "gap", "tokens"), rows).lines()
    names = {"fed the reference": exposed.forced, "on its own": exposed.free}
    points = {name: [(place + 1, share) for place, share in enumerate(each)]
              for name, each in names.items()}  # fmt: skip
    picture = Picture("Share of right tokens by target position",
                      lambda: charts.curves(points, "position"))  # fmt: skip
    return _section("Exposure: right tokens by position", lines, [picture])


def _rest(found: Diagnosis) -> Section:
    unused = found.readings.get("never_updated") or {}
    lines = [f"{share:.1%} of {name} has never had a gradient" for name, share in unused.items()]
    return _section("Embeddings", lines)


def _worst(found: Diagnosis) -> Section:
    if found.tried is None:
        return _section("Worst examples", [])
    wrong = [one for one in found.tried.worst if one.score < 100]
    lines = [] if wrong else [f"none: chrF is 100 on all of {found.tried.pairs:,} validation pairs"]
    for one in wrong:
        lines += [f"chrF {one.score:.1f}", f"  source      {_cut(one.source)}",
                  f"  reference   {_cut(one.reference)}",
                  f"  hypothesis  {_cut(one.hypothesis)}"]  # fmt: skip
    return _section("Worst examples", lines)


def _section(title: str, lines: list[str], pictures: Sequence[Picture] = ()) -> Section:
    return Section(title, [*([Lines(lines)] if lines else ()), *pictures])


def _points(records: Sequence[Record], name: str) -> list[tuple[float, float | None]]:
    return [(one["step"], one[name]) for one in records if name in one]


def _places(count: int) -> list[int]:
    """At most twelve places, more of them at the start."""
    return [place for place in (*range(8), 9, 14, 19, 29, 49) if place < count]


def _number(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) else "-"


def _percent(value: Any) -> str:
    return f"{value:.1%}" if isinstance(value, int | float) else "-"


def _cut(text: str) -> str:
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "\u2026"
