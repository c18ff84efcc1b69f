"""What is said while a model trains."""

import io
import logging
from typing import NamedTuple

import pytest

from seqgen.errors import UsageError
from seqgen.pictures import attention_picture
from seqgen.progress import (
    LineReporter,
    LiveReporter,
    duration,
    reporter,
    step_line,
    validation_lines,
)

STEP = {
    "step": 1250,
    "epoch": 2.5,
    "loss": 0.51234,
    "learning_rate": 1e-3,
    "gradient_norm": 1.234,
    "teacher_forcing": 0.875,
    "tokens_per_second": 12345.6,
    "seconds_left": 75.2,
    "share": 0.25,
}
VALIDATION = {"step": 1250, "epoch": 2.5, "loss": 0.5, "perplexity": 1.6487, "accuracy": 88.1,
              "exact": 63.2, "cer": 4.5, "best": 1}  # fmt: skip
SAMPLES = [("It cost $3.50.", "It cost three dollars.", "[red]:smile: \x1b[31m[/foo]")]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_step_line_has_every_figure():
    line = " ".join(step_line(STEP).split())
    assert line == (
        "epoch 2.50 step 1250 loss 0.5123 rate 1.00e-03 norm 1.23 forcing 0.88 "
        "12,346 tokens/s 1:15 left"
    )


def test_step_lines_are_aligned_whatever_their_figures():
    later = {**STEP, "step": 99999, "epoch": 10.0, "loss": 12.5, "gradient_norm": 123.4}
    assert len(step_line(STEP)) == len(step_line(later))


def test_a_step_line_says_what_it_knows():
    assert step_line({"step": 7}) == "step      7"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (75, "1:15"), (7205, "2:00:05")]
)
def test_durations_are_read_as_on_a_clock(seconds, text):
    assert duration(seconds) == text


def test_a_file_gets_plain_lines():
    out = io.StringIO()
    told = reporter(out)
    assert isinstance(told, LineReporter)
    told.say("two\nlines \x07")
    told.step(STEP)
    told.validation(VALIDATION, SAMPLES)
    told.close()
    lines = out.getvalue().splitlines()
    assert lines[0] == "two lines \\u0007"
    assert lines[1] == step_line(STEP)
    assert lines[2:5] == [
        "validation at step 1250, epoch 2.50, the best so far",
        "  teacher-forced  loss 0.5000  perplexity 1.65  accuracy 88.10",
        "  free-running    exact 63.20  cer 4.50",
    ]
    assert lines[5:] == [
        "    source      It cost $3.50.",
        "    reference   It cost three dollars.",
        "    hypothesis  [red]:smile: \\u001b[31m[/foo]",
    ]
    assert "\x1b" not in out.getvalue()


def test_the_scores_of_means_stand_beside_those_of_the_weights_themselves():
    means = {"ema_loss": 0.25, "ema_exact": 70.0, "average_loss": 0.375, "weights": "ema"}
    assert validation_lines({**VALIDATION, **means}, []) == [
        "validation at step 1250, epoch 2.50, the best so far with the ema weights",
        "  teacher-forced  loss 0.5000  perplexity 1.65  accuracy 88.10",
        "  free-running    exact 63.20  cer 4.50",
        "  ema             loss 0.2500  exact 70.00",
        "  average         loss 0.3750",
    ]
    (first, *_) = validation_lines({**VALIDATION, **means, "best": False}, [])
    assert first == "validation at step 1250, epoch 2.50"


def test_a_terminal_gets_a_live_line_and_texts_are_no_markup():
    out = Terminal()
    told = reporter(out)
    assert isinstance(told, LiveReporter)
    told.say("[bold]no markup[/nothing] :smile:")
    told.step(STEP)
    told.validation(VALIDATION, SAMPLES)
    told.close()
    told.close()
    said = out.getvalue()
    assert "[bold]no markup[/nothing] :smile:" in said
    assert "hypothesis  [red]:smile: \\u001b[31m[/foo]" in said
    assert "0.5123" in said


class Attended(NamedTuple):
    source: list[str]
    target: list[str]
    weights: list[list[float]]


ATTENDED = Attended(["漢", "字", "$", "नि"], ["a", "$b$", "</s>"], [[0.25] * 4] * 3)


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_attention_is_drawn_without_a_warning_where_no_font_has_the_script(
    tmp_path, ending, caplog
):
    path = tmp_path / f"attention.{ending}"
    with caplog.at_level(logging.WARNING):
        attention_picture(ATTENDED, path)
    assert path.stat().st_size > 1000
    assert not caplog.records


def test_a_picture_of_an_unknown_kind_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"a\.txt: pictures end in .*\.png"):
        attention_picture(ATTENDED, tmp_path / "a.txt")
