"""Sources to what the decoder needs of them: states to attend to, and a state to start from."""

import torch
from torch import Tensor, nn

from seqgen.cells import inside
from seqgen.dropout import Dropout
from seqgen.modelsection import ModelConfig
from seqgen.normalization import between
from seqgen.recurrent import ACTIVATIONS, State, embedded, parts, whole
from seqgen.stack import Runner, Stack
from seqgen.vocabulary import PAD


class Encoder(nn.Module):
    """Source ids to states and to a summary of the sentence."""

    def __init__(self, config: ModelConfig, vocabulary: int):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, config.embedding, padding_idx=PAD)
        layers = config.encoder_layers or config.layers
        self.stack = Stack(
            config.cell,
            config.embedding,
            config.hidden,
            layers,
            config.bidirectional,
            between(config),
            inside(config),
        )
        self.dropout = Dropout(config.dropout)
        self.mean = config.bridge == "mean"
        # Source embeddings as part of what attention averages, so that a word can be copied or
        # looked up without passing through the states: after Nguyen and Chiang (2018), section 4.
        self.lexical = config.lexical

    def forward(
        self, source: Tensor, lengths: Tensor, run: Runner | None = None
    ) -> tuple[Tensor, Tensor]:
        """States [B, S, D], zero on padding, and the summary [B, H] of the recurrent ones.

        `run` runs layers over this batch, if not as the stack chooses.
        """
        inputs = embedded(self.embedding, self.dropout, source)
        states = self.stack(inputs, lengths, run)
        if self.mean:
            summary = states.sum(1) / lengths.to(states.device, non_blocking=True)[:, None]
        else:
            summary = self.stack.last(states, lengths)
        return torch.cat([states, whole(inputs)], dim=-1) if self.lexical else states, summary


class Bridge(nn.Module):
    """The decoder's first state out of the encoder's summary: one layer for each part.

    With tanh, Bahdanau, Cho and Bengio (2015), section A.2.2; the mean is that of Sennrich et al.
    (2017). One that is learned is the same for all sentences.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.layers, self.hidden = config.layers, config.hidden
        self.parts = parts(config.cell)
        # Zeros are what is left when the summary counts for nothing.
        width = self.parts * self.layers * self.hidden
        reads = config.bridge in ("last", "mean")
        self.project = nn.Linear(config.hidden, width) if reads else None
        self.learned = nn.Parameter(torch.zeros(width)) if config.bridge == "learned" else None
        self.activation = ACTIVATIONS[config.activation]

    def forward(self, summary: Tensor) -> State:
        """One tensor [L, B, H] for each part of the state."""
        shape = (self.parts, self.layers, len(summary), self.hidden)
        if self.learned is not None:
            state = self.learned.expand(len(summary), -1)
        elif self.project is not None:
            state = self.activation(self.project(summary))
        else:
            return tuple(summary.new_zeros(shape))
        return tuple(state.view(-1, self.parts, self.layers, self.hidden).permute(1, 2, 0, 3))
