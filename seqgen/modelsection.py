"""Settings of the network, each written once: name, type, default, meaning and check."""

from dataclasses import dataclass
from typing import Literal

from seqgen.errors import ConfigError
from seqgen.settings import Section, setting


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
        False, "attend more to what stands behind the source pieces that were written last"
    )
    hard_attention: bool = setting(
        False,
        "predict from each source state by itself and mix these predictions by attention; slower "
        "with thousands of target pieces",
    )
    monotonic: bool = setting(
        False, "hard attention never goes back to source states before that of the last token"
    )
    attention_coverage: bool = setting(
        False, "attention sees how much each source state has been attended to: slower"
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
    recurrent_dropout: float = setting(
        0.0, "dropout on the state that gates read, one mask a sequence: slower",
        minimum=0, maximum=0.95,
    )  # fmt: skip
    weight_dropout: float = setting(
        0.0, "dropout on state-to-state matrices, one mask a batch", minimum=0, maximum=0.95
    )
    zoneout: float = setting(
        0.0, "share of the state that a step leaves as it was: slower", minimum=0, maximum=0.95
    )
    layer_norm: Literal["none", "between", "inside", "both"] = setting(
        "none", "layer normalisation between layers, inside cells (slower), or both"
    )
    batch_norm: bool = setting(False, "batch normalisation between layers, over real tokens only")
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
        self._check_hard()
        self._check_between()

    def _check_hard(self) -> None:
        """What reads one readout a step has none where each source state has its own."""
        if self.monotonic and not self.hard_attention:
            raise ConfigError(
                "model.monotonic is for model.hard_attention, which tells what a token came from; "
                "add --hard-attention"
            )
        for name in ("copy", "input_feeding"):
            if self.hard_attention and getattr(self, name):
                raise ConfigError(
                    f"model.{name} reads one readout a step, and model.hard_attention predicts "
                    f"from each source state by itself; leave one of them out"
                )

    def _check_between(self) -> None:
        """What normalises between layers needs layers, and all steps of a batch at once."""
        norm = "model.batch_norm" if self.batch_norm else "model.layer_norm = 'between'"
        if self.batch_norm and self.layer_norm in ("between", "both"):
            raise ConfigError(
                f"model.batch_norm and model.layer_norm = {self.layer_norm!r} both normalise "
                f"between layers; leave one of them out"
            )
        one = max(self.layers, self.encoder_layers) == 1
        if one and (self.batch_norm or self.layer_norm == "between"):
            raise ConfigError(
                f"{norm} stands between layers, and there is one; --layers 2 adds one"
            )
        if self.batch_norm and self.input_feeding and self.layers > 1:
            raise ConfigError(
                "model.batch_norm needs all steps of a target at once, and model.input_feeding "
                "takes them one by one; --layer-norm between does without a batch"
            )
