"""Export of what a run has learnt, in a child process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from ContrastiveSegLib.CommandProcess import CommandProcess
from ContrastiveSegLib.OneCommand import OneCommand
from ContrastiveSegLib.Signal import Signal
from ContrastiveSegLib.UserError import UserError


class ModelExport(OneCommand):
    """One export at a time; needs no widgets.

    Signals: ``progressed`` (fraction), ``said`` (a sentence), ``changed`` when one begins or ends.
    """

    def __init__(self) -> None:
        super().__init__()
        self.progressed, self.said, self.changed = Signal("progressed"), Signal("said"), Signal("changed")
        self.hasFailed = False

    @staticmethod
    def formats() -> list[tuple[str, str, str]]:
        """(value for the engine, name, what it is for)."""
        return [
            (
                "monai-bundle",
                _("MONAI bundle"),
                _("For programs that use MONAI: a folder with the network and all that is done to an image."),
            ),
            (
                "torchscript",
                _("TorchScript"),
                _("For programs that use PyTorch, without ContrastiveSeg: one file and how to call it."),
            ),
            (
                "onnx",
                _("ONNX"),
                _("For programs without PyTorch. Needs the Python packages onnx and onnxruntime here."),
            ),
        ]

    def start(self, run: Path, kind: str, output: str, name: str) -> None:
        """Begins and returns at once.

        Args:
            run: Folder of the run.
            kind: One of :meth:`formats`.
            output: Folder to make.
            name: Of the model.

        Raises:
            UserError: One is going on, or the application's Python cannot be found.
        """
        if self._process is not None:
            raise UserError(_("A model is being exported."), _("Wait until it has finished."))
        process = CommandProcess(
            ["export", str(run), "--format", kind, "--output", output, "--name", name or "model"]
        )
        process.signals["progress"].connect(self._onProgress)
        process.finished.connect(self._onFinished)
        process.failed.connect(self._onFailed)
        self._process, self.hasFailed = process, False
        process.start()
        self.said.emit(_("Writing the model and comparing it with the original ..."))
        self.changed.emit()

    def stop(self) -> None:
        """Ends it; nothing is left of what was written."""
        if self._process is not None:
            self._process.stop()

    def close(self) -> None:
        """Ends the child; for the end of the module."""
        process, self._process = self._process, None
        if process is not None:
            process.quit(wait=True, graceSeconds=1.0)

    def _onProgress(self, event: dict[str, Any]) -> None:
        self.progressed.emit(float(event.get("fraction") or 0.0))

    def _onFinished(self, event: dict[str, Any]) -> None:
        self._process = None
        if event.get("stopped"):
            self.said.emit(_("Stopped; nothing was written."))
        else:
            self.said.emit(
                _(
                    "The model is in '{folder}'. Loaded again and compared with the original on "
                    "{slices} real "
                    "slices: scores differ by at most {difference:.1g}, {share:.2f} % of the labels are the "
                    "same. README.txt says how to use it."
                ).format(
                    folder=event.get("output"),
                    slices=event.get("slices"),
                    difference=float(event.get("max_abs_difference") or 0.0),
                    share=100 * float(event.get("same_labels") or 0.0),
                )
            )
        self.changed.emit()

    def _onFailed(self, sentence: str, code: str) -> None:
        self._process, self.hasFailed = None, True
        if code == "missing-package":
            sentence += " " + _("In 3D Slicer: pip_install('onnx onnxruntime') in the Python console.")
        self.said.emit(sentence)
        self.changed.emit()
