"""The four studies run, and the page that is made of them says what their figures say."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from test_benchmarks import contents

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
beliefs, studies = (importlib.import_module(name) for name in ("beliefs", "studies"))


def test_the_four_studies_run_and_leave_no_result(tmp_path):
    before = contents()
    for split, count in (("train", 30), ("dev", 5), ("test", 5)):
        (tmp_path / "data" / split).mkdir(parents=True)
        rows = "".join(f"{'ab' * (n % 4 + 1)}\t{'a b ' * (n % 4)}a b\n" for n in range(count))
        (tmp_path / "data" / split / f"dut_{split}.tsv").write_text(rows, "utf-8")
    words = [str(BENCHMARKS / "studies.py"), str(tmp_path / "data"), str(tmp_path / "runs")]
    done = subprocess.run([sys.executable, *words, "--quick"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for told in ("clip_norm=5", "learning_rate=0.0003", "cell=lstm", "batch_sentences=256",
                 "| belief | verdict | figures |", "## Clipping"):  # fmt: skip
        assert told in done.stdout
    assert contents() == before


def study(setting, figure, values, spread=0.1):
    """A study in which one figure takes these values."""
    return {
        "data": "made up", "command": "seqgen ablate",
        "combinations": [
            {"label": f"{setting}={value}", "values": {setting: value}, "finished": 3,
             "figures": {name: [1.0, spread] for name, _, _ in studies.STUDIED}
             | {figure: [mean, spread]},
             "runs": [{"state": "finished", "folder": "x", "returns": 0}] * 3}
            for value, mean in values.items()
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "made", "wanted"),
    [
        ("clipping", study("clip", "largest_swing", {0: 6, 5: 2, 1: 1}), ["held", "held"]),
        ("clipping", study("clip", "largest_swing", {0: 20, 5: 2, 1: 1}), [beliefs.IN_KIND] * 2),
        ("clipping", study("clip", "largest_swing", {0: 6, 5: 9, 1: 6.1}),
         [beliefs.NOT_HELD, beliefs.UNTOLD]),
        ("cell", study("cell", "test", {"rnn": 60, "lstm": 63}), ["held"]),
        ("cell", study("cell", "test", {"rnn": 60, "lstm": 70}), [beliefs.IN_KIND]),
        ("cell", study("cell", "test", {"rnn": 60, "lstm": 63}, spread=9), [beliefs.UNTOLD]),
        ("rate", study("rate", "largest_swing", {1e-3: 5, 3e-4: 2}), ["held"]),
        ("rate", study("rate", "largest_swing", {1e-3: 2, 3e-4: 5}), [beliefs.NOT_HELD]),
        ("batch", study("batch", "norm_spread", {64: 4, 128: 8**0.5, 256: 2}),
         ["held", beliefs.UNTOLD]),
        ("batch", study("batch", "norm_spread", {64: 4, 128: 2, 256: 1}),
         [beliefs.IN_KIND, beliefs.UNTOLD]),
        ("batch", study("batch", "norm_spread", {64: 4, 128: 2}), [beliefs.MISSING] * 2),
    ],
)  # fmt: skip
def test_a_belief_is_judged_by_its_figures(name, made, wanted):
    assert [one.verdict for one in beliefs.verdicts({name: made})] == wanted


def test_the_page_of_the_studies_has_a_row_a_combination_and_names_what_was_not_finished():
    made = study("clip", "largest_swing", {0: 6, 5: 2})
    made["combinations"][1]["figures"] = dict.fromkeys(made["combinations"][1]["figures"])
    made["combinations"][1] |= {"finished": 0, "runs": [
        {"state": "diverged", "folder": "clip=5,seed=1", "returns": 3}]}  # fmt: skip
    page = studies.page({"clipping": made})
    assert "| clip=0 | 3 of 3 | 1.0 ± 0.1 | 1.0 ± 0.1 | 6.0 ± 0.1 |" in page
    assert "| clip=5 | 0 of 1 | - | - |" in page
    assert "clip=5,seed=1: diverged." in page
    assert f"| {beliefs.MISSING} | clip=5: 0 of 1 runs finished |" in page
    assert beliefs.slope([1, 2, 4], [8, 4, 2]) == pytest.approx(-1)
