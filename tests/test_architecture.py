"""The rules of the design that a program can check."""

import ast
import graphlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "seqgen"
BENCHMARKS = ROOT / "benchmarks"
MODULES = sorted(path for path in PACKAGE.glob("*.py") if path.stem != "__init__")

# A module may import those of the levels above its own, and those before it in its level.
LEVELS = """
    errors vocabulary signals terminal webpage |
    settings sections modelsection trainsection config configfiles resources recipes runs grid
    devices cache progress journal table hub readers splits corpus forms casing drawing pieces
    tokenizer segments metrics risk hypotheses schedules distributed diagnostics advice kernels
    dropout losses agreement ranking packed feeding blended energies mixing monotonic
    cells normalization recurrent windows stack alone attention coverage following copying encoder
    decoder initialization |
    batching sampling preparation subwords | model beams search inference ensemble |
    smallweights checkpoint decoding truncation optimizers updates probes | translator |
    evaluation pictures validation averaging card start course divergence plateaus
    curves instruments comparison ratetest ending |
    training ablation ablationtable | diagnosis charts report |
    flags texts commands modelcommands investigations studycommands cli | __main__
"""
LEVEL = [names.split() for names in LEVELS.split("|")]
RANK = {name: rank for rank, name in enumerate(name for names in LEVEL for name in names)}

HEAVY = {"torch", "datasets", "gradio", "sentencepiece"}
LONGEST_MODULE, LONGEST_FUNCTION, MOST_PARAMETERS = 300, 42, 7
# Typer turns parameters into options: a command has as many as it offers.
COMMANDS = tuple(PACKAGE / f"{name}.py" for name in ("commands", "modelcommands", "studycommands"))


def test_the_globs_of_this_file_find_the_package():
    assert len(MODULES) >= 10
    assert {"cli", "config", "errors"} <= {path.stem for path in MODULES}


def imported(tree: ast.AST) -> Iterator[str]:
    """The modules of seqgen that a file imports anywhere, functions included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("seqgen."))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("seqgen"):
            inside = [f"seqgen.{alias.name}" for alias in node.names]
            yield from inside if node.module == "seqgen" else [str(node.module)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_modules_import_only_downwards(path):
    assert path.stem in RANK, f"{path.name} has no place in LEVELS"
    names = {name.split(".")[1] for name in imported(ast.parse(path.read_text("utf-8")))}
    # seqgen itself gives the version; its lazy Translator is for users.
    names -= {"__version__"}
    upwards = {name for name in names if RANK.get(name, 0) >= RANK[path.stem]}
    assert not upwards, f"{path.name} may not import {', '.join(sorted(upwards))}"


def test_no_two_modules_of_the_benchmarks_wait_for_each_other():
    files = {".".join(path.relative_to(BENCHMARKS).with_suffix("").parts): path
             for path in BENCHMARKS.rglob("*.py")}  # fmt: skip
    assert {"speed", "gpuparts.bleu", "peers.ours"} <= files.keys()
    needs = {}
    for name, path in files.items():
        # Only what stands outside functions is imported together with the module.
        body = ast.parse(path.read_text("utf-8")).body
        found = {alias.name for node in body if isinstance(node, ast.Import)
                 for alias in node.names}  # fmt: skip
        for node in body:
            if isinstance(node, ast.ImportFrom):
                found |= {str(node.module), *(f"{node.module}.{one.name}" for one in node.names)}
        needs[name] = found & files.keys()
    assert "gpuparts.madeup" in needs["gpuparts.bleu"]
    graphlib.TopologicalSorter(needs).prepare()  # raises where there is a cycle


def test_an_upward_import_would_be_found():
    tree = ast.parse("def f():\n    from seqgen import cli\n    import seqgen.training")
    assert list(imported(tree)) == ["seqgen.cli", "seqgen.training"]


@pytest.mark.parametrize("module", ["seqgen", "seqgen.cli", "seqgen.config"])
def test_importing_is_light(module):
    code = f"import sys, {module}; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert module in loaded
    assert not loaded & (HEAVY | {"pydantic", "rich", "click", "numpy"})


def test_no_module_needs_gradio_or_an_extra():
    blocked = ["gradio", "tensorboard", "optuna", "onnx", "pytest", "num2words"]
    names = ", ".join(f"seqgen.{path.stem}" for path in MODULES if path.stem != "__main__")
    code = f"import sys; sys.modules.update(dict.fromkeys({blocked})); import {names}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef):
            yield node


def lines_of_code(function: ast.FunctionDef) -> int:
    """Its lines from the first after the docstring to the last."""
    body = function.body
    documented = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
    first = body[1] if documented and len(body) > 1 else body[0]
    return (function.end_lineno or 0) - first.lineno + 1


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_modules_and_functions_stay_small(path):
    lines = path.read_text("utf-8").splitlines()
    assert len([line for line in lines if line.strip()]) <= LONGEST_MODULE
    for function in functions(path):
        where = f"{path.name}:{function.lineno} {function.name}"
        assert lines_of_code(function) <= LONGEST_FUNCTION, where
        if path not in COMMANDS:
            given = function.args
            names = [*given.posonlyargs, *given.args, *given.kwonlyargs]
            count = len([name for name in names if name.arg not in ("self", "cls")])
            assert count <= MOST_PARAMETERS, where


def test_no_module_is_a_drawer_for_everything():
    assert not {path.stem for path in MODULES} & {"utils", "helpers", "common", "misc"}


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_nothing_that_is_read_can_run_code():
    files = [*PACKAGE.rglob("*.py"), *(ROOT / "app").rglob("*.py")]
    assert len(files) >= 10
    for path in files:
        tree = ast.parse(path.read_text("utf-8"))
        modules = {
            name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in (*(alias.name for alias in node.names), getattr(node, "module", None))
        }
        assert not modules & {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}, path
        for name, call in calls(tree):
            where = f"{path.name}:{call.lineno} {name}"
            assert name not in ("eval", "exec", "torch.load", "torch.save"), where
            for keyword in call.keywords:
                loads_pickle = keyword.arg in ("allow_pickle", "trust_remote_code")
                assert not loads_pickle or ast.unparse(keyword.value) == "False", where


def test_no_file_is_read_or_written_in_the_encoding_of_the_locale():
    found = 0
    for path in MODULES:
        for name, call in calls(ast.parse(path.read_text("utf-8"))):
            if name.endswith((".read_text", ".write_text")):
                found += 1
                named = {keyword.arg for keyword in call.keywords}
                assert "encoding" in named or (name.endswith(".read_text") and call.args), path
    assert found


def test_the_wheel_installs_one_package():
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    outside = [name for name in wheel["only-include"] if name != "seqgen"]
    assert outside
    assert all(wheel["sources"][name] == f"seqgen/shipped/{name}" for name in outside)


def test_every_requirement_has_a_tested_version():
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    tested = (ROOT / "constraints.txt").read_text("utf-8")
    required = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    assert required
    for requirement in required:
        name = requirement.partition(">=")[0]
        assert f"\n{name}==" in tested, name


def raised(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The line and the literal parts of every message to a user."""
    children = {"SeqgenError", "UsageError", "ConfigError", "DataError", "ModelError",
                "CheckpointError", "TrainingError"}  # fmt: skip
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        call = node.exc if isinstance(node, ast.Raise) else None
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in children:
            parts = (one.value for one in ast.walk(call) if isinstance(one, ast.Constant))
            yield call.lineno, [part for part in parts if isinstance(part, str)]


def test_every_error_message_is_read_by_a_test():
    tests = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").glob("test_*.py"))
    read = re.sub(r'"\s*r?"|\\', "", tests)  # as one string, and without what regexes escape
    messages, unread = 0, []
    for path in MODULES:
        for line, parts in raised(path):
            words = [part.strip(" :;,").split() for part in parts]
            threes = [" ".join(row[at : at + 3]) for row in words for at in range(len(row) - 2)]
            telling = [three for three in threes if len(three) > 8]
            messages += 1
            if telling and not any(three in read for three in telling):
                unread.append(f"{path.name}:{line} {' ... '.join(parts)}")
    assert messages > 100
    assert not unread
