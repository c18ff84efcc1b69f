"""What every test stands on: no network, a cache of its own, as many threads everywhere."""

import os
import tempfile

# Before anything imports the libraries that read them.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
os.environ["SEQGEN_CACHE"] = tempfile.mkdtemp(prefix="seqgen-tests-")
os.environ["HF_HOME"] = os.path.join(os.environ["SEQGEN_CACHE"], "huggingface")
os.environ["MPLCONFIGDIR"] = os.path.join(os.environ["SEQGEN_CACHE"], "matplotlib")

import shutil
import signal
from collections.abc import Iterator

import pytest

# A shell that starts tests in the background has them ignore Ctrl-C, and all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _cache_is_removed() -> Iterator[None]:
    yield
    shutil.rmtree(os.environ["SEQGEN_CACHE"], ignore_errors=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-golden", action="store_true", help="write golden files anew")
