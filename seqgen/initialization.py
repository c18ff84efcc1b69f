"""The weights that training starts from, drawn from torch's global generator."""

import math
from collections.abc import Callable
from itertools import chain

import torch
from torch import Tensor, nn

from seqgen.decoder import Decoder
from seqgen.encoder import Bridge, Encoder
from seqgen.modelsection import ModelConfig
from seqgen.recurrent import Recurrent
from seqgen.vocabulary import PAD


def _he(weight: Tensor) -> None:
    """He et al. 2015 (arXiv 1502.01852), for rectifiers."""
    nn.init.kaiming_normal_(weight, nonlinearity="relu")


def _lecun(weight: Tensor) -> None:
    """LeCun et al. 1998, Efficient BackProp, section 4.6: variance 1 / inputs."""
    nn.init.normal_(weight, std=1 / math.sqrt(weight.shape[1]))


def _gaussian(weight: Tensor) -> None:
    nn.init.normal_(weight, std=0.01)


def _uniform(weight: Tensor) -> None:
    nn.init.uniform_(weight, -0.08, 0.08)


INITIALIZATIONS: dict[str, Callable[[Tensor], object]] = {
    "xavier": nn.init.xavier_uniform_,
    "he": _he,
    "lecun": _lecun,
    "orthogonal": nn.init.orthogonal_,
    "gaussian": _gaussian,
    "uniform": _uniform,
    "identity": nn.init.eye_,
}


def initialize(encoder: Encoder, bridge: Bridge, decoder: Decoder, config: ModelConfig) -> None:
    """Fill every weight of a network, in the order of its modules."""
    for module in chain(encoder.modules(), bridge.modules(), decoder.modules()):
        if isinstance(module, Recurrent):
            initialize_layer(
                module, config.initialization, config.recurrent_initialization, config.forget_bias
            )
        elif isinstance(module, nn.Linear):
            INITIALIZATIONS[config.initialization](module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            # Embeddings far apart are told apart early; near ones are moved sooner. One that is the
            # output projection as well has to be small, or the first softmax would be far from
            # uniform.
            of_target = module is decoder.embedding
            tied = config.tie == "all" or (config.tie == "target" and of_target)
            spread = 1 / math.sqrt(module.embedding_dim) if tied else config.embedding_std
            nn.init.normal_(module.weight, std=spread)
            nn.init.zeros_(module.weight[PAD])
    if decoder.follow is not None:
        nn.init.zeros_(decoder.follow.levels.weight)
        nn.init.ones_(decoder.follow.levels.bias)


def initialize_layer(layer: Recurrent, inputs: str, recurrent: str, forget_bias: float) -> None:
    """Fill a layer gate by gate; an LSTM's forget gate starts at `forget_bias`.

    Gers et al. 2000 and Jozefowicz et al. 2015 on the bias.
    """
    hidden = layer.cell.hidden_size
    for name, weight in layer.cell.named_parameters():
        if name.startswith("bias"):
            nn.init.zeros_(weight)
            if layer.parts == 2 and name.startswith("bias_ih"):
                nn.init.constant_(weight[hidden : 2 * hidden], forget_bias)
            continue
        fill = INITIALIZATIONS[recurrent if name.startswith("weight_hh") else inputs]
        for gate in torch.split(weight, hidden):
            fill(gate)
