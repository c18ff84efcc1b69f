"""Every setting, written once: name, type, default, meaning and check."""

from dataclasses import dataclass
from typing import Literal

from seqgen.errors import ConfigError
from seqgen.settings import Section, setting


@dataclass(frozen=True)
class DataConfig(Section):
    """Where the pairs of texts come from."""

    dataset: str = setting("", "Hub name, folder or file; empty: the embedded normalize data")
    dataset_config: str = setting(
        "", "configuration of a Hub dataset", flags=("--dataset-config-name",)
    )
    revision: str = setting("", "branch, tag or commit of a Hub dataset")
    source: str = setting(
        "", "source column: name, number or language", flags=("--source-lang", "-s")
    )
    target: str = setting(
        "", "target column: name, number or language", flags=("--target-lang", "-t")
    )
    train_file: str = setting("", "training file; two parallel text files as A,B, or their prefix")
    validation_file: str = setting("", "validation file, given like the training file")
    test_file: str = setting("", "test file, given like the training file")
    train_split: str = setting("train", "split to train on")
    validation_split: str = setting("", "split to validate on; empty: found, or held out of train")
    test_split: str = setting("", "split to evaluate on at the end; empty: found")
    group: str = setting("", "column whose values evaluation reports separately")
    max_train_samples: int = setting(0, "use only the first pairs of train; 0: all", minimum=0)
    max_eval_samples: int = setting(0, "use only the first pairs of validation; 0: all", minimum=0)
    max_predict_samples: int = setting(0, "use only the first pairs of test; 0: all", minimum=0)
    max_source_length: int = setting(1024, "longest source to train on, in tokens", minimum=1)
    max_target_length: int = setting(256, "longest target to train on, in tokens", minimum=1)
    num_proc: int = setting(
        0,
        "threads that turn the pairs into ids; 0: one a core",
        minimum=0,
        maximum=1024,
        flags=("--preprocessing-num-workers",),
    )


@dataclass(frozen=True)
class TokenizerConfig(Section):
    """How text becomes ids."""

    units: Literal["unigram", "bpe", "char", "word"] = setting("unigram", "SentencePiece algorithm")
    vocabulary: int = setting(0, "pieces a side; 0: sized to the data", minimum=0, maximum=10**7)
    joint: bool = setting(True, "one vocabulary for both sides")
    byte_fallback: bool = setting(True, "spell characters without a piece as bytes")
    split_digits: bool = setting(True, "one piece a digit")
    coverage: float = setting(0.9999, "share of characters with a piece", minimum=0.9, maximum=1)
    normalization: Literal["identity", "nfkc", "nmt_nfkc", "nfkc_cf", "nmt_nfkc_cf"] = setting(
        "identity", "Unicode normalization before the pieces; _cf also folds case"
    )


@dataclass(frozen=True)
class ModelConfig(Section):
    """The network."""

    cell: Literal["lstm", "gru", "rnn", "rnn_relu"] = setting(
        "lstm", "recurrent cell; rnn squashes with tanh"
    )
    embedding: int = setting(256, "embedding width", minimum=1, maximum=65536)
    hidden: int = setting(
        256, "decoder width; each encoder direction gets half", minimum=2, maximum=65536
    )
    layers: int = setting(1, "decoder layers", minimum=1, maximum=64)
    encoder_layers: int = setting(
        0, "encoder layers; 0: as many as the decoder", minimum=0, maximum=64
    )
    bidirectional: bool = setting(True, "read the source in both directions")
    attention: Literal["additive", "general", "dot", "scaled_dot"] = setting(
        "general", "how a query scores the source states"
    )
    bridge: Literal["last", "mean", "zero", "learned"] = setting(
        "last",
        "what the decoder starts from: last encoder states, their mean, zeros, or what is learned",
    )
    activation: Literal["tanh", "relu", "leaky_relu", "elu", "silu"] = setting(
        "tanh", "nonlinearity of the bridge and of the readout"
    )
    lexical: bool = setting(
        False, "attend to the source embeddings beside the states: learns to copy sooner"
    )
    copy: bool = setting(
        False, "choose between writing a token and copying one that attention is on"
    )
    follow: bool = setting(
        False, "attend more to what stands behind the source piece that was written last"
    )
    input_feeding: bool = setting(
        False, "the first decoder layer reads the last readout as well, step by step: slower"
    )
    residual: bool = setting(False, "add each layer's input to its output, from the second on")
    dropout: float = setting(
        0.2, "dropout on embeddings, between layers and before the output", minimum=0, maximum=0.95
    )
    word_dropout: float = setting(
        0.0, "share of source and target inputs that training takes for unknown",
        minimum=0, maximum=0.95,
    )  # fmt: skip
    tie: Literal["none", "target", "all"] = setting(
        "target", "share the output projection with the target embedding, or all three"
    )
    initialization: Literal["xavier", "he", "lecun", "orthogonal", "gaussian", "uniform"] = setting(
        "xavier", "initial weights of matrices"
    )
    recurrent_initialization: Literal[
        "xavier", "he", "lecun", "orthogonal", "gaussian", "uniform", "identity"
    ] = setting("orthogonal", "initial weights of state-to-state matrices")
    forget_bias: float = setting(1.0, "initial bias of an LSTM's forget gate")
    embedding_std: float = setting(
        1.0, "spread of initial embeddings that are no output projection", minimum=0, maximum=100
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bidirectional and self.hidden % 2:
            raise ConfigError(f"model.hidden must be even, half per direction; got {self.hidden}")
        if self.lexical and self.attention in ("dot", "scaled_dot"):
            raise ConfigError(
                f"model.attention = {self.attention!r} compares equal widths, which model.lexical "
                f"makes unequal; general attention takes both"
            )


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
    feedback: Literal["argmax", "sample", "top_k"] = setting(
        "argmax", "what is fed instead of gold; top_k draws among the likeliest"
    )
    feedback_k: int = setting(5, "how many the likeliest are", minimum=1)
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
    length_blur: float = setting(
        0.25,
        "how far lengths are blurred when batches are packed: 0 wastes least, more mixes",
        minimum=0,
        maximum=10,
    )
    accumulate: int = setting(
        1, "batches an update", minimum=1, flags=("--gradient-accumulation-steps",)
    )
    optimizer: Literal["adam", "adamw", "rmsprop", "adagrad", "sgd"] = setting("adam", "optimizer")
    learning_rate: float = setting(1e-3, "learning rate", minimum=0, flags=("--lr",))
    beta2: float = setting(0.999, "memory of Adam's second moment", minimum=0, maximum=0.999999)
    momentum: float = setting(0.9, "momentum of sgd", minimum=0, maximum=1)
    nesterov: bool = setting(False, "sgd looks ahead by its momentum before it takes a gradient")
    weight_decay: float = setting(0.0, "weight decay of matrices; biases are spared", minimum=0)
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
        1.0, "largest gradient norm; 0: no clipping", minimum=0, flags=("--max-grad-norm",)
    )
    clip_value: float = setting(0.0, "largest gradient entry; 0: no clipping", minimum=0)
    clip_quantile: float = setting(
        0.0, "largest gradient norm, as a quantile of recent ones; 0: no clipping by it",
        minimum=0, maximum=1,
    )  # fmt: skip
    label_smoothing: float = setting(
        0.0, "probability spread over the vocabulary", minimum=0, maximum=0.99
    )
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


@dataclass(frozen=True)
class DecodeConfig(Section):
    """How text is found once the model is trained."""

    beam_size: int = setting(
        1,
        "hypotheses kept a sentence; 1: greedy",
        minimum=1,
        maximum=1024,
        flags=("--num-beams", "-b"),
    )
    nbest: int = setting(1, "hypotheses returned a sentence", minimum=1, maximum=1024)
    length_penalty: float = setting(1.0, "GNMT length penalty, alpha", minimum=0, maximum=10)
    coverage_penalty: float = setting(0.0, "GNMT coverage penalty, beta", minimum=0, maximum=10)
    sample: bool = setting(False, "draw tokens instead of searching")
    temperature: float = setting(1.0, "sampling temperature", minimum=1e-3, maximum=1e3)
    top_k: int = setting(0, "draw from the likeliest k tokens; 0: all", minimum=0)
    top_p: float = setting(
        1.0, "draw from the likeliest tokens of this mass", minimum=1e-9, maximum=1
    )
    sample_seed: int = setting(1, "seed of the draws", minimum=0, maximum=2**31)
    max_length: int = setting(
        0,
        "longest output in tokens; 0: learned from the training data",
        minimum=0,
        flags=("--max-new-tokens",),
    )
    int8: bool = setting(False, "search with weights of 8 bits: faster on a CPU, less exact")
    batch_size: int = setting(
        64, "sentences decoded at a time", minimum=1, flags=("--per-device-eval-batch-size",)
    )
    max_input: int = setting(
        1000, "inputs of more tokens, or twice those of training, are split", minimum=1
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nbest > self.beam_size and not self.sample:
            raise ConfigError(
                f"decode.nbest is {self.nbest} but decode.beam_size is {self.beam_size}; "
                f"--beam-size {self.nbest} or more finds that many, and so does --sample"
            )


@dataclass(frozen=True)
class Facts(Section):
    """What training found out, which a model folder needs and no user sets."""

    name: str = setting("", "name of the dataset")
    source_column: str = setting("", "source column found")
    target_column: str = setting("", "target column found")
    source_vocabulary: int = setting(0, "pieces of the source side", minimum=0, maximum=10**7)
    target_vocabulary: int = setting(0, "pieces of the target side", minimum=0, maximum=10**7)
    longest_source: int = setting(0, "tokens of the longest source; 0: unknown", minimum=0)
    sentences: int = setting(
        0, "sentences that 99 of 100 sources have at most; 0: unknown", minimum=0
    )
    length_slope: float = setting(
        1.0, "output limit: slope over source tokens", minimum=0, maximum=1e6
    )
    length_excess: float = setting(
        50.0, "output limit: tokens above the slope", minimum=-1e6, maximum=1e6
    )
    fingerprint: str = setting("", "SHA-256 of the training pairs")
    tokenizer_sha256: str = setting("", "SHA-256 of the tokenizer files, source then target")
    examples: str = setting("[]", "source texts to try, as a JSON list")
