"""The commands that ask a model: translate, evaluate, score."""

import os
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from seqgen import texts
from seqgen.commands import Device
from seqgen.config import Config
from seqgen.configfiles import read_config
from seqgen.errors import SeqgenError, UsageError
from seqgen.flags import Values, resolve
from seqgen.sections import DataConfig, DecodeConfig
from seqgen.terminal import is_terminal, note, printable, write_result

if TYPE_CHECKING:
    from seqgen.translator import Translator

Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model", "-m", metavar="NAME",
        help="run folder or Hub name, several of them for an ensemble [newest run]",
    ),
]  # fmt: skip
InputFile = Annotated[str, typer.Option(metavar="FILE", help="file to read; - is stdin")]
Folder = Annotated[str, typer.Option(metavar="FOLDER", help="where to write")]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object a line, with scores")]

# Lines read ahead of the results, in batches: sorting by length needs some to sort.
READ_AHEAD = 16
CUT = "{:,} of {:,} outputs were cut at the length limit; --max-length N sets another"
# Settings that name the data: where one is given, those of the model's run do not count.
NAMING = ("data.dataset", "data.train_file", "data.validation_file", "data.test_file")


def translate(
    given: Values,
    text: Annotated[
        list[str] | None, typer.Argument(metavar="[TEXT]...", help="texts, or - for stdin")
    ] = None,
    model: Models = None,
    input_file: InputFile = "",
    as_json: AsJson = False,
    attention: Annotated[
        str, typer.Option(metavar="FILE", help="draw where the model looked in the first text")
    ] = "",
    device: Device = "auto",
) -> None:
    """Translate texts, line by line.

    Texts are arguments, the lines of a file, or those of stdin; one that starts with - goes
    after --. Without any on a terminal, a prompt asks. Each text gives one line; --nbest N
    gives N lines a text, "text number ||| output ||| log-probability", the number from 0.
    The search settings default to the model's own; in brackets are those of seqgen.
    """
    asked = not text and not input_file and is_terminal(sys.stdin)
    sources = texts.prompt() if asked else texts.read_sources(text or [], input_file)
    _check_search(given, model)
    picture = _picture(attention)
    translator = _load(model, device)
    decode = resolve(given, base=translator.config).decode
    _say_int8(translator, decode)
    form = "json" if as_json else "nbest" if decode.nbest > 1 else "plain"
    first = ""
    number = cut = 0
    for group in texts.groups(sources, 1 if asked else READ_AHEAD * decode.batch_size):
        for source, found in zip(group, translator.hypotheses(group, decode), strict=True):
            texts.write_hypotheses(number, source, found, form, decode.nbest)
            first = first or (source if found[0].text else "")
            number, cut = number + 1, cut + found[0].cut
        sys.stdout.flush()
    if cut:
        note(CUT.format(cut, number))
    if picture is not None:
        _draw(translator, first, decode, picture)


def evaluate(
    given: Values,
    model: Models = None,
    split: Annotated[
        str, typer.Option(metavar="train|validation|test", help="what to evaluate on [test]")
    ] = "test",
    output_dir: Folder = "",
    device: Device = "auto",
) -> None:
    """Score a model on a test set; write its predictions and scores.

    The data and search settings default to those of the model's run. The files
    generated_predictions.txt and eval_results.json go to the run, or to --output-dir, with
    references.*.txt where a source has several.
    """
    if split not in ("train", "validation", "test"):
        raise UsageError(f"--split is train, validation or test; got {split!r}")
    _check_search(given, model)
    folder = _writable(output_dir, model)
    translator = _load(model, device)
    resolved = resolve(given, base=_other_data(translator.config, given))
    _say_int8(translator, resolved.decode)
    from seqgen import evaluation
    from seqgen.corpus import read_corpus

    corpus = read_corpus(resolved.data)
    for line in corpus.notes:
        note(line)
    pairs = getattr(corpus, split)
    if pairs is None:
        raise UsageError(f"{corpus.name}: has no {split} split; --split or --test-file names one")
    group, tokenize = resolved.data.group, resolved.data.bleu_tokenizer
    report = evaluation.evaluate(translator, pairs, resolved.decode, group, tokenize)
    for line in report.lines():
        write_result(line)
    if report.cut:
        note(CUT.format(report.cut, report.sources))
    if folder is not None:
        evaluation.write(report, folder)
        note(f"predictions and scores are in {folder}")


def score(
    pair: Annotated[
        list[str] | None, typer.Argument(metavar="[SOURCE TARGET]", help="a pair of texts")
    ] = None,
    model: Models = None,
    input_file: InputFile = "",
    source_file: Annotated[str, typer.Option(metavar="FILE", help="sources, one a line")] = "",
    target_file: Annotated[str, typer.Option(metavar="FILE", help="targets, one a line")] = "",
    ensemble: Annotated[
        Literal["probability", "log_probability"] | None,
        typer.Option(
            metavar="probability|log_probability",
            help="what is averaged where several models score together",
        ),
    ] = None,
    as_json: AsJson = False,
    device: Device = "auto",
) -> None:
    """Print the log-probability, in nats, that a model gives to targets.

    Pairs are two arguments, two files, or lines "source, tab, target" of a file or stdin.
    """
    if is_terminal(sys.stdin) and not (pair or input_file or source_file or target_file):
        note("reads pairs, a source, a tab and a target a line; Ctrl-D ends")
    pairs = texts.read_pairs(pair or [], input_file, (source_file, target_file))
    _check_ensemble(bool(ensemble), model)
    translator = _load(model, device)
    decode = translator.config.decode
    decode = replace(decode, ensemble=ensemble or decode.ensemble)
    for group in texts.groups(pairs, READ_AHEAD * decode.batch_size):
        sources, targets = zip(*group, strict=True)
        for entry, scored in zip(group, translator.score(sources, targets, decode), strict=True):
            texts.write_score(entry, scored, "json" if as_json else "plain")
        sys.stdout.flush()


def _load(models: list[str] | None, device: str) -> "Translator":
    """The model that was asked for; which one it is, is said where nobody named it."""
    from seqgen.runs import find_model, is_shipped

    found = [find_model(name) for name in models or [""]]
    from seqgen.translator import Translator

    translator = Translator.from_pretrained(found if len(found) > 1 else found[0], device=device)
    if not models:
        ships = ", which comes with seqgen, as there is no run" if is_shipped(found[0]) else ""
        note(f"model {found[0]}{ships}")
    return translator


def _say_int8(translator: "Translator", decode: DecodeConfig) -> None:
    """Why weights keep their 32 bits although 8 were asked for."""
    reason = translator.why_not_int8() if decode.int8 else ""
    if reason:
        note(f"int8: {reason}; decoding goes on in fp32")


def _other_data(config: Config, given: Values) -> Config:
    """The run's configuration; where other data are named, nothing of the old but columns."""
    if not any(given.get(name) for name in NAMING):
        return config
    data = config.data
    kept = DataConfig(source=data.source, target=data.target, bleu_tokenizer=data.bleu_tokenizer)
    return replace(config, data=kept)


def _writable(output_dir: str, models: list[str] | None) -> Path | None:
    """Where evaluation may write: where it was told to, or the one run of the user's own."""
    from seqgen.runs import find_model, is_shipped

    several = len(models or ()) > 1 and not output_dir
    folder = Path(output_dir) if output_dir else find_model(models[0] if models else "")
    if not several and isinstance(folder, Path) and not is_shipped(folder):
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not (there.is_dir() and os.access(there, os.W_OK)):
            raise SeqgenError(f"{folder}: cannot be written to; --output-dir names another folder")
        return folder
    note("predictions and scores are not written; --output-dir FOLDER says where to")
    return None


def _check_ensemble(asked: bool, models: list[str] | None) -> None:
    if asked and len(models or ()) < 2:
        raise UsageError("--ensemble is of no use without a second --model; give both or none")


def _check_search(given: Values, models: list[str] | None) -> None:
    """Say what is wrong with the options before the model is loaded, by its settings."""
    from seqgen.runs import find_model

    base = None
    with suppress(SeqgenError):  # which is said when the model is loaded
        found = find_model(models[0] if models else "")
        base = read_config(found / "config.json") if isinstance(found, Path) else None
    decode = resolve(given, base=base).decode
    _check_ensemble("decode.ensemble" in given, models)
    draws = decode.sample or decode.mbr == "samples"
    searches = decode.beam_size > 1 or decode.mbr == "nbest"
    ways = {
        "--sample": (draws, "temperature top_k top_p sample_seed"),
        "--beam-size": (searches, "length_penalty coverage_penalty"),
        "--mbr": (decode.mbr != "none", "mbr_metric mbr_size"),
    }
    for way, (taken, names) in ways.items():
        for name in names.split():
            if f"decode.{name}" in given and not taken:
                flag = "--" + name.replace("_", "-")
                raise UsageError(f"{flag} is of no use without {way}; give both or none")
    if draws and "decode.beam_size" in given:
        way, other = (
            ("--sample", "--no-sample") if decode.sample else ("--mbr samples", "--mbr nbest")
        )
        raise UsageError(f"--beam-size searches and {way} draws; give {other}, or no beam")


def _picture(name: str) -> Path | None:
    """Where a picture goes; says now, not after the work, that it cannot."""
    if not name:
        return None
    from seqgen.pictures import check_path

    check_path(Path(name))
    return Path(name)


def _draw(translator: "Translator", first: str, decode: DecodeConfig, path: Path) -> None:
    if not first:
        raise UsageError("--attention draws the first text that is not blank; there was none")
    from seqgen.pictures import attention_picture

    looked = translator.attention(first, decode)
    if looked is None:
        raise SeqgenError("the first text has no output to draw; another text would do")
    attention_picture(looked, path)
    note(f"attention of the first text: {printable(str(path))}")
