"""The web page of a trained model: text in, streamed text out, and what the model looked at.

`seqgen demo` opens it on this machine; the folder is also laid out as a Hugging Face Space.
"""

import html
import math
import os
import re
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr
from matplotlib.figure import Figure
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse

from seqgen.config import DecodeConfig
from seqgen.errors import SeqgenError, UsageError

# The folder is no package: a Space runs this file, and seqgen demo loads it by its path.
sys.path.append(str(Path(__file__).resolve().parent))
from figures import AMBER, INDIGO, curves, heat_map

if TYPE_CHECKING:
    from seqgen.translator import Hypothesis, Translator

DEFAULT_PORT = 7860
MAX_CHARACTERS = 1000
MAX_BEAM = 10
MAX_SECONDS = 30.0
MAX_REQUEST_BYTES = 64 * 1024
MAX_CARD_CHARACTERS = 200_000
SECONDS_BETWEEN_UPDATES = 0.05  # a reader gains nothing from more, and each costs milliseconds
COLUMNS = {  # of the table of hypotheses: type and width
    "#": ("number", "6%"),
    "Text": ("str", "45%"),
    "Log-probability": ("number", "15%"),
    "Ranked by": ("number", "12%"),
    "Tokens": ("number", "9%"),
    "Ended": ("str", "13%"),
}
THEME = gr.themes.Soft(  # fonts of the reader's system: nothing is fetched
    primary_hue="indigo",
    font=["ui-sans-serif", "system-ui", "sans-serif"],
    font_mono=["ui-monospace", "monospace"],
)
CSS = """
.gradio-container { max-width: 1100px !important; margin: 0 auto !important; }
#title h1 { font-size: 1.6rem; font-weight: 650; margin: .4rem 0 .1rem; }
#title p { opacity: .7; margin: 0; }
#text textarea, #translation textarea { min-height: 4.2rem; }
.beam:has(input:disabled) > * { opacity: .6; }
#hypotheses { overflow-x: auto; max-width: calc(100vw - 4rem); }
#hypotheses > * { min-width: 40rem; }
#attention img { zoom: .5; width: auto; max-width: 100%; margin: 0 auto; }
"""
POLICY = (  # the browser talks to this server alone, whatever a model card holds
    b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    b"style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    b"worker-src 'self' blob:; object-src 'none'; base-uri 'self'"
)


def launch(
    model: str | Path, host: str = "127.0.0.1", port: int = DEFAULT_PORT, share: bool = False
) -> None:
    """Serve the page of `model`, a run folder or a Hub name, until interrupted."""
    from seqgen.translator import Translator

    translator = Translator.from_pretrained(model)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        os.environ.pop(name, None)  # the model is loaded; a server needs no secret
    page = build(translator)
    if share:
        warning = "a public tunnel: whoever has its address can use this model"
        print(f"seqgen demo: --share opens {warning}", file=sys.stderr)
    print(f"seqgen demo: {serve(page, host, port, share)} (Ctrl-C stops it)", flush=True)
    page.block_thread()


def serve(page: gr.Blocks, host: str, port: int, share: bool = False) -> str:
    """The address at which `page` answers from now on, in threads of its own."""
    free = free_port(host, port)
    try:
        _, local, public = page.launch(
            server_name=host,
            server_port=free,
            share=share,
            prevent_thread_lock=True,
            quiet=True,
            theme=THEME,
            css=CSS,
            max_threads=4,
            max_file_size=0,
            allowed_paths=[],
            blocked_paths=["/"],
            show_error=False,
            strict_cors=True,
            enable_monitoring=False,
            footer_links=["api"],
            run_history=False,
            ssr_mode=False,
            mcp_server=False,
            pwa=False,
            app_kwargs={"middleware": [Middleware(Guard)]},
        )
    except OSError as error:
        raise UsageError(f"{host}:{free}: {error}; choose another --port") from error
    return public or local


def free_port(host: str, port: int) -> int:
    """The port, if nothing listens there; for the default and for 0, the next that is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    fault = ""
    for candidate in range(port, port + (20 if port == DEFAULT_PORT else 1)):
        try:
            with socket.create_server((host, candidate), family=family) as server:
                return int(server.getsockname()[1])
        except OSError as error:
            fault = error.strerror or str(error)
    raise UsageError(f"{host}:{port}: {fault}; choose another --port or --host")


class Guard:
    """An ASGI layer that refuses large requests and tells browsers to ask no other server."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The answer of the app behind it, or a refusal."""

        async def guarded(message: Any) -> None:
            # On a Space the page lies in a frame whose script comes from elsewhere.
            if message["type"] == "http.response.start" and "SPACE_ID" not in os.environ:
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"content-security-policy", POLICY),
                ]
            await send(message)

        if scope["type"] == "http" and too_large(scope):
            refusal = PlainTextResponse(f"at most {MAX_REQUEST_BYTES} bytes\n", status_code=413)
            await refusal(scope, receive, send)
        else:
            await self.app(scope, receive, guarded)


def too_large(scope: Any) -> bool:
    """Whether a request says that it is, or is sent in chunks and so does not say."""
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"0")
    chunked = b"transfer-encoding" in headers
    return chunked or not length.isdigit() or int(length) > MAX_REQUEST_BYTES


def build(translator: "Translator") -> gr.Blocks:
    """The page of one model, not yet served."""
    with gr.Blocks(title=f"{name(translator)} · seqgen", analytics_enabled=False) as page:
        gr.HTML(heading(translator), elem_id="title")
        with gr.Tab("Translate"):
            connect(Service(translator), *translate_tab(translator))
        with gr.Tab("Model"):
            model_tab(translator.folder)
    page.queue(max_size=16, default_concurrency_limit=1, api_open=False)
    return page


def name(translator: "Translator") -> str:
    """What a reader calls the model."""
    config, folder = translator.config, translator.folder
    return config.facts.name or config.data.dataset or (folder.name if folder else "a model")


def heading(translator: "Translator") -> str:
    """What the model is, as HTML: its name, its two sides, its network."""
    model, facts = translator.config.model, translator.config.facts
    layers = "1 layer" if model.layers == 1 else f"{model.layers} layers"
    parts = [f"{model.cell.upper()}, {layers} of {model.hidden}, {model.attention} attention"]
    if facts.source_column and facts.target_column:
        parts.insert(0, f"{facts.source_column} → {facts.target_column}")
    return f"<h1>{html.escape(name(translator))}</h1><p>{html.escape(' · '.join(parts))}</p>"


class Inputs(NamedTuple):
    """What is sent with every request."""

    text: gr.Textbox
    search: gr.Radio
    beam_size: gr.Slider
    length_penalty: gr.Slider


class Outputs(NamedTuple):
    """What comes back, and the part of the page that is hidden until then."""

    translation: gr.Textbox
    results: gr.Column
    hypotheses: gr.Dataframe
    attention: gr.Plot


class Controls(NamedTuple):
    """What a reader clicks."""

    start: gr.Button
    stop: gr.Button
    examples: gr.Dataset


def translate_tab(translator: "Translator") -> tuple[Inputs, Outputs, Controls]:
    """Text beside its translation; below them the settings, the examples and the reasons."""
    with gr.Row(equal_height=True):
        text = gr.Textbox(
            label="Text",
            placeholder="Type here and press Enter",
            max_lines=12,
            max_length=MAX_CHARACTERS,
            autofocus=True,
            min_width=320,
            elem_id="text",
        )
        translation = gr.Textbox(
            label="Translation",
            max_lines=12,
            interactive=False,
            buttons=["copy"],
            min_width=320,
            elem_id="translation",
        )
    with gr.Row():
        start = gr.Button("Translate", variant="primary", scale=4)
        stop = gr.Button("Stop", variant="stop", scale=1)
    settings = search_settings(translator.config.decode)
    examples = gr.Dataset(
        components=[text],
        samples=[[example] for example in translator.examples],
        label="Examples from the validation data",
        type="index",
        visible=bool(translator.examples),
    )
    with gr.Column(visible=False) as results:
        hypotheses = gr.Dataframe(
            headers=list(COLUMNS),
            datatype=[kind for kind, _ in COLUMNS.values()],
            column_widths=[width for _, width in COLUMNS.values()],
            label="Hypotheses, best first",
            elem_id="hypotheses",
            interactive=False,
            wrap=True,
        )
        gr.Markdown("Attention: which source tokens (across) each output token (down) looked at")
        attention = gr.Plot(show_label=False, format="png", elem_id="attention")
    outputs = Outputs(translation, results, hypotheses, attention)
    return Inputs(text, *settings), outputs, Controls(start, stop, examples)


def search_settings(decode: DecodeConfig) -> tuple[gr.Radio, gr.Slider, gr.Slider]:
    """The choice between greedy and beam search, and what a beam search takes."""
    beam = decode.beam_size > 1
    with gr.Row():
        search = gr.Radio(
            [("Greedy", "greedy"), ("Beam search", "beam")],
            value="beam" if beam else "greedy",
            label="Search",
        )
        beam_size = gr.Slider(
            2,
            max(MAX_BEAM, decode.beam_size),
            value=decode.beam_size if beam else 5,
            step=1,
            label="Beam size",
            interactive=beam,
            elem_classes="beam",
        )
        length_penalty = gr.Slider(
            0,
            max(2.0, decode.length_penalty),
            value=decode.length_penalty,
            step=0.05,
            label="Length penalty",
            interactive=beam,
            elem_classes="beam",
        )

    def enable(chosen: str) -> tuple[dict[str, Any], dict[str, Any]]:
        return gr.update(interactive=chosen == "beam"), gr.update(interactive=chosen == "beam")

    search.change(
        enable,
        search,
        [beam_size, length_penalty],
        api_visibility="private",
        show_progress="hidden",
        concurrency_id="page",
    )
    return search, beam_size, length_penalty


class Service:
    """What the page's events call; each checks what it is sent, since anybody can send it."""

    def __init__(self, translator: "Translator") -> None:
        self.translator = translator

    def refuse(
        self, text: str, search: str, beam_size: int, length_penalty: float
    ) -> list[dict[str, Any]]:
        """A verdict on each input before it joins the queue."""
        fault = fault_of(text)
        return [gr.validate(not fault, fault), *[gr.validate(True, "")] * 3]

    def translate(
        self, text: str, search: str, beam_size: int, length_penalty: float
    ) -> Iterator[str]:
        """The translation of a text; greedy search shows it while it grows."""
        settings = self.settings(text, search, beam_size, length_penalty)
        with one_line_errors():
            yield from paced(self.translator.stream(text, settings))

    def explain(
        self, text: str, search: str, beam_size: int, length_penalty: float
    ) -> tuple[dict[str, Any], list[list[Any]], Figure | None]:
        """The hypotheses behind a translation, and the attention of the best."""
        settings = self.settings(text, search, beam_size, length_penalty)
        if not text.strip():
            return gr.update(visible=False), [], None
        with one_line_errors():
            found = self.translator.hypotheses([text], settings)[0]
            best = found[0].text if found else ""
            picture = heat_map(self.translator.alignment(text, best)) if best else None
        return gr.update(visible=True), rows(found), picture

    def example(self, index: int) -> str:
        """The text of an example that was clicked."""
        return self.translator.examples[index]

    def settings(
        self, text: str, search: str, beam_size: float, length_penalty: float
    ) -> DecodeConfig:
        """How to decode, if what was asked for is within the limits of the page."""
        if fault := fault_of(text):
            raise gr.Error(fault, print_exception=False)
        base = self.translator.config.decode
        if search == "greedy":
            return replace(base, beam_size=1, nbest=1, sample=False)
        most = max(MAX_BEAM, base.beam_size)
        if not 2 <= beam_size <= most or beam_size != int(beam_size):
            raise gr.Error(f"beam size: a whole number from 2 to {most}", print_exception=False)
        size = int(beam_size)
        with one_line_errors():
            return replace(
                base,
                beam_size=size,
                nbest=size,
                length_penalty=float(length_penalty),
                sample=False,
            )


def connect(service: Service, inputs: Inputs, outputs: Outputs, controls: Controls) -> None:
    """Make the buttons work; only `/translate` is in the page's API."""
    asked = gr.on(
        [controls.start.click, inputs.text.submit],
        service.translate,
        inputs,
        outputs.translation,
        api_name="translate",
        concurrency_id="model",
        validator=service.refuse,
    )
    picked = controls.examples.click(
        service.example,
        controls.examples,
        inputs.text,
        api_visibility="private",
        show_progress="hidden",
        concurrency_id="page",
    ).success(
        service.translate,
        inputs,
        outputs.translation,
        api_visibility="private",
        concurrency_id="model",
        validator=service.refuse,
    )
    explained = [
        translated.success(
            service.explain,
            inputs,
            outputs[1:],
            api_visibility="private",
            show_progress="minimal",
            concurrency_id="model",
            validator=service.refuse,
        )
        for translated in (asked, picked)
    ]
    controls.stop.click(None, cancels=[asked, picked, *explained])


def fault_of(text: object) -> str:
    """Why the page refuses a text, or nothing."""
    if not isinstance(text, str):
        return "this is not a text"
    if len(text) > MAX_CHARACTERS:
        return f"at most {MAX_CHARACTERS} characters; this text has {len(text)}"
    return ""


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Show a mistake that the reader can repair; others stay in the server's log."""
    try:
        yield
    except SeqgenError as error:
        raise gr.Error(" ".join(str(error).split()), print_exception=False) from None


def paced(growing: Iterator[str]) -> Iterator[str]:
    """The same texts, as often as a reader can see them and for as long as the limit allows."""
    started, shown, text = time.monotonic(), -math.inf, ""
    with closing(growing):  # type: ignore[type-var]  # a stream is a generator
        for text in growing:
            now = time.monotonic()
            if now - started > MAX_SECONDS:
                message = f"stopped after {MAX_SECONDS:g} seconds; try a shorter text"
                raise gr.Error(message, print_exception=False)
            if now - shown >= SECONDS_BETWEEN_UPDATES:
                shown = now
                yield text
    yield text


def rows(found: list["Hypothesis"]) -> list[list[Any]]:
    """The hypotheses as rows of the table."""
    return [
        [
            rank,
            hypothesis.text,
            round(hypothesis.score, 3),
            round(hypothesis.ranked, 3),
            len(hypothesis.tokens),
            "cut" if hypothesis.cut else "complete",
        ]
        for rank, hypothesis in enumerate(found, start=1)
    ]


def model_tab(folder: Path | None) -> None:
    """How training went, and the model card."""
    drawn = curves(folder)
    gr.Markdown("## Training curves" if drawn else "This model came without training curves.")
    for first in range(0, len(drawn), 3):
        with gr.Row():
            for curve in drawn[first : first + 3]:
                gr.LinePlot(
                    curve.points,
                    x="step",
                    y="value",
                    color="part",
                    color_map={"training": INDIGO, "validation": AMBER},
                    title=curve.title,
                    x_title="Updates",
                    y_title=" ",
                    color_title=" ",
                    height=240,
                    min_width=280,
                )
    card = model_card(folder)
    # The component removes scripts; Guard keeps pictures of other servers out.
    gr.Markdown(
        card or "This model came without a card.",
        sanitize_html=True,
        container=bool(card),
        padding=bool(card),
    )


def model_card(folder: Path | None) -> str:
    """The run's README without the metadata before it; empty where there is none."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8") if folder else ""
    except (OSError, UnicodeDecodeError):
        return ""
    return re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)[:MAX_CARD_CHARACTERS].strip()


if __name__ == "__main__":
    launch(
        os.environ.get("SEQGEN_MODEL") or Path(__file__).resolve().parent / "model",
        host=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"),
        port=int(os.environ.get("GRADIO_SERVER_PORT", "7860")),
    )
