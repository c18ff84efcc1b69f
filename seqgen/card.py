"""The model card of a run: what it was trained on, how, how good it is, how to use it."""

import json
from dataclasses import fields
from pathlib import Path

from seqgen import __version__, checkpoint
from seqgen.config import USER_SECTIONS, Config
from seqgen.evaluation import Report
from seqgen.sections import DecodeConfig


def write_card(config: Config, report: Report, folder: Path, which: str) -> None:
    """`README.md`, with metadata that the Hub reads; `which` weights the model has, in words."""
    from huggingface_hub import EvalResult, ModelCardData

    facts = config.facts
    results = [
        EvalResult(
            task_type="text2text-generation",
            dataset_type=facts.name,
            dataset_name=facts.name,
            dataset_split=report.split,
            metric_type=name,
            metric_value=round(value, 4),
            metric_args={"signature": report.signatures[name]}
            if name in report.signatures
            else None,
        )
        for name, value in report.scores.items()
    ]
    data = ModelCardData(
        model_name=facts.name,
        library_name="seqgen",
        pipeline_tag="text2text-generation",
        language=_languages(config) or None,
        datasets=[config.data.dataset] if "/" in config.data.dataset else None,
        tags=["seqgen", config.model.cell, "sequence-to-sequence"],
        eval_results=results,
    )
    text = f"---\n{data.to_yaml()}\n---\n\n{_text(config, report, which)}"
    checkpoint.write(folder / "README.md", text.encode())


def _languages(config: Config) -> list[str]:
    """The columns that are named like languages."""
    names = dict.fromkeys((config.facts.source_column, config.facts.target_column))
    return [name for name in names if len(name) in (2, 3) and name.isalpha() and name.islower()]


def _text(config: Config, report: Report, which: str) -> str:
    facts, model = config.facts, config.model
    scores = "\n".join(
        f"| {name} | {value:.2f} | {report.intervals[name][0]:.2f} to "
        f"{report.intervals[name][1]:.2f} | {_cell(report.signatures.get(name))} |"
        for name, value in report.scores.items()
    )
    search = _search(config.decode)
    example = next(iter(json.loads(facts.examples)), "text")
    return f"""# {facts.name}: {facts.source_column} to {facts.target_column}

A recurrent sequence-to-sequence model ({model.cell}, {model.attention} attention), trained with
seqgen {__version__} on the dataset {facts.name}. The model has {which}.

## Scores

On {report.pairs:,} pairs of the split `{report.split}`, decoded with {search}; intervals are 95 %
bootstrap intervals over sources.

{_compared(report)}| metric | score | interval | signature |
|---|--:|---|---|
{scores}

## Settings

Those that are not seqgen's defaults; `config.json` has all.

{_changed(config) or "- none"}

## Use

```python
from seqgen import Translator

translator = Translator.from_pretrained("path/to/this/folder")
translator.translate([{json.dumps(example, ensure_ascii=False)}])
```
"""


def _changed(config: Config) -> str:
    """The settings that are not defaults, a line each."""
    return "\n".join(
        f"- `{section}.{item.name} = {json.dumps(value, ensure_ascii=False)}`"
        for section in USER_SECTIONS
        for item in fields(getattr(config, section))
        if (value := getattr(getattr(config, section), item.name)) != item.default
    )


def _compared(report: Report) -> str:
    return f"Outputs and references are compared {report.compared}.\n\n" if report.compared else ""


def _search(settings: DecodeConfig) -> str:
    if settings.mbr != "none":
        pool = {"samples": "samples", "nbest": "hypotheses"}[settings.mbr]
        return f"minimum Bayes risk over {settings.mbr_size} {pool} ({settings.mbr_metric})"
    return "greedy" if settings.beam_size == 1 else f"beam {settings.beam_size}"


def _cell(text: str | None) -> str:
    """`text` in a table, whose bars set columns apart."""
    return (text or "").replace("|", "\\|")
