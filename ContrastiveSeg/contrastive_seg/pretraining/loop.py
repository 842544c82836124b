"""The training loop that all pretraining methods share."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from contrastive_seg.compute import Compute, choose_compute
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.trainer import is_out_of_memory
from contrastive_seg.pretraining.checkpoint import load_checkpoint, save_checkpoint
from contrastive_seg.pretraining.collapse import Spectrum, spectrum
from contrastive_seg.pretraining.data.slices import SliceBatch, SliceData, no_positions
from contrastive_seg.pretraining.distributed import Processes, join_norms, join_processes, own_device
from contrastive_seg.pretraining.drawing import ViewDrawer
from contrastive_seg.pretraining.methods import build_method
from contrastive_seg.pretraining.methods.base import Method
from contrastive_seg.pretraining.settings import GROUP, POSITIONAL, PretrainSettings

_MONITORED = 256
_TOLD_EVERY = 0.5
_LOOKS = 20
"""Spectra of the features, spread over the training."""
_FINE = 1000.0


def _log(sentence: str) -> None:
    logging.getLogger(__name__).warning(sentence)


def placed(method: Method, device: torch.device) -> Method:
    """The method on a device, in the memory format in which convolutions are fastest."""
    return method.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def optimizer_for(method: Method, settings: PretrainSettings) -> torch.optim.Optimizer:
    """The optimiser of the settings, over what is trained, in one kernel where the device has it."""
    trained = [p for p in method.parameters() if p.requires_grad]
    fused = all(p.device.type in ("cpu", "cuda") for p in trained)
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimizer == "sgd":
        return torch.optim.SGD(trained, rate, momentum=0.9, weight_decay=decay, fused=fused)
    return torch.optim.Adam(trained, rate, weight_decay=decay, fused=fused)


def _images(images: torch.Tensor, device: torch.device, precision: torch.dtype) -> torch.Tensor:
    return images.to(device, precision).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class PretrainProgress:
    """What is reported while it works.

    Attributes:
        step: Steps done.
        steps: Steps in all; estimated where the clock decides.
        losses: The loss and its parts, averaged since the last report.
        learning_rate: Of the last step.
        images_per_second: Slices a second, over all processes.
        seconds_left: Estimated.
        fraction: Done part, 0 to 1.
        spectrum: Of the features, now and then.
    """

    step: int
    steps: int
    losses: dict[str, float]
    learning_rate: float
    images_per_second: float
    seconds_left: float
    fraction: float
    spectrum: Spectrum | None = None


@dataclass
class Pretraining:
    """A pretraining that can be interrupted at any step and resumed as if it had not been.

    Args:
        data: The slices.
        settings: See :class:`PretrainSettings`.
        folder: For checkpoints.
        save_every: Seconds between checkpoints.
    """

    data: SliceData
    settings: PretrainSettings
    folder: Path
    save_every: float = 30.0
    losses: list[tuple[int, float]] = field(default_factory=list)
    spectra: list[tuple[int, Spectrum]] = field(default_factory=list)

    def __post_init__(self) -> None:
        settings = self.settings
        settings.check_size(self.data.settings.size)
        if self.data.count < settings.batch:
            raise ContrastiveSegError(
                "batch-too-large",
                f"The batch of {settings.batch} slices is larger than the data, which has "
                f"{self.data.count} slices.",
                f"Use --batch {max(2, self.data.count // 2)}, or give more volumes.",
            )
        if settings.method in POSITIONAL and not self.data.has_positions:
            volumes = self.data.volumes
            raise no_positions(sum(volume.slices == 1 for volume in volumes), len(volumes))
        self.compute: Compute = choose_compute(own_device(settings.device), settings.threads)
        self.processes: Processes = join_processes(self.compute.device)
        count = self.processes.count
        if count > 1 and settings.batch % (GROUP * count):
            raise ContrastiveSegError(
                "bad-setting",
                f"A batch of {settings.batch} slices cannot be shared by {count} processes in groups of "
                f"{GROUP}.",
                f"Use --batch {max(1, round(settings.batch / (GROUP * count))) * GROUP * count}.",
            )
        self.method = build_method(settings, self.processes)
        join_norms(self.method, self.processes)
        placed(self.method, self.compute.device)
        self.optimizer = optimizer_for(self.method, settings)
        if count > 1 and settings.minutes is not None:
            raise ContrastiveSegError(
                "bad-setting",
                "Several processes cannot train by the clock: each has its own.",
                "Use --steps or --epochs instead of --minutes.",
            )
        self.step = 0
        self.steps = settings.step_count(self.data.count)
        self.budget = None if settings.minutes is None else 60 * settings.minutes
        self.elapsed = 0.0

    def resume(self, on_note: Callable[[str], None] = _log) -> int:
        """Goes on from the folder's checkpoint; returns the steps done.

        Args:
            on_note: Told what could not be checked.

        Raises:
            ContrastiveSegError: See :func:`load_checkpoint`.
        """
        self.step, about = load_checkpoint(
            self.folder, self.method, self.optimizer, self.data.identity, on_note
        )
        self.losses = [(int(s), float(v)) for s, v in about.get("losses", [])]
        self.spectra = [(int(one.pop("step")), Spectrum(**one)) for one in about.get("spectra", [])]
        self.elapsed = float(about.get("elapsed", 0.0))
        return self.step

    def save(self) -> None:
        """Writes a checkpoint (the first process only), never over a good one when the numbers are not.

        Raises:
            ContrastiveSegError: ``diverged``, ``disk-full`` or ``no-write-permission``.
        """
        if self.processes.is_first:
            if not all(bool(value.isfinite().all()) for value in self.method.state_dict().values()):
                raise self._diverged("The weights are not numbers", self.step)
            about: dict[str, Any] = {
                "losses": self.losses,
                "spectra": [{"step": step, **asdict(found)} for step, found in self.spectra],
                "elapsed": self.elapsed,
            }
            save_checkpoint(self.folder, self.method, self.optimizer, self.step, about, self.data.identity)

    def run(
        self,
        on_progress: Callable[[PretrainProgress], None] = lambda progress: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Trains to the last step, or until asked to stop; a checkpoint is written either way.

        Returns:
            Whether it was completed.

        Raises:
            ContrastiveSegError: ``diverged``, ``out-of-memory``, or what :meth:`save` finds.
        """
        saved = told = clock = time.monotonic()
        told_step, looked, sums = self.step, -1, dict[str, float]()
        monitor_every = max(1, self.steps // _LOOKS)
        if self.step == 0:
            self.save()  # killed before the next one, it can be resumed all the same
        # Stopped together: a process that goes on alone waits for the others for ever.
        while not self.is_complete and not self.processes.any(should_stop(), self.compute.device):
            for name, value in self._step_within_memory().items():
                sums[name] = sums.get(name, 0.0) + value
            now = time.monotonic()
            self.elapsed, clock = self.elapsed + now - clock, now
            if self.budget is None:
                monitored = self.step % monitor_every == 0 or self.step == self.steps
            else:
                monitored = int(_LOOKS * self.share) > looked
                looked = int(_LOOKS * self.share)
            if monitored or now - told >= _TOLD_EVERY:
                done = self.step - told_step
                means = {name: value / done for name, value in sums.items()}
                self.losses.append((self.step, means["loss"]))
                found = self.monitor() if monitored else None
                on_progress(self._progress(means, done / max(1e-9, now - told), found))
                told, told_step, sums = time.monotonic(), self.step, {}
            if now - saved >= self.save_every:
                self.save()
                saved = time.monotonic()
        self.save()
        return self.is_complete

    @property
    def share(self) -> float:
        """Done part of the training, 0 to 1."""
        if self.budget is not None:
            return min(1.0, self.elapsed / self.budget)
        return self.step / self.steps

    @property
    def is_complete(self) -> bool:
        """Whether the last step is done, or the time is up (after one step at least)."""
        if self.budget is not None:
            return self.step > 0 and self.elapsed >= self.budget
        return self.step >= self.steps

    def _progress(
        self, means: dict[str, float], steps_per_second: float, found: Spectrum | None
    ) -> PretrainProgress:
        share = self.share
        if self.budget is not None:
            left = self.budget - self.elapsed
            self.steps = max(self.step, round(self.step / max(share, 1e-6)))
        else:
            left = (self.steps - self.step) / steps_per_second
        return PretrainProgress(
            self.step,
            self.steps,
            means,
            self.learning_rate(self.step),
            steps_per_second * self.settings.batch,
            max(0.0, left),
            share,
            found,
        )

    def train_step(self) -> dict[str, float]:
        """One step; the losses.

        Raises:
            ContrastiveSegError: ``diverged`` when the loss is not a number.
        """
        method, settings = self.method, self.settings
        method.train()
        method.before_step(self.share)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(self.step)
        batch = self._share(self.data.batch(self.step, settings.batch, settings.seed))
        views = ViewDrawer(settings, self.processes, self.step)
        with self.compute.autocast():
            losses = method.loss(batch, views)
        if not math.isfinite(float(losses["loss"].detach())):
            raise self._diverged("The loss is not a number", self.step + 1)
        self.optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()  # type: ignore[no-untyped-call]
        self.processes.average_gradients(method)
        self.optimizer.step()
        self.step += 1
        return {name: float(value.detach()) for name, value in losses.items()}

    def _step_within_memory(self) -> dict[str, float]:
        try:
            return self.train_step()
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            batch, size = self.settings.batch, self.data.settings.size
            raise ContrastiveSegError(
                "out-of-memory",
                f"There is not enough memory for {batch} slices a step of {size} x {size} pixels on "
                f"'{self.compute.device}'.",
                "Begin anew in another folder with a smaller --batch, --size or --width, or on the CPU.",
            ) from error

    def _diverged(self, what: str, step: int) -> ContrastiveSegError:
        return ContrastiveSegError(
            "diverged",
            f"{what} any more at step {step}.",
            f"Begin anew with a smaller --learning-rate than {self.settings.learning_rate:g}.",
        )

    def learning_rate(self, step: int) -> float:
        """Of a step (from 0); where the clock decides, of the present moment."""
        if self.budget is not None:  # the shares of the time in place of those of the steps
            return self._rate_at(_FINE * self.share, _FINE)
        return self._rate_at(step, self.steps)

    def _rate_at(self, step: float, steps: float) -> float:
        settings = self.settings
        warm = settings.warm_up * steps
        if step < warm:  # the last one of them may be cut short
            return settings.learning_rate * min(1.0, (step + 1) / max(1.0, warm))
        if settings.schedule == "constant":
            return settings.learning_rate
        done = (step - warm) / max(1.0, steps - warm)
        return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    @torch.no_grad()
    def monitor(self) -> Spectrum | None:
        """The spectrum of the pooled features of the first slices of the data.

        Raises:
            ContrastiveSegError: ``diverged`` when they are not numbers.
        """
        size = min(_MONITORED, self.data.count)
        if not self.processes.is_first or size < 2:
            return None
        self.method.eval()
        images = self.data.batch(0, size, self.settings.seed).images
        parts = []
        with self.compute.autocast():
            for part in torch.split(images, 32):
                parts.append(self.method.backbone.pooled(part.to(self.compute.device)).float().cpu())
        self.method.train()
        features = torch.cat(parts)
        if not bool(features.isfinite().all()):
            raise self._diverged("The features are not numbers", self.step)
        found = spectrum(features)
        self.spectra.append((self.step, found))
        return found

    def _share(self, batch: SliceBatch) -> SliceBatch:
        """This process's part of a batch, on its device (of one process alone, positions on the CPU)."""
        part, device = self.processes.share(self.settings.batch), self.compute.device
        precision = next(self.method.parameters()).dtype
        neighbours, positions = batch.neighbours, batch.positions[part]
        if self.processes.count > 1:
            positions = positions.to(device)  # to be joined; else they stay float64, which MPS does not have
        return SliceBatch(
            _images(batch.images[part], device, precision),
            None if neighbours is None else _images(neighbours[part], device, precision),
            positions,
            batch.partitions[part].to(device),
            batch.volumes[part].to(device),
        )

    def weights(self) -> dict[str, torch.Tensor]:
        """What is transferred: tensors by key, ``encoder.*`` and where it was trained ``decoder.*``."""
        backbone = self.method.backbone
        return {
            name: value.detach().cpu()
            for name, value in backbone.state_dict().items()
            if name.split(".")[0] in backbone.parts
        }
