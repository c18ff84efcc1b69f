"""JoeyNMT 2.3.0 on the work of benchmarks/speed.py; the command line is measure.py's."""

import argparse
import math
from typing import Any

import measure
import torch
from measure import Result, Stopwatch, Translate

# isort: split
from joeynmt import training
from joeynmt.batch import Batch
from joeynmt.config import parse_global_args
from joeynmt.prediction import predict, prepare

DIFFERS = [
    "batches are not bucketed by length: sentences come in random order and are padded",
    "the batch budget counts padding, so it is set to what holds about 1,000 target tokens",
    "each source ends in an EOS, which is attended to",
    "dropout on embeddings, on what is fed back and on the input of the attentional layer",
    "the bridge sets the decoder's hidden state and its memory cell to the same values",
    "no bias in the output projection",
    "finished sentences stay in the batch of greedy decoding until the last one is done",
]
# Padded tokens of the longer side; with this many, a batch holds about 1,000 target tokens.
BATCH = 2100
NEVER = 10**9
LAYER = {
    "type": "recurrent",
    "rnn_type": "lstm",
    "num_layers": 1,
    "dropout": 0.3,
    "embeddings": {"embedding_dim": 256, "dropout": 0.3},
}
ENCODER = {**LAYER, "hidden_size": 256, "bidirectional": True}
DECODER = {
    **LAYER,
    "hidden_size": 512,
    "hidden_dropout": 0.3,
    "init_hidden": "bridge",
    "input_feeding": True,
    "attention": "luong",
}


def config(options: argparse.Namespace) -> dict[str, Any]:
    """JoeyNMT's configuration for this work."""
    side = {"level": "word", "lowercase": False, "voc_file": str(options.work / "vocab.txt")}
    return {
        "name": "peer",
        "joeynmt_version": "2.3.0",
        "model_dir": str(options.out),
        "use_cuda": False,
        "random_seed": 1,
        "data": {
            "train": str(options.work / "train"),
            "dev": str(options.work / "val"),
            "src": {"lang": "en", **side},
            "trg": {"lang": "de", **side},
        },
        "model": {"encoder": ENCODER, "decoder": DECODER},
        "training": {
            "optimizer": "adam",
            "learning_rate": 0.001,
            # A constant rate: JoeyNMT refuses to go without a schedule, though it says that it
            # may, and "plateau" hands to torch an argument that torch 2.13 no longer takes.
            "scheduling": "exponential",
            "decrease_factor": 1.0,
            "clip_grad_norm": 1.0,
            "normalization": "tokens",
            "label_smoothing": 0.0,
            "batch_size": BATCH,
            "batch_type": "token",
            "epochs": options.epochs or NEVER if options.command == "train" else 1,
            "validation_freq": NEVER,
            "logging_freq": 100,
        },
        "testing": {"batch_type": "sentence", "batch_size": 64, "beam_size": 1},
    }


def train(options: argparse.Namespace, watch: Stopwatch) -> Result:
    """Train with JoeyNMT's own loop, and validate after whole epochs."""
    managers = []
    step = training.TrainManager._train_step

    def watched(manager: training.TrainManager, batch: Batch) -> tuple[float, int]:
        managers[:] = [manager]
        watch.saw(batch.ntokens)
        manager.stats.is_max_update = watch.up
        return step(manager, batch)

    training.TrainManager._train_step = watched
    settings = config(options)
    training.train(rank=0, world_size=None, cfg=settings, skip_test=True)
    model = managers[0].model
    result = watch.result(model, DIFFERS)
    return result | (validated(settings, model) if options.epochs else {})


def validated(settings: dict[str, Any], model: torch.nn.Module) -> Result:
    """The loss on the validation split: the perplexity that JoeyNMT reports is one a token."""
    args = parse_global_args(settings, mode="test")
    _, _, dev, _ = prepare(args, rank=0, mode="train")
    scores, *_ = predict(
        model=model,
        data=dev,
        compute_loss=True,
        device=args.device,
        n_gpu=0,
        normalization="tokens",
        args=args.test._replace(return_prob="ref"),
        autocast=args.autocast,
    )
    return measure.validation(math.log(scores["ppl"]))


def load(options: argparse.Namespace) -> Translate:
    """Translate with JoeyNMT's `predict`, given sentences as `joeynmt translate` gives them."""
    settings = config(options)
    settings["testing"] |= {"batch_size": options.batch, "beam_size": options.beam}
    settings["testing"]["beam_alpha"] = 1.0
    args = parse_global_args(settings, mode="translate")
    model, _, _, data = prepare(args, rank=0, mode="translate")

    def translate(sources: list[str]) -> list[str]:
        data.reset_cache()
        for source in sources:
            data.set_item(source)
        *_, tokens, _, _ = predict(
            model=model,
            data=data,
            device=args.device,
            n_gpu=0,
            args=args.test,
            autocast=args.autocast,
        )
        return [" ".join(piece for piece in row if piece != "</s>") for row in tokens]

    return translate


if __name__ == "__main__":
    measure.main(train, load)
