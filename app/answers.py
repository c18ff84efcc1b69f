"""What the page answers: its limits, and the model behind them."""

import math
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr
from figures import heat_map
from matplotlib.figure import Figure

from seqgen.config import DecodeConfig
from seqgen.errors import SeqgenError

if TYPE_CHECKING:
    from seqgen.translator import Hypothesis, Translator

MAX_CHARACTERS = 1000
MAX_BEAM = 10
MAX_SECONDS = 30.0
SECONDS_BETWEEN_UPDATES = 0.05  # a reader gains nothing from more, and each costs milliseconds


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
