"""Weights in fewer bytes are nearly the same weights, and a file that is none is refused."""

import shutil
from pathlib import Path

import pytest
import torch
import toy
from safetensors.torch import load_file, save_file

from seqgen import training
from seqgen.errors import ModelError
from seqgen.progress import Silent
from seqgen.smallweights import smaller, whole
from seqgen.translator import Translator

HERE = Path("here")
TEXTS = [source for source, _ in toy.pairs(40, seed=5)]


def tensors():
    torch.manual_seed(1)
    matrix = torch.randn(5, 7) * torch.tensor([0.01, 1, 30, 0, 3])[:, None]
    return {"matrix": matrix, "bias": torch.randn(3), "kernel": torch.randn(2, 3, 4)}


def test_8_bits_are_steps_of_the_largest_of_a_row():
    small = smaller({"m": torch.tensor([[127.0, -63.6, 1.4], [0.0, 0.0, 0.0]])}, "int8")
    assert small["m"].tolist() == [[127, -64, 1], [0, 0, 0]]
    assert small["m.scale"][0] == 1
    assert whole(small, HERE)["m"].tolist() == [[127.0, -64.0, 1.0], [0.0, 0.0, 0.0]]


@pytest.mark.parametrize("kind", ["float32", "float16", "int8"])
def test_what_comes_back_is_near(kind):
    given = tensors()
    small = smaller(given, kind)
    found = whole(small, HERE)
    assert found.keys() == given.keys()
    for name, tensor in given.items():
        assert found[name].shape == tensor.shape
        rows = tensor.flatten(1) if tensor.dim() > 1 else tensor[:, None]
        step = {"float32": 0, "float16": 2**-11, "int8": 0.5 / 127}[kind] * (tensor.dim() > 1)
        allowed = step * rows.abs().amax(1) * 1.0001
        differs = (found[name].float() - tensor).reshape(rows.shape).abs().amax(1)
        assert (differs <= allowed).all(), name
    assert torch.equal(small["bias"], given["bias"])
    size = sum(one.numel() * one.element_size() for one in small.values())
    assert size == {"float32": 248, "float16": 2 * 59 + 12, "int8": 59 + 4 * 7 + 12}[kind]


def test_what_16_bits_cannot_hold_keeps_its_32():
    small = smaller({"m": torch.tensor([[7e4, 1.0]]), "n": torch.ones(1, 2)}, "float16")
    assert (small["m"].dtype, small["n"].dtype) == (torch.float32, torch.float16)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda one: one.pop("matrix.scale"), "matrix has 8 bits, but no scale for each"),
        (lambda one: one.update({"matrix.scale": torch.ones(4)}), "here: matrix has 8 bits"),
        (lambda one: one.update({"bias": torch.ones(3, dtype=torch.int8)}), "bias has 8 bits"),
        (lambda one: one.update({"bias": torch.ones(3, dtype=torch.int64)}),
         "here: bias is of int64, as no weights are; copy the file again"),
    ],
)  # fmt: skip
def test_what_is_no_weight_is_named(damage, message):
    small = smaller(tensors(), "int8")
    damage(small)
    with pytest.raises(ModelError, match=message):
        whole(small, HERE)


def test_a_scale_of_nothing_is_a_tensor_without_a_place():
    small = smaller(tensors(), "int8")
    del small["matrix"]
    assert "matrix.scale" in whole(small, HERE)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("small")
    data = toy.write_pairs(path / "data")
    config = toy.config(data, train__epochs=6, model__hidden=32, model__tie="all")
    training.train(config, path / "run", report=Silent())
    return path / "run"


@pytest.mark.parametrize("kind", ["float16", "int8"])
def test_a_model_of_few_bytes_is_loaded_as_any_other(kind, run, tmp_path):
    model = Translator.from_pretrained(run, device="cpu")
    saved = model.save_pretrained(tmp_path / "small", weights=kind)
    small = Translator.from_pretrained(saved, device="cpu")
    assert all(weight.dtype == torch.float32 for weight in small.model.parameters())
    named = dict(small.model.named_parameters())
    assert named.keys() == dict(model.model.named_parameters()).keys()
    for name, weight in model.model.named_parameters():
        torch.testing.assert_close(named[name], weight, atol=0.02, rtol=0)
    same = sum(one == two for one, two in zip(*map(_written, (model, small)), strict=True))
    assert same >= 38
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (run, saved)]
    assert sizes[1] < {"float16": 0.6, "int8": 0.45}[kind] * sizes[0]
    card = (saved / "README.md").read_text("utf-8")
    assert card.startswith((run / "README.md").read_text("utf-8").rstrip())
    assert f"weights stored as {kind}" in card
    # Saved again, it says so once.
    again = small.save_pretrained(tmp_path / "again", weights=kind)
    assert (again / "README.md").read_text("utf-8") == card


def _written(translator):
    return translator.translate(TEXTS)


def test_small_weights_that_do_not_fit_are_named(run, tmp_path):
    saved = Translator.from_pretrained(run, device="cpu").save_pretrained(tmp_path / "s", "int8")
    name = "decoder.readout.weight"
    for damage, message in (
        (lambda one: one.pop(name), f"lacks the tensor {name}"),
        (
            lambda one: one.update({"bridge.project.bias.scale": torch.ones(3)}),
            r"has a tensor bridge\.project\.bias\.scale, which this model",
        ),
        (lambda one: one.update({name: one[name][:, :-1].contiguous()}), f"{name} has the shape"),
        (lambda one: one.pop("bridge.project.bias"), "lacks the tensor bridge.project.bias"),
    ):
        copy = shutil.copytree(saved, tmp_path / "copy", dirs_exist_ok=True)
        found = load_file(saved / "model.safetensors")
        damage(found)
        save_file(found, copy / "model.safetensors")
        with pytest.raises(ModelError, match=message):
            Translator.from_pretrained(copy)
