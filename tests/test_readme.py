"""The README is a test: its commands run, in its order, on small data of the same shape."""

import itertools
import re
import shlex
from pathlib import Path

import pytest

from seqgen import cli, resources

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = re.findall(r"^\$ seqgen (.+)$", README, re.MULTILINE)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """An empty folder to work in, and the embedded dataset cut down to a few pairs."""
    folder = tmp_path_factory.mktemp("readme")
    data = folder / "shipped" / "normalize"
    data.mkdir(parents=True)
    for split, count in (("train", 150), ("validation", 20), ("test", 20)):
        with (ROOT / "data" / "normalize" / f"{split}.jsonl").open(encoding="utf-8") as lines:
            text = "".join(itertools.islice(lines, count))
        (data / f"{split}.jsonl").write_text(text, encoding="utf-8")
    work = folder / "work"
    work.mkdir()
    (work / "pairs.tsv").write_text(
        "".join(f"{n} a b\tb a {n}\n" for n in range(60)), encoding="utf-8"
    )
    (work / "lines.txt").write_text("5 kg\n\nA b.\n", encoding="utf-8")
    return data, work


def test_the_readme_has_the_commands_of_a_newcomers_walk():
    assert len(COMMANDS) >= 9
    walk = ("train", "translate", "evaluate", "score", "inspect", "config", "recipes",
            "find-lr", "ablate", "compare")  # fmt: skip
    for name in walk:
        assert any(command.split()[0] == name for command in COMMANDS), name


def test_the_commands_run_in_order(small, monkeypatch, capsys):
    data, work = small
    shipped = resources.find
    monkeypatch.setattr(
        resources, "find", lambda name: data if name == "data/normalize" else shipped(name)
    )
    monkeypatch.chdir(work)
    for command in COMMANDS:
        code = cli.main(shlex.split(command))
        output = capsys.readouterr()
        assert code == 0, f"seqgen {command}: {output.err[-2000:]}"


def test_the_python_example_runs(small, monkeypatch):
    _, work = small
    monkeypatch.chdir(work)
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert (work / "checkpoints" / "normalize").is_dir(), "the commands run before"
    exec(example)


def test_every_option_the_readme_names_exists():
    from seqgen.config import options

    flags = {f"--{item.name.replace('_', '-')}" for _, item, _ in options()}
    flags |= {flag for _, item, _ in options() for flag in item.metadata["flags"]}
    commands = {"--input-file", "--json", "--attention", "--config", "--model", "--output-dir",
                "--recipe", "--overwrite", "--weights", "--debug", "--split",
                "--nproc-per-node", "--vary", "--html"}  # fmt: skip
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", README))
    assert len(named) > 15
    assert named <= flags | commands, named - flags - commands
