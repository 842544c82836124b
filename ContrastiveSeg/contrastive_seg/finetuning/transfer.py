"""Starting from pretrained weights: which network, which tensors, how fast the encoder may change."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from contrastive_seg.finetuning.model import Architecture
from contrastive_seg.finetuning.samples import CONTEXT
from contrastive_seg.networks.build import FIRST
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

    @property
    def about(self) -> dict[str, object]:
        """What of the card belongs into the provenance of a run; no command, which may name folders."""
        return {key: value for key, value in self.card.to_dict().items() if key not in ("format", "command")}

    def start(self, architecture: Architecture, seed: int, images: torch.Tensor) -> nn.Module:
        """A network that begins with these weights; what they do not hold is random.

        Args:
            architecture: What to build.
            seed: Of the random part.
            images: (n, CONTEXT, H, W), some of those it will see.

        Raises:
            ContrastiveSegError: ``weights-do-not-fit``.
        """
        torch.manual_seed(seed)
        network = architecture.build()
        first = network.get_parameter(f"encoder.{FIRST[architecture.network]}")
        prior = first.detach()[:, CONTEXT:].clone()
        load_into(network, self.card, self.tensors, image_channels=CONTEXT)
        with torch.no_grad():
            # At zero, as they are loaded, they take hundreds of steps to be of use.
            first[:, CONTEXT:] = prior
        if architecture.network == "unet" and "decoder" not in self.card.parts:
            _calm(network.get_submodule("encoder"), images, architecture.in_channels)
        return network


@torch.no_grad()
def _calm(encoder: nn.Module, images: torch.Tensor, in_channels: int) -> None:
    """Scales the last features to a root mean square of one.

    The U-Net's centre has no normalisation, and a contrastive loss does not see the length of its
    features: after pretraining they can be thirty times as large as the new decoder expects.
    """
    centre = [one for one in encoder.modules() if isinstance(one, nn.Conv2d)][-1]
    inputs = torch.zeros(len(images), in_channels, *images.shape[-2:])
    inputs[:, : images.shape[1]] = images
    encoder.eval()
    size = float(encoder(inputs)[-1].square().mean().sqrt())
    encoder.train()
    if size > 0 and math.isfinite(size):
        # ReLU keeps proportions, so weights and bias of the last convolution are all there is to scale.
        centre.weight /= size
        if centre.bias is not None:
            centre.bias /= size


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
