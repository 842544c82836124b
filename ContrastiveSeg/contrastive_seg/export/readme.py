"""How to use an exported model, in plain words."""

from __future__ import annotations

import textwrap
from typing import Any

_WIDTH = 100

_HOW = {
    "torchscript": """\
    import torch
    model = torch.jit.load("model.ts").eval()
    with torch.inference_mode():
        scores = model(slices)          # (batch, 3, height, width) to (batch, {classes}, height, width)

model.ts is a TorchScript file: a zip archive of numbers and of the network's own operations. It is not
a checkpoint with Python objects; torch.jit.load runs no Python code out of it. model.json lies in it, too:
    torch.jit.load("model.ts", _extra_files=(extra := {{"model.json": ""}}))
""",
    "onnx": """\
    import onnxruntime
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    scores = session.run(None, {{"slices": slices}})[0]  # (batch, 3, height, width) float32

Batch, height and width may be anything. model.json also stands in the file's own metadata, under 'card'.
""",
    "monai-bundle": """\
Put images into the folder 'images' of the bundle (NIfTI), then, with MONAI, nibabel and the package fire:
    python -m monai.bundle run --config_file configs/inference.json --bundle_root .
or in Python:
    from monai.bundle import ConfigWorkflow
    job = ConfigWorkflow("configs/inference.json", "configs/metadata.json", workflow_type="infer",
                         bundle_root=".", logging_file=False)
    job.run()
Masks are written to the folder 'eval', on each image's own grid. Other programs that read MONAI bundles
find preprocessing, network_def, inferer and postprocessing in configs/inference.json. It looks along the
plane '{plane}' only. models/model.ts is a TorchScript file, a zip archive without Python objects.

What the bundle does by itself:
""",
}


def readme(card: dict[str, Any]) -> str:
    """The text of README.txt.

    Args:
        card: Of :func:`~contrastive_seg.export.card.model_card`.
    """
    given, found = card["input"], card["output"]
    plane = given["planes"][0]
    lines = [
        card["name"],
        "=" * len(card["name"]),
        "",
        "A network that was tuned with ContrastiveSeg on a few annotated slices. It segments:",
        *(f"  channel {c['channel']}: {c['name']} (label value {c['value']})" for c in found["channels"]),
        "",
        card["intended_use"],
        "It knows what it was shown: on other scanners, patients or structures it may be worse. Look at "
        "every result.",
        "",
        "How to call it",
        "--------------",
        _HOW[card["kind"]].format(classes=len(found["channels"]), plane=plane["plane"]),
        "What goes in, step by step",
        "--------------------------",
        "1. Turn the volume so that array axis 0 runs to superior, axis 1 to anterior and axis 2 to the "
        "right of the patient. Only axes are swapped and flipped; nothing is interpolated.",
        f"2. Normalise the whole volume: clip to its {given['normalisation']['clip_percentiles'][0]} and "
        f"{given['normalisation']['clip_percentiles'][1]} percentiles, subtract the mean and divide by the "
        "standard deviation (both taken after clipping).",
        f"3. Take the slices along axis {plane['slice_axis']} ({plane['plane']}). Resample each in its plane "
        f"to pixels of {given['pixel_mm'][0]:g} x {given['pixel_mm'][1]:g} mm; the distance of the slices "
        "stays as it is.",
        "4. For each slice give three channels: the slice before it, itself, the slice after it. Before the "
        "first and after the last slice, repeat it. Height and width may be anything from 17 pixels.",
        "",
        "Nothing else is needed: what annotated slices could tell the network is filled in with 'nothing is "
        "known', inside the model.",
        "",
        "What comes out",
        "--------------",
        "Scores relative to background, whose own score is 0. Softmax over the channels gives probabilities, "
        "the channel with the largest score is the label; translate channels to label values as above. "
        "Resample the scores (not the labels) back to the image's pixels.",
    ]
    if len(given["planes"]) > 1:
        named = ", ".join(f"{one['plane']} (axis {one['slice_axis']})" for one in given["planes"])
        lines.append(
            f"It was trained along several planes: {named}. The mean of the scores of all of them is "
            "better than one alone."
        )
    lines += ["", "Where it comes from", "-------------------", *_origin(card)]
    return "\n".join(_wrapped(line) for line in lines) + "\n"


def _wrapped(text: str) -> str:
    """A paragraph in lines that fit a window; what has lines of its own, or is indented, stays."""
    if "\n" in text or text.startswith(" ") or len(text) <= _WIDTH:
        return text
    inner = "   " if text[:1].isdigit() else ""
    return textwrap.fill(text, _WIDTH, subsequent_indent=inner, break_long_words=False)


def _origin(card: dict[str, Any]) -> list[str]:
    origin, engine = card["provenance"], card["engine"]
    weights = origin["starting_weights"]
    lines = [
        f"Network {card['network']['name']}, {card['network']['parameters']} parameters, "
        f"{card['network']['steps']} training steps; ContrastiveSeg {engine['version']}, "
        f"PyTorch {engine['torch']}.",
        f"Checkpoint SHA256: {origin['checkpoint_sha256']}",
    ]
    if weights:
        lines.append(
            f"It started from the weights '{weights.get('name')}' (licence {weights.get('licence')}), "
            f"SHA256 {weights.get('sha256')}"
        )
    else:
        lines.append("It started from random weights.")
    lines += [
        f"Training image {one.get('case', 0)}: SHA256 of its voxels {one.get('image_sha256')}, of its labels "
        f"{one.get('labels_sha256')}"
        for one in origin["cases"]
    ]
    if card["compared"]:
        done = card["compared"]
        lines.append(
            f"Compared with the original on {done['slices']} real slices: scores differ by at most "
            f"{done['max_abs_difference']:.2g}, {100 * done['same_labels']:.2f} % of the labels are the same."
        )
    return lines
