"""The slices of all volumes of a folder, in seeded batches that can be resumed at any step."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import psutil
import torch

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.pretraining.data.batches import SliceOrder, generator
from contrastive_seg.pretraining.data.stack import PLANES, Positions, Stack, StackSettings, load_stack
from contrastive_seg.pretraining.data.volumes import VolumeSource, find_volumes
from contrastive_seg.pretraining.distributed import processes_here

_SKIPPED = ("unreadable-file", "empty-volume", "nonfinite-voxels", "constant-image")
_MOST_MEMORY = 16 * 2**30
_READ_AGAIN = 8
"""Volumes beyond the memory limit that are kept for a while after they were read again."""


def _log(sentence: str) -> None:
    logging.getLogger(__name__).warning(sentence)


@dataclass(frozen=True)
class SliceBatch:
    """Slices of one step.

    Attributes:
        images: (B, C, H, W) float32, zero mean and unit spread over the volume; C neighbouring slices.
        neighbours: (B, C, H, W) another frame of the same clip, or a close slice; None unless asked for.
        positions: (B,) float64, (i+1)/n or millimetres.
        partitions: (B,) int64, quarter of the volume, 1 to 4.
        volumes: (B,) int64, which volume.
    """

    images: torch.Tensor
    neighbours: torch.Tensor | None
    positions: torch.Tensor
    partitions: torch.Tensor
    volumes: torch.Tensor


@dataclass(frozen=True)
class VolumeSlices:
    """What is known about a volume once it was read.

    Attributes:
        source: Where it comes from.
        name: What to call it in messages.
        slices: How many it has, empty ones too.
        used: How many have something on them.
        plane: Along which it was cut.
        pixel: Millimetres.
    """

    source: VolumeSource
    name: str
    slices: int
    used: int
    plane: str
    pixel: float


class SliceData:
    """All slices of a folder, a CSV table or a single volume.

    A batch depends on nothing but its step, size and seed. Slices are kept in memory as float16;
    volumes beyond ``memory`` are read again when they are needed, ahead of time by a thread.

    Args:
        source: See :func:`~contrastive_seg.pretraining.data.volumes.find_volumes`.
        size: Height and width of what the network sees; smaller slices are surrounded by 0 (the
            volume's mean), of larger ones a random part is taken.
        plane: ``axial``, ``coronal``, ``sagittal``, or None: the one in which a volume is sharpest.
        pixel: Millimetres; None for the finest at which the whole slice is seen.
        positions: ``relative`` or ``mm``.
        context: Channels, an odd number: a slice and its neighbours.
        clip: Percentiles to which each volume is clipped.
        window: Values to clip to instead of percentiles (CT).
        replace_nonfinite: Replace voxels that are not numbers instead of leaving the volume out.
        positional: Leave out volumes of one slice, for methods that compare places in a volume.
        strict: Refuse an unreadable volume instead of leaving it out.
        on_note: Told what is left out.
        neighbours: How many frames away the second view of a clip may be; 0 for no neighbours.
        memory: Bytes to keep slices in; None for half of what is free (of several processes on a computer:
            for this one's share of that), at most 16 GiB.
        on_progress: Told how many volumes of how many have been read.

    Raises:
        ContrastiveSegError: ``no-volumes`` (also when none could be used), ``no-positions``,
            ``unreadable-file``, ``bad-table``, ``bad-setting``; with ``strict`` what is wrong with a volume.
    """

    def __init__(
        self,
        source: Path,
        *,
        size: int,
        plane: str | None = None,
        pixel: float | None = None,
        positions: Positions = "relative",
        context: int = 1,
        clip: tuple[float, float] = (0.5, 99.5),
        window: tuple[float, float] | None = None,
        replace_nonfinite: bool = False,
        positional: bool = False,
        strict: bool = False,
        on_note: Callable[[str], None] = _log,
        neighbours: int = 0,
        memory: int | None = None,
        on_progress: Callable[[int, int], None] = lambda done, count: None,
    ) -> None:
        self.settings = StackSettings(size, plane, pixel, positions, clip, window, replace_nonfinite)
        _check(self.settings, context, neighbours)
        self.context, self.neighbours = context, neighbours
        self.volumes: list[VolumeSlices] = []
        self.skipped: list[tuple[Path, str]] = []
        self._short = 0
        self._stacks: list[Stack | None] = []
        self._recent: OrderedDict[int, Stack] = OrderedDict()
        self._lock = Lock()
        self._orders: dict[tuple[int, int], SliceOrder] = {}
        self._ahead: tuple[tuple[int, int, int], Future[SliceBatch]] | None = None
        self._pool: ThreadPoolExecutor | None = None
        if memory is None:
            # Processes that train together hold the same slices, each for itself.
            memory = min(_MOST_MEMORY, psutil.virtual_memory().available // (2 * processes_here()))
        self._least = 2 if positional else 1
        self._open(find_volumes(Path(source), on_note), memory, strict, on_note, on_progress)
        if not self.volumes and self._short == len(self.skipped):
            raise no_positions(self._short, self._short)
        if not self.volumes:
            raise ContrastiveSegError(
                "no-volumes",
                f"None of the {len(self.skipped)} volumes in '{source}' can be used; the first: "
                f"{self.skipped[0][1]}",
                "Check the files in another viewer, or choose another folder.",
            )

    @property
    def count(self) -> int:
        """Slices that have something on them, of all volumes."""
        return len(self._volume_of)

    @property
    def identity(self) -> dict[str, Any]:
        """By which the same slices are known again, as JSON values without names of files."""
        volumes = [(volume.name, volume.slices, volume.used) for volume in self.volumes]
        values = {
            **asdict(self.settings),
            "context": self.context,
            "neighbours": self.neighbours,
            "slices": self.count,
            "volumes": hashlib.sha256(json.dumps(volumes).encode()).hexdigest(),
        }
        found: dict[str, Any] = json.loads(json.dumps(values))
        return found

    @property
    def has_positions(self) -> bool:
        """Whether all volumes have more than one slice, so that every slice has a place."""
        return all(volume.slices > 1 for volume in self.volumes)

    @property
    def left_out(self) -> int:
        """Slices with nothing on them."""
        return sum(volume.slices - volume.used for volume in self.volumes)

    def batch(self, step: int, batch_size: int, seed: int) -> SliceBatch:
        """The slices of a step; every slice once an epoch.

        Args:
            step: From 0.
            batch_size: At most :attr:`count`.
            seed: Of the order and of the parts of larger slices.

        Raises:
            ContrastiveSegError: ``batch-too-large``; ``unreadable-file`` when a volume has gone.
        """
        if batch_size > self.count:
            raise ContrastiveSegError(
                "batch-too-large",
                f"The batch of {batch_size} slices is larger than the data, which has {self.count} slices.",
                f"Use a batch of at most {self.count}, or give more volumes.",
            )
        if all(stack is not None for stack in self._stacks):
            return self._make(step, batch_size, seed)
        asked = (step, batch_size, seed)
        ahead, self._ahead = self._ahead, None
        ready = ahead[1].result() if ahead is not None and ahead[0] == asked else None
        batch = ready if ready is not None else self._make(*asked)
        self._pool = self._pool or ThreadPoolExecutor(1, "slices")
        following = (step + 1, batch_size, seed)
        self._ahead = (following, self._pool.submit(self._make, *following))
        return batch

    def _open(
        self,
        sources: list[VolumeSource],
        memory: int,
        strict: bool,
        on_note: Callable[[str], None],
        on_progress: Callable[[int, int], None],
    ) -> None:
        volumes, indices, positions, quarters = [], [], [], []
        for done, source in enumerate(sources, start=1):
            stack = self._usable(source, strict, on_note)
            on_progress(done, len(sources))
            if stack is None:
                continue
            memory -= stack.slices.nbytes
            self._stacks.append(stack if memory >= 0 else None)
            volumes.append(np.full(len(stack.kept), len(self.volumes)))
            indices.append(stack.kept)
            positions.append(stack.positions[stack.kept])
            quarters.append(stack.partitions[stack.kept])
            self.volumes.append(
                VolumeSlices(
                    source, source.name, len(stack.slices), len(stack.kept), stack.plane, stack.pixel
                )
            )
        empty = np.zeros(0, dtype=np.int64)
        self._volume_of = np.concatenate([empty, *volumes])
        self._index_of = np.concatenate([empty, *indices])
        self._positions = np.concatenate([empty.astype(np.float64), *positions])
        self._quarters = np.concatenate([empty, *quarters])

    def _usable(self, source: VolumeSource, strict: bool, on_note: Callable[[str], None]) -> Stack | None:
        """A volume's slices, or None if it was left out."""
        try:
            stack = load_stack(source, self.settings, on_note)
        except ContrastiveSegError as error:
            if strict or error.code not in _SKIPPED:
                raise
            self._skip(source, str(error), on_note)
            return None
        if len(stack.slices) < self._least:
            self._short += 1
            self._skip(source, f"'{source.name}' has one slice only, which has no place to compare.", on_note)
            return None
        if len(stack.kept) == 0:
            self._skip(source, f"No slice of '{source.name}' has anything on it.", on_note)
            return None
        return stack

    def _skip(self, source: VolumeSource, why: str, on_note: Callable[[str], None]) -> None:
        self.skipped.append((source.path, why))
        on_note(f"'{source.name}' is left out: {why}")

    def _make(self, step: int, batch_size: int, seed: int) -> SliceBatch:
        with self._lock:
            key = (batch_size, seed)
            if key not in self._orders:
                self._orders[key] = SliceOrder(self.count, batch_size, seed)
            numbers = self._orders[key](step)
            random = generator(seed, 1, step)
            places = random.random((batch_size, 2))
            frames = random.random(batch_size)
            # Volume by volume, so that each is read again at most once.
            shape = (batch_size, self.context, self.settings.size, self.settings.size)
            images = np.zeros(shape, np.float32)
            others = np.zeros(shape, np.float32) if self.neighbours else None
            for row in np.argsort(self._volume_of[numbers], kind="stable"):
                number = numbers[row]
                stack, index = self._stack(int(self._volume_of[number])), int(self._index_of[number])
                self._put(images[row], stack, index, places[row])
                if others is not None:
                    self._put(others[row], stack, self._close(stack, index, frames[row]), places[row])
            return SliceBatch(
                torch.from_numpy(images),
                None if others is None else torch.from_numpy(others),
                torch.from_numpy(self._positions[numbers]),
                torch.from_numpy(self._quarters[numbers]),
                torch.from_numpy(self._volume_of[numbers]),
            )

    def _close(self, stack: Stack, index: int, chance: float) -> int:
        """Another slice with something on it, at most ``neighbours`` away; itself if there is none."""
        near = stack.kept[np.abs(stack.kept - index) <= self.neighbours]
        near = near[near != index]
        return int(near[int(chance * len(near))]) if len(near) else index

    def _put(self, into: np.ndarray, stack: Stack, index: int, place: np.ndarray) -> None:
        """Writes a slice and those around it into (C, H, W): the middle if smaller, a part if larger."""
        size = self.settings.size
        last = len(stack.slices) - 1
        wanted = np.arange(index - self.context // 2, index + self.context // 2 + 1).clip(0, last)
        here, there = [], []
        for length, chance in zip(stack.slices.shape[1:], place, strict=True):
            room = length - size
            begin = int(chance * (room + 1)) if room > 0 else 0
            there.append(slice(begin, begin + min(length, size)))
            pad = max(0, -room) // 2
            here.append(slice(pad, pad + min(length, size)))
        into[:, here[0], here[1]] = stack.slices[wanted, there[0], there[1]]

    def _stack(self, volume: int) -> Stack:
        stack = self._stacks[volume] or self._recent.get(volume)
        if stack is None:
            # What there was to say about the file was said when it was opened.
            stack = load_stack(self.volumes[volume].source, self.settings, lambda sentence: None)
            if len(stack.slices) != self.volumes[volume].slices:
                raise ContrastiveSegError(
                    "unreadable-file",
                    f"'{self.volumes[volume].name}' has changed while it was in use.",
                    "Leave the files alone until the pretraining is done, and start again.",
                )
            self._recent[volume] = stack
            if len(self._recent) > _READ_AGAIN:
                self._recent.popitem(last=False)
        return stack


def no_positions(short: int, count: int) -> ContrastiveSegError:
    """The error for ``short`` of ``count`` images that have one slice only, where places are compared."""
    return ContrastiveSegError(
        "no-positions",
        f"The method compares slices by their place in a volume, but {short} of the {count} images have one "
        "slice only.",
        "Use --method simclr, byol or moco, or give volumes of several slices.",
    )


def _check(settings: StackSettings, context: int, neighbours: int) -> None:
    size, plane, pixel = settings.size, settings.plane, settings.pixel
    low, high = settings.clip
    window = settings.window
    wrong = {
        "size": (size, size >= 16 and size % 16 == 0, "a multiple of 16"),
        "plane": (plane, plane is None or plane in PLANES, f"one of {', '.join(PLANES)}"),
        "pixel": (pixel, pixel is None or 0 < pixel < float("inf"), "a number of millimetres above zero"),
        "positions": (settings.positions, settings.positions in ("relative", "mm"), "relative or mm"),
        "context": (context, context >= 1 and context % 2 == 1, "an odd number"),
        "clip": (settings.clip, 0 <= low < high <= 100, "two percentiles, the lower one first"),
        "window": (
            window,
            window is None or -math.inf < window[0] < window[1] < math.inf,
            "two finite values, the lower one first",
        ),
        "neighbours": (neighbours, neighbours >= 0, "0 or a number of frames"),
    }
    for name, (value, fine, needed) in wrong.items():
        if not fine:
            raise ContrastiveSegError(
                "bad-setting", f"The setting '{name}' is {value}, but must be {needed}.", f"Change --{name}."
            )
