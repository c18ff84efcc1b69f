"""What comes from the `datasets` library: a Hub on this machine answers as the real one would."""

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from seqgen import hub
from seqgen.errors import DataError
from seqgen.sections import DataConfig
from seqgen.splits import locate

PAIRS = [("NA", "null"), ("007", '"x"'), *((f"word {n}", f"Wort {n}") for n in range(38))]
HELD = [("dev", "Entwicklung"), ("two", "zwei")]
OLD, NEW = "a" * 40, "b" * 40


def rows(pairs) -> bytes:
    return b"".join(json.dumps({"en": a, "de": b}).encode() + b"\n" for a, b in pairs)


def nested(pairs) -> bytes:
    return b"".join(
        json.dumps({"translation": {"en": a, "de": b}}).encode() + b"\n" for a, b in pairs
    )


REPOSITORIES = {
    "someone/pairs": {
        OLD: {"README.md": b"---\nlicense: mit\n---\n", "train.jsonl": rows(PAIRS[:7])},
        NEW: {"README.md": b"pairs", "train.jsonl": rows(PAIRS), "val.jsonl": rows(HELD)},
    },
    "someone/nested": {NEW: {"train.jsonl": nested(PAIRS), "validation.jsonl": nested(HELD)}},
    "someone/script": {NEW: {"script.py": b"raise SystemExit(7)", "train.jsonl": rows(PAIRS)}},
    "someone/broken": {NEW: {"train.jsonl": b'{"en": 1}\nnot JSON\n'}},
}
BRANCHES = {"main": NEW, "v1": OLD}


class Hub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        found = re.fullmatch(r"(?:/api)?/datasets/([^/]+/[^/]+)(?:/(\w+)/([^/]+)/?(.*))?", path)
        commits = REPOSITORIES.get(found[1], {}) if found else {}
        if not found or not commits:
            return self.answer(404, b"{}", X_Error_Code="RepoNotFound")
        commit = BRANCHES.get(found[3] or "main", found[3])
        if commit not in commits:
            return self.answer(404, b"{}", X_Error_Code="RevisionNotFound")
        files = commits[commit]
        if found[2] == "resolve" and found[4] not in files:
            return self.answer(404, b"", X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
        if found[2] == "resolve":
            data = files[found[4]]
            tag = hashlib.sha256(data).hexdigest()
            return self.answer(200, data, ETag=f'"{tag}"', X_Repo_Commit=commit)
        if found[2] == "tree":
            listing = [
                {"type": "file", "path": name, "size": len(data), "oid": "0" * 40}
                for name, data in files.items()
                if name.startswith(found[4])
            ]
            return self.answer(200, json.dumps(listing).encode())
        return self.answer(200, json.dumps({"id": found[1], "sha": commit}).encode())

    do_HEAD = do_GET

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> Iterator[dict[str, str]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {
        **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
        "HF_HOME": str(tmp_path_factory.mktemp("home")),
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "HF_TOKEN": "hf_canary",
        "PYTHONPATH": str(Path(__file__).parent.parent),
    }
    server.shutdown()
    server.server_close()


CODE = """
import json, sys
from seqgen.sections import DataConfig
from seqgen.corpus import read_corpus
from seqgen.errors import DataError
for options in json.loads(sys.argv[1]):
    try:
        corpus = read_corpus(DataConfig(**options))
        splits = [[list(pair) for pair in split or ()] for split in corpus[3:6]]
        print(json.dumps([corpus.name, list(corpus.notes), splits]))
    except DataError as error:
        print(json.dumps(str(error)))
"""


def read_in_a_process(environment, *options):
    """What each of these settings gives in a fresh process: a corpus or an error."""
    command = [sys.executable, "-c", CODE, json.dumps(options)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "hf_canary" not in done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def as_lists(pairs):
    return [list(pair) for pair in pairs]


def test_hub_data_is_read_pinned_and_kept_for_offline_use(environment):
    name = "someone/pairs"
    wanted = [
        {"dataset": name, "source": "en", "target": "de"},
        {"dataset": name, "revision": "v1"},
        {"dataset": name, "revision": OLD},
    ]
    missing = {"dataset": name, "revision": "v9"}
    *online, refused = read_in_a_process(environment, *wanted, missing)
    newest, old, same = online
    assert newest == ["pairs", ["columns en -> de"], [as_lists(PAIRS), as_lists(HELD), []]]
    assert old == same
    assert sorted(old[2][0] + old[2][1]) == sorted(as_lists(PAIRS[:7]))
    assert old[1] == [
        "columns en -> de (guessed)",
        "held out 1 pair of train for validation, by their source",
    ]
    assert (
        refused == f"dataset {name!r}: it has no revision 'v9'; leave --revision out or correct it"
    )

    *offline, refused = read_in_a_process({**environment, "HF_HUB_OFFLINE": "1"}, *wanted, missing)
    assert offline == online
    assert refused == (
        f"dataset {name!r}: revision 'v9' is not in the cache, and the Hub cannot be reached;"
        " load it once with a connection, or name another --revision"
    )


def test_nested_hub_data_gives_the_same_pairs(environment):
    (corpus,) = read_in_a_process(
        environment, {"dataset": "someone/nested", "source": "en", "target": "de"}
    )
    assert corpus[2] == [as_lists(PAIRS), as_lists(HELD), []]


def test_every_mistake_about_hub_data_is_said_in_one_line(environment):
    answers = read_in_a_process(
        environment,
        {"dataset": "someone/nobody"},
        {"dataset": "someone/script"},
        {"dataset": "someone/broken"},
        {"dataset": "someone/pairs", "dataset_config": "de-en"},
        {"dataset": "someone/pairs", "source": "en", "target": "fr"},
    )
    patterns = [
        r"dataset 'someone/nobody': is no folder or file here and no public dataset on the Hub; .*",
        r"dataset 'someone/script': it needs a loading script, and no script is ever run; .*",
        r"dataset 'someone/broken': .*; correct --dataset, --dataset-config or --revision, .*",
        r"dataset 'someone/pairs': BuilderConfig 'de-en' not found\. Available: \['default'\].*",
        r"no column 'fr' in someone/pairs split train; it has 'en', 'de'",
    ]
    for answer, pattern in zip(answers, patterns, strict=True):
        assert re.fullmatch(pattern, answer), answer


def test_offline_with_a_cold_cache_says_what_to_do(environment, tmp_path):
    cold = {**environment, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    (answer,) = read_in_a_process(cold, {"dataset": "someone/pairs"})
    assert answer == (
        "dataset 'someone/pairs': HF_HUB_OFFLINE is set and it is not in the cache"
        f" {tmp_path}/datasets; load it once with a connection,"
        " or give your own files with --train-file"
    )


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            ConnectionError("Couldn't reach it"),
            r"the Hub cannot be reached and it is not in the ca",
        ),
        (RuntimeError("a gated dataset"), r"access is restricted; ask for it on its page, then"),
        (OSError("https://x/y?token=1 is\nout"), r": https://x/y is out; correct --dataset, --da"),
        (ValueError("x" * 999), r": x{297}\.\.\.; correct --dataset, --dataset-config or"),
    ],
)
def test_what_the_library_raises_becomes_one_line_with_a_remedy(monkeypatch, error, message):
    def load_dataset(*_, **__):
        raise error

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    with pytest.raises(DataError, match=message) as caught:
        hub.hub_splits(DataConfig(dataset="someone/pairs"))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("dataset 'someone/pairs': ")


def test_a_saved_dataset_without_splits_is_train(tmp_path):
    import datasets

    datasets.Dataset.from_dict({"a": ["x", "y"], "b": ["z", None]}).save_to_disk(
        str(tmp_path / "s")
    )
    name, tables = locate(DataConfig(dataset=str(tmp_path / "s")))
    assert name == "s"
    assert list(tables["train"].rows((0, 1))) == [("x", "z"), ("y", None)]


def test_a_saved_dataset_without_train_names_its_splits(tmp_path):
    import datasets

    data = datasets.Dataset.from_dict({"a": ["x"], "b": ["y"]})
    datasets.DatasetDict({"default": data}).save_to_disk(str(tmp_path / "s"))
    message = r"s: no split 'train'; it has 'default'; name one with --train-split$"
    with pytest.raises(DataError, match=message):
        locate(DataConfig(dataset=str(tmp_path / "s")))
    tables = locate(DataConfig(dataset=str(tmp_path / "s"), train_split="default"))[1]
    assert list(tables["train"].rows((1,))) == [("y",)]


def test_a_damaged_saved_dataset_is_refused_in_one_line(tmp_path):
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train"]}')
    message = r": cannot be read as a saved dataset: .+; save it again$"
    with pytest.raises(DataError, match=message) as caught:
        locate(DataConfig(dataset=str(tmp_path)))
    assert "\n" not in str(caught.value)
