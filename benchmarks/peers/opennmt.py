"""OpenNMT-py 3.5.1 on the work of benchmarks/speed.py; the command line is measure.py's."""

import argparse
import json
import time
from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path
from typing import Any

import measure
import torch
from measure import Result, Stopwatch

# isort: split
from onmt import train_single, trainer
from onmt.bin.train import _get_parser as train_parser
from onmt.bin.train import train as run
from onmt.bin.translate import _get_parser as translate_parser
from onmt.constants import CorpusTask, DefaultTokens
from onmt.inference_engine import InferenceEnginePY
from onmt.utils.parse import ArgumentParser

DIFFERS = [
    "a sentence is left out of a batch that has its source already",
    "sources have no EOS",
    "dropout on embeddings and on what attention gives, which is fed",
    "no bridge: the decoder starts from the encoder's last states, memory cells included",
    "no bias in the attentional layer",
    "parameters start uniform in [-0.1, 0.1]",
]
# Padded tokens of the longer side; with this many, a batch holds about 1,000 target tokens.
BATCH = 1125
NEVER = 10**9
PAD = 1  # OpenNMT-py's id, the second of its special tokens


def train(options: argparse.Namespace, watch: Stopwatch) -> Result:
    """Train with OpenNMT-py's own trainer, and validate after whole epochs."""
    trainers = []
    build_trainer, build_batches = (
        train_single.build_trainer,
        train_single.build_dynamic_dataset_iter,
    )

    def watched(*args: Any, task: str, **more: Any) -> Iterable[Any]:
        batches = build_batches(*args, task=task, **more)
        if task != CorpusTask.TRAIN:
            return batches
        # The corpus is repeated without end; a bucket is an epoch.
        epochs = takewhile(lambda item: item[1] < (options.epochs or NEVER), batches)
        return watch.watched(epochs, tokens)

    def remembered(*args: Any, **more: Any) -> trainer.Trainer:
        trainers.append(build_trainer(*args, **more))
        return trainers[-1]

    train_single.build_dynamic_dataset_iter = watched
    train_single.build_trainer = remembered
    settings = train_settings(options)
    run(settings)
    model = trainers[0].model
    result = watch.result(model, DIFFERS)
    if options.epochs:
        vocabs = trainers[0].model_saver.vocabs
        dev = build_batches(settings, {}, vocabs, task=CorpusTask.VALID, device_id=-1)
        result |= measure.validation(trainers[0].validate(dev).xent())
    return result


def tokens(item: tuple[dict[str, torch.Tensor], int]) -> int:
    """How many target ids a batch predicts: all but BOS and padding."""
    return int((item[0]["tgt"][:, 1:] != PAD).sum())


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
        "model_type": "text",
        "encoder_type": "brnn",
        "decoder_type": "rnn",
        "rnn_type": "LSTM",
        "layers": 1,
        "word_vec_size": 256,
        "hidden_size": 512,
        "global_attention": "general",
        "input_feed": 1,
        "dropout": 0.3,
        "optim": "adam",
        "learning_rate": 0.001,
        "max_grad_norm": 1.0,
        "batch_type": "tokens",
        "batch_size": BATCH,
        "normalization": "tokens",
        # A larger bucket than the corpus holds it several times over, and of the copies of a
        # sentence, which sorting brings together, a batch keeps one.
        "bucket_size": sentences,
        "num_workers": 0,
        "valid_batch_size": 1000,
        "train_steps": NEVER,
        "valid_steps": NEVER,
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


def decode(options: argparse.Namespace, sources: list[str]) -> tuple[list[str], float]:
    """Decode with OpenNMT-py's inference engine."""
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
    started = time.perf_counter()
    _, predictions = engine.infer_list(sources)
    return [best for best, *_ in predictions], time.perf_counter() - started


if __name__ == "__main__":
    measure.main(train, decode)
