"""Settings of training, each written once: name, type, default, meaning and check."""

from dataclasses import dataclass
from typing import Literal

from seqgen.errors import ConfigError
from seqgen.settings import Section, setting


@dataclass(frozen=True)
class SamplingConfig(Section):
    """Scheduled sampling: how often the decoder is fed the gold token in training."""

    teacher_forcing: Literal["constant", "linear", "exponential", "inverse_sigmoid"] = setting(
        "linear", "how the teacher-forcing ratio falls"
    )
    forcing_start: float = setting(1.0, "ratio at the start", minimum=0, maximum=1)
    forcing_floor: float = setting(0.75, "ratio that the schedule falls to", minimum=0, maximum=1)
    forcing_warmup: float = setting(1.0, "epochs at the starting ratio", minimum=0)
    forcing_epochs: float = setting(0.0, "epochs of the fall; 0: the rest of training", minimum=0)
    feedback: Literal["argmax", "sample", "top_k", "mixed"] = setting(
        "argmax",
        "what is fed instead of gold; top_k draws among the likeliest, mixed is the mean of all "
        "embeddings by their probability",
    )
    feedback_k: int = setting(5, "how many the likeliest are", minimum=1)
    feedback_temperature: float = setting(
        1.0, "temperature of what is drawn or mixed; below 1: closer to the likeliest",
        minimum=1e-3, maximum=1e3,
    )  # fmt: skip
    passes: int = setting(1, "parallel prediction passes; 0: predicted step by step", minimum=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.forcing_floor > self.forcing_start:
            raise ConfigError(
                f"sampling.forcing_floor is {self.forcing_floor}, above sampling.forcing_start "
                f"{self.forcing_start}; the ratio can only fall"
            )


@dataclass(frozen=True)
class TrainConfig(Section):
    """How the weights are found."""

    epochs: int = setting(
        20, "passes over the training data", minimum=1, flags=("--num-train-epochs",)
    )
    max_steps: int = setting(0, "stop after this many updates; 0: after the epochs", minimum=0)
    batch_tokens: int = setting(3000, "target tokens a batch, padding included", minimum=1)
    batch_sentences: int = setting(
        0,
        "sentences a batch, however long; 0: by tokens",
        minimum=0,
        flags=("--per-device-train-batch-size",),
    )
    batch_growth: float = setting(
        1.0, "times as much in a batch from one epoch to the next", minimum=1, maximum=10
    )
    plateau_growth: float = setting(
        1.0, "times as much in a batch after a plateau, from the next epoch on; 1: never",
        minimum=1, maximum=10,
    )  # fmt: skip
    rate_scaling: Literal["none", "linear", "sqrt"] = setting(
        "none", "how the learning rate grows with the batch"
    )
    length_blur: float = setting(
        0.25,
        "how far lengths are blurred when batches are packed: 0 wastes least, more mixes",
        minimum=0,
        maximum=10,
    )
    accumulate: int = setting(
        1, "batches an update", minimum=1, flags=("--gradient-accumulation-steps",)
    )
    optimizer: Literal["adam", "adamw", "muon", "rmsprop", "adagrad", "sgd"] = setting(
        "adam", "optimizer; muon turns the steps of recurrent layers, adamw makes the others"
    )
    learning_rate: float = setting(1e-3, "learning rate", minimum=0, flags=("--lr",))
    beta2: float = setting(0.999, "memory of Adam's second moment", minimum=0, maximum=0.999999)
    momentum: float = setting(
        0.9, "momentum of sgd and of muon, which wants 0.95", minimum=0, maximum=1
    )
    nesterov: bool = setting(False, "sgd looks ahead by its momentum before it takes a gradient")
    weight_decay: float = setting(
        0.0, "weight decay of matrices; biases and gains are spared", minimum=0
    )
    warmup_steps: int = setting(0, "updates over which the learning rate rises", minimum=0)
    decay: Literal["none", "linear", "cosine", "inverse_sqrt"] = setting(
        "none", "fall of the learning rate besides plateaus; inverse_sqrt from the warm-up on"
    )
    plateau_factor: float = setting(
        0.5, "learning-rate factor on a plateau; 1: never", minimum=1e-6, maximum=1
    )
    plateau_patience: int = setting(
        1, "validations without improvement before the factor", minimum=0
    )
    plateau_revert: bool = setting(False, "go on from the best weights after a plateau")
    patience: int = setting(
        6, "validations without improvement before stopping; 0: never", minimum=0
    )
    metric: Literal["loss", "accuracy", "bleu", "chrf", "wer", "cer", "per", "exact"] = setting(
        "loss", "dev metric that decides: plateau, early stopping, best weights"
    )
    validate_every: int = setting(
        0, "updates between validations; 0: an epoch", minimum=0, flags=("--eval-steps",)
    )
    validation_decode: int = setting(
        500, "dev sentences decoded at a validation; 0: all", minimum=0
    )
    log_every: int = setting(
        50, "updates between lines of the log", minimum=1, flags=("--logging-steps",)
    )
    clip_norm: float = setting(
        1.0, "largest gradient norm; 0: no clipping", minimum=0, flags=("--max-grad-norm", "--clip")
    )
    clip_value: float = setting(0.0, "largest gradient entry; 0: no clipping", minimum=0)
    clip_quantile: float = setting(
        0.0, "largest gradient norm, as a quantile of recent ones; 0: no clipping by it",
        minimum=0, maximum=1,
    )  # fmt: skip
    ema: float = setting(
        0.0, "decay of a moving average of the weights, which may be the best ones; 0: none",
        minimum=0, maximum=0.999999,
    )  # fmt: skip
    average: int = setting(
        0, "last validations whose weights are averaged, which may be the best ones; 0: none",
        minimum=0, maximum=1000,
    )  # fmt: skip
    instruments: bool = setting(
        True, "read the health of gradients, weights, gates and attention, and give advice"
    )
    norm_vanishing: float = setting(0.1, "a gradient norm below this is said to vanish", minimum=0)
    norm_warning: float = setting(5.0, "a gradient norm above this is not healthy", minimum=0)
    norm_exploding: float = setting(
        10.0, "a gradient norm above this is said to explode", minimum=0
    )
    truncate: int = setting(
        0, "target steps of the windows that gradients stay in; 0: no windows", minimum=0
    )
    truncate_source: int = setting(
        0, "source steps of the same, whose inside is computed twice; 0: no windows", minimum=0
    )
    label_smoothing: float = setting(
        0.0, "probability spread over the vocabulary", minimum=0, maximum=0.99
    )
    coverage_loss: float = setting(
        0.0, "nats a target token that attending again to all the same costs in training",
        minimum=0, maximum=100,
    )  # fmt: skip
    r_drop: float = setting(
        0.0, "weight of what two passes under dropout disagree on (R-Drop); 0: one pass",
        minimum=0, maximum=100,
    )  # fmt: skip
    seed: int = setting(1, "seed of everything random", minimum=0, maximum=2**31)
    device: str = setting("auto", "auto, cpu, cuda or cuda:N")
    precision: Literal["auto", "fp32", "bf16"] = setting(
        "auto", "arithmetic of training; auto: bf16 where a GPU or, for LSTM, the CPU has it"
    )
    threads: int = setting(0, "CPU threads; 0: as torch finds", minimum=0)
    save_every: int = setting(
        0, "updates between checkpoints; 0: at validations", minimum=0, flags=("--save-steps",)
    )
    keep: int = setting(
        2, "checkpoints kept for resuming", minimum=1, flags=("--save-total-limit",)
    )
    report_to: Literal["none", "tensorboard"] = setting("none", "where metrics go besides the run")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and (self.optimizer != "sgd" or not self.momentum):
            raise ConfigError(
                f"train.nesterov is for train.optimizer = 'sgd' with train.momentum above 0; got "
                f"{self.optimizer!r} with {self.momentum}"
            )
        whole = {"r_drop": self.r_drop, "coverage_loss": self.coverage_loss}
        for name, given in whole.items():
            if self.truncate and given:
                raise ConfigError(
                    f"train.{name} compares whole targets, which train.truncate = {self.truncate} "
                    f"takes apart; leave one of them out"
                )
        if not self.norm_vanishing < self.norm_warning <= self.norm_exploding:
            raise ConfigError(
                f"train.norm_vanishing, train.norm_warning and train.norm_exploding have to rise; "
                f"got {self.norm_vanishing}, {self.norm_warning} and {self.norm_exploding}"
            )
