"""Normalisation between layers: over real tokens alone, and the same for everyone afterwards."""

import pytest
import torch
from test_model import batch, network
from torch import nn

from seqgen import checkpoint
from seqgen.batching import Batch
from seqgen.errors import ConfigError
from seqgen.modelsection import ModelConfig
from seqgen.normalization import AS_IT_IS, MOMENTUM, BatchNorm, Normalization

B, T, H = 3, 5, 4
REAL = torch.arange(T) < torch.tensor([5, 2, 4])[:, None]


def test_a_batch_is_normalised_as_torch_does_it_to_the_real_tokens_alone():
    torch.manual_seed(1)
    norm, plain = BatchNorm(H).double(), nn.BatchNorm1d(H, momentum=MOMENTUM).double()
    for one in (norm.gain, plain.weight):
        one.data.copy_(torch.tensor([1.0, -2.0, 0.5, 3.0]))
    for _ in range(3):
        values = (2 + 3 * torch.randn(B, T, H)).double().requires_grad_()
        values.data[~REAL] = 1e6
        found, expected = norm(values, REAL), plain(values[REAL])
        torch.testing.assert_close(found[REAL], expected)
        gradients = [torch.autograd.grad(each.sin().sum(), values)[0]
                     for each in (found[REAL], expected)]  # fmt: skip
        torch.testing.assert_close(*gradients)
    torch.testing.assert_close(norm.running_mean, plain.running_mean)
    torch.testing.assert_close(norm.running_variance, plain.running_var)
    values = torch.randn(B, T, H).double()
    torch.testing.assert_close(norm.eval()(values, None)[REAL], plain.eval()(values[REAL]))


def test_a_single_token_and_one_that_is_not_finite_leave_finite_statistics():
    norm = BatchNorm(H)
    assert torch.equal(norm(torch.randn(1, 1, H), None), torch.zeros(1, 1, H))
    before = {name: value.clone() for name, value in norm.named_buffers()}
    values = torch.randn(B, T, H)
    values[0, 0, 0] = torch.inf
    assert not norm(values, None).isfinite().all()
    assert len(before) == 2
    assert all(torch.equal(value, before[name]) for name, value in norm.named_buffers())


def test_nothing_between_layers_is_no_weight_and_no_change():
    plain = Normalization(H, AS_IT_IS)
    values = torch.randn(B, T, H)
    assert plain(values) is values
    assert not plain.state_dict()


@pytest.mark.parametrize("settings", [{"layer_norm": "between"}, {"batch_norm": True}])
def test_every_layer_but_the_first_reads_what_is_normalised(settings):
    model, given = network("gru", layers=3, encoder_layers=2, **settings).train(), batch()
    seen = []
    for module in model.modules():
        if isinstance(module, Normalization):
            module.register_forward_hook(lambda _, __, found: seen.append(found))
    for norm in (one for one in model.modules() if isinstance(one, nn.LayerNorm | BatchNorm)):
        for weight, value in zip(norm.parameters(), (1.0, 0.0), strict=True):
            weight.data.fill_(value)
    model(given)
    masks = [given.source != 0, given.target[:, 1:] != 0, given.target[:, 1:] != 0]
    assert len(seen) == 3
    for found, mask in zip(seen, masks, strict=True):
        real = found[mask] if "layer_norm" in settings else found[mask].T  # over the last axis
        torch.testing.assert_close(real.mean(-1), torch.zeros(len(real)).double())
        variance = real.var(-1, correction=0)
        torch.testing.assert_close(variance, torch.ones_like(variance), atol=1e-2, rtol=0)


def test_padding_changes_neither_the_loss_nor_the_running_statistics():
    results = []
    for wider in (0, 4):
        model, given = network("lstm", layers=3, batch_norm=True).train(), batch()
        pad = nn.functional.pad
        given = Batch(pad(given.source, (0, wider)), given.source_lengths,
                      pad(given.target, (0, wider)), given.tokens)  # fmt: skip
        results.append([model(given).detach(), *model.buffers()])
    assert len(results[0]) == 1 + 2 * 4
    torch.testing.assert_close(*results)


def test_running_statistics_are_saved_with_the_weights_and_loaded(tmp_path):
    model, other = (network("gru", layers=2, batch_norm=True) for _ in range(2))
    model.train()(batch())
    saved = checkpoint.weights(model)
    assert "decoder.norms.0.over_batch.running_mean" in saved
    model.eval(), other.eval()
    assert not torch.equal(model(batch()), other(batch()))
    checkpoint.load_weights(other, saved, tmp_path)
    assert torch.equal(model(batch()), other(batch()))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_norm": True}, r"^model\.batch_norm stands between layers, and there is one; --"),
        ({"layer_norm": "between"}, r"^model\.layer_norm = 'between' stands between layers, and"),
        ({"batch_norm": True, "layer_norm": "both", "layers": 2},
         r"^model\.batch_norm and model\.layer_norm = 'both' both normalise between layers; leave"),
        ({"batch_norm": True, "input_feeding": True, "layers": 2},
         r"^model\.batch_norm needs all steps of a target at once, and model\.input_feeding takes"),
    ],
)  # fmt: skip
def test_norms_without_a_place_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        ModelConfig(**settings)
    ModelConfig(**settings, encoder_layers=3) if len(settings) == 1 else None
