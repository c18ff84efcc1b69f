"""A model that is made ready is the same function, step by step and whole."""

import pytest
import torch
from test_model import EVERY, batch, network

from seqgen.decoding import decode
from seqgen.inference import Ready, ready, why_not_int8
from seqgen.packed import FEW, Packed, Plain, Quantized
from seqgen.recurrent import select
from seqgen.sections import DecodeConfig
from seqgen.vocabulary import EOS

needs_mkl = pytest.mark.skipif(
    not hasattr(torch.ops.mkl, "_mkl_linear"), reason="this torch comes without MKL"
)


READY = [
    *EVERY,
    ("lstm", "general", 3, {"residual": False, "follow": True, "lexical": True}),
    ("gru", "additive", 1, {"input_feeding": True, "copy": True}),
    (
        "lstm",
        "scaled_dot",
        3,
        {"input_feeding": True, "tie": "target", "hidden": 8, "embedding": 8},
    ),
]


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize(("cell", "attention", "layers", "extra"), READY)
def test_a_ready_model_is_the_model(cell, attention, layers, extra, precision):
    # In double precision rounding hides no mistake; in single, weights are arranged.
    model = network(cell, attention, layers, **extra).to(getattr(torch, precision))
    given = batch()
    fast = ready(model)
    with torch.inference_mode():
        memory, of_model = model.encode(given.source, given.source_lengths)
        prepared, of_fast = fast.encode(given.source, given.source_lengths)
        # From the second step on each sentence has two rows, as in a beam; then one leaves.
        rows, stay = torch.arange(3).repeat_interleave(2), torch.tensor([0, 2])
        fed = torch.tensor([0, 1, 1, 2, 2, 0])  # each row of a sentence goes on differently
        for position, ids in enumerate(given.target.T):
            ids = ids if position < 1 else ids[fed] if position < 3 else ids[stay]
            log_probs, of_model = model.step(ids, memory, of_model)
            found, of_fast = fast.step(ids, prepared, of_fast)
            torch.testing.assert_close(found, log_probs)
            if position == 0:
                of_model, of_fast = select(of_model, rows), select(of_fast, rows)
            if position == 2:
                memory, prepared = memory.select(stay), prepared.select(stay)
                of_model, of_fast = (select(each, 2 * stay) for each in (of_model, of_fast))
        torch.testing.assert_close(fast.forced(given), model.forced(given))


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize(("cell", "attention", "layers", "extra"), READY)
def test_a_ready_model_reads_and_writes_one_sentence_as_the_model_does(
    cell, attention, layers, extra, precision
):
    model = network(cell, attention, layers, **extra).to(getattr(torch, precision))
    given, fast = batch((5,), (6,), seed=4), ready(model)
    with torch.inference_mode():
        forced = model.forced(given).log_probs
        memory, state = fast.encode(given.source, given.source_lengths)
        for position, ids in enumerate(given.target.T[:-1]):
            log_probs, state = fast.step(ids, memory, state)
            wanted = given.target[:, position + 1, None]
            torch.testing.assert_close(log_probs.gather(1, wanted), forced[:, position, None])


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("bridge", ["last", "zero"])
@pytest.mark.parametrize(
    "kind", [Plain, pytest.param(Packed, marks=needs_mkl)], ids=["32", "arranged"]
)
def test_a_ready_model_steps_under_autocast(cell, bridge, kind):
    model, given = network(cell, layers=3, bridge=bridge).float(), batch()
    fast = Ready(model, kind)
    found = []
    for mixed in (False, True):
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            memory, state = fast.encode(given.source, given.source_lengths)
            for ids in given.target.T:
                log_probs, state = fast.step(ids, memory, state)
        found.append(log_probs.float())
    torch.testing.assert_close(*found, atol=0.3, rtol=0)


def test_weights_are_arranged_where_mkl_is(monkeypatch):
    model = network().float()
    assert isinstance(ready(network()).write, Plain), "MKL arranges single precision alone"
    if hasattr(torch.ops.mkl, "_mkl_linear"):
        assert isinstance(ready(model).write, Packed)
    monkeypatch.setattr("seqgen.packed.arranges", lambda: False)
    assert isinstance(ready(model).write, Plain)


@pytest.mark.parametrize(
    "kind",
    [Plain, Quantized, pytest.param(Packed, marks=needs_mkl)],
    ids=lambda each: each.__name__,
)
@pytest.mark.parametrize("rows", [1, 2, FEW - 1, FEW, 17, 64, 200])
def test_products_of_any_number_of_rows(kind, rows):
    torch.manual_seed(rows)
    weight, bias, inputs = torch.randn(53, 37), torch.randn(53), torch.randn(rows, 37)
    weight[5] = 0  # what has no scale
    # Numbers of 8 bits: half a step of the weights and one of the inputs, of 37 products each.
    near = {"atol": 1.0, "rtol": 0} if kind is Quantized else {}
    exact = inputs @ weight.T + bias
    torch.testing.assert_close(kind(weight, bias)(inputs), exact, **near)
    torch.testing.assert_close(kind(weight, None)(inputs), exact - bias, **near)


@needs_mkl
@pytest.mark.parametrize("rows", [1, FEW - 1, FEW])
def test_arranged_products_stay_in_single_precision_under_autocast(rows):
    product, inputs = Packed(torch.randn(53, 37), torch.randn(53)), torch.randn(rows, 37)
    with torch.autocast("cpu", torch.bfloat16):
        found = product(inputs)
    torch.testing.assert_close(found, product(inputs))


@pytest.mark.skipif(
    "onednn" not in torch.backends.quantized.supported_engines, reason="this torch has no oneDNN"
)
@pytest.mark.parametrize("many", [1, 4, 99])
def test_what_a_row_gives_with_8_bits_does_not_depend_on_those_beside_it(many, monkeypatch):
    weight, bias, inputs = torch.randn(53, 37), torch.randn(53), torch.randn(9, 37)
    inputs *= torch.logspace(-3, 3, 9)[:, None]
    inputs[4] = 0
    engine = torch.backends.quantized.engine
    monkeypatch.setattr("seqgen.packed.many_rows", lambda: many)
    product = Quantized(weight, bias)
    assert torch.backends.quantized.engine == engine
    together = product(inputs)
    assert torch.equal(together[4], bias)
    for rows in (1, 2, 5):  # of either engine: their sums are whole numbers
        apart = torch.cat([product(some) for some in inputs.split(rows)])
        torch.testing.assert_close(apart, together, atol=1e-6, rtol=1e-6)
    # At most half a step of each row's own scale, and half a step of each output's.
    steps = inputs.abs().amax(1, keepdim=True) / 63, weight.abs().amax(1) / 127
    most = (
        steps[0] * (weight.abs() + steps[1][:, None]).sum(1)
        + steps[1] * inputs.abs().sum(1)[:, None]
    )
    assert ((together - bias - inputs @ weight.T).abs() <= 0.501 * most + 1e-6).all()


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


def test_weights_of_8_bits_stay_at_32_where_torch_cannot_do_it(monkeypatch):
    model = network().float()
    assert why_not_int8(torch.device("cpu")) == ""
    assert "on cuda" in why_not_int8(torch.device("cuda"))
    assert isinstance(ready(model, int8=True).write, Quantized)
    monkeypatch.setattr("seqgen.inference.quantizes", lambda: False)
    reason = f"torch {torch.__version__} has no products of 8 bits here"
    assert why_not_int8(torch.device("cpu")) == reason
    with torch.inference_mode():
        found = [
            decode(ready(model, int8), [[4, 5]], [9], DecodeConfig()) for int8 in (True, False)
        ]
    assert found[0] == found[1]


@pytest.mark.parametrize(("cell", "attention", "layers", "extra"), READY)
def test_with_8_bits_an_lstm_reads_several_sources_in_bf16(
    cell, attention, layers, extra, monkeypatch
):
    model, given = network(cell, attention, layers, **extra).float(), batch()
    exact = Ready(model, Quantized)
    monkeypatch.setattr("seqgen.inference.multiplies_bf16", lambda: True)
    rounded = ready(model, int8=True)
    several = given.source, given.source_lengths
    alone = given.source[:1, : given.source_lengths[0]], given.source_lengths[:1]
    one_by_one = ready(model, int8=True, several=False)
    for fast, sources in ((rounded, several), (rounded, alone), (one_by_one, alone)):
        in_bf16 = fast is rounded and cell == "lstm"
        with torch.inference_mode():
            each = [model.encode(*sources) for model in (fast, exact)]
        found, wanted = ([*memory, *state] for memory, state in each)
        torch.testing.assert_close(found, wanted, atol=0.03, rtol=0.03)
        same = all(map(torch.equal, found, wanted))
        assert same != in_bf16


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize(("cell", "attention", "layers", "extra"), READY)
def test_with_8_bits_neighbours_change_nothing(cell, attention, layers, extra, bf16, monkeypatch):
    model = network(cell, attention, layers, **extra).float()
    monkeypatch.setattr("seqgen.inference.multiplies_bf16", lambda: bf16)
    monkeypatch.setattr("seqgen.packed.many_rows", lambda: 4)
    sources = [[4, 5, 6, 7], [8], [5, 4], [4, 4, 9, 5, 6, 7, 8], [6, 5, 4]]
    fast, settings = ready(model, int8=True), DecodeConfig(beam_size=3, nbest=2)
    together = decode(fast, sources, [6] * 5, settings)
    for source, wanted in zip(sources, together, strict=True):
        (found,) = decode(fast, [source], [6], settings)
        assert [one.ids for one in found] == [one.ids for one in wanted]
        assert [one.score for one in found] == pytest.approx(
            [one.score for one in wanted], rel=1e-2 if bf16 else 1e-4
        )
