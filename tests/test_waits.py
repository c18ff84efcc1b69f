"""Nothing in a step waits for the device: its tensors have no values that could be read."""

from contextlib import nullcontext

import pytest
import torch
from test_model import batch, network

from seqgen.optimizers import make_optimizer
from seqgen.sampling import GOLD, Forcing
from seqgen.trainsection import TrainConfig
from seqgen.updates import Clipping, update

EMPTY = torch.device("meta")


@pytest.fixture
def device(monkeypatch):
    """A device that the code takes for a GPU, from which nothing can be read."""
    monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda self: self.device == EMPTY))
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self)
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda _: False)
    monkeypatch.setattr(torch, "get_autocast_dtype", lambda _: torch.bfloat16)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    return EMPTY


DRAWN, LIKELIEST, MIXED = (
    Forcing(0.5, 2, "sample"),
    Forcing(0.5, 0, "top_k"),
    Forcing(0.5, 1, "mixed"),
)


@pytest.mark.parametrize(
    ("values", "forcing", "window"),
    [
        ({"cell": "lstm"}, GOLD, 0),
        ({"bridge": "mean", "batch_norm": True, "layers": 3}, MIXED, 0),
        ({"batch_norm": True, "layers": 2, "weight_dropout": 0.3}, DRAWN, 3),
        ({"copy": True, "attention_coverage": True}, DRAWN, 0),
        ({"recurrent_dropout": 0.3, "zoneout": 0.2, "layer_norm": "both"}, LIKELIEST, 3),
        ({"input_feeding": True}, LIKELIEST, 0),
        ({"hard_attention": True, "monotonic": True}, DRAWN, 3),
    ],
    ids=str,
)
def test_an_update_reads_nothing_from_the_device(values, forcing, window, device):
    model = network(**{"dropout": 0.2, "word_dropout": 0.1, **values}).float().train()
    model = model.to(device)
    model.label_smoothing, model.window, model.encoder.stack.window = 0.1, window, window
    settings = TrainConfig(clip_quantile=0.5, clip_value=1.0, optimizer="sgd")
    clipping, optimizer = Clipping(settings, device), make_optimizer(model, settings)
    done = update(model, [batch()], optimizer, forcing, clipping)
    with pytest.raises(RuntimeError, match="meta"):
        done.nats.item()
