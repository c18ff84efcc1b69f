"""Training, from settings to a run folder: readable top to bottom."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import torch

from seqgen import checkpoint, distributed
from seqgen.averaging import RAW, holding
from seqgen.batching import Batch, Budget, ahead, mixed
from seqgen.config import Config
from seqgen.course import Course, batches_of
from seqgen.devices import keep_memory, pick_device, precision, without_denormals
from seqgen.divergence import Diverged, doubtful, judge_loss, judge_updates, put_off, returned, told
from seqgen.ending import Outcome, judge_best
from seqgen.instruments import Instruments
from seqgen.journal import Journal, summary_writer
from seqgen.model import evaluating
from seqgen.optimizers import make_optimizer
from seqgen.plateaus import judge
from seqgen.progress import Reporter, Silent, reporter
from seqgen.signals import Stopped, pause_where
from seqgen.start import METRICS_FILE, Start, begin, fresh, opened, over
from seqgen.translator import Translator
from seqgen.updates import Clipping, Interval, Update, conditions, update
from seqgen.validation import Validation, validate


def train(
    config: Config,
    run: Path,
    overwrite: bool = False,
    report: Reporter | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Train into the folder `run` until the epochs are over or the dev metric stops improving.

    The same call again goes on where an interrupted run was; a finished one says so. `stop` is
    asked after every update: once it is true, the run is saved and left.
    """

    if config.train.report_to == "tensorboard":
        summary_writer()  # which may not be there: said now, not after the data are read
    device = pick_device(distributed.local_device(config.train.device))
    keep_memory()
    with distributed.together(device):
        report = Silent() if distributed.rank() else report or reporter()
        with closing(report), opened(run, overwrite):
            try:
                started = begin(config, run, report.say, pause_where(stop))
            except Stopped:
                return Outcome(run, False, 0, {})
            with closing(Training(started, run, report, stop)) as training, without_denormals():
                return training.go()


class Training:
    """One run while it trains."""

    def __init__(self, start: Start, run: Path, report: Reporter, stop: Callable[[], bool]):
        (self.config, self.device, self.data, self.model, self.optimizer, self.progress,
         self.averages) = start  # fmt: skip
        self.run, self.report, self.stop = run, report, stop
        settings = self.config.train
        self.batches = batches_of(self.data, settings)
        self.guess = math.log(self.model.decoder.output.out_features)  # nats a token
        self.bf16 = precision(settings, self.config.model.cell) == "bf16"
        self.journal = None
        if not distributed.rank():
            board_from = self.progress.step if settings.report_to == "tensorboard" else None
            self.journal = Journal(run / METRICS_FILE, self.progress.log_bytes, board_from)
        self.instruments = Instruments(start, run, self.journal, report.say)
        self._take_up()

    def _take_up(self) -> None:
        """What goes on from one update to the next, as progress has it."""
        self.interval = Interval(self.progress.interval, self.device)
        self.clipping = Clipping(self.config.train, self.device, self.progress.norms)
        self.in_a_row = torch.zeros((), device=self.device)  # updates that were skipped
        self.owed = False  # a checkpoint, put off
        self._follow_growth()

    def _follow_growth(self) -> None:
        """Batches as large as plateaus have made them, and a course of as many updates."""
        self.batches.budget = Budget.of(self.config.train, self.progress.grown)
        self.course = Course(self.config, self.batches)

    def go(self) -> Outcome:
        """The loop: updates, and between them logs, validations and checkpoints."""
        settings, progress = self.config.train, self.progress
        if progress.finished and over(progress, settings):
            self.report.say(
                f"finished    {self.run} after step {progress.step:,}; --overwrite "
                f"trains it afresh, more --epochs or --max-steps go on"
            )
            return Outcome(self.run, True, progress.step, {})
        progress.finished = False  # the settings may ask for more than they did
        self.model.train()
        while not over(self.progress, settings):
            try:
                if not self._epoch():
                    return Outcome(self.run, False, self.progress.step, {})
            except Diverged as reason:
                self._go_back(reason)
        return self._finish()

    def _epoch(self) -> bool:
        """The rest of an epoch; False: asked to stop on the way."""
        settings, progress = self.config.train, self.progress
        updates = self.batches.updates(progress.epoch, settings.accumulate)
        for group in self._rest_of_epoch():
            done = self._update(group)
            progress.step += 1
            progress.update += 1
            self._count(done)
            ended = progress.update == updates
            if ended:
                progress.epoch, progress.update = progress.epoch + 1, 0
            stopping = self._asked_to_stop()
            self._log_validate_save(ended or over(progress, settings), stopping)
            if stopping:
                return False
            if over(progress, settings):
                break
        return True

    def _count(self, done: Update) -> None:
        """Take in an update. On a GPU, only the log waits for what it was."""
        self.interval.add(done)
        self.averages.follow(done.skipped)
        self.in_a_row = (self.in_a_row + 1) * done.skipped
        if self.device.type == "cpu":
            judge_updates(self.in_a_row)

    def _go_back(self, reason: Diverged) -> None:
        """Go on from the newest checkpoint, or from the start, with half the learning rate."""
        line = told(self.progress, reason, self.run)
        newest = checkpoint.newest(self.run, self.report.say)
        if newest is not None:
            found = checkpoint.restore(newest, self.model, self.optimizer)
            self.averages.restore(newest)
        else:
            found = checkpoint.Progress()
            self.model.load_state_dict(fresh(self.config, self.data).state_dict())
            self.optimizer = make_optimizer(self.model, self.config.train)
            self.averages.afresh()
        self.progress = returned(found, self.progress)
        self._take_up()
        self.report.say(f"{line}, to step {found.step:,}")
        distributed.wait()  # until all have read what is now written again
        self._save()

    def close(self) -> None:
        """Let go of the log."""
        if self.journal is not None:
            self.journal.close()

    def _rest_of_epoch(self) -> Iterator[list[Batch]]:
        groups = self.batches.groups(
            self.progress.epoch,
            self.progress.update,
            self.config.train.accumulate,
            distributed.rank(),
            distributed.world(),
        )
        # On a CPU the thread would take the time of those that multiply.
        return ahead(groups) if self.device.type == "cuda" else groups

    def _update(self, group: list[Batch]) -> Update:
        """One optimizer step. What is random in it depends on the seed and the step alone."""
        seed = mixed(self.config.train.seed, self.progress.step, distributed.rank())
        rate, forcing = self.course.rate(self.progress), self.course.forcing(self.progress)
        made = conditions(self.optimizer, rate, seed, self.bf16)
        with made, self.instruments.watch(self.progress, self.clipping) as clipping:
            return update(self.model, group, self.optimizer, forcing, clipping)

    def _log_validate_save(self, ended: bool, stopping: bool) -> None:
        settings, step = self.config.train, self.progress.step
        if step % settings.log_every == 0:
            self._log()
        validating = step % settings.validate_every == 0 if settings.validate_every else ended
        if validating or over(self.progress, settings):
            judge_loss(self.progress, self._validate(), self.guess)
        self.owed |= step % settings.save_every == 0 if settings.save_every else validating
        leaving = stopping or over(self.progress, settings)
        if self.owed or leaving:
            # What has diverged is no state to go back to, nor what may be about to.
            judge_loss(self.progress, self.interval.loss(), self.guess)
            loss = self.interval.last_loss()
            if not doubtful(self.progress, self.in_a_row, loss, self.guess):
                self._save()
                self.owed = False
            elif stopping:
                self.report.say(put_off(self.run))

    def _log(self) -> None:
        """A line of the log: means since the last one."""
        seen = self.interval.read()
        record = {
            "step": self.progress.step,
            "epoch": self.course.epochs(self.progress),
            "loss": seen.loss,
            "learning_rate": self.course.rate(self.progress),
            "gradient_norm": seen.norm,
            "clipped": seen.clipped,
            "skipped": seen.skipped,
            "teacher_forcing": self.course.forcing(self.progress).ratio,
            "tokens_per_second": seen.speed,
        }
        self.progress.seconds += seen.seconds
        if self.journal is not None:
            self.journal.write(record)
        self.instruments.logged(record, self.guess)
        share = self.progress.step / self.course.last
        left = (1 - share) * self.course.last * seen.seconds / seen.updates
        self.report.step({**record, "share": share, "seconds_left": left})
        judge_updates(self.in_a_row)
        judge_loss(self.progress, seen.loss, self.guess)

    def _validate(self) -> float:
        """Scores on the dev data; the best weights so far are kept, and plateaus are answered.

        What comes back is the loss of the weights as they are, on every rank.
        """
        started = time.perf_counter()
        found = self.averages.validate(self.progress.step, self._scores)
        own = float(found.scores.get("loss", math.nan))
        value, own = distributed.share([found.value, own], self.device)
        verdict = judge(self.progress, value, self.config.train)
        if verdict.improved:
            self.progress.best_weights = str(found.scores.get("weights", RAW))
        tokens, last = self.course.tokens(self.progress), over(self.progress, self.config.train)
        read = self.instruments.examine(self.progress.step, value, tokens, last)
        self.interval.pass_over(time.perf_counter() - started)
        if verdict.plateau:
            self._answer_plateau()
        if self.journal is None:
            return own
        if verdict.improved:
            with holding(self.model, found.weights):
                checkpoint.save_model(self.run, self.model, self.config, self.data.tokenizers)
        record: dict[str, Any] = {
            "step": self.progress.step,
            "epoch": self.course.epochs(self.progress),
            "validation": True,
            "best": verdict.improved,
            "learning_rate": self.course.rate(self.progress),
            "decoded": found.decoded,
            **found.scores,
        }
        self.journal.write({**record, "samples": found.samples})
        self.report.validation(record, found.samples)
        self.instruments.examined(record, read)
        if self.progress.stopped:
            self.report.say(
                f"stopping    no better {self.config.train.metric} for {self.progress.waited} "
                f"validations"
            )
        return own

    def _answer_plateau(self) -> None:
        """Larger batches, the best weights again: what the settings have beside a lower rate."""
        settings = self.config.train
        if len(self.progress.grown) > len(self.batches.budget.jumps):
            self._follow_growth()
            factor, first = settings.plateau_growth, self.progress.grown[-1]
            self.report.say(f"plateau     batches {factor:g} times as large from epoch {first} on")
        if settings.plateau_revert and self.progress.best is not None:
            self._revert()

    def _revert(self) -> None:
        """Take back the best weights. Optimizer and means start afresh: they are of other ones."""
        distributed.wait()
        path = self.run / checkpoint.WEIGHTS
        checkpoint.load_weights(self.model, checkpoint.read_weights(path), path)
        self.optimizer = make_optimizer(self.model, self.config.train)
        self.averages.afresh()
        self.report.say(
            f"plateau     back to the weights of step {self.progress.best_step:,} at a learning "
            f"rate of {self.course.rate(self.progress):.2e}"
        )

    def _scores(self) -> Validation:
        settings = self.config.train
        translator = Translator(self.config, self.data.tokenizers, self.model)
        with evaluating(self.model):
            return validate(translator, self.data, settings.validation_decode, self.batches.budget)

    def _save(self) -> None:
        self.progress.interval = self.interval.totals()
        self.progress.norms = self.clipping.recent()
        if self.journal is not None:
            self.progress.log_bytes = self.journal.length
            keep, means = self.config.train.keep, self.averages.files()
            checkpoint.save(self.run, self.progress, self.model, self.optimizer, keep, means)
        distributed.wait()

    def _finish(self) -> Outcome:
        """Evaluate the best model on the test split, if there is one, and describe the run."""
        scores: Mapping[str, float] = {}
        stopped = False
        if not distributed.rank():
            if self.progress.best is None:  # no validation gave a number
                checkpoint.save_model(self.run, self.model, self.config, self.data.tokenizers)
            corpus, pause = self.data.corpus, pause_where(self.stop)
            try:
                scores = judge_best(self.run, self.config, corpus, self.progress, self.device,
                                    self.report.say, pause)  # fmt: skip
            except Stopped:
                stopped = True
        stopped = distributed.total(float(stopped), self.device) > 0
        self.progress.finished = not stopped
        self._save()
        return Outcome(self.run, not stopped, self.progress.step, scores)

    def _asked_to_stop(self) -> bool:
        return distributed.total(float(self.stop()), self.device) > 0
