"""Readings to advice: a line where one leaves its band, naming the setting that would do."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from seqgen.config import Config

Readings = Mapping[str, Any]  # keys of metrics.jsonl; what is absent or None was not read

FORGETS, NEVER_FORGETS = 0.1, 0.995  # mean of the gates that keep a state
SATURATED = 0.8  # share of a layer's gates
UNIFORM = 0.97  # entropy of attention, as a share of the most there can be
FIRST_EPOCHS = 2  # in which attention may still be even, and outputs wrong from the start
UNUSED = 0.5  # share of embeddings without a gradient after an epoch
FADED = 1e-4  # gradient at the far end of a source, as a share of its largest
GROWS, SHRINKS = 1.5, 0.5  # spectral radius of a vanilla layer, which no gate holds
CLIPPED = 0.99  # share of updates
UNEVEN = 0.01  # norm of the layer with the smallest, as a share of the largest of its stack
MOVES, RESTS = 0.1, 1e-7  # largest and least update, as a share of the weights
NOISY = 30  # times as large as the batch may the noise scale be
ALIKE = 1.1  # loss of validation pairs, as a multiple of that of training pairs
KNOWN = 99.0  # percent of tokens that are right where little is left to learn
RISEN = 1.1  # dev loss, as a multiple of its least
EXPOSED = 30.0  # points that free running may be worse, token by token
SWINGS = {"loss": 0.15, "perplexity": 0.3}  # share of the value; other metrics: points
POINTS = 6.0


def band(norm: float, config: Config) -> str:
    """Where a gradient norm lies: vanishing, healthy, warning or exploding."""
    train = config.train
    if not math.isfinite(norm) or norm > train.norm_exploding:
        return "exploding"
    if norm > train.norm_warning:
        return "warning"
    return "vanishing" if norm < train.norm_vanishing else "healthy"


def advice(readings: Readings, config: Config) -> dict[str, str]:
    """A line for each reading that has left its band, by the reading's name."""
    known = {name: known for name, value in readings.items()
             if (known := _known(value)) is not None}  # fmt: skip
    found = {name: say(known, config) for name, say in ADVICE.items()}
    return {name: line for name, line in found.items() if line}


def _known(value: Any) -> Any:
    """A reading without what was not finite, which a log has as None; of a curve that is all."""
    if isinstance(value, Mapping):
        return {name: one for name, one in value.items() if one is not None}
    if isinstance(value, list) and None in value:
        return None
    return value


def of_gradient(readings: Readings, config: Config) -> str:
    """On the norm of the gradient before clipping."""
    train, norm = config.train, readings.get("gradient_norm")
    if norm is None:
        return ""
    where = band(norm, config)
    if where == "vanishing" and readings.get("learned"):
        return ""  # there is little left to learn
    if where == "vanishing":
        cure = f"{_longer_memory(config)} or --learning-rate {3 * train.learning_rate:g}"
        return f"the gradient norm is {norm:.2g}, below {train.norm_vanishing:g}: {cure} would do"
    bounded = train.clip_norm or train.clip_value or train.clip_quantile
    if where == "healthy" or (where == "warning" and bounded):
        return ""
    limit = train.norm_exploding if where == "exploding" else train.norm_warning
    cure = f"--learning-rate {train.learning_rate / 3:.2g}" if bounded else "--clip-norm 1"
    return f"the gradient norm is {norm:.3g}, above {limit:g}: {cure} would tame it"


def of_clipping(readings: Readings, config: Config) -> str:
    """On a bound that is below all gradients: it, and no gradient, says how long an update is."""
    train, norm = config.train, readings.get("gradient_norm")
    if norm is None or readings.get("clipped", 0) < CLIPPED or readings.get("epoch", 0) < 1:
        return ""
    if not 0 < train.clip_norm < norm or band(norm, config) != "healthy":
        return ""
    return (f"{readings['clipped']:.0%} of updates are clipped to {train.clip_norm:g}: "
            f"--clip-norm {train.norm_warning:g} would bound outliers alone")  # fmt: skip


def of_layers(readings: Readings, config: Config) -> str:
    """On stacked layers of which the lower ones hardly get a gradient."""
    norms = readings.get("gradient_norms") or {}
    for stack in sorted({name.rpartition(".")[0] for name in norms if name[-1:].isdecimal()}):
        layers = {name: norm for name, norm in norms.items() if name.rpartition(".")[0] == stack}
        least, most = min(layers, key=layers.__getitem__), max(layers, key=layers.__getitem__)
        if layers[least] >= UNEVEN * layers[most]:
            continue
        cure = "--layer-norm between" if config.model.residual else "--residual"
        return (f"the gradient norm of {least} is {layers[least]:.2g}, that of {most} "
                f"{layers[most]:.2g}: {cure} would carry it to all layers")  # fmt: skip
    return ""


def of_updates(readings: Readings, config: Config) -> str:
    """On how far an update moves the weights."""
    ratios = {part: ratio for part, ratio in (readings.get("update_ratios") or {}).items()
              if ratio is not None}  # fmt: skip
    if not ratios:
        return ""
    part = max(ratios, key=lambda name: ratios[name])
    rate = config.train.learning_rate
    if ratios[part] > MOVES and readings.get("epoch", 0) >= 1:
        return (f"an update moves {part} by {ratios[part]:.0%} of its weights: "
                f"--learning-rate {rate / 3:.2g} would steady it")  # fmt: skip
    if 0 < ratios[part] < RESTS:
        return (f"no update moves a part by more than {ratios[part]:.1g} of its weights: "
                f"--learning-rate {3 * rate:g} would move them")  # fmt: skip
    return ""


def of_recurrence(readings: Readings, config: Config) -> str:
    """On what a vanilla cell's matrix does to a state; gates hold those of the others."""
    radii = readings.get("spectral_radius")
    if not radii or not config.model.cell.startswith("rnn"):
        return ""
    part = max(radii, key=lambda name: radii[name] or 0)
    name, radius = part.rpartition(" ")[0], radii[part] or 0
    # Large matrices do no harm where what squashes holds them.
    if radius > GROWS and (readings.get("recent_norm") or 0) > config.train.norm_warning:
        return (f"the state of {name} grows {radius:.2g} times a step (spectral radius): --cell "
                f"gru, or --recurrent-initialization orthogonal with --clip-norm 1")  # fmt: skip
    if radius < SHRINKS and not readings.get("learned"):
        return (f"the state of {name} shrinks to {radius:.2g} a step (spectral radius): --cell "
                f"lstm, or --recurrent-initialization orthogonal, remembers more")  # fmt: skip
    return ""


def of_gates(readings: Readings, config: Config) -> str:
    """On gates that no longer learn, and on states that are forgotten or never are."""
    shares = readings.get("saturation") or {}
    full = [name for name, share in shares.items() if share > SATURATED]
    if full:
        return (f"{shares[full[0]]:.0%} of the {full[0]} gates are shut or wide open: "
                f"--learning-rate {config.train.learning_rate / 3:.2g} or "
                f"--weight-decay 0.01 would keep them learning")  # fmt: skip
    for name, mean in (readings.get("keeping") or {}).items():
        if mean < FORGETS or mean > NEVER_FORGETS:
            does = "forgets" if mean < FORGETS else "never forgets"
            cure = f"--forget-bias {1 if mean < FORGETS else 0}"
            cure = cure if config.model.cell == "lstm" else "--cell lstm"
            return f"{name} {does}: it keeps {mean:.1%} of its state a step; {cure} would do"
    return ""


def of_attention(readings: Readings, config: Config) -> str:
    """On attention that is still the same to all states."""
    spread = readings.get("attention_spread")
    if spread is None or spread < UNIFORM or readings.get("epoch", 0) < FIRST_EPOCHS:
        return ""
    other = "--lexical" if config.model.attention == "additive" else "--attention additive"
    return (f"attention looks at all states alike (entropy {spread:.0%} of the most there is): "
            f"{other} or a smaller --batch-tokens would let it learn sooner")  # fmt: skip


def of_embeddings(readings: Readings, config: Config) -> str:
    """On embeddings that no pair has used."""
    for name, share in (readings.get("never_updated") or {}).items():
        if share > UNUSED and readings.get("epoch", 0) >= 1:
            return (f"{share:.0%} of {name} has never had a gradient: "
                    f"a smaller --vocabulary, or more pairs, would use them")  # fmt: skip
    return ""


def of_distance(readings: Readings, config: Config) -> str:
    """On gradients that do not come to the far end of a source."""
    curve = readings.get("gradient_by_distance") or []
    most = max(curve, default=0) or 0
    # The longest sentences are few; at half their length there are enough.
    far = curve[len(curve) // 2] if len(curve) > 3 else most
    if not most or far >= FADED * most:
        return ""
    cure = f"{_longer_memory(config)} would carry it"
    return (f"{len(curve) // 2} steps before the end of a source the gradient is "
            f"{far / most:.1g} of its largest: {cure}")  # fmt: skip


def of_noise(readings: Readings, config: Config) -> str:
    """On batches that are mostly noise."""
    scale, tokens = readings.get("noise_scale"), readings.get("batch_tokens")
    if not scale or not tokens or scale < NOISY * tokens:
        return ""
    return (f"the noise scale is {scale:,.0f} tokens, a batch has {tokens:,.0f}: "
            f"--accumulate {4 * config.train.accumulate} would make updates steadier")  # fmt: skip


def of_swing(readings: Readings, config: Config) -> str:
    """On a dev metric that jumps from one validation to the next."""
    last, value = readings.get("swing_last"), readings.get("metric")
    name = config.train.metric
    if last is None or value is None or readings.get("epoch", 0) < FIRST_EPOCHS:
        return ""
    if last <= (abs(value) * SWINGS[name] if name in SWINGS else POINTS):
        return ""
    clip = config.train.clip_norm
    cure = "a larger --batch-tokens" if clip and clip <= 1 else "--clip-norm 1"
    return (f"{name} got worse by {last:.3g} since the last validation: {cure} or "
            f"--learning-rate {config.train.learning_rate / 3:.2g} would steady it")  # fmt: skip


def of_exposure(readings: Readings, config: Config) -> str:
    """On a model that is right only while it is fed what is right."""
    forced, free = readings.get("forced_accuracy"), readings.get("free_accuracy")
    if forced is None or free is None or readings.get("epoch", 0) < FIRST_EPOCHS:
        return ""
    if forced - free <= EXPOSED:
        return ""
    floor = max(0.0, config.sampling.forcing_floor - 0.25)
    return (f"{forced:.0f} % of tokens are right after right ones, {free:.0f} % after its own: "
            f"--forcing-floor {floor:g} would have it learn from its own")  # fmt: skip


def of_fit(readings: Readings, config: Config) -> str:
    """On a model that knows its training pairs no better than others, or unlearns others for them.

    Both losses are of what is neither dropped nor smoothed, as the loss of training is.
    """
    seen, unseen = readings.get("training_loss"), readings.get("dev_loss")
    if seen is None or unseen is None or readings.get("epoch", 0) < FIRST_EPOCHS:
        return ""
    share, least = config.model.dropout, readings.get("least_dev_loss", unseen)
    if unseen > max(RISEN * least, ALIKE * seen):
        cure = f"--dropout {share + 0.2:.2g}" if share < 0.4 else "--weight-dropout 0.3"
        return (f"dev pairs cost {unseen:.3g} nats a token, {least:.3g} at best, training pairs "
                f"{seen:.3g}: these are learnt by heart; {cure} would hold it")  # fmt: skip
    early = readings.get("epoch", 0) < config.train.epochs / 2 or not readings.get("learned")
    if early or unseen > ALIKE * seen or readings.get("forced_accuracy", 0) > KNOWN:
        return ""
    larger = f"--hidden {2 * config.model.hidden}"
    cure = f"--dropout {share / 2:.2g} or {larger}" if share > 0.1 else larger
    return (f"dev pairs cost {unseen:.3g} nats a token, training pairs {seen:.3g}: hardly anything "
            f"is learnt by heart; {cure} would have it learn more")  # fmt: skip


def _longer_memory(config: Config) -> str:
    model = config.model
    if model.cell != "lstm":
        return "--cell lstm"
    return "--forget-bias 1" if model.forget_bias < 1 else "--bridge mean"


ADVICE: dict[str, Callable[[Readings, Config], str]] = {
    "gradient": of_gradient,
    "clipping": of_clipping,
    "layers": of_layers,
    "updates": of_updates,
    "recurrence": of_recurrence,
    "gates": of_gates,
    "attention": of_attention,
    "embeddings": of_embeddings,
    "distance": of_distance,
    "noise": of_noise,
    "swing": of_swing,
    "exposure": of_exposure,
    "fit": of_fit,
}
