"""Training of two networks that teach each other on slices that nobody has painted.

Liu et al., "Multi-Scale Cross Contrastive Learning for Semi-Supervised Medical Image Segmentation",
BMVC 2023. The convolutional network is the one that is kept and that predicts; the attention network
is its sparring partner.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from contrastive_seg.compute import Compute
from contrastive_seg.finetuning.model import Architecture
from contrastive_seg.finetuning.samples import SliceSampler
from contrastive_seg.finetuning.trainer import WEIGHT_DECAY, Trainer, learning_rate
from contrastive_seg.networks.swin_unet import SwinUNet
from contrastive_seg.semisupervised.blocks import BlockContrast, places
from contrastive_seg.semisupervised.cross_supervision import RAMP, consistency_weight, cross_loss
from contrastive_seg.semisupervised.projection import SharedProjection

_STRIDE = 32
"""The attention network's images are multiples of this along each side."""


@dataclass(frozen=True)
class CrossSettings:
    """What decides about the cross teaching; the published values where no reason is given.

    Attributes:
        width: Channels of the attention network's first stage; 96 was published, 48 is three times
            as fast on a CPU.
        weight: Of the cross supervision when it has grown up, as a multiple of the published one.
        ramp: Share of the training until then.
        contrast_weight: Of the two contrasts together.
        labelled_only: Share of the training in which the contrast sees painted slices only: 3000 of
            40 000 steps.
        block: Side of a block in full resolution and at an eighth of it.
        pixels: Of each class in a group of blocks. All were published, which takes 0.3 GB for each of 100
            blocks: too much for most computers, and too slow for a training of a minute.
        groups: Of blocks, a step, for the same reason.
        partner_rate: Learning rate of the attention network as a share of the other's. A fifth was
            published, for a network that starts from ImageNet's weights; this one starts from random
            ones and has a minute.
    """

    width: int = 48
    weight: float = 1.0
    ramp: float = 0.75
    contrast_weight: float = 0.001
    labelled_only: float = 0.075
    block: tuple[int, int] = (19, 14)
    pixels: int = 64
    groups: int = 4
    partner_rate: float = 0.5


class CrossTrainer(Trainer):
    """The trainer with a second network; everything else sees the first one only.

    Args:
        architecture: Of the first network: one whose decoder has ``maps``.
        compute: Where to run.
        seed: See :class:`Trainer`.
        network: Start from this one instead of random weights.
        cross: See :class:`CrossSettings`.
    """

    def __init__(
        self,
        architecture: Architecture,
        compute: Compute,
        seed: int,
        network: nn.Module | None = None,
        cross: CrossSettings | None = None,
    ) -> None:
        super().__init__(architecture, compute, seed, network)
        self.cross = cross or CrossSettings()
        classes = len(architecture.values)
        self.partner = SwinUNet(architecture.in_channels, classes, self.cross.width)
        self.partner.to(compute.device)
        high, low = self._channels()
        width = self.cross.width
        self.high = SharedProjection((high, width)).to(compute.device)
        self.low = SharedProjection((low, 2 * width), (False, True)).to(compute.device)
        self.contrasts = [
            BlockContrast(b, 0.1, self.cross.pixels, self.cross.groups) for b in self.cross.block
        ]
        more = [*self.partner.parameters(), *self.high.parameters(), *self.low.parameters()]
        self.partner_optimizer = torch.optim.AdamW(more, weight_decay=WEIGHT_DECAY)

    def move(self, compute: Compute) -> None:
        """See :meth:`Trainer.move`."""
        super().move(compute)
        for module in (self.partner, self.high, self.low):
            module.to(compute.device)
        self.partner_optimizer.load_state_dict(self.partner_optimizer.state_dict())

    def step(self, sampler: SliceSampler, fraction: float, peak: float) -> float:
        """One step on painted and as many unpainted patches; the loss of the first network."""
        if self.unlabelled is None:
            return super().step(sampler, fraction, peak)
        cross = self.cross
        rng, generator = self._randomness()
        half = self.batch  # fewer painted patches than without the other half would cost accuracy
        painted, truth, known = self._draw(sampler, half, rng, generator)
        size = (painted.shape[-2], painted.shape[-1])
        rest = self._network_input(
            self._deformed(self.unlabelled.draw(half, size, rng), generator), generator
        )
        inputs = torch.cat([painted, rest])
        self.network.train()
        self.partner.train()
        self._set_rates(fraction, peak)
        for group in self.partner_optimizer.param_groups:
            group["lr"] = learning_rate(fraction, peak) * cross.partner_rate
        with self.compute.autocast():
            logits, maps = self._first(inputs)
            other, others = self._second(inputs)
        logits, other = logits.float(), other.float()
        own = 0.5 * self.loss(logits[:half], truth, known)
        theirs = 0.5 * self.loss(other[:half], truth, known)
        weight = cross.weight * consistency_weight(int(fraction * RAMP / cross.ramp))
        taught = cross_loss(logits[half:], other[half:]) + cross_loss(other[half:], logits[half:])
        total = own + theirs + weight * taught
        if cross.contrast_weight:
            classes = truth.argmax(dim=1).masked_fill(known[:, 0] < 0.5, -1)
            labels = [torch.cat([classes, said[half:].detach().argmax(dim=1)]) for said in (other, logits)]
            use = half if fraction < cross.labelled_only else 2 * half
            contrast = self._contrast(maps, others, [one[:use] for one in labels], use, generator)
            total = total + 2 * cross.contrast_weight * contrast
        self.partner_optimizer.zero_grad(set_to_none=True)
        self._update(total)
        torch.nn.utils.clip_grad_norm_(self.partner.parameters(), 1.0)
        self.partner_optimizer.step()
        return 2 * float(own.detach())

    def _channels(self) -> tuple[int, int]:
        """Channels of the first network's maps in full resolution and at an eighth of it."""
        channels: list[int] = self.network.get_submodule("encoder").channels  # type: ignore[assignment]
        return channels[0], channels[3]

    def _first(self, inputs: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Logits, and the maps in full resolution and at an eighth of it."""
        maps = self.network.decoder.maps(self.network.encoder(inputs))  # type: ignore[operator,union-attr]
        return self.network.head(maps[-1]), [maps[-1], maps[0]]  # type: ignore[operator]

    def _second(self, inputs: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        height, width = inputs.shape[-2:]
        missing = (-width % _STRIDE, -height % _STRIDE)
        if any(missing):
            inputs = F.pad(inputs, (0, missing[0], 0, missing[1]), mode="replicate")
        maps = self.partner.decoder.maps(self.partner.encoder(inputs))
        logits = self.partner.head(maps[-1])[..., :height, :width]
        return logits, [maps[-1][..., :height, :width], maps[1][..., : height // 8, : width // 8]]

    def _contrast(
        self,
        maps: list[torch.Tensor],
        others: list[torch.Tensor],
        labels: list[torch.Tensor],
        use: int,
        generator: torch.Generator,
    ) -> torch.Tensor:
        """The contrast of both networks' pixels in full resolution and at an eighth of it."""
        both = torch.cat(labels)
        total = maps[0].new_zeros((), dtype=torch.float32)
        for project, contrast, mine, yours in zip(
            (self.high, self.low), self.contrasts, maps, others, strict=True
        ):
            size = (mine.shape[-2], mine.shape[-1])
            small = F.interpolate(both[:, None].float(), size, mode="nearest")[:, 0].long()
            chosen = contrast.choose(small, generator)
            if chosen:
                vectors = self._vectors(project, mine[:use], yours[:use], torch.cat(chosen), small)
                total = total + contrast.of_pixels(vectors, small, chosen)
        return total

    def _vectors(
        self,
        project: SharedProjection,
        mine: torch.Tensor,
        yours: torch.Tensor,
        index: torch.Tensor,
        labels: torch.Tensor,
    ) -> torch.Tensor:
        """Both networks' pixels in their common space, (pixels, 128), in the order of the indices."""
        image, row, column = places(index, labels)
        first, second = image < len(mine), image >= len(mine)
        pixels = (
            mine[image[first], :, row[first], column[first]],
            yours[image[second] - len(mine), :, row[second], column[second]],
        )
        with self.compute.autocast():
            found = project(pixels)
        order = torch.cat([first.nonzero()[:, 0], second.nonzero()[:, 0]])
        vectors: torch.Tensor = found.float()[order.argsort()]
        return vectors
