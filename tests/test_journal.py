"""The log of a run: a line a record, and the same numbers for TensorBoard where it is asked."""

import json
import math
import sys
from types import ModuleType

import pytest
import toy
from test_training import _counting, run

from seqgen.checkpoint import checkpoints
from seqgen.errors import ConfigError
from seqgen.journal import Journal


class Writer:
    """Stands in for torch's `SummaryWriter`, and keeps what it is given."""

    made: list["Writer"] = []  # noqa: RUF012

    def __init__(self, folder, purge_step=None):
        self.folder, self.purge_step, self.scalars, self.closed = folder, purge_step, [], False
        Writer.made.append(self)

    def add_scalar(self, name, value, step):
        self.scalars.append((name, value, step))

    def close(self):
        self.closed = True


@pytest.fixture
def board(monkeypatch):
    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr(Writer, "made", [])
    return Writer.made


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]


def test_numbers_go_to_the_board_by_kind_and_under_their_step(board, tmp_path):
    log = Journal(tmp_path / "metrics.jsonl", 0, board_from=3)
    log.write({"step": 4, "loss": 2.5, "gradient_norm": math.inf})
    log.write({"step": 5, "validation": True, "best": True, "exact": 61.0, "samples": [["a", "b"]]})
    log.write({"step": 5, "diagnosis": True, "keeping": {"encoder": 0.75}, "forced": [0.5]})
    log.close()
    (writer,) = board
    assert (writer.folder, writer.purge_step) == (str(tmp_path / "training" / "tensorboard"), 4)
    assert writer.closed
    assert writer.scalars == [
        ("train/loss", 2.5, 4), ("train/gradient_norm", math.inf, 4),
        ("validation/exact", 61.0, 5), ("diagnosis/keeping/encoder", 0.75, 5),
    ]  # fmt: skip
    assert lines(tmp_path)[0] == {"step": 4, "loss": 2.5, "gradient_norm": None}


def test_a_run_reports_what_its_log_has_and_goes_on_where_it_was(board, tmp_path):
    data = toy.write_pairs(tmp_path / "data", train=60, held=12)
    config = toy.config(data, train__report_to="tensorboard", train__max_steps=8,
                        train__save_every=4)  # fmt: skip
    assert not run(config, tmp_path / "run", stop=_counting(5)).finished
    reached = int(checkpoints(tmp_path / "run")[-1].name.removeprefix("step-"))
    assert 0 < reached < 8
    assert run(config, tmp_path / "run").finished
    first, second = board
    assert [one.purge_step for one in board] == [1, reached + 1]
    assert first.closed
    assert second.closed
    told = {(step, name): value for one in board for name, value, step in one.scalars}
    rows = [row for row in lines(tmp_path / "run") if "gradient_norm" in row]
    assert [row["step"] for row in rows] == [3, 6]
    for row in rows:
        for name in ("loss", "learning_rate", "teacher_forcing"):
            assert told[row["step"], f"train/{name}"] == row[name]
    scores = next(row for row in lines(tmp_path / "run") if row.get("validation"))
    assert told[scores["step"], "validation/chrf"] == scores["chrf"]
    assert {step for _, _, step in first.scalars} <= set(range(1, reached + 1))
    assert {step for _, _, step in second.scalars} <= set(range(reached + 1, 9))


def test_nothing_of_it_is_imported_unless_it_was_asked_for(board, tmp_path):
    data = toy.write_pairs(tmp_path / "data", train=60, held=12)
    run(toy.config(data, train__max_steps=2), tmp_path / "run")
    assert board == []


def test_a_missing_package_is_named_before_the_work(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    data = toy.write_pairs(tmp_path / "data", train=60, held=12)
    said = []
    config = toy.config(data, train__report_to="tensorboard", train__max_steps=2)
    with pytest.raises(ConfigError, match=r"needs the tensorboard package; pip install 'seqgen\[t"):
        run(config, tmp_path / "run", say=said.append)
    assert said == []
    assert not (tmp_path / "run").exists()
