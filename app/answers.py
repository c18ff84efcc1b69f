"""What the page answers: its limits, and the model behind them."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import gradio as gr
from figures import heat_map
from matplotlib.figure import Figure

from seqgen.errors import SeqgenError
from seqgen.sections import DecodeConfig

if TYPE_CHECKING:
    from seqgen.translator import Hypothesis, Translator

MAX_CHARACTERS = 1000
MAX_BEAM = 10
MAX_SECONDS = 30.0
SECONDS_BETWEEN_UPDATES = 0.05  # a reader gains nothing from more, and each costs milliseconds
SECONDS_BETWEEN_LOOKS = 0.1  # at a search that shows nothing until it ends
SECONDS_UNSEEN = 0.3  # a search that nobody looks at any more does not go on
SECONDS_ABANDONED = 0.7  # nor does it wait for long

Result = TypeVar("Result")


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
            if settings.beam_size == 1:
                yield from paced(self.translator.stream(text, settings))
                return
            for found in awaited(lambda pause: self.translator.hypotheses([text], settings, pause)):
                yield found[0][0].text if found else ""

    def explain(
        self, text: str, search: str, beam_size: int, length_penalty: float
    ) -> Iterator[tuple[dict[str, Any], list[list[Any]] | dict[str, Any], Figure | None]]:
        """The hypotheses behind a translation, and the attention of the best."""
        settings = self.settings(text, search, beam_size, length_penalty)
        if not text.strip():
            yield gr.update(visible=False), [], None
            return
        with one_line_errors():
            for found in awaited(lambda pause: self.translator.hypotheses([text], settings, pause)):
                if found is None:
                    yield gr.skip(), gr.skip(), gr.skip()
                    continue
                best = found[0][0].text
                looked = self.translator.attention(text, settings, best) if best else None
                picture = heat_map(looked) if looked else None
                yield gr.update(visible=True), rows(found[0]), picture

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
                raise too_long()
            if now - shown >= SECONDS_BETWEEN_UPDATES:
                shown = now
                yield text
    yield text


def awaited(work: Callable[[Callable[[], None]], Result]) -> Iterator[Result | None]:
    """None while `work` is at it, for as long as the limit allows, then what it gives.

    It calls what it is given before every step. There it stands still when nobody asks for the
    next value, and ends when nobody has for long: a page that is cancelled leaves its iterator
    as it is.
    """
    started = looked = time.monotonic()
    ended = threading.Event()

    def pause() -> None:
        while (unseen := time.monotonic() - looked) > SECONDS_UNSEEN or ended.is_set():
            if ended.wait(SECONDS_BETWEEN_LOOKS) or unseen > SECONDS_ABANDONED:
                raise Abandoned

    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(work, pause)
        try:
            while not wait([job], SECONDS_BETWEEN_LOOKS).done:
                if time.monotonic() - started > MAX_SECONDS:
                    raise too_long()
                yield None
                looked = time.monotonic()
            try:
                yield job.result()
            except Abandoned:
                raise too_long() from None
        finally:
            ended.set()


class Abandoned(Exception):
    """Nobody waits for the result any more."""


def too_long() -> gr.Error:
    """What a reader is told at the time limit."""
    message = f"stopped after {MAX_SECONDS:g} seconds; try a shorter text"
    return gr.Error(message, print_exception=False)


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
