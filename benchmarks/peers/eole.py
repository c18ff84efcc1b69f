"""eole 0.6.4 on the work of benchmarks/speed.py; the command line is measure.py's."""

import argparse
import time
from collections.abc import Iterable
from itertools import takewhile
from typing import Any

import measure
import torch
from measure import Result, Stopwatch

# isort: split
from eole import train_single
from eole.bin.run.train import train as run
from eole.config.run import PredictConfig, TrainConfig
from eole.constants import CorpusTask
from eole.inference_engine import InferenceEnginePY
from eole.trainer import Trainer

DIFFERS = [
    "the encoder runs over padding, which it takes for source in its backward direction",
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
PAD = 0


def train(options: argparse.Namespace, watch: Stopwatch) -> Result:
    """Train with eole's own trainer, and validate after whole epochs."""
    trainers, validations = [], []
    build_trainer, build_batches = (
        train_single.build_trainer,
        train_single.build_dynamic_dataset_iter,
    )

    def watched(*args: Any, task: str, **more: Any) -> Iterable[Any]:
        batches = build_batches(*args, task=task, **more)
        if task != CorpusTask.TRAIN:
            validations.append(batches)
            return batches
        # The corpus is repeated without end; a bucket is an epoch.
        epochs = takewhile(lambda item: item[1] < (options.epochs or NEVER), batches)
        return watch.watched(epochs, tokens)

    def remembered(*args: Any, **more: Any) -> Trainer:
        trainers.append(build_trainer(*args, **more))
        return trainers[-1]

    train_single.build_dynamic_dataset_iter = watched
    train_single.build_trainer = remembered
    run(config(options))
    trainer = trainers[0]
    result = watch.result(trainer.model, DIFFERS)
    if options.epochs:
        result |= measure.validation(trainer.validate(validations[0]).xent())
    return result


def tokens(item: tuple[dict[str, torch.Tensor], int]) -> int:
    """How many target ids a batch predicts: all but BOS and padding."""
    return int((item[0]["tgt"][:, 1:] != PAD).sum())


def config(options: argparse.Namespace) -> TrainConfig:
    """eole's configuration for this work."""
    corpora = {"corpus": "train", "valid": "val"}
    return TrainConfig(
        data={
            name: {
                "path_src": str(options.work / f"{split}.en"),
                "path_tgt": str(options.work / f"{split}.de"),
                "transforms": [],
                "weight": 1,
            }
            for name, split in corpora.items()
        },
        src_vocab=str(options.work / "vocab.txt"),
        share_vocab=True,
        pad_token="<pad>",
        seed=1,
        report_every=50,
        model={
            # The architecture "rnn" has a unidirectional encoder whatever is asked for.
            "architecture": "custom",
            "embeddings": {"word_vec_size": 256, "position_encoding_type": None},
            "encoder": {
                "encoder_type": "brnn",
                "rnn_type": "LSTM",
                "layers": 1,
                "hidden_size": 512,
            },
            "decoder": {
                "decoder_type": "rnn",
                "rnn_type": "LSTM",
                "layers": 1,
                "hidden_size": 512,
                "global_attention": "general",
            },
            "input_feed": 1,
        },
        training={
            "model_path": str(options.out),
            "keep_checkpoint": 1,
            "optim": "adam",
            "learning_rate": 0.001,
            "max_grad_norm": 1.0,
            "dropout": [0.3],
            "batch_type": "tokens",
            "batch_size": BATCH,
            "normalization": "tokens",
            # A larger bucket than the corpus holds it several times over, and of the copies of a
            # sentence, which sorting brings together, a batch keeps one.
            "bucket_size": len(measure.read_lines(options.work / "train.de")),
            "num_workers": 0,
            "valid_batch_size": 1000,
            "train_steps": NEVER,
            "valid_steps": NEVER,
            "save_checkpoint_steps": NEVER,
            "log_attention_entropy": False,
        },
    )


def decode(options: argparse.Namespace, sources: list[str]) -> tuple[list[str], float]:
    """Decode with eole's inference engine."""
    engine = InferenceEnginePY(
        PredictConfig(
            model_path=[str(options.out)],
            src=str(options.work / "test.en"),
            output=str(options.out / "decoded.txt"),
            batch_type="sents",
            batch_size=options.batch,
            beam_size=options.beam,
        )
    )
    started = time.perf_counter()
    _, _, predictions = engine.infer_list(sources)
    return [best for best, *_ in predictions], time.perf_counter() - started


if __name__ == "__main__":
    measure.main(train, decode)
