"""Starting from pretrained weights: which network, which tensors, how fast the encoder may change."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from contrastive_seg.finetuning.model import Architecture
from contrastive_seg.finetuning.samples import CONTEXT
from contrastive_seg.weights.card import WeightCard
from contrastive_seg.weights.files import load_weights
from contrastive_seg.weights.load import load_into

_FEW, _MANY = 50, 2000
_SLOWEST = 0.05


@dataclass(frozen=True)
class Pretrained:
    """Weights that were read and checked.

    Attributes:
        card: What they are.
        tensors: By name.
    """

    card: WeightCard
    tensors: dict[str, torch.Tensor]

    @classmethod
    def load(cls, name: str) -> Pretrained:
        """Weights by name or path.

        Raises:
            ContrastiveSegError: See :func:`~contrastive_seg.weights.files.load_weights`.
        """
        return cls(*load_weights(name))

    def start(self, architecture: Architecture, seed: int) -> nn.Module:
        """A network that begins with these weights; what they do not hold is random.

        Raises:
            ContrastiveSegError: ``weights-do-not-fit``.
        """
        torch.manual_seed(seed)
        network = architecture.build()
        load_into(network, self.card, self.tensors, image_channels=CONTEXT)
        return network


def encoder_rate(slices: int) -> float:
    """Learning rate of a pretrained encoder, as a share of the decoder's.

    With few annotated slices a low rate leaves the network unfinished; with many it would forget
    what it knows (Zeng et al. 2021 use 5e-5; users of the released code needed 5e-4 to 1e-3 for
    few patients). Between, the share falls with the logarithm of their number.

    Args:
        slices: Annotated slices of all cases.
    """
    share = min(max(math.log(max(1, slices) / _FEW) / math.log(_MANY / _FEW), 0.0), 1.0)
    return float(_SLOWEST**share)
