"""From nodes to the arrays the worker reads."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import slicer.util
from slicer.i18n import tr as _

from ContrastiveSegLib.AnnotationLogic import AnnotationLogic
from ContrastiveSegLib.LabelBox import LabelBox
from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.SliceRule import Slice
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeGrid import VolumeGrid

IGNORE = -1
_LUMINANCE = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Exported:
    """What was written for the worker.

    Attributes:
        case: One entry of the ``cases`` of the command ``open``.
        segments: The structures with their label values.
        slices: The annotated slices as (array axis, index).
    """

    case: dict[str, Any]
    segments: list[LabelledSegment]
    slices: list[Slice]


class VolumeExport:
    """Writes ``image-0001.npy`` and ``labels-0001.npy`` into a run folder.

    Every new file has a new number, as the worker has the former one mapped, and Windows replaces no
    mapped file; former files are removed where the system lets them go.

    Arrays are (z, y, x) on the volume's own grid, which is never resampled; segments are brought
    onto it. Labels are int16 with -1 (IGNORE) where nobody has said anything.

    Args:
        folder: The run folder; it must exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._imageWritten: tuple[Any, ...] | None = None
        self._imageName = ""

    def export(
        self,
        volumeNode: Any,
        segmentationNode: Any,
        values: dict[str, int],
        *,
        axis: int | None = None,
        accepted: Path | None = None,
    ) -> Exported:
        """Writes both arrays.

        Args:
            volumeNode: The image; several components become grey.
            segmentationNode: Where the structures are painted.
            values: Label values by segment ID; :meth:`RunFolder.segmentValues` keeps them stable.
            axis: Limits the annotated slices to one array axis.
            accepted: The file that :class:`AcceptLogic` left, where there is one.

        Raises:
            UserError: Nothing is painted, a node holds no voxels, or a file cannot be written.
        """
        grid = VolumeGrid(volumeNode)
        box = AnnotationLogic.labelsOf(segmentationNode, grid, values)
        slices = AnnotationLogic.annotatedSlices(segmentationNode, box, grid, axis=axis, accepted=accepted)
        labels = self.sparseLabels(box, slices, AnnotationLogic.partialSlices(segmentationNode))
        if not (labels > 0).any():
            raise UserError(
                _("No segment of '{name}' is painted on a slice that counts.").format(
                    name=segmentationNode.GetName()
                ),
                _("Paint the structure completely on about three slices in the Segment Editor."),
            )
        voxels = volumeNode.GetImageData()
        written = (volumeNode.GetID(), voxels.GetMTime(), voxels.GetPointData().GetScalars().GetMTime())
        if self._imageWritten != written or not (self._folder / self._imageName).is_file():
            self._imageName = self._save("image", self.imageArray(volumeNode))
            self._imageWritten = written
        labelsName = self._save("labels", labels)
        segmentation = segmentationNode.GetSegmentation()
        segments = [
            LabelledSegment(value, segmentId, segmentation.GetSegment(segmentId).GetName())
            for segmentId, value in values.items()
        ]
        case = {
            "image": self._imageName,
            "labels": labelsName,
            "name": volumeNode.GetName() or "",  # for messages; the worker does not store it
            "ijk_to_ras": [[float(number) for number in row] for row in grid.ijkToWorld()],
        }
        return Exported(case, segments, slices)

    @staticmethod
    def imageArray(volumeNode: Any) -> np.ndarray:
        """The voxels (z, y, x) as the scanner gave them; colours as luminance, other components averaged."""
        return VolumeExport.greyValues(slicer.util.arrayFromVolume(volumeNode))

    @staticmethod
    def greyValues(array: np.ndarray) -> np.ndarray:
        """Voxels (z, y, x) or (z, y, x, components) with one value each."""
        if array.ndim == 4:
            if array.shape[3] in (3, 4) and array.dtype == np.uint8:
                array = array[..., :3].astype(np.float32) @ np.array(_LUMINANCE, np.float32)
            else:
                array = array.mean(axis=3, dtype=np.float32)
        return array

    @staticmethod
    def sparseLabels(box: LabelBox, slices: list[Slice], partial: Collection[Slice] = ()) -> np.ndarray:
        """Labels with IGNORE everywhere but on the annotated slices.

        Args:
            box: What is painted.
            slices: The annotated slices.
            partial: Those of them of which only the painted voxels count.
        """
        said = np.zeros(box.shape, bool)
        some = np.zeros_like(said)
        for axis, index in slices:
            place = tuple(index if a == axis else slice(None) for a in range(3))
            (some if (axis, index) in partial else said)[place] = True
        labels = np.full(box.shape, IGNORE, np.int16)
        labels[said] = 0
        inner = said[box.part] | (some[box.part] & (box.array > 0))
        labels[box.part][inner] = box.array[inner]
        return labels

    def _save(self, stem: str, array: np.ndarray) -> str:
        """Writes beside and renames; returns the name."""
        former = sorted(self._folder.glob(f"{stem}-[0-9]*.npy"))
        number = max((int(path.stem.rpartition("-")[2]) for path in former), default=0) + 1
        path = self._folder / f"{stem}-{number:04d}.npy"
        part = path.with_suffix(".part")
        try:
            with open(part, "wb") as file:
                np.save(file, np.ascontiguousarray(array), allow_pickle=False)
            os.replace(part, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise UserError(
                _("'{path}' cannot be written ({reason}).").format(path=path, reason=error.strerror or error),
                _("Make room on the disk or check the permissions of the folder."),
            ) from error
        for one in former:
            with contextlib.suppress(OSError):  # still mapped; it goes with the next round
                one.unlink()
        return path.name
