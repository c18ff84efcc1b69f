"""A model that is made ready is the same function, step by step and whole."""

import pytest
import torch
from test_model import batch, network

from seqgen.decoding import decode
from seqgen.inference import ready, why_not_int8
from seqgen.packed import Packed
from seqgen.recurrent import CELLS
from seqgen.sections import DecodeConfig
from seqgen.vocabulary import EOS

needs_mkl = pytest.mark.skipif(
    not hasattr(torch.ops.mkl, "_mkl_linear"), reason="this torch comes without MKL"
)


@needs_mkl
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize(
    "extra", [{"attention": "additive"}, {}, {"input_feeding": True, "copy": True}]
)
def test_a_ready_model_is_the_model(cell, layers, extra):
    model, given = network(cell, layers=layers, **extra).float(), batch()
    fast = ready(model)
    assert isinstance(fast.decoder.output, Packed)
    assert not isinstance(model.decoder.output, Packed), "the model itself stays as it is"
    with torch.inference_mode():
        memory, state = model.encode(given.source, given.source_lengths)
        of_model = of_fast = state
        for ids in given.target.T:
            log_probs, of_model = model.step(ids, memory, of_model)
            found, of_fast = fast.step(ids, memory, of_fast)
            torch.testing.assert_close(found, log_probs)
            torch.testing.assert_close(of_fast, of_model)
        torch.testing.assert_close(fast.forced(given), model.forced(given))


@needs_mkl
@pytest.mark.parametrize("rows", [1, 2, 17, 64, 200])
def test_packed_weights_multiply_any_number_of_rows(rows):
    torch.manual_seed(rows)
    weight, bias, inputs = torch.randn(53, 37), torch.randn(53), torch.randn(rows, 37)
    torch.testing.assert_close(Packed(weight, bias)(inputs), inputs @ weight.T + bias)
    torch.testing.assert_close(Packed(weight, bias)(inputs[:, None]),
                               (inputs @ weight.T + bias)[:, None])  # fmt: skip


@needs_mkl
@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize("feeding", [False, True])
def test_a_ready_model_finds_what_the_model_finds(beam, feeding):
    model = network(input_feeding=feeding).float()
    sources = [[4, 5, 6, 7], [8], [5, 4]]
    settings = DecodeConfig(beam_size=beam)
    found = [decode(each, sources, [9, 9, 9], settings) for each in (model, ready(model))]
    ids = [[one.ids for row in rows for one in row] for rows in found]
    assert ids[0] == ids[1]
    assert all(min(row) >= EOS for row in ids[0])


def test_what_cannot_be_made_ready_is_ready_as_it_is():
    model = network()  # in double precision
    assert ready(model) is model


def test_weights_of_8_bits_stay_at_32_where_torch_cannot_do_it(monkeypatch):
    model = network().float()
    assert why_not_int8(torch.device("cpu")) == ""
    assert "on cuda" in why_not_int8(torch.device("cuda"))
    assert not isinstance(ready(model, int8=True).decoder.output, Packed)
    monkeypatch.delattr(torch.ao.quantization, "quantize_dynamic")
    assert why_not_int8(torch.device("cpu")) == f"torch {torch.__version__} has no quantize_dynamic"
    with torch.inference_mode():
        found = [
            decode(ready(model, int8), [[4, 5]], [9], DecodeConfig()) for int8 in (True, False)
        ]
    assert found[0] == found[1]
