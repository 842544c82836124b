"""The network as others are to call it: what it needs beside the image is built in."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from contrastive_seg.finetuning.samples import CONTEXT
from contrastive_seg.finetuning.view import MULTIPLE
from contrastive_seg.inference.scores import NETWORK_LIMIT

INPUT, OUTPUT = "slices", "scores"


class ExportedModel(nn.Module):
    """Images in, scores out, for volumes of which nothing is annotated.

    The network also takes what annotated slices say about their neighbours. A volume without any has
    nothing to say, and the network was trained with that, too: those channels are filled in here as
    the engine fills them (disagreement 0, gap -1, distances 0). Sides that are no multiples of 16
    are padded by repeating the border, and cut off again.

    Args:
        network: Of a run, (B, CONTEXT + classes + 1, H, W) to logits (B, classes, H, W).
        classes: Background included.
    """

    def __init__(self, network: nn.Module, classes: int) -> None:
        super().__init__()
        self.network = network
        self.classes = classes

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        """Scores relative to background, limited, (B, classes, H, W); that of background is 0.

        Args:
            slices: Normalised slices with their two neighbours, (B, CONTEXT, H, W), float32.
        """
        height, width = slices.shape[-2], slices.shape[-1]
        below = (MULTIPLE - height % MULTIPLE) % MULTIPLE
        right = (MULTIPLE - width % MULTIPLE) % MULTIPLE
        padded = F.pad(slices, (0, right, 0, below), mode="replicate")
        nothing = torch.zeros_like(padded[:, :1])
        prior = [nothing, nothing - 1.0, *[nothing] * (self.classes - 1)]
        logits = self.network(torch.cat([padded, *prior], dim=1))
        scores = (logits - logits[:, :1]).clamp(-NETWORK_LIMIT, NETWORK_LIMIT)
        result: torch.Tensor = scores[:, :, :height, :width]
        return result


def example(size: int = 64) -> torch.Tensor:
    """An input to trace with; not square, so that height and width cannot be mistaken."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, CONTEXT, size, size + MULTIPLE, generator=generator)
