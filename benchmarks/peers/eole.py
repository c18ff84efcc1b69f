"""eole 0.6.4 on the work of benchmarks/speed.py; the command line is measure.py's."""

import argparse
from typing import Any

import family
import measure
from measure import Result, Stopwatch, Translate

# isort: split
from eole import train_single
from eole.bin.run.train import train as run
from eole.config.run import PredictConfig, TrainConfig
from eole.constants import CorpusTask
from eole.inference_engine import InferenceEnginePY

DIFFERS = [
    "the encoder runs over padding, which it takes for source in its backward direction",
    *family.DIFFERS,
]
PAD = 0
NETWORK: dict[str, Any] = {
    # The architecture "rnn" has a unidirectional encoder whatever is asked for.
    "architecture": "custom",
    "embeddings": {"word_vec_size": 256, "position_encoding_type": None},
    "encoder": {"encoder_type": "brnn", "rnn_type": "LSTM", "layers": 1, "hidden_size": 512},
    "decoder": {
        "decoder_type": "rnn",
        "rnn_type": "LSTM",
        "layers": 1,
        "hidden_size": 512,
        "global_attention": "general",
    },
    "input_feed": 1,
}


def train(options: argparse.Namespace, watch: Stopwatch) -> Result:
    """Train with eole's own trainer, and validate after whole epochs."""
    made = family.watched(train_single, CorpusTask.TRAIN, PAD, options, watch)
    run(config(options))
    trainer = made.trainers[0]
    result = watch.result(trainer.model, DIFFERS)
    if options.epochs:
        result |= measure.validation(trainer.validate(made.validations[0]).xent())
    return result


def config(options: argparse.Namespace) -> TrainConfig:
    """eole's configuration for this work."""
    return TrainConfig(
        data=corpora(options),
        src_vocab=str(options.work / "vocab.txt"),
        share_vocab=True,
        pad_token="<pad>",
        seed=1,
        report_every=50,
        model=NETWORK,
        training=training(options),
    )


def corpora(options: argparse.Namespace) -> dict[str, Any]:
    """The pairs to train on and to validate on."""
    return {
        name: {
            "path_src": str(options.work / f"{split}.en"),
            "path_tgt": str(options.work / f"{split}.de"),
            "transforms": [],
            "weight": 1,
        }
        for name, split in (("corpus", "train"), ("valid", "val"))
    }


def training(options: argparse.Namespace) -> dict[str, Any]:
    """How it is trained: validation and checkpoints never come in between."""
    return {
        "model_path": str(options.out),
        "keep_checkpoint": 1,
        "optim": "adam",
        "learning_rate": 0.001,
        "max_grad_norm": 1.0,
        "dropout": [0.3],
        "batch_type": "tokens",
        "batch_size": family.BATCH,
        "normalization": "tokens",
        # A larger bucket than the corpus holds it several times over, and of the copies of a
        # sentence, which sorting brings together, a batch keeps one.
        "bucket_size": len(measure.read_lines(options.work / "train.de")),
        "num_workers": 0,
        "valid_batch_size": 1000,
        "train_steps": family.NEVER,
        "valid_steps": family.NEVER,
        "save_checkpoint_steps": family.NEVER,
        "log_attention_entropy": False,
    }


def load(options: argparse.Namespace) -> Translate:
    """Translate with eole's inference engine."""
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

    def translate(sources: list[str]) -> list[str]:
        _, _, predictions = engine.infer_list(sources)
        return [best for best, *_ in predictions]

    return translate


if __name__ == "__main__":
    measure.main(train, load)
