"""Two processes make the update that one makes."""

import json
import os
import socket
import subprocess
import sys

import pytest
import torch
import toy

from seqgen import distributed

# Cell of a network and its window, in one set of processes: starting one takes seconds.
CASES = (("lstm", 0), ("gru", 0), ("rnn", 0), ("gru", 2))

CODE = """
import sys
import torch
import test_training as t
from seqgen import distributed
from seqgen.batching import Budget, Encoded
from seqgen.trainsection import TrainConfig
from seqgen.sampling import GOLD
from seqgen.optimizers import make_optimizer
from seqgen.updates import Clipping, update
from safetensors.torch import save_file
from test_distributed import CASES

torch.set_num_threads(1)
splits = [t.ROWS[:1], t.ROWS[1:]]  # the second rank has no share of the first batch
with distributed.together(torch.device("cpu")):
    for cell, window in CASES:
        model = t.network(cell)
        model.window = model.encoder.stack.window = window
        settings = TrainConfig(optimizer="sgd", clip_norm=0.5)
        optimizer = make_optimizer(model, settings)
        clipping = Clipping(settings, torch.device("cpu"))
        for rows in splits:
            share = rows[distributed.rank() :: distributed.world()]
            group = [t.batch(share)] if share else []
            done = update(model, group, optimizer, GOLD, clipping)
        if not distributed.rank():
            save_file({name: value.detach() for name, value in model.named_parameters()
                       if not name.startswith("decoder.output.weight")},
                      f"{sys.argv[1]}/{cell}-{window}.safetensors")
"""


def ran(world, *words):
    """What torchrun does: as many processes as ranks, which find one another."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(world):
        environment = {**os.environ, "PYTHONPATH": "tests"}
        if world > 1:
            environment |= {"WORLD_SIZE": str(world), "RANK": str(rank), "LOCAL_RANK": str(rank),
                            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}  # fmt: skip
        command = [sys.executable, *map(str, words)]
        children.append(
            subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        )
    said = [child.communicate(timeout=200)[1] for child in children]
    assert [child.returncode for child in children] == [0] * world, said
    return said


def test_a_whole_run_of_two_ranks_is_that_of_one(tmp_path):
    data = toy.write_pairs(tmp_path / "data")
    losses, scores = [], []
    for world in (1, 2):
        folder = tmp_path / f"run{world}"
        said = ran(
            world, "-m", "seqgen", "train", "--train-file", data / "train.tsv",
            "--validation-file", data / "validation.tsv", "--test-file", data / "test.tsv",
            "--units", "word", "--hidden", "16", "--embedding", "12", "--batch-tokens", "100",
            "--epochs", "3", "--log-every", "2", "--dropout", "0", "--seed", "4",
            "--forcing-floor", "1", "--device", "cpu", "--output-dir", folder,
            "--ema", "0.8", "--average", "2",
        )  # fmt: skip
        assert "evaluating" in said[0]
        assert not any(said[1:]), "the others say nothing"
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        losses.append([line[name] for line in lines for name in ("loss", "ema_loss", "average_loss")
                       if name in line])  # fmt: skip
        scores.append(json.loads((folder / "eval_results.json").read_text()))
    assert len(losses[0]) > 5
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert losses[0][-1] < losses[0][0]
    # Greedy search of a model that has hardly learned turns on the last bits of its weights.
    assert scores[0]["scores"] == pytest.approx(scores[1]["scores"], abs=5)


@pytest.fixture(scope="module")
def updated(tmp_path_factory):
    """A folder for each number of ranks, with the weights that updates of each case left."""
    folders = [tmp_path_factory.mktemp(f"ranks{world}") for world in (1, 2)]
    for world, folder in enumerate(folders, start=1):
        ran(world, "-c", CODE, folder)
    return folders


@pytest.mark.parametrize(("cell", "window"), CASES)
def test_two_ranks_make_the_updates_of_one(cell, window, updated):
    from safetensors.torch import load_file

    one, two = (load_file(folder / f"{cell}-{window}.safetensors") for folder in updated)
    assert len(one) > 5
    torch.testing.assert_close(one, two, rtol=1e-10, atol=1e-12)


STATISTICS = """
import sys
import torch
from seqgen import distributed

with distributed.together(torch.device("cpu")):
    mean = torch.tensor([1.0, 8.0]) * (1 + distributed.rank())
    distributed.average([mean])
    assert mean.tolist() == [1.5, 12.0], mean
"""


def test_running_statistics_are_those_of_all_ranks():
    ran(2, "-c", STATISTICS)


def test_alone_there_is_one_rank_and_sums_are_what_they_are():
    device = torch.device("cpu")
    assert (distributed.rank(), distributed.world()) == (0, 1)
    assert distributed.total(2.5, device) == 2.5
    assert distributed.share([1.0, 2.0], device) == [1.0, 2.0]
    distributed.wait()
    given = torch.tensor([1.0])
    distributed.average([given])
    assert given.tolist() == [1.0]


@pytest.mark.parametrize(("local", "device"), [("1", "cuda:1"), (None, "cuda")])
def test_every_process_of_a_machine_takes_its_own_gpu(local, device, monkeypatch):
    if local is None:
        monkeypatch.delenv("LOCAL_RANK", raising=False)
    else:
        monkeypatch.setenv("LOCAL_RANK", local)
    assert distributed.local_device("cuda") == device
    assert distributed.local_device("cpu") == "cpu"
