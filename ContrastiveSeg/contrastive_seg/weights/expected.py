"""The tensors that each network has, for checkpoints that come from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.networks.build import build_network

_LAST = "num_batches_tracked"
_NAMED = 8


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
        wanted = _parts(build_network(network, in_channels, 2, width).state_dict(), tensors)
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
