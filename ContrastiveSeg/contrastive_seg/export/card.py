"""What is said about an exported model, for programs; the words for people are in ``readme.py``."""

from __future__ import annotations

from typing import Any

from contrastive_seg import __version__
from contrastive_seg.data.sparse_labels import PLANES
from contrastive_seg.export.compare import Comparison
from contrastive_seg.export.model import INPUT, OUTPUT
from contrastive_seg.export.source import Source
from contrastive_seg.finetuning.samples import CONTEXT, prior_channels
from contrastive_seg.inference.scores import NETWORK_LIMIT
from contrastive_seg.provenance import versions

FORMAT = 1
ORIENTATION = "SAR"
"""Directions in which the array's axes 0, 1 and 2 run: superior, anterior, right."""

CHANNELS = (
    "the slice before: one index lower along the slice axis",
    "the slice itself",
    "the slice after: one index higher along the slice axis",
)
"""Channels of the input; at the ends of the volume the outermost slice is repeated."""

CLIP = (0.5, 99.5)
"""Percentiles of the whole volume to which intensities are clipped."""

USE = "Research only; not a medical device, not for diagnosis or treatment."


def model_card(source: Source, name: str, kind: str, compared: Comparison | None = None) -> dict[str, Any]:
    """The card as JSON values; no path and no patient's name is in it.

    Args:
        source: The run.
        name: Of the model.
        kind: Format it is exported to.
        compared: What the comparison gave; None before it is made.
    """
    architecture = source.state.architecture
    classes = len(architecture.values)
    return {
        "format": FORMAT,
        "name": name,
        "kind": kind,
        "task": "Segmentation of slices (2.5D: a slice and its two neighbours)",
        "intended_use": USE,
        "engine": {"name": "contrastive_seg", "version": __version__, **versions()},
        "network": {
            "name": architecture.network,
            "width": architecture.width if architecture.network == "unet" else None,
            "parameters": sum(one.numel() for one in source.network.parameters()),
            "steps": source.state.step,
        },
        "input": {
            "name": INPUT,
            "shape": ["batch", CONTEXT, "height", "width"],
            "dtype": "float32",
            "channels": list(CHANNELS),
            "at_the_ends": "the outermost slice is repeated",
            "orientation": ORIENTATION,
            "planes": [{"plane": PLANES[axis], "slice_axis": axis} for axis in architecture.axes],
            "pixel_mm": [architecture.pixel, architecture.pixel],
            "slice_distance": "as the image has it",
            "normalisation": {
                "of": "the whole volume, before it is resampled",
                "clip_percentiles": list(CLIP),
                "then": "subtract the mean, divide by the standard deviation (both after clipping)",
            },
        },
        "prior": {
            "built_in": True,
            "channels": prior_channels(classes),
            "meaning": "what annotated slices would say: disagreement, gap, a distance for each structure",
            "values": {"disagreement": 0.0, "gap": -1.0, "distance": 0.0},
        },
        "output": {
            "name": OUTPUT,
            "shape": ["batch", classes, "height", "width"],
            "dtype": "float32",
            "meaning": "scores relative to background; softmax gives probabilities, argmax the channel",
            "range": [-NETWORK_LIMIT, NETWORK_LIMIT],
            "channels": [
                {"channel": number, "value": value, "name": source.names[value]}
                for number, value in enumerate(architecture.values)
            ],
        },
        "dice_estimate": {str(value): dice for value, dice in source.state.dice.items()},
        "provenance": _provenance(source),
        "compared": None
        if compared is None
        else {
            "max_abs_difference": compared.max_difference,
            "same_labels": compared.same_labels,
            "slices": compared.slices,
        },
    }


def _provenance(source: Source) -> dict[str, Any]:
    """Which run it comes from: SHA256 of its checkpoint, its starting weights and its inputs."""
    stored = source.provenance
    weights = source.state.weights
    known = ("name", "version", "method", "licence", "sha256", "training_data")
    cases = stored.get("cases")
    return {
        "checkpoint_sha256": source.sha256,
        "starting_weights": {key: weights[key] for key in known if key in weights} or None,
        "cases": [
            {key: one[key] for key in ("case", "image_sha256", "labels_sha256", "shape_zyx") if key in one}
            for one in (cases if isinstance(cases, list) else [])
            if isinstance(one, dict)
        ],
        "seed": stored.get("seed"),
        "device": stored.get("device"),
        "rounds": stored.get("rounds", []),
    }
