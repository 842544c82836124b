"""One optimiser step after another, and the way out when memory is short."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from contrastive_seg.compute import Compute
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.events import Note
from contrastive_seg.finetuning.model import Architecture, MovingAverage, to_compute
from contrastive_seg.finetuning.samples import CONTEXT, SliceSampler, prior_channels
from contrastive_seg.finetuning.view import MULTIPLE
from contrastive_seg.losses.masked import MaskedDiceCELoss
from contrastive_seg.transforms.augmentation import random_appearance, random_deformation

if TYPE_CHECKING:
    from contrastive_seg.semisupervised.unlabelled import UnlabelledSampler

WEIGHT_DECAY = 1e-4


def learning_rate(fraction: float, peak: float, warm_up: float = 0.1) -> float:
    """One cycle: linear rise during ``warm_up``, then a cosine to zero; ``fraction`` is 0..1."""
    fraction = min(max(fraction, 0.0), 1.0)
    if fraction < warm_up:
        return peak * (0.1 + 0.9 * fraction / warm_up)
    return peak * 0.5 * (1 + math.cos(math.pi * (fraction - warm_up) / (1 - warm_up)))


def _varied(length: int, rng: np.random.Generator) -> int:
    """A random length of 60 to 100 percent that the network can take."""
    return max(2 * MULTIPLE, int(length * rng.uniform(0.6, 1.0)) // MULTIPLE * MULTIPLE)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that memory ran out, on the CPU or a GPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or "can't allocate memory" in text or "not enough memory" in text
    )


class Trainer:
    """Network, its moving average and its optimiser.

    Args:
        architecture: What to build.
        compute: Where to run.
        seed: Seed; step n draws the same numbers whether or not the run was interrupted before it.
        network: Start from this one instead of random weights.
    """

    encoder_rate = 1.0
    """Learning rate of the encoder as a share of the decoder's."""

    freeze = 0.0
    """Share of the training, from its beginning, in which the encoder stays as it is."""

    unlabelled: UnlabelledSampler | None = None
    """Patches without truth; nothing to do with them here."""

    def __init__(
        self, architecture: Architecture, compute: Compute, seed: int, network: nn.Module | None = None
    ) -> None:
        torch.manual_seed(seed)
        self.architecture = architecture
        self.compute = compute
        self.seed = seed
        self.step_count = 0
        self.batch = 8
        self.largest_crop = 160
        self.network = to_compute(network or architecture.build(), compute.device)
        self.average = MovingAverage(self.network, architecture)
        encoder = self.network.get_submodule("encoder")
        in_encoder = {id(one) for one in encoder.parameters()}
        rest = [one for one in self.network.parameters() if id(one) not in in_encoder]
        # The encoder comes first, as it does in the network: checkpoints count the parameters.
        groups = [{"params": list(encoder.parameters())}, {"params": rest}]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY)
        self.loss = MaskedDiceCELoss()
        half = compute.precision == torch.float16
        self.scaler = torch.amp.GradScaler(compute.device.type, enabled=half)

    def move(self, compute: Compute) -> None:
        """To another device, optimiser state included."""
        self.compute = compute
        self.network.to(compute.device)
        self.average.network.to(compute.device)
        self.optimizer.load_state_dict(self.optimizer.state_dict())  # moves its state to the parameters
        self.scaler = torch.amp.GradScaler(compute.device.type, enabled=compute.precision == torch.float16)

    def crop_size(self, sampler: SliceSampler) -> tuple[int, int]:
        """Largest size of training crops: the slices', at most ``largest_crop``."""
        height = max(s.soft.shape[-2] for s in sampler.samples)
        width = max(s.soft.shape[-1] for s in sampler.samples)
        return min(height, self.largest_crop), min(width, self.largest_crop)

    def step(self, sampler: SliceSampler, fraction: float, peak: float) -> float:
        """One step; the loss.

        Args:
            sampler: Where batches come from.
            fraction: Position in the learning-rate cycle, 0..1.
            peak: Highest learning rate.
        """
        rng, generator = self._randomness()
        inputs, truth, known = self._draw(sampler, self.batch, rng, generator)
        self.network.train()
        self._set_rates(fraction, peak)
        with self.compute.autocast():
            logits = self.network(inputs)
        loss = self.loss(logits, truth, known)
        self._update(loss)
        return float(loss.detach())

    def _randomness(self) -> tuple[np.random.Generator, torch.Generator]:
        """Random numbers of this step, whether or not the run was interrupted before it."""
        rng = np.random.default_rng((self.seed, self.step_count))
        seed = hash((self.seed, self.step_count)) & 0x7FFFFFFF
        torch.manual_seed(seed)  # for the dropout of some networks
        return rng, torch.Generator().manual_seed(seed)

    def _draw(
        self, sampler: SliceSampler, count: int, rng: np.random.Generator, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Randomly deformed patches: network input, share of each class, and 1 where that is known."""
        height, width = self.crop_size(sampler)
        if sampler.vary_crops:
            # Else the network learns where a structure lies from the border of the picture, and
            # fails on a volume that was cropped otherwise.
            height, width = _varied(height, rng), _varied(width, rng)
        size = (height, width)
        rows = self._deformed(sampler.draw(count, size, rng), generator)
        classes = len(self.architecture.values)
        inputs = CONTEXT + prior_channels(classes)
        truth, known = rows[:, inputs : inputs + classes], rows[:, -1:]
        network_input = self._network_input(rows[:, :inputs], generator, sampler.contrasts)
        return network_input, truth, (known > 0.5).float()

    def _deformed(self, rows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Patches (B, C, H, W) on the device, each deformed at random."""
        grid = random_deformation(len(rows), (rows.shape[-2], rows.shape[-1]), generator)
        rows, grid = rows.to(self.compute.device), grid.to(self.compute.device)
        return F.grid_sample(rows, grid, align_corners=False, padding_mode="border")

    def _network_input(
        self, rows: torch.Tensor, generator: torch.Generator, contrasts: float = 0.0
    ) -> torch.Tensor:
        """Images with other intensities, and the prior as it is."""
        images = random_appearance(rows[:, :CONTEXT], generator, contrasts=contrasts)
        joined = torch.cat([images, rows[:, CONTEXT:]], dim=1)
        return joined.contiguous(memory_format=torch.channels_last)

    def _set_rates(self, fraction: float, peak: float) -> None:
        """Learning rates of this step, and whether the encoder takes part in it."""
        rate = learning_rate(fraction, peak)
        for group, share in zip(self.optimizer.param_groups, (self.encoder_rate, 1.0), strict=True):
            group["lr"] = rate * share
        self._freeze(fraction < self.freeze)

    def _update(self, loss: torch.Tensor) -> None:
        """One step of the optimiser and of the moving average."""
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.step_count += 1
        self.average.update(self.network, self.step_count)

    def _freeze(self, frozen: bool) -> None:
        """Whether the encoder is left out of the next step; its statistics stay, too."""
        encoder = self.network.get_submodule("encoder")
        encoder.requires_grad_(not frozen)
        encoder.train(not frozen)

    def step_or_retreat(
        self, sampler: SliceSampler, fraction: float, peak: float, on_note: Callable[[Note], None]
    ) -> float:
        """Like :meth:`step`; short of memory it halves the batch, then the crop, then uses the CPU.

        Raises:
            ContrastiveSegError: ``out-of-memory`` when nothing is left to try.
        """
        while True:
            try:
                return self.step(sampler, fraction, peak)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
            self._retreat(on_note)

    def _retreat(self, on_note: Callable[[Note], None]) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        if self.compute.device.type == "cuda":
            torch.cuda.empty_cache()
        if self.batch > 2:
            self.batch //= 2
            said = f"Memory is short: going on with {self.batch} slices at a time."
        elif self.largest_crop > 64:
            self.largest_crop = max(64, self.largest_crop // 32 * 16)
            said = f"Memory is short: going on with patches of {self.largest_crop} pixels."
        elif self.compute.device.type != "cpu":
            self.move(Compute(torch.device("cpu")))
            said = "The GPU's memory is too small: going on with the processor, which is slower."
        else:
            raise ContrastiveSegError(
                "out-of-memory",
                "The memory of this computer is too small for this volume.",
                "Close other programs, or crop the volume around the structure and start again.",
            )
        on_note(Note("out-of-memory", said))
