"""yoyodyne 0.5.27 on words of characters, with an attentive LSTM.

    train DATA.tsv OUT --width 128 --seconds S [--threads 2]

DATA has a word and, after a tab, its symbols, which spaces separate. The last line on stdout is
the result, as of the other drivers; its tokens are target symbols and one end for each word.
"""

import argparse
from pathlib import Path
from typing import Any

import measure
from measure import Result, Stopwatch

# isort: split
import lightning
from lightning.pytorch import callbacks
from yoyodyne import data, models, special, trainers
from yoyodyne.models import modules

DIFFERS = [
    "batches are not bucketed by length",
    "attention is a tanh layer over encoder states and decoder state, asked before the step;"
    " there is no attentional layer: the decoder's output is projected as it is",
    "the decoder starts from a learned state that does not depend on the source",
    "sources begin with a start symbol and end with an end symbol",
    "source and target share one embedding table",
]


class Watch(callbacks.Callback):
    """Tells the stopwatch of each batch, and ends training when time is up."""

    def __init__(self, stopwatch: Stopwatch):
        self.stopwatch = stopwatch

    def on_train_batch_start(
        self, trainer: lightning.Trainer, model: Any, batch: data.Batch, number: int
    ) -> None:
        """Count the target symbols, which end in one end symbol a word."""
        self.stopwatch.saw(int((batch.target.tensor != special.PAD_IDX).sum()))
        trainer.should_stop = self.stopwatch.up


def train(options: argparse.Namespace, stopwatch: Stopwatch) -> Result:
    """Train with yoyodyne's trainer, without validation, checkpoints, or a progress bar."""
    lightning.seed_everything(1)
    words = data.DataModule(
        model_dir=str(options.out),
        train=str(options.data),
        target_sep=" ",
        batch_size=256,
    )
    model = models.SoftAttentionLSTMModel(
        source_encoder=modules.LSTMEncoder(
            embedding_size=options.width,
            hidden_size=options.width // 2,
            layers=1,
            bidirectional=True,
            dropout=0.0,  # a single layer has none between layers, of which torch warns
        ),
        embedding_size=options.width,
        decoder_hidden_size=options.width,
        decoder_layers=1,
        decoder_dropout=0.0,
        compute_accuracy=False,
        vocab_size=words.vocab_size,
        target_vocab_size=words.target_vocab_size,
    )
    trainer = trainers.Trainer(
        accelerator="cpu",
        max_epochs=-1,
        gradient_clip_val=1.0,
        callbacks=[Watch(stopwatch)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
    )
    trainer.fit(model, words)
    trainer.save_checkpoint(options.out / "model.ckpt")
    loss = float(trainer.callback_metrics["train_loss"])
    return stopwatch.result(model, DIFFERS) | {"train_loss": round(loss, 4)}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser()
    command = parser.add_subparsers(dest="command", required=True).add_parser("train")
    command.add_argument("data", type=Path)
    command.add_argument("out", type=Path)
    command.add_argument("--width", type=int, default=128, choices=(128, 256))
    command.add_argument("--seconds", type=float, required=True)
    command.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    options = arguments()
    measure.announce(options, lambda: train(options, Stopwatch(options.seconds)))
