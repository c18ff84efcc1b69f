"""A checkpoint is whole or absent, and a damaged one is known."""

import json
import os
import random
import shutil
from pathlib import Path

import pytest
import torch
import toy

from seqgen import checkpoint, training
from seqgen.checkpoint import Progress, checkpoints, damage, newest
from seqgen.errors import CheckpointError
from seqgen.model import build
from seqgen.optimizers import make_optimizer
from seqgen.progress import Silent
from seqgen.trainsection import TrainConfig


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run with two checkpoints."""
    path = tmp_path_factory.mktemp("run")
    data = toy.write_pairs(path / "data")
    config = toy.config(data, train__epochs=3, train__batch_tokens=300)
    training.train(config, path / "run", report=Silent())
    return path / "run"


def made():
    torch.manual_seed(1)
    model = build(toy.config(Path()).model, 13, 13)
    return model, make_optimizer(model, TrainConfig())


def test_one_flipped_bit_is_known_and_the_checkpoint_before_is_taken(run, tmp_path):
    draw = random.Random(1)
    copy = shutil.copytree(run, tmp_path / "copy")
    first, last = checkpoints(copy)
    files = sorted(path for path in last.iterdir() if path.name != "manifest.json")
    assert len(files) == 3
    for path in files * 5:
        content = bytearray(path.read_bytes())
        place = draw.randrange(len(content))
        content[place] ^= 1 << draw.randrange(8)
        whole = path.read_bytes()
        path.write_bytes(bytes(content))
        assert damage(last) == f"{path.name} is not what was written"
        said = []
        assert newest(copy, said.append) == first
        assert said == [f"{last}: {path.name} is not what was written; trying the one before it"]
        path.write_bytes(whole)
    assert newest(copy, said.append) == last


@pytest.mark.parametrize("name", ["manifest.json", "model.safetensors", "progress.json"])
def test_a_missing_file_is_known(name, run, tmp_path):
    copy = shutil.copytree(checkpoints(run)[-1], tmp_path / "step-00000001")
    (copy / name).unlink()
    assert damage(copy).startswith("incomplete: FileNotFoundError")


@pytest.mark.parametrize("broken", [1, 2, 3, 4])
def test_a_save_that_fails_leaves_nothing_and_takes_nothing(broken, tmp_path, monkeypatch):
    model, optimizer = made()
    checkpoint.save(tmp_path, Progress(step=1), model, optimizer, keep=2)
    calls = iter(range(1, 100))
    real = os.fsync

    def fsync(handle):
        if next(calls) == broken:
            raise OSError(28, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    message = r"cannot be written: No space left on device; it needs [\d,]+ bytes, [\d,]+ are free$"
    with pytest.raises(CheckpointError, match=message):
        checkpoint.save(tmp_path, Progress(step=2), model, optimizer, keep=2)
    monkeypatch.undo()
    assert [path.name for path in checkpoints(tmp_path)] == ["step-00000001"]
    checkpoint.save(tmp_path, Progress(step=2), model, optimizer, keep=2)
    assert [damage(path) for path in checkpoints(tmp_path)] == [None, None]


def test_rotation_keeps_the_newest_and_what_is_not_ours(tmp_path):
    model, optimizer = made()
    (tmp_path / "training" / "step-by-step").mkdir(parents=True)
    for step in range(1, 6):
        checkpoint.save(tmp_path, Progress(step=step), model, optimizer, keep=3)
    names = sorted(path.name for path in (tmp_path / "training").iterdir())
    assert names == ["step-00000003", "step-00000004", "step-00000005", "step-by-step"]


def test_what_is_saved_is_what_comes_back(tmp_path):
    model, optimizer = made()
    for weight in model.parameters():
        weight.grad = torch.randn_like(weight)
    optimizer.step()
    progress = Progress(step=7, epoch=1, update=3, best=0.125, interval=[0.1, 2.0, 1 / 3, 4.0])
    saved = checkpoint.save(tmp_path, progress, model, optimizer, keep=1)
    other, fresh = made()
    assert checkpoint.restore(saved, other, fresh) == progress
    torch.testing.assert_close(checkpoint.weights(other), checkpoint.weights(model), rtol=0, atol=0)
    torch.testing.assert_close(
        checkpoint.optimizer_tensors(fresh), checkpoint.optimizer_tensors(optimizer), rtol=0, atol=0
    )


def test_progress_of_another_version_is_an_error(tmp_path):
    model, optimizer = made()
    saved = checkpoint.save(tmp_path, Progress(step=7), model, optimizer, keep=1)
    (saved / "progress.json").write_text(json.dumps({"step": 7, "colour": "red"}))
    with pytest.raises(
        CheckpointError, match=r"written by another version of seqgen; start afresh"
    ):
        checkpoint.restore(saved, model, optimizer)


def test_progress_of_an_earlier_version_lacks_what_came_later(tmp_path):
    model, optimizer = made()
    saved = checkpoint.save(tmp_path, Progress(step=7, grown=[2]), model, optimizer, keep=1)
    values = json.loads((saved / "progress.json").read_text())
    assert values.pop("grown") == [2]
    (saved / "progress.json").write_text(json.dumps(values))
    assert checkpoint.restore(saved, model, optimizer) == Progress(step=7, grown=[])


def test_damage_to_what_lies_beside_is_known(tmp_path):
    more = [("more.safetensors", {"a": torch.ones(3)})]
    saved = checkpoint.save(tmp_path, Progress(step=7), *made(), keep=1, beside=more)
    assert damage(saved) is None
    (saved / "more.safetensors").write_bytes(b"less")
    assert damage(saved) == "more.safetensors is not what was written"
    (saved / "more.safetensors").unlink()
    assert damage(saved).startswith("incomplete: FileNotFoundError")


def test_only_regular_files_are_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match=r"pipe: is no regular file; move it away$"):
        checkpoint.write(tmp_path / "pipe", b"x")


def test_files_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        checkpoint.write(tmp_path / "file", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_saving_holds_one_file_at_a_time(tmp_path, monkeypatch):
    alive, most = [0], [0]

    class Counted(bytes):
        def __init__(self, _: bytes) -> None:
            alive[0] += 1
            most[0] = max(most[0], alive[0])

        def __del__(self) -> None:
            alive[0] -= 1

    made_bytes = checkpoint.tensor_bytes
    monkeypatch.setattr(checkpoint, "tensor_bytes", lambda tensors: Counted(made_bytes(tensors)))
    checkpoint.save(tmp_path, Progress(), *made(), keep=1)
    assert most == [1]
