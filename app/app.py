"""The web page of a trained model: text in, streamed text out, and what the model looked at.

`seqgen demo` opens it on this machine; the folder is also laid out as a Hugging Face Space.
"""

import html
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from seqgen.sections import DecodeConfig

# The folder is no package: a Space runs this file, and seqgen demo loads it by its path.
sys.path.append(str(Path(__file__).resolve().parent))
from answers import MAX_BEAM, MAX_CHARACTERS, Service
from doors import DEFAULT_PORT, serve
from figures import AMBER, INDIGO, curves

if TYPE_CHECKING:
    from seqgen.translator import Translator

MAX_CARD_CHARACTERS = 200_000
COLUMNS = {  # of the table of hypotheses: type and width
    "#": ("number", "6%"),
    "Text": ("str", "45%"),
    "Log-probability": ("number", "15%"),
    "Ranked by": ("number", "12%"),
    "Tokens": ("number", "9%"),
    "Ended": ("str", "13%"),
}


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
    wait(page)


def wait(page: gr.Blocks) -> None:
    """Return never; close the page when a signal ends the process.

    Gradio's own waiting swallows Ctrl-C, and whoever started the process would not learn of it.
    """
    try:
        while True:
            time.sleep(3600)
    finally:
        page.close(verbose=False)


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
    sides = (facts.source_column, facts.target_column)
    if all(side and not side.isdigit() for side in sides):  # numbers of columns tell nothing
        parts.insert(0, " → ".join(sides))
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
    outputs = Outputs(translation, *reasons())
    return Inputs(text, *settings), outputs, Controls(start, stop, examples)


def reasons() -> tuple[gr.Column, gr.Dataframe, gr.Plot]:
    """What a translation was chosen from and by, shown once there is one."""
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
    return results, hypotheses, attention


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
