"""Whether bf16 learns as fp32 does, and whether a run goes on where it was left."""

import copy
import json

import torch
from torch import Tensor

from gpuparts import madeup
from gpuparts.cases import Case, batch, difference, network
from gpuparts.training import endless
from gpuparts.work import Record, Work
from seqgen.batching import Batches, Budget
from seqgen.config import Config
from seqgen.dropout import Dropout
from seqgen.model import Seq2Seq
from seqgen.optimizers import make_optimizer
from seqgen.recurrent import Recurrent
from seqgen.sampling import GOLD
from seqgen.updates import Clipping, update

UPDATES = 100
WORST = 4  # weights
STEPS, HALF = 24, 12  # of the run that is interrupted


def loss(case: Case, work: Work) -> float:
    """How far the loss in bf16 is from that in fp32, as a share of it."""
    model = network(case, work.device, hidden=64, embedding=32).float().train()
    given = batch().to(work.device)
    exact = float(model(given).detach())
    with work.arithmetic("bf16"):
        return abs(float(model(given).detach()) / exact - 1)


def kinds(work: Work) -> dict[str, str]:
    """What recurrent layers compute in where bf16 is asked for."""
    found = {}
    for cell in ("lstm", "gru", "rnn"):
        layer = Recurrent(cell, 16, 16).to(work.device)
        with work.arithmetic("bf16"):
            outputs, _ = layer(torch.randn(2, 3, 16, device=work.device))
        found[cell] = str(outputs.dtype).removeprefix("torch.")
    return found


def gradient(work: Work, tokens: int) -> Record:
    """How far gradients in bf16 are from those in fp32, as a share of these: the worst weights.

    Gradients of a mean over many tokens are small: what computes in fp16 would lose them.
    """
    model = _undropped(work)
    corpus = madeup.corpus(2 + tokens // 8, madeup.vocabulary(work))
    batches = Batches(corpus, Budget(tokens), seed=1).groups(0)
    (given,) = max(batches, key=lambda group: group[0].tokens)
    found = []
    for name in ("fp32", "bf16"):
        model.zero_grad()
        with work.arithmetic(name):
            (model(given.to(work.device)) / given.tokens).backward()
        found.append({place: weight.grad.double().cpu()
                      for place, weight in model.named_parameters()})  # fmt: skip
    apart = {place: _relative(found[1][place], exact) for place, exact in found[0].items()}
    worst = sorted(apart, key=lambda place: apart[place], reverse=True)[:WORST]
    return {place: float(f"{apart[place]:.3g}") for place in worst}


def learned(work: Work) -> Record:
    """The loss before and after `UPDATES` updates, in either precision."""
    config, corpus = madeup.settings(work), madeup.corpus(2000, madeup.vocabulary(work))
    start, found = _undropped(work), {}
    for name in ("fp32", "bf16"):
        model = copy.deepcopy(start)
        optimizer = make_optimizer(model, config.train)
        clipping = Clipping(config.train, model.device)
        batches, losses = endless(Batches(corpus, Budget(300 if work.quick else 4000), 1)), []
        for number in range(UPDATES // 4 if work.quick else UPDATES):
            torch.manual_seed(number)
            group = next(batches)
            with work.arithmetic(name):
                done = update(model, group, optimizer, GOLD, clipping)
            losses.append(done.nats / done.tokens)
        means = torch.stack(losses).tolist()
        found[name] = [round(sum(each) / len(each), 4) for each in (means[:5], means[-10:])]
    return found


def resumed(work: Work) -> Record:
    """The losses of a run that was stopped half-way and of one that was not."""
    from seqgen import training
    from seqgen.progress import Silent

    config, curves = toy(work), []
    for name, ends in (("whole", (STEPS,)), ("halves", (HALF, STEPS))):
        run = work.folder / name
        for end in ends:
            settings = config.with_values({"train.max_steps": end}, "gpu.py")
            training.train(settings, run, report=Silent())
        lines = (run / "metrics.jsonl").read_text("utf-8").splitlines()
        records = [json.loads(line) for line in lines]
        curves.append([one["loss"] for one in records if "gradient_norm" in one])
    return {"whole": curves[0], "halves": curves[1],
            "difference": difference(*([torch.tensor(each)] for each in curves))}  # fmt: skip


def toy(work: Work) -> Config:
    """A run on made-up text, whose target is the source in reverse."""
    files = {}
    for split, count in (("train", 400), ("validation", 20), ("test", 20)):
        places = madeup.write_text(work.folder / "toy", split, count)
        files[f"data.{split}_file"] = ",".join(map(str, places))
    values = {
        "tokenizer.units": "word", "model.embedding": 16, "model.hidden": 24, "model.layers": 2,
        "sampling.forcing_floor": 1.0, "train.batch_tokens": 200, "train.log_every": 6,
        "train.validate_every": 10_000, "train.plateau_factor": 1.0, "train.precision": "fp32",
        "train.device": str(work.device), "train.epochs": 100,
    }  # fmt: skip
    return Config().with_values({**files, **values}, "gpu.py")


def _undropped(work: Work) -> Seq2Seq:
    """The network without dropout, which draws other numbers where batches have other widths."""
    model = madeup.network(work)
    for module in model.modules():
        if isinstance(module, Dropout):
            module.share = 0.0
    return model


def _relative(found: Tensor, exact: Tensor) -> float:
    return float((found - exact).norm() / exact.norm().clamp_min(1e-300))
