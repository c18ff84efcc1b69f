"""README and guide are tests: their commands run in order, on small data of the same shape."""

import itertools
import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from seqgen import cli, resources
from seqgen.config import options

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = re.findall(r"^\$ seqgen (.+)$", README, re.MULTILINE)
GUIDE = sorted((ROOT / "docs").glob("*.md"))
GUIDE_TEXT = (ROOT / "docs" / "training-badly.md").read_text("utf-8")
PAGES = [ROOT / "README.md", *GUIDE]
# What makes a command of the guide quick, after what it says itself.
QUICK = ("--hidden 8 --embedding 6 --batch-tokens 200 --max-steps 2 --epochs 2 "
         "--validation-decode 3 --threads 1 --device cpu")  # fmt: skip
QUICKLY = {
    "train": QUICK, "inspect": QUICK, "find-lr": f"{QUICK} --steps 3",
    "ablate": f"{QUICK} --validate-every 1 --seeds 1",
}  # fmt: skip


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


def test_the_guide_is_found_and_readme_leads_to_it():
    assert GUIDE, "the glob found nothing: tests of the guide would pass on an empty folder"
    for page in GUIDE:
        assert f"(docs/{page.name})" in README


@pytest.mark.parametrize("page", GUIDE, ids=lambda page: page.stem)
def test_the_commands_of_the_guide_run_in_order(page, small, tmp_path, monkeypatch, capsys):
    (tmp_path / "pairs.tsv").write_bytes((small[1] / "pairs.tsv").read_bytes())
    monkeypatch.chdir(tmp_path)
    commands = re.findall(r"^\$ seqgen (.+)$", page.read_text("utf-8"), re.MULTILINE)
    assert commands
    for command in commands:
        words = shlex.split(command)
        code = cli.main(words + shlex.split(QUICKLY.get(words[0], "")))
        output = capsys.readouterr()
        assert code == 0, f"seqgen {command}: {output.err[-2000:]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_option_a_page_names_exists(page):
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", page.read_text("utf-8")))
    assert named
    known = {flag for name in cli.COMMANDS for flag in _flags(name)}
    outside = {"--debug", "--nproc-per-node"}
    assert named <= known | outside, named - known - outside


def _flags(name):
    """The options that a command takes."""
    command = get_command(cli.application(name)).commands[name]
    return {flag for item in command.params for flag in (*item.opts, *item.secondary_opts)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_within_the_pages_leads_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))
    assert links
    for link in links:
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert "://" in link or target.is_file(), link
        assert not anchor or anchor in _anchors(target.read_text("utf-8")), link


def _anchors(text):
    """The anchors of the headings, as hosts of repositories make them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


# What says how large, how long, where and in which units: of the rest each setting is a remedy.
NO_REMEDY = """
    model: embedding hidden layers encoder_layers bidirectional
    train: epochs max_steps batch_tokens batch_sentences length_blur validate_every
        validation_decode log_every instruments norm_vanishing norm_warning norm_exploding seed
        device precision threads save_every keep report_to
"""


def test_every_remedy_has_its_place_in_the_table():
    rows = re.findall(r"^\| (`[a-z]+\.[^|]+) \| `--", GUIDE_TEXT, re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    others: set[str] = set()
    for word in NO_REMEDY.split():
        if word.endswith(":"):
            section = word[:-1]
        else:
            others.add(f"{section}.{word}")
    settings = {f"{section}.{item.name}" for section, item, _ in options()
                if section in ("model", "sampling", "train")}  # fmt: skip
    assert others <= settings
    assert settings - others <= told
    assert not others & told


def test_the_table_of_remedies_has_flags_of_its_settings_and_says_what_is_slower():
    meanings = {
        f"{section}.{item.name}": item.metadata["meaning"] for section, item, _ in options()
    }
    rows = re.findall(
        r"^\| (`[a-z]+\.[^|]+) \| (`--[^|]+) \| ([^|]+) \|",
        GUIDE_TEXT,
        re.MULTILINE,
    )
    assert len(rows) > 25
    for settings, flags, cost in rows:
        names = re.findall(r"`([^`]+)`", settings)
        assert set(names) <= set(meanings), names
        of_settings = [f"--{name.partition('.')[2].replace('_', '-')}" for name in names]
        assert re.findall(r"`([^`]+)`", flags) == of_settings
        slower = any("slower" in meanings[name] for name in names)
        assert "slower" in cost or not slower, (names, cost)
