"""Training against the clock: previews, estimates, checkpoints and a finished mask in time."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import nn

from contrastive_seg.finetuning.case_data import PreparedView
from contrastive_seg.finetuning.checkpoint import RunState
from contrastive_seg.finetuning.estimate import estimate_dice
from contrastive_seg.finetuning.events import EventSink, Progress
from contrastive_seg.finetuning.samples import SliceSampler
from contrastive_seg.finetuning.schedule import Schedule
from contrastive_seg.finetuning.trainer import Trainer
from contrastive_seg.free_cores import FreeCores
from contrastive_seg.runs import HistoryPoint

PEAK = 2e-3
"""Highest learning rate of a network from random weights; later rounds use half of it."""

_SECONDS_BETWEEN_CHECKPOINTS = 8.0
_SECONDS_TO_SAVE = 0.8
_FLAT = 0.002
_ANNEAL_FROM = 0.8


class TrainingLoop:
    """One round of training.

    Args:
        trainer: Network and optimiser.
        state: Of the run; elapsed time and estimate are kept in it.
        prepared: Views of all cases.
        begin: ``time.monotonic()`` when the round began.
        budget: Seconds from ``begin`` to the finished prediction.
        steps: Exactly so many steps instead, those of an interrupted round included, or None.
        on_event: Told progress and metrics.
        should_stop: True ends the loop after the step under way.
        preview: Shows the mask as the given network would predict it, and tells how many seconds the
            final prediction of the same case will take.
        save: Writes a checkpoint.
        replay: Repeats the steps of an earlier round instead, without a look at the clock.
        cores: Says how many threads to use; None to leave them as they are.
    """

    def __init__(
        self,
        trainer: Trainer,
        state: RunState,
        prepared: list[PreparedView],
        begin: float,
        budget: float,
        steps: int | None,
        *,
        on_event: EventSink,
        should_stop: Callable[[], bool],
        preview: Callable[[nn.Module], float],
        save: Callable[[], None],
        replay: Schedule | None = None,
        cores: FreeCores | None = None,
    ) -> None:
        self.trainer = trainer
        self.state = state
        self.prepared = prepared
        self.begin = begin
        self.budget = budget
        self.steps = steps
        self.on_event = on_event
        self.should_stop = should_stop
        self.preview = preview
        self.save = save
        self.replay = replay
        self.cores = cores
        self.classes = len(state.architecture.values)
        self.sampler = SliceSampler(
            [s for p in prepared for s in p.samples],
            self.classes,
            outside=[s for p in prepared for s in p.outside],
        )
        # An interrupted round goes on where it was; a new one begins at zero.
        self.earlier = min(state.elapsed, 0.75 * budget)
        # Of a fixed number of steps it does only those that are left.
        self._before = len(state.schedules[-1].fractions) if self.earlier and state.schedules else 0
        self.preview_cost = 1.0
        self.predict_cost = 1.0
        self._shift = 0.0
        self._losses: list[float] = []
        self._curve: list[HistoryPoint] = []
        self._has_held_out = any(s.held_out for p in prepared for s in p.samples)

    @property
    def fraction_after_training(self) -> float:
        """Where the progress bar stands when training has ended."""
        return 0.9

    def _fraction(self, done: int) -> float:
        """Position in the learning-rate cycle, 0..1; 1 ends the loop."""
        if self.replay is not None:
            return self.replay.fractions[done] if done < len(self.replay.fractions) else 1.0
        if self.steps is not None:
            return (self._before + done) / self.steps
        spent = time.monotonic() - self.begin
        usable = self.budget - self._reserve()
        # Rounded to what the schedule can keep in a few letters.
        return round(min(1.0, (spent + self.earlier) / max(usable, 1e-3) + self._shift), 6)

    def _reserve(self) -> float:
        """Seconds to keep for the last prediction and for saving it."""
        return min(1.3 * self.predict_cost + _SECONDS_TO_SAVE, 0.6 * self.budget)

    def run(self) -> None:
        """Trains until the time is used, the estimate is flat, or somebody asks to stop."""
        if self.earlier == 0.0:
            self.state.round += 1
            self.state.schedules.append(Schedule(self.trainer.step_count))
        elif self.state.schedules:
            self.state.schedules[-1].resumed_at.append(len(self.state.schedules[-1].fractions))
        peak = PEAK if self.state.round <= 1 else PEAK / 2
        if self.trainer.step_count and self.replay is None:
            self._timed_preview(self.trainer.average.network)
        now = time.monotonic()
        started = now
        saved = now
        told = 0.0
        previewed = now
        first_preview = True
        measured = 0.1
        done = 0
        while not self.should_stop():
            fraction = self._fraction(done)
            if fraction >= 1.0:
                break
            self._take_size(done)
            self._losses.append(self.trainer.step_or_retreat(self.sampler, fraction, peak, self.on_event))
            self._note(fraction)
            done += 1
            now = time.monotonic()
            self.state.elapsed = self.earlier + now - self.begin
            if now - told >= 0.25:
                self._tell(fraction, done, now - started)
                told = now
            if fraction >= measured:
                self._measure()
                measured = fraction + 0.08
                if self._is_flat(fraction):
                    self._shift += max(0.0, _ANNEAL_FROM - fraction)
            if now - saved >= _SECONDS_BETWEEN_CHECKPOINTS:
                self.save()
                saved = time.monotonic()
            wait = 3.0 if first_preview else max(5.0, 10 * self.preview_cost)
            if now - previewed >= wait and fraction < 0.9 and self.replay is None:
                self._timed_preview(self.trainer.average.network)
                first_preview = False
                previewed = time.monotonic()
        if self._losses:
            # Who presses Stop does not wait for another estimate.
            self._measure(estimate=not self.should_stop())

    def _take_size(self, done: int) -> None:
        size = self.replay.size_at(done) if self.replay is not None else None
        if size is not None:
            self.trainer.batch, self.trainer.largest_crop, threads = size
            torch.set_num_threads(threads)
        elif self.cores is not None and self.replay is None:
            self.cores.apply()

    def _note(self, fraction: float) -> None:
        if self.state.schedules:
            trainer = self.trainer
            kind = trainer.compute.device.type
            threads = torch.get_num_threads()
            self.state.schedules[-1].add(fraction, trainer.batch, trainer.largest_crop, kind, threads)

    def _tell(self, fraction: float, done: int, spent: float) -> None:
        steps = len(self.replay.fractions) if self.replay is not None else self.steps
        if steps is not None:
            steps -= self._before
            left = spent / done * (steps - done) + self._reserve()
        elif self._shift:
            left = (1 - fraction) * self.budget + self._reserve()
        else:
            left = max(0.0, self.begin + self.budget - self.earlier - time.monotonic())
        self.on_event(Progress("training", fraction * self.fraction_after_training, left))

    def _measure(self, estimate: bool = True) -> None:
        """A point of the learning curve; without a new estimate, with the latest one."""
        if self._has_held_out and estimate:
            network = self.trainer.average.network
            self.state.dice = estimate_dice(
                self.prepared, network, self.state.architecture, self.trainer.compute
            )
        loss = sum(self._losses) / len(self._losses)
        self._losses = []
        point = HistoryPoint(self.trainer.step_count, loss, dict(self.state.dice))
        self._curve.append(point)
        self.on_event(point)

    def _is_flat(self, fraction: float) -> bool:
        """Whether the held-out estimate has not moved for a while, so that annealing may begin."""
        if not self._has_held_out or self._shift or not 0.4 <= fraction < _ANNEAL_FROM:
            return False
        if len(self._curve) < 4:
            return False
        means = [sum(point.dice.values()) / max(1, len(point.dice)) for point in self._curve[-4:]]
        return max(means) - min(means) < _FLAT

    def _timed_preview(self, network: nn.Module) -> None:
        begun = time.monotonic()
        expected = self.preview(network)
        self.preview_cost = time.monotonic() - begun
        self.predict_cost = expected * self._cases_per_preview()

    def _cases_per_preview(self) -> float:
        """A preview shows the first case, the final prediction all."""
        first = self.prepared[0].view.volume
        total = sum(p.view.count * p.view.size[0] * p.view.size[1] for p in self.prepared)
        mine = [p for p in self.prepared if p.view.volume is first]
        return max(1.0, total / max(1, sum(p.view.count * p.view.size[0] * p.view.size[1] for p in mine)))
