"""The tensors that each network has, for checkpoints that come from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from contrastive_seg.errors import ContrastiveSegError

_LAST = "num_batches_tracked"
_NAMED = 8


def build(network: str, in_channels: int, width: int | None) -> nn.Module:
    """A network with its published decoder and two classes.

    Args:
        network: ``unet``, ``echo-unet`` or ``deeplabv3``.
        in_channels: Channels of the image.
        width: Of the U-Net.
    """
    # Each network is imported by itself: MONAI takes seconds.
    if network == "unet":
        from contrastive_seg.networks.unet import UNet

        return UNet(in_channels, 2, width or 32)
    if network == "echo-unet":
        from contrastive_seg.networks.echo_unet import EchoUNet

        return EchoUNet(in_channels, 2)
    from contrastive_seg.networks.deeplabv3 import DeepLabV3

    return DeepLabV3(in_channels, 2)


def check_complete(network: str, width: int | None, tensors: dict[str, torch.Tensor], sentence: str) -> None:
    """Whether all tensors of the parts that there are fit; counters of batch norm are filled in.

    Args:
        network: Of the tensors.
        width: Of the U-Net.
        tensors: By our names; changed.
        sentence: Begins the sentence that says what is wrong.

    Raises:
        ContrastiveSegError: ``foreign-checkpoint``.
    """
    in_channels = next((int(v.shape[1]) for v in tensors.values() if v.ndim == 4), 1)
    with torch.device("meta"):
        wanted = _parts(build(network, in_channels, width).state_dict(), tensors)
    for key, value in wanted.items():
        if key.endswith(_LAST):
            tensors.setdefault(key, torch.zeros((), dtype=value.dtype))
    wrong = [key for key in wanted if key not in tensors or tensors[key].shape != wanted[key].shape]
    wrong += [key for key in tensors if key not in wanted]
    if wrong:
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise ContrastiveSegError(
            "foreign-checkpoint",
            f"{sentence}: missing, of another shape, or of no use here: {', '.join(wrong[:_NAMED])}{more}.",
            "Give the file that the pretraining saved, of the network in its published form.",
        )


def _parts(state: Mapping[str, torch.Tensor], tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    there = {key.partition(".")[0] for key in tensors}
    return {key: value for key, value in state.items() if key.partition(".")[0] in there}
