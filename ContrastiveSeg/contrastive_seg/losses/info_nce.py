"""The core that the contrastive losses share: InfoNCE with a mask of positives.

van den Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018; several
positives an anchor as in Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


def at_least_float32(values: torch.Tensor) -> torch.Tensor:
    """The tensor in float32 where it is of lower precision: exponentials of similarities overflow in
    half precision and lose the small differences that matter in bfloat16."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def check_temperature(temperature: float) -> float:
    """The temperature, when it is one.

    Raises:
        ValueError: When it is not above zero.
    """
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}, but must be above zero (0.1 is usual)")
    return float(temperature)


def temperature_scale(temperature: float, base_temperature: float | None) -> float:
    """Factor of the loss: ``temperature / base_temperature``, 1 where there is no base.

    Raises:
        ValueError: When one of them is not above zero.
    """
    check_temperature(temperature)
    if base_temperature is None:
        return 1.0
    return temperature / check_temperature(base_temperature)


def similarities(vectors: torch.Tensor, temperature: float) -> torch.Tensor:
    """Cosine similarities over temperature.

    Args:
        vectors: (..., n, dim), of any length; float32 or better is used whatever their type.
        temperature: Above zero.

    Returns:
        (..., n, n).
    """
    unit = F.normalize(at_least_float32(vectors), dim=-1)
    return unit @ unit.transpose(-1, -2) / temperature


def masked_info_nce(logits: torch.Tensor, positives: torch.Tensor) -> torch.Tensor:
    """Mean over anchors i of ``-1/|P(i)| sum_{j in P(i)} (s_ij - log sum_{k != i} exp s_ik)``.

    An anchor is never its own positive or negative. Anchors without a positive are left out; where
    no anchor has one the loss is zero.

    Args:
        logits: Similarities over temperature, s, (..., n, n).
        positives: Booleans that broadcast to the shape of ``logits``.

    Returns:
        A scalar.
    """
    count = logits.shape[-1]
    itself = torch.eye(count, dtype=torch.bool, device=logits.device)
    denominator = torch.logsumexp(logits.masked_fill(itself, float("-inf")), dim=-1)
    chosen = (positives & ~itself).to(logits.dtype)
    number = chosen.sum(dim=-1)
    # Not s - denominator summed over positives: that would make another n x n matrix.
    mean_similarity = (logits * chosen).sum(dim=-1) / number.clamp(min=1)
    has_positive = (number > 0).expand_as(denominator)
    losses = (denominator - mean_similarity).masked_select(has_positive)
    if losses.numel() == 0:
        return logits.sum() * 0.0
    return losses.mean()


def flatten_views(features: torch.Tensor, places: tuple[str, ...] = ()) -> torch.Tensor:
    """(slices, views, dim, *places) to (slices * views, dim, *places).

    Args:
        features: Of each slice and view.
        places: Names of further axes; none for losses over whole slices.

    Raises:
        ValueError: When there are other axes, or fewer than two vectors in all.
    """
    axes = ("slices", "views", "dim", *places)
    if features.ndim != len(axes):
        raise ValueError(f"features have the shape {tuple(features.shape)}, not ({', '.join(axes)})")
    flat = features.flatten(0, 1)
    if flat.shape[0] < 2:
        raise ValueError("a contrast needs at least two vectors: more slices or more views")
    return flat


def per_vector(values: torch.Tensor, features: torch.Tensor, name: str) -> torch.Tensor:
    """One value a slice to one a vector, in the order of :func:`flatten_views`.

    Raises:
        ValueError: When there is not one value a slice; ``name`` says which values.
    """
    slices, views = features.shape[:2]
    values = torch.as_tensor(values)
    if values.shape != (slices,):
        raise ValueError(f"{name} have the shape {tuple(values.shape)}, not ({slices},)")
    return values.repeat_interleave(views)


class InfoNCELoss(nn.Module):
    """What the losses over whole slices share: temperature, factor, float32.

    Args:
        temperature: Above zero; 0.1 is usual.
        base_temperature: The loss is multiplied by temperature / base_temperature; None for no
            factor. 0.07 gives the factor of code derived from SupContrast.

    Raises:
        ValueError: When a temperature is not above zero.
    """

    def __init__(self, temperature: float = 0.1, base_temperature: float | None = None) -> None:
        super().__init__()
        self.scale = temperature_scale(temperature, base_temperature)
        self.temperature = temperature

    def contrast(self, vectors: torch.Tensor, positives: torch.Tensor) -> torch.Tensor:
        """The loss of vectors (..., n, dim) for a mask of positives (n, n), on any device."""
        with torch.autocast(vectors.device.type, enabled=False):
            logits = similarities(vectors, self.temperature)
            return self.scale * masked_info_nce(logits, positives.to(logits.device))
