"""The web page, over a translator whose answers can be read: it writes texts backwards."""

import gc
import importlib.util
import io
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import toy
from hypothesis import given
from hypothesis import strategies as st

from seqgen import resources, training
from seqgen.config import Config
from seqgen.errors import DataError, UsageError
from seqgen.progress import Silent
from seqgen.sections import DecodeConfig
from seqgen.translator import Alignment, Hypothesis, Translator

APP = resources.find("app")

# Importing gradio leaves event loops behind, which say so when they are collected.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ResourceWarning)
    import gradio
    import httpx
    from gradio_client import Client
    from huggingface_hub import SpaceCard

    gc.collect()

pytestmark = [
    # gradio 6.31 uses what pandas 3 deprecates, after every event.
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
    pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated"),
    # And, at every event, what Python 3.14 deprecates.
    pytest.mark.filterwarnings("ignore:'asyncio.iscoroutinefunction' is deprecated"),
    # Its server and its client drop sockets and event loops without closing them.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def _leftovers_are_collected() -> Iterator[None]:
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


class Backwards:
    """A translator that writes the text backwards, a letter every few milliseconds."""

    examples = ("drawer", "$12.50")

    def __init__(self, folder: Path | None = None, seconds: float = 0.003):
        self.config = Config().with_values(
            {
                "facts.name": "mirror <b>",
                "facts.source_column": "forth",
                "facts.target_column": "back",
            },
            "test",
        )
        self.folder = folder
        self.seconds = seconds
        self.steps = 0
        self.asked: list[DecodeConfig] = []
        self.closed = threading.Event()

    def translate(self, texts: Sequence[str]) -> list[str]:
        return [text[::-1] for text in texts]

    def stream(self, text: str, settings: DecodeConfig) -> Iterator[str]:
        self.asked.append(settings)
        if text == "broken":
            raise DataError("this text\ncannot be read")
        if text == "bug":
            raise RuntimeError("a secret of the server")
        try:
            for end in range(len(text) + 1):
                time.sleep(self.seconds)
                self.steps += 1
                yield text[::-1][:end]
        finally:
            self.closed.set()

    def hypotheses(
        self, texts: Sequence[str], settings: DecodeConfig, pause: Callable[[], None]
    ) -> list[list[Hypothesis]]:
        self.asked.append(settings)
        if texts[0] == "broken":
            raise DataError("this text\ncannot be read")
        try:
            for _ in texts[0]:
                pause()
                time.sleep(self.seconds)
                self.steps += 1
        finally:
            self.closed.set()
        return [
            [
                Hypothesis(text[::-1] + "!" * rank, -1.23456 - rank, -0.5 - rank, [*text], [], True)
                for rank in range(settings.nbest)
            ]
            for text in texts
        ]

    def attention(self, text: str, settings: DecodeConfig, output: str) -> Alignment:
        width = len(text) + 1
        return Alignment(
            [*text, "</s>"],
            [*output, "</s>"],
            [[1 / width] * width for _ in range(len(output) + 1)],
        )


@pytest.fixture(scope="module")
def app() -> ModuleType:
    spec = importlib.util.spec_from_file_location("seqgen_app", APP / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def figures(app: ModuleType) -> ModuleType:
    return importlib.import_module("figures")


@pytest.fixture(scope="module")
def doors(app: ModuleType) -> ModuleType:
    return importlib.import_module("doors")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    records: list[dict[str, Any]] = [
        {"step": step, "loss": 3 / step, "learning_rate": 1e-3, "gradient_norm": 1.5}
        for step in range(50, 1050, 50)
    ]
    records.append(
        {"step": 1000, "validation": True, "loss": 0.5, "exact": 61.0, "learning_rate": 1e-3}
    )
    lines = [json.dumps(record) for record in records]
    (folder / "metrics.jsonl").write_text("\n".join([*lines, '{"step": 10']), encoding="utf-8")
    card = "---\nlicense: mit\n---\n# A mirror\n\nIt writes backwards.\n"
    (folder / "README.md").write_text(card, encoding="utf-8")
    return folder


class Served:
    """A page that answers, its translator and a client of plain HTTP."""

    def __init__(self, app: ModuleType, translator: Backwards):
        self.translator = translator
        self.page = app.build(translator)
        self.address = app.serve(self.page, "127.0.0.1", 0)
        self.http = httpx.Client(base_url=self.address, timeout=10)

    def numbers(self, name: str) -> list[int]:
        """The numbers of the events whose API name begins with `name`."""
        events = self.http.get("/config").json()["dependencies"]
        return [event["id"] for event in events if event["api_name"].startswith(name)]

    def join(self, number: int, data: list[Any], session: str = "s") -> httpx.Response:
        body = {"data": data, "fn_index": number, "session_hash": session}
        return self.http.post("/gradio_api/queue/join", json=body)

    def messages(self, session: str) -> Iterator[dict[str, Any]]:
        """What the server sends to a session, until its events are complete."""
        with self.http.stream("GET", f"/gradio_api/queue/data?session_hash={session}") as stream:
            for line in stream.iter_lines():
                if line.startswith("data:"):
                    message = json.loads(line[5:])
                    yield message
                    if message["msg"] in ("process_completed", "close_stream"):
                        return

    def ended(self, name: str, data: list[Any]) -> dict[str, Any]:
        """The last message about an event that was let into the queue."""
        session = f"s{time.monotonic_ns()}"
        (number, *_) = self.numbers(name)
        assert self.join(number, data, session).status_code == 200
        return list(self.messages(session))[-1]

    def close(self) -> None:
        self.http.close()
        self.page.close(verbose=False)


@pytest.fixture(scope="module")
def served(app: ModuleType, run: Path) -> Iterator[Served]:
    served = Served(app, Backwards(run))
    yield served
    served.close()


@pytest.fixture(scope="module")
def client(served: Served) -> Client:
    return Client(served.address, verbose=False, analytics_enabled=False)


TEXT = "a man, a plan"
GREEDY = ["greedy", 5, 1.0]


def test_the_client_gets_the_text_of_the_command_line(served: Served, client: Client) -> None:
    assert client.predict(TEXT, api_name="/translate") == served.translator.translate([TEXT])[0]


def test_greedy_output_grows_by_prefixes_and_ends_as_the_whole_text(client: Client) -> None:
    texts = list(client.submit(TEXT * 5, api_name="/translate"))
    assert len(texts) > 3
    assert all(after.startswith(before) for before, after in itertools.pairwise(texts))
    assert texts[-1] == (TEXT * 5)[::-1]


def test_a_beam_shows_its_finished_text(served: Served, client: Client) -> None:
    texts = list(client.submit(TEXT, "beam", 3, 0.35, api_name="/translate"))
    assert set(texts) <= {"", TEXT[::-1]}
    assert texts[-1] == TEXT[::-1]
    asked = served.translator.asked[-1]
    assert (asked.beam_size, asked.nbest, asked.length_penalty, asked.sample) == (3, 3, 0.35, False)


def test_a_blank_text_gives_an_empty_one(client: Client) -> None:
    assert client.predict("", api_name="/translate") == ""


def test_only_translate_is_public(client: Client) -> None:
    api = client.view_api(return_format="dict", print_info=False)
    assert list(api["named_endpoints"]) == ["/translate"]
    assert api["unnamed_endpoints"] == {}
    names = [
        entry["parameter_name"] for entry in api["named_endpoints"]["/translate"]["parameters"]
    ]
    assert names == ["text", "search", "beam_size", "length_penalty"]


def test_a_model_that_searches_by_beam_is_asked_so_by_default(app: ModuleType) -> None:
    translator = Backwards()
    decode = DecodeConfig(beam_size=12, length_penalty=0.6)
    translator.config = Config(decode=decode)
    page = app.build(translator)
    shown = {block.label: block.value for block in page.blocks.values() if hasattr(block, "value")}
    chosen = (shown["Search"], shown["Beam size"], shown["Length penalty"])
    assert chosen == ("beam", 12, 0.6)
    settings = app.Service(translator).settings("text", *chosen)
    assert settings == DecodeConfig(beam_size=12, nbest=12, length_penalty=0.6)


def test_explaining_gives_scored_hypotheses_and_a_picture(served: Served) -> None:
    message = served.ended("explain", ["abc", "beam", 2, 1.0])
    shown, table, plot = message["output"]["data"]
    assert shown["visible"]
    assert [row[:4] for row in table["data"]] == [
        [1, "cba", -1.235, -0.5],
        [2, "cba!", -2.235, -1.5],
    ]
    assert plot["plot"].startswith("data:image/png;base64,")


def test_explaining_a_blank_text_shows_nothing(served: Served) -> None:
    shown, table, plot = served.ended("explain", ["  ", *GREEDY])["output"]["data"]
    assert (shown["visible"], table["data"], plot) == (False, [], None)


def test_the_stop_button_cancels_every_event_that_decodes(served: Served) -> None:
    config = served.http.get("/config").json()
    (button,) = (
        one["id"]
        for one in config["components"]
        if one["type"] == "button" and one["props"]["value"] == "Stop"
    )
    stops = [one for one in config["dependencies"] if [button, "click"] in one["targets"]]
    cancelled = {number for one in stops for number in one["cancels"]}
    decoding = {*served.numbers("translate"), *served.numbers("explain")}
    assert len(decoding) == 4
    assert cancelled >= decoding


def test_an_example_that_is_clicked_fills_the_text(served: Served) -> None:
    assert served.ended("example", [1])["output"]["data"] == ["$12.50"]


@pytest.mark.parametrize("name", ["translate", "explain"])
def test_no_event_takes_a_text_that_is_too_long(served: Served, name: str) -> None:
    events = served.numbers(name)
    assert len(events) == 2
    for number in events:
        refusal = served.join(number, ["x" * 1001, *GREEDY])
        assert refusal.status_code == 422
        assert "at most 1000 characters; this text has 1001" in refusal.text


@pytest.mark.parametrize("text", [None, 7, ["x"], {"a": 1}])
def test_what_is_no_text_never_reaches_the_model(served: Served, text: object) -> None:
    asked = len(served.translator.asked)
    answer = served.join(served.numbers("translate")[0], [text, *GREEDY], "other")
    if answer.status_code == 200:  # gradio writes numbers and lists as text
        list(served.messages("other"))
        assert all(isinstance(one, DecodeConfig) for one in served.translator.asked[asked:])
    else:
        assert answer.status_code in (400, 422)
        assert len(served.translator.asked) == asked


def test_the_function_itself_refuses_a_long_text(app: ModuleType) -> None:
    service = app.Service(Backwards())
    for event in (service.translate, service.explain):
        with pytest.raises(gradio.Error, match="at most 1000 characters; this text has 1001"):
            list(event("x" * 1001, "greedy", 5, 1.0))


@pytest.mark.parametrize("beam", [11, 999, 1, 0, -3, 2.5, 1e30])
def test_beam_sizes_beyond_the_limit_are_refused(
    app: ModuleType, served: Served, beam: float
) -> None:
    asked = len(served.translator.asked)
    answer = served.join(served.numbers("translate")[0], ["x", "beam", beam, 1.0], f"beam{beam}")
    assert (
        answer.status_code in (400, 422) or not list(served.messages(f"beam{beam}"))[-1]["success"]
    )
    assert len(served.translator.asked) == asked
    with pytest.raises(gradio.Error, match="a whole number from 2 to 10"):
        app.Service(Backwards()).settings("x", "beam", beam, 1.0)


@pytest.mark.parametrize("penalty", [-1.0, 50.0, float("nan")])
def test_length_penalties_out_of_range_are_refused(app: ModuleType, penalty: float) -> None:
    with pytest.raises(gradio.Error, match="length_penalty must be between 0 and 10"):
        app.Service(Backwards()).settings("x", "beam", 3, penalty)


def test_a_search_that_does_not_exist_is_refused(served: Served) -> None:
    answer = served.join(served.numbers("translate")[0], ["x", "genetic", 5, 1.0])
    assert answer.status_code == 400


def test_a_mistake_of_the_user_is_shown_on_one_line(served: Served) -> None:
    message = served.ended("translate", ["broken", *GREEDY])
    assert message["output"]["error"] == "this text cannot be read"


def test_a_mistake_of_ours_is_not_shown(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    message = served.ended("translate", ["bug", *GREEDY])
    assert not message["success"]
    assert "secret" not in json.dumps(message)
    assert "a secret of the server" in capsys.readouterr().err


@pytest.mark.parametrize("route", ["run", "api", "run/predict", "api/predict"])
def test_the_queue_cannot_be_passed_by(served: Served, route: str) -> None:
    path = f"/gradio_api/{route}" + ("" if "/" in route else "/translate")
    body = {"data": ["x", *GREEDY], "fn_index": served.numbers("translate")[0]}
    assert served.http.post(path, json=body).status_code == 404


def test_uploads_are_refused(served: Served) -> None:
    files = {"files": ("a.txt", b"some bytes")}
    assert served.http.post("/gradio_api/upload", files=files).status_code == 413


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/proc/self/environ",
        "../../../../etc/passwd",
        "..%2f..%2f..%2f..%2fetc%2fpasswd",
        str(APP / "app.py"),
        "app.py",
        "http://127.0.0.1:1/",
        "file:///etc/passwd",
    ],
)
@pytest.mark.parametrize("route", ["/gradio_api/file=", "/gradio_api/file/", "/file=", "/static/"])
def test_no_file_of_this_machine_and_no_address_can_be_read(
    served: Served, route: str, path: str
) -> None:
    answer = served.http.get(route + path)
    assert answer.status_code in (400, 401, 403, 404), answer.text[:100]
    assert "root:" not in answer.text


@pytest.mark.parametrize("route", ["monitoring", "monitoring/summary", "gradio_api/mcp/sse"])
def test_what_the_page_does_not_need_is_off(served: Served, route: str) -> None:
    assert served.http.get(f"/{route}").status_code in (403, 404)


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
def test_other_sites_may_not_read_the_answers(served: Served, origin: str) -> None:
    answer = served.http.get("/config", headers={"Origin": origin})
    assert "access-control-allow-origin" not in answer.headers


def test_large_and_unmeasured_requests_are_refused_before_they_are_read(served: Served) -> None:
    join = "/gradio_api/queue/join"
    assert served.http.post(join, content=b"x" * 70_000).status_code == 413
    chunks = (b"x" * 1000 for _ in range(3))
    assert served.http.post(join, content=chunks).status_code == 413


def test_the_browser_is_told_to_ask_no_other_server(served: Served) -> None:
    answer = served.http.get("/")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "fonts.googleapis" not in answer.text
    assert "cdnjs" not in answer.text


def test_names_are_shown_as_text(served: Served) -> None:
    answer = served.http.get("/config").text
    assert "mirror &lt;b&gt;" in answer
    assert "<h1>mirror <b>" not in answer


@pytest.mark.parametrize(("column", "shown"), [("back", "forth → back · LSTM"), ("1", "<p>LSTM")])
def test_the_heading_names_columns_that_have_names(
    app: ModuleType, column: str, shown: str
) -> None:
    translator = Backwards()
    translator.config = translator.config.with_values({"facts.target_column": column}, "test")
    assert shown in app.heading(translator)


def test_a_full_queue_says_so(app: ModuleType) -> None:
    slow = Served(app, Backwards(seconds=0.05))
    try:
        (number, *_) = slow.numbers("translate")
        answers = [slow.join(number, ["x" * 900, *GREEDY], f"n{n}") for n in range(24)]
        codes = [answer.status_code for answer in answers]
        assert set(codes) == {200, 503}
        assert 16 <= codes.count(200) <= 18
    finally:
        slow.close()


def wait_for_steps(translator: Backwards) -> None:
    while not translator.steps:
        time.sleep(0.01)


def stops_within_a_second(translator: Backwards) -> bool:
    """Whether decoding ends soon, and long before its text does."""
    closed = translator.closed.wait(timeout=1)
    steps = translator.steps
    time.sleep(0.2)
    return closed and translator.steps == steps < 900


@pytest.fixture
def slow(app: ModuleType) -> Iterator[Served]:
    served = Served(app, Backwards(seconds=0.02))
    yield served
    served.close()


@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_cancelling_stops_the_decoding(slow: Served, search: str) -> None:
    client = Client(slow.address, verbose=False, analytics_enabled=False)
    job = client.submit("x" * 900, search, api_name="/translate")
    wait_for_steps(slow.translator)
    job.cancel()
    assert stops_within_a_second(slow.translator)


@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_a_client_that_goes_away_stops_the_decoding(slow: Served, search: str) -> None:
    slow.join(slow.numbers("translate")[0], ["x" * 900, search, 5, 1.0], "gone")
    messages = slow.messages("gone")
    assert next(messages)
    wait_for_steps(slow.translator)
    messages.close()
    assert stops_within_a_second(slow.translator)


@pytest.mark.parametrize(
    ("event", "search"), [("translate", "greedy"), ("translate", "beam"), ("explain", "greedy")]
)
def test_decoding_ends_at_the_time_limit(
    event: str, search: str, app: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("answers.MAX_SECONDS", 0.1)
    monkeypatch.setattr("answers.SECONDS_BETWEEN_LOOKS", 0.03)
    translator = Backwards(seconds=0.01)
    with pytest.raises(gradio.Error, match=re.escape("stopped after 0.1 seconds; try a shorter")):
        list(getattr(app.Service(translator), event)("x" * 900, search, 5, 1.0))
    assert translator.closed.is_set()
    assert translator.steps < 100


def test_launch_loads_the_model_forgets_tokens_and_says_where_it_answers(
    app: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    monkeypatch.setattr(
        "seqgen.translator.Translator.from_pretrained", lambda model: Backwards(Path(model))
    )
    monkeypatch.setattr(app, "wait", gradio.Blocks.close)
    app.launch("nowhere", port=0)
    assert "HF_TOKEN" not in os.environ
    assert re.search(r"^seqgen demo: http://127\.0\.0\.1:\d+/ \(Ctrl-C", capsys.readouterr().out)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that training made, over pieces and bytes."""
    path = tmp_path_factory.mktemp("learned")
    data = toy.write_pairs(path / "data", train=600)
    config = toy.config(data, tokenizer__units="unigram", train__epochs=4)
    training.train(config, path / "run", report=Silent())
    return path / "run"


@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_a_real_model_says_on_the_page_what_it_says_on_the_command_line(
    search: str, app: ModuleType, learned: Path
) -> None:
    texts = ["a b c d", "h g f", "日本 🙂 a b"]
    words = ["--beam-size", "4"] if search == "beam" else []
    command = [sys.executable, "-m", "seqgen", "translate", "--model", str(learned), *words]
    ran = subprocess.run([*command, "--", *texts], capture_output=True, text=True, check=True)
    served = Served(app, Translator.from_pretrained(learned, device="cpu"))  # type: ignore[arg-type]
    try:
        client = Client(served.address, verbose=False, analytics_enabled=False)
        for text, told in zip(texts, ran.stdout.splitlines(), strict=True):
            shown = list(client.submit(text, search, 4, 1.0, api_name="/translate"))
            assert shown[-1] == told
            assert all(after.startswith(before) for before, after in itertools.pairwise(shown))
            assert not any("\ufffd" in one for one in shown[:-1])
    finally:
        served.close()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_the_demo_with_their_codes(number: int, code: int, tmp_path: Path) -> None:
    data = toy.write_pairs(tmp_path / "data")
    training.train(
        toy.config(data, train__max_steps=2, train__epochs=1), tmp_path / "run", report=Silent()
    )
    command = [sys.executable, "-m", "seqgen", "demo", "--model", str(tmp_path / "run")]
    with subprocess.Popen(
        [*command, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline().startswith("seqgen demo: http://127.0.0.1:")
        child.send_signal(number)
        _, rest = child.communicate(timeout=60)
    assert child.returncode == code, rest
    assert "Traceback" not in rest


def test_a_port_in_use_is_an_error_that_names_it(app: ModuleType, served: Served) -> None:
    port = int(re.search(r":(\d+)/", served.address)[1])  # type: ignore[index]
    with pytest.raises(UsageError, match=rf"^127\.0\.0\.1:{port}: .*; choose another --port"):
        app.serve(served.page, "127.0.0.1", port)


def test_the_default_port_gives_way_to_the_next_free_one(doors: ModuleType) -> None:
    taken = doors.free_port("127.0.0.1", doors.DEFAULT_PORT)
    with socket.create_server(("127.0.0.1", taken)):
        assert doors.free_port("127.0.0.1", doors.DEFAULT_PORT) > taken


def test_no_secret_of_the_environment_is_in_what_the_server_tells(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    for path in ("/", "/config", "/gradio_api/info", "/gradio_api/startup-events"):
        assert "hf_canary" not in served.http.get(path).text


def test_the_second_tab_has_the_card_and_the_curves(served: Served) -> None:
    components = served.http.get("/config").json()["components"]
    cards = [one["props"]["value"] for one in components if one["type"] == "markdown"]
    assert "# A mirror\n\nIt writes backwards." in cards
    titles = [one["props"]["title"] for one in components if one["type"] == "nativeplot"]
    assert titles == ["Loss, nats a token", "Exact match", "Learning rate", "Gradient norm"]


def test_a_model_without_card_and_curves_has_a_page(app: ModuleType, tmp_path: Path) -> None:
    for folder in (None, tmp_path, tmp_path / "absent"):
        assert app.build(Backwards(folder)).blocks


def test_curves_leave_out_what_is_broken(figures: ModuleType, tmp_path: Path) -> None:
    lines = [
        '{"step": 5, "loss": 2.5}',
        "nonsense",
        "[1, 2]",
        "[" * 100_000,
        '{"loss": 1.0}',
        '{"step": 7, "loss": NaN, "bleu": "high"}',
        '{"step": 9, "loss": 1.5, "validation": true, "learning_rate": 0.1}',
        '{"step": 9, "diagnosis": true, "loss": 3.5, "noise_scale": 0.1}',
        '{"step": 11, "lo',
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (curve,) = figures.curves(tmp_path)
    assert curve.title == "Loss, nats a token"
    assert curve.points.values.tolist() == [[5, 2.5, "training"], [9, 1.5, "validation"]]


def test_long_curves_are_thinned_and_keep_their_end(figures: ModuleType, tmp_path: Path) -> None:
    lines = [json.dumps({"step": step, "loss": 1.0}) for step in range(1, 3001)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (curve,) = figures.curves(tmp_path)
    assert 300 < len(curve.points) <= 400
    assert curve.points["step"].iloc[-1] == 3000


def picture(figures: ModuleType, source: list[str], target: list[str]) -> Any:
    weights = [[1 / len(source)] * len(source) for _ in target]
    figure = figures.heat_map(Alignment(source, target, weights))
    figure.savefig(io.BytesIO(), format="png", dpi=40)
    return figure


@pytest.mark.parametrize(("across", "down"), [(1, 1), (5, 7), (60, 58), (3, 60), (300, 90)])
def test_pictures_fit_a_page_and_name_every_token(
    figures: ModuleType, across: int, down: int
) -> None:
    source, target = (
        [f"{side}{n}" for n in range(size)] for side, size in (("s", across), ("t", down))
    )
    figure = picture(figures, source, target)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == source[:64]
    assert [label.get_text() for label in axes.get_yticklabels()] == target[:64]
    assert figure.get_figwidth() < 11
    assert min(label.get_fontsize() for label in axes.get_xticklabels()) > 5
    assert ("300 tokens" in axes.get_xlabel()) == (across == 300)


def test_tokens_of_any_script_are_drawn_without_warnings(figures: ModuleType) -> None:
    tokens = [
        "▁日本",
        "عربى",
        "$x^{$",
        "_{",
        "\u202e",
        "\x00",
        "\ud800",
        "😀",
        "e\u0301",
        "क्षि",
        " ",
        "",
    ]
    picture(figures, tokens, tokens[::-1])
    assert figures.label("\x00\u202e ") == "\\u0000\\u202e␣"
    assert figures.label("a" * 20) == "a" * 14 + "…"


@given(st.text(st.characters(), max_size=9))
def test_labels_hold_only_what_the_fonts_have(figures: ModuleType, token: str) -> None:
    shown = figures.label(token)
    shown.encode("utf-8")
    assert all(unicodedata.category(character)[0] not in "CZ" for character in shown)
    tables = figures.glyph_tables()
    assert all(any(ord(character) in table for table in tables) for character in shown)


def test_the_folder_is_a_space(app: ModuleType) -> None:
    card = SpaceCard.load(APP / "README.md")
    data = card.data.to_dict()
    assert (data["sdk"], data["app_file"]) == ("gradio", "app.py")
    assert (APP / data["app_file"]).is_file()
    pinned, installed = (
        tuple(int(part) for part in version.split(".")[:2])
        for version in (data["sdk_version"], gradio.__version__)
    )
    assert pinned <= installed
    needed = (APP / "requirements.txt").read_text(encoding="utf-8").split()
    assert [re.split("[>=<]", line)[0] for line in needed] == ["seqgen", "gradio", "matplotlib"]
