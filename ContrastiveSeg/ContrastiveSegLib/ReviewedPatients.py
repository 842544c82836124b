"""Other patients whose masks the user has called right: the network learns from them as well."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import slicer.util
from slicer.i18n import tr as _

from ContrastiveSegLib.PatientCase import PatientCase
from ContrastiveSegLib.PatientState import PatientState
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.SegmentResampler import SegmentResampler
from ContrastiveSegLib.SlabCopy import SlabCopy
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeExport import VolumeExport
from ContrastiveSegLib.VolumeGrid import VolumeGrid

_MARK = "ContrastiveSeg.Reviewed"
_RUN = "ContrastiveSeg.FoundWith"


class ReviewedPatients:
    """Writes images and whole masks for the process that segments other patients.

    That somebody has called a mask right is an attribute of its node, and so it is saved with the scene.

    Args:
        run: What the masks were found with.
        values: Its label values by segment ID.
        folder: Gets the files; it must exist.
    """

    def __init__(self, run: RunFolder, values: dict[str, int], folder: Path) -> None:
        self.nodes = self.of(run)
        self._values, self._folder = values, folder

    @classmethod
    def of(cls, run: RunFolder | None) -> list[Any]:
        """The masks found with a run that were called right, and whose images are there."""
        nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
        return [
            one
            for one in nodes
            if cls.isMarked(one) and cls.isOf(one, run) and cls._volumeOf(one) is not None
        ]

    @staticmethod
    def setRun(node: Any, run: RunFolder | None) -> None:
        """Notes with which run a mask was found."""
        if run is not None:
            node.SetAttribute(_RUN, run.path.name)

    @staticmethod
    def isOf(node: Any, run: RunFolder | None) -> bool:
        """Whether a mask was found with a run."""
        return (node.GetAttribute(_RUN) or "") == ("" if run is None else run.path.name)

    @staticmethod
    def isMarked(node: Any) -> bool:
        """Whether a mask was called right; False for None."""
        return node is not None and node.GetAttribute(_MARK) is not None

    @staticmethod
    def mark(node: Any, isRight: bool) -> None:
        """Takes down what the user says of a mask."""
        if isRight:
            node.SetAttribute(_MARK, "1")
        else:
            node.RemoveAttribute(_MARK)

    @staticmethod
    def whyNot(case: PatientCase | None) -> str:
        """Why a case cannot be corrected, or called right; empty where it can."""
        if case is None:
            return _("Click a case of the list first.")
        if case.frame is not None:
            return _("Single frames cannot be corrected and learnt from here.")
        if case.state.isOpen:
            return _("Wait until this case is done.")
        if case.maskNode() is None or case.volumeNode() is None:
            if case.state is PatientState.Done:
                return _("Click the case in the list to load it first.")
            return _("This case has no mask yet.")
        return ""

    @classmethod
    def restore(cls, cases: Sequence[PatientCase], run: RunFolder | None) -> None:
        """Tells cases of the masks that were called right before, such as in a scene that was saved."""
        masks = {cls._volumeOf(one).GetID(): one for one in cls.of(run)}
        for case in cases:
            if case.volumeId in masks and not case.nodeId:
                case.nodeId, case.wanted = masks[case.volumeId].GetID(), False

    @classmethod
    def words(cls, run: RunFolder | None) -> str:
        """From how many patients is learnt; empty where only from the painted one."""
        names = [cls._volumeOf(one).GetName() for one in cls.of(run)]
        if not names:
            return ""
        return _("Segment learns from the painted patient and from {names}.").format(names=", ".join(names))

    def write(self) -> Generator[None, None, list[dict[str, Any]]]:
        """Steps of some milliseconds each; they give what the command ``begin`` says about the patients.

        Raises:
            UserError: A mask does not lie on its volume, or a file cannot be written.
        """
        found = []
        for number, node in enumerate(self.nodes):
            volume = self._volumeOf(node)
            if volume is None or volume.GetImageData() is None:
                continue
            grid = VolumeGrid(volume)
            image, labels = (f"reviewed-{number + 1:04d}-{one}.npy" for one in ("image", "labels"))
            yield from SlabCopy.write(volume, self._folder / image)
            box = yield from SegmentResampler(node, grid).labelSteps(self._values)
            yield from _written(self._folder / labels, box)
            found.append({**VolumeExport.imageCase(image, volume, grid), "labels": labels})
        return found

    @staticmethod
    def _volumeOf(node: Any) -> Any:
        return node.GetNodeReference(PredictionLogic.VOLUME_ROLE)


def _written(path: Path, box: Any) -> Generator[None, None, None]:
    """Steps that write a label map slice by slice: it never stands in memory as a whole."""
    part = path.with_suffix(".part")
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.int16)), "fortran_order": False}
    try:
        with open(part, "wb") as file:
            np.lib.format.write_array_header_1_0(file, {**header, "shape": box.shape})
            for z in range(box.shape[0]):
                plane = box.cut((z, 0, 0), (1, *box.shape[1:]))
                file.write(memoryview(np.ascontiguousarray(plane, np.int16)).cast("B"))
                yield
        os.replace(part, path)
    except OSError as error:
        raise UserError.cannotWrite(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
