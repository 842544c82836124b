"""In which forms a network is handed on; plain Python, so that the worker can check a command early."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from contrastive_seg.errors import ContrastiveSegError

FORMATS: tuple[str, ...] = ("torchscript", "onnx", "monai-bundle")

_NEEDED = {"onnx": ("onnx", "onnxruntime")}
_NAME = re.compile(r"[^\w.-]+")


def check_format(kind: str) -> None:
    """Raises where a format is unknown, or what writes it is not installed.

    Raises:
        ContrastiveSegError: ``bad-setting`` or ``missing-package``.
    """
    if kind not in FORMATS:
        raise ContrastiveSegError(
            "bad-setting", f"The format is '{kind}'.", f"Use one of {', '.join(FORMATS)}."
        )
    missing = [name for name in _NEEDED.get(kind, ()) if importlib.util.find_spec(name) is None]
    if missing:
        named = " and ".join(missing)
        raise ContrastiveSegError(
            "missing-package",
            f"A model in the format ONNX cannot be written and checked: {named} "
            f"{'is' if len(missing) == 1 else 'are'} not installed.",
            f"Install {named} (pip install {' '.join(missing)}), or use torchscript or monai-bundle.",
        )


def check_place(output: Path) -> None:
    """Raises where the folder to write is there already and holds something.

    Raises:
        ContrastiveSegError: ``output-exists``.
    """
    try:
        taken = output.exists() and not (output.is_dir() and next(output.iterdir(), None) is None)
    except OSError:
        taken = True
    if taken:
        raise ContrastiveSegError(
            "output-exists",
            f"'{output}' is there already, and nothing is overwritten.",
            "Name a folder that does not exist yet.",
        )


def plain_name(text: str) -> str:
    """A name for files out of any text."""
    return _NAME.sub("-", text).strip("-.") or "model"
