"""OpenNMT-py 3.5.1 on the work of benchmarks/speed.py; the command line is measure.py's."""

import argparse
import json
from pathlib import Path
from typing import Any

import family
import measure
import torch
from measure import Result, Stopwatch, Translate

# isort: split
from onmt import train_single
from onmt.bin.train import _get_parser as train_parser
from onmt.bin.train import train as run
from onmt.bin.translate import _get_parser as translate_parser
from onmt.constants import CorpusTask, DefaultTokens
from onmt.inference_engine import InferenceEnginePY
from onmt.utils.parse import ArgumentParser

PAD = 1  # OpenNMT-py's id, the second of its special tokens
NETWORK = {
    "model_type": "text",
    "encoder_type": "brnn",
    "decoder_type": "rnn",
    "rnn_type": "LSTM",
    "layers": 1,
    "word_vec_size": 256,
    "hidden_size": 512,
    "global_attention": "general",
    "input_feed": 1,
}


def train(options: argparse.Namespace, watch: Stopwatch) -> Result:
    """Train with OpenNMT-py's own trainer, and validate after whole epochs."""
    made = family.watched(train_single, CorpusTask.TRAIN, PAD, options, watch)
    settings = train_settings(options)
    run(settings)
    trainer = made.trainers[0]
    result = watch.result(trainer.model, family.DIFFERS)
    if options.epochs:
        vocabs = trainer.model_saver.vocabs
        dev = made.build_batches(settings, {}, vocabs, task=CorpusTask.VALID, device_id=-1)
        result |= measure.validation(trainer.validate(dev).xent())
    return result


def train_settings(options: argparse.Namespace) -> argparse.Namespace:
    """OpenNMT-py's options for this work."""
    sentences = len(measure.read_lines(options.work / "train.de"))
    data = {
        ours: {
            "path_src": str(options.work / f"{name}.en"),
            "path_tgt": str(options.work / f"{name}.de"),
        }
        for ours, name in (("corpus", "train"), ("valid", "val"))
    }
    values = {
        "data": json.dumps(data),
        "src_vocab": vocabulary(options),
        "share_vocab": True,
        "save_model": options.out / "model",
        "keep_checkpoint": 1,
        "seed": 1,
        **NETWORK,
        "dropout": 0.3,
        "optim": "adam",
        "learning_rate": 0.001,
        "max_grad_norm": 1.0,
        "batch_type": "tokens",
        "batch_size": family.BATCH,
        "normalization": "tokens",
        # A larger bucket than the corpus holds it several times over, and of the copies of a
        # sentence, which sorting brings together, a batch keeps one.
        "bucket_size": sentences,
        "num_workers": 0,
        "valid_batch_size": 1000,
        "train_steps": family.NEVER,
        "valid_steps": family.NEVER,
        "save_checkpoint_steps": 0,
        "report_every": 50,
    }
    return train_parser().parse_args(command_line(values))


def vocabulary(options: argparse.Namespace) -> str:
    """A file of the 8,000 pieces in which padding has OpenNMT-py's name."""
    pieces = measure.read_lines(options.work / "vocab.txt")
    special = ["<unk>", DefaultTokens.PAD, "<s>", "</s>"]
    file = options.out / "vocab.txt"
    file.write_text("".join(f"{piece}\n" for piece in special + pieces[4:]), encoding="utf-8")
    return str(file)


def newest(options: argparse.Namespace) -> Path:
    """The last checkpoint in the folder."""
    # OpenNMT-py keeps its options in a checkpoint, which torch 2.6 and later must be told is fine.
    torch.serialization.add_safe_globals([argparse.Namespace])
    return max(options.out.glob("model_step_*.pt"), key=lambda file: file.stat().st_mtime)


def command_line(values: dict[str, Any]) -> list[str]:
    """The options as they are written in a shell."""
    flags = [
        [f"--{name}"] if value is True else [f"--{name}", str(value)]
        for name, value in values.items()
    ]
    return [word for flag in flags for word in flag]


def load(options: argparse.Namespace) -> Translate:
    """Translate with OpenNMT-py's inference engine."""
    values = {
        "model": newest(options),
        "src": options.work / "test.en",
        "output": options.out / "decoded.txt",
        "batch_type": "sents",
        "batch_size": options.batch,
        "beam_size": options.beam,
        "gpu": -1,
    }
    settings = translate_parser().parse_args(command_line(values))
    ArgumentParser.validate_translate_opts(settings)
    ArgumentParser._get_all_transform_translate(settings)
    ArgumentParser._validate_transforms_opts(settings)
    ArgumentParser.validate_translate_opts_dynamic(settings)
    engine = InferenceEnginePY(settings)

    def translate(sources: list[str]) -> list[str]:
        _, predictions = engine.infer_list(sources)
        return [best for best, *_ in predictions]

    return translate


if __name__ == "__main__":
    measure.main(train, load)
