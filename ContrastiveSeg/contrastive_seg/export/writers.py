"""Writes an exported network and loads it again from its file."""

from __future__ import annotations

import inspect
import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from contrastive_seg.atomic import write_bytes
from contrastive_seg.export.compare import Runner
from contrastive_seg.export.model import INPUT, OUTPUT, example
from contrastive_seg.export.monai_bundle import MODEL, write_configs

_OPSET = 17


def torchscript_bytes(model: nn.Module, card: dict[str, Any]) -> bytes:
    """The content of a TorchScript file with its card inside.

    Into memory first: where the disk is full, PyTorch's own writer ends the whole process.
    """
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the tracer: sizes stay variable, which is compared later
        traced = torch.jit.trace(model, example(), check_trace=False)  # type: ignore[no-untyped-call]
        content = io.BytesIO()
        torch.jit.save(traced, content, _extra_files={"model.json": json.dumps(card)})
    return content.getvalue()


def write_torchscript(model: nn.Module, folder: Path, card: dict[str, Any]) -> Path:
    """``model.ts`` in a folder."""
    path = folder / "model.ts"
    write_bytes(path, torchscript_bytes(model, card))
    return path


def write_onnx(model: nn.Module, folder: Path, card: dict[str, Any]) -> Path:
    """``model.onnx`` in a folder; batch, height and width are variable."""
    import onnx

    path = folder / "model.onnx"
    sizes = {0: "batch", 2: "height", 3: "width"}
    options: dict[str, Any] = {}
    content = io.BytesIO()
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        options["dynamo"] = False  # the newer exporter needs one more package
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (example(),),
            content,  # type: ignore[arg-type]
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: sizes, OUTPUT: sizes},
            opset_version=_OPSET,
            **options,
        )
    written = onnx.load_from_string(content.getvalue())
    written.producer_name, written.producer_version = "contrastive_seg", card["engine"]["version"]
    onnx.helper.set_model_props(written, {"card": json.dumps(card)})
    onnx.checker.check_model(written, full_check=True)
    write_bytes(path, written.SerializeToString())
    return path


def write_bundle(model: nn.Module, folder: Path, card: dict[str, Any]) -> Path:
    """A MONAI bundle in a folder: configs and ``models/model.ts``."""
    path = folder / MODEL
    path.parent.mkdir()
    write_bytes(path, torchscript_bytes(model, card))
    write_configs(folder, card)
    return path


def load_torchscript(path: Path) -> Runner:
    """What the file gives when it is loaded anew."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        loaded = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
        loaded.eval()

    def run(slices: torch.Tensor) -> np.ndarray:
        with torch.inference_mode():
            found: np.ndarray = loaded(slices).numpy()
        return found

    return run


def load_onnx(path: Path) -> Runner:
    """What onnxruntime makes of the file."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(slices: torch.Tensor) -> np.ndarray:
        return np.asarray(session.run(None, {INPUT: slices.numpy()})[0])

    return run


WRITERS: dict[str, Callable[[nn.Module, Path, dict[str, Any]], Path]] = {
    "torchscript": write_torchscript,
    "onnx": write_onnx,
    "monai-bundle": write_bundle,
}
LOADERS: dict[str, Callable[[Path], Runner]] = {
    "torchscript": load_torchscript,
    "onnx": load_onnx,
    "monai-bundle": load_torchscript,
}
