"""From nodes to the arrays the worker reads."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import slicer.util
from slicer.i18n import tr as _

from ContrastiveSegLib.AcceptedLabels import AcceptedLabels
from ContrastiveSegLib.AnnotationLogic import AnnotationLogic
from ContrastiveSegLib.Chunks import Chunks
from ContrastiveSegLib.LabelBox import LabelBox
from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.OpenSlices import OpenSlices
from ContrastiveSegLib.SliceRule import Slice
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeGrid import VolumeGrid

IGNORE = -1
OPEN = -2  # of an annotated slice: none of the structures that it shows, but perhaps another one
_LUMINANCE = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Exported:
    """What was written for the worker.

    Attributes:
        case: One entry of the ``cases`` of the command ``open``.
        segments: The structures with their label values.
        slices: The annotated slices as (array axis, index).
        unlabelled: Entries of ``unlabelled`` of the same command.
    """

    case: dict[str, Any]
    segments: list[LabelledSegment]
    slices: list[Slice]
    unlabelled: tuple[dict[str, Any], ...] = ()

    def fields(self) -> dict[str, Any]:
        """Of the command ``open``."""
        found: dict[str, Any] = {"cases": [self.case]}
        found["segments"] = [{"value": one.value, "name": one.name} for one in self.segments]
        return {**found, **({"unlabelled": list(self.unlabelled)} if self.unlabelled else {})}


File = tuple[str, tuple[int, int, int], np.dtype, Iterator[np.ndarray]]
"""Name, shape, kind of number and slices (z) of a file that is to be written."""


@dataclass(frozen=True)
class ExportJob:
    """Arrays that wait to be written; holds no node, so that a thread may write them.

    Attributes:
        exported: What the files will hold.
        files: Each new file.
        former: Files of earlier rounds that go afterwards.
        folder: The run folder.
    """

    exported: Exported
    files: list[File]
    former: list[Path]
    folder: Path

    def extended(self, unlabelled: list[dict[str, Any]], files: list[File], former: list[Path]) -> ExportJob:
        """The same with images of which nothing is painted."""
        exported = replace(self.exported, unlabelled=tuple(unlabelled))
        return replace(self, exported=exported, files=[*self.files, *files], former=[*self.former, *former])

    def write(self) -> Exported:
        """Writes the files, slice by slice.

        Raises:
            OSError: A file cannot be written; nothing half written is left.
        """
        for name, shape, kind, slices in self.files:
            path = self.folder / name
            part = path.with_suffix(".part")
            try:
                with open(part, "wb") as file:
                    about = {
                        "descr": np.lib.format.dtype_to_descr(kind),
                        "fortran_order": False,
                        "shape": shape,
                    }
                    np.lib.format.write_array_header_1_0(file, about)
                    for one in slices:
                        file.write(memoryview(np.ascontiguousarray(one, kind)).cast("B"))
                os.replace(part, path)
            except OSError:
                with contextlib.suppress(OSError):
                    part.unlink(missing_ok=True)
                raise
        for path in self.former:
            with contextlib.suppress(OSError):  # still mapped; it goes with the next round
                path.unlink()
        return self.exported


class VolumeExport:
    """Writes ``image-0001.npy`` and ``labels-0001.npy`` into a run folder.

    Every new file has a new number, as the worker has the former one mapped, and Windows replaces no
    mapped file; former files are removed where the system lets them go.

    Arrays are (z, y, x) on the volume's own grid, which is never resampled; segments are brought
    onto it. Labels are int16 with -1 (IGNORE) where nobody has said anything, and -2 (OPEN) where an
    annotated slice leaves open whether it shows a structure that was painted on others, or is hidden.

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
    ) -> Exported:
        """Writes both arrays, at once; :meth:`prepareSteps` tells the arguments.

        Raises:
            UserError: Nothing is painted, a node holds no voxels, or a file cannot be written.
        """
        job = Chunks.finish(self.prepareSteps(volumeNode, segmentationNode, values, axis=axis))
        try:
            return job.write()
        except OSError as error:
            raise self.explained(error) from error

    def prepareSteps(
        self,
        volumeNode: Any,
        segmentationNode: Any,
        values: dict[str, int],
        *,
        axis: int | None = None,
    ) -> Generator[None, None, ExportJob]:
        """Looks at the nodes in steps of some milliseconds each; what it returns writes both arrays.

        Args:
            volumeNode: The image; several components become grey.
            segmentationNode: Where the structures are painted.
            values: Label values by segment ID; :meth:`RunFolder.segmentValues` keeps them stable. Those of
                hidden segments are needed only to tell what was changed since something was accepted.
            axis: Limits the annotated slices to one array axis.

        Raises:
            UserError: Nothing is painted, or a node holds no voxels.
        """
        grid = VolumeGrid(volumeNode)
        values = dict(values)
        for segmentId in AnnotationLogic.hiddenIds(segmentationNode):  # no background, whoever exports
            values.setdefault(segmentId, max(values.values(), default=0) + 1)
        hidden = AnnotationLogic.hiddenValues(segmentationNode, values)
        segments = self.segments(segmentationNode, values)
        box = yield from AnnotationLogic.labelSteps(segmentationNode, grid, values)
        slices = yield from AnnotationLogic.annotatedSteps(
            segmentationNode, box, grid, values=values, axis=axis
        )
        partial, persons = AnnotationLogic.partialSlices(segmentationNode, grid), None
        opened = yield from OpenSlices.steps(segmentationNode, box, slices, grid, values)
        if partial or opened.places:
            under = AnnotationLogic.hiddenIds(segmentationNode)
            persons = AcceptedLabels(segmentationNode).persons(box, values, grid, under)
        if not self._isAnyPainted(box, slices, hidden):
            raise UserError(
                _("No segment of '{name}' is painted on a slice that counts.").format(
                    name=segmentationNode.GetName()
                ),
                _("Paint the structure completely on about three slices."),
            )
        files, former = [], []
        written = self.voxelsOf(volumeNode)
        if self._imageWritten != written or not (self._folder / self._imageName).is_file():
            self._imageName, old = self._next("image")
            self._imageWritten = written
            former += old
            kind, planes = self.imageSlices(volumeNode)
            files.append((self._imageName, grid.shape, kind, planes))
        labelsName, old = self._next("labels")
        former += old
        sparse = self._sparseSlices(box, slices, partial, hidden, persons, opened)
        files.append((labelsName, grid.shape, np.dtype(np.int16), sparse))
        case = {**self.imageCase(self._imageName, volumeNode, grid), "labels": labelsName}
        corrected = set(AnnotationLogic.correctedSlices(segmentationNode, grid)).intersection(slices)
        if corrected:
            case["corrected"] = [list(one) for one in sorted(corrected)]
        return ExportJob(Exported(case, segments, slices), files, former, self._folder)

    @staticmethod
    def voxelsOf(volumeNode: Any) -> tuple[Any, ...]:
        """Another value whenever the image is another one."""
        voxels = volumeNode.GetImageData()
        return (volumeNode.GetID(), voxels.GetMTime(), voxels.GetPointData().GetScalars().GetMTime())

    @classmethod
    def imageSlices(cls, volumeNode: Any) -> tuple[np.dtype, Iterator[np.ndarray]]:
        """The kind of number of an image's file, and its slices (z), several components as grey."""
        array = slicer.util.arrayFromVolume(volumeNode)  # shares and keeps the node's memory
        colours = array.ndim == 4
        kind = np.dtype(np.float32) if colours else array.dtype
        return kind, (cls.greyValues(one, colours) for one in array)

    @staticmethod
    def imageCase(name: str, volumeNode: Any, grid: VolumeGrid) -> dict[str, Any]:
        """What is said about an image's file in the command ``open``."""
        return {
            "image": name,
            "name": volumeNode.GetName() or "",  # for messages; the worker does not store it
            "ijk_to_ras": [[float(number) for number in row] for row in grid.ijkToWorld()],
        }

    @staticmethod
    def segments(segmentationNode: Any, values: dict[str, int]) -> list[LabelledSegment]:
        """The segments that take part, with their label values."""
        segmentation = segmentationNode.GetSegmentation()
        hidden = AnnotationLogic.hiddenIds(segmentationNode)
        return [
            LabelledSegment(value, one, LabelledSegment.nameOf(segmentation.GetSegment(one), one))
            for one, value in values.items()
            if one not in hidden
        ]

    def explained(self, error: OSError) -> UserError:
        """A failed :meth:`ExportJob.write` in a sentence; the next export writes all anew."""
        self._imageWritten = None
        return UserError.cannotWrite(self._folder, error)

    @classmethod
    def imageArray(cls, volumeNode: Any) -> np.ndarray:
        """The voxels (z, y, x) as the scanner gave them; colours as luminance, other components averaged."""
        array = slicer.util.arrayFromVolume(volumeNode)
        return cls.greyValues(array, array.ndim == 4)

    @staticmethod
    def greyValues(array: np.ndarray, components: bool) -> np.ndarray:
        """Voxels with one value each.

        Args:
            array: A volume or a part of it.
            components: Whether the last axis counts colours or other components.
        """
        if not components or array.shape[-1] == 0:
            return array
        if array.shape[-1] in (3, 4) and array.dtype == np.uint8:
            return array[..., :3].astype(np.float32) @ np.array(_LUMINANCE, np.float32)
        return np.asarray(array.mean(axis=-1, dtype=np.float32))

    @staticmethod
    def _sparseSlices(
        box: LabelBox,
        slices: list[Slice],
        partial: Collection[Slice],
        hidden: Collection[int],
        persons: np.ndarray | None,
        opened: OpenSlices,
    ) -> Iterator[np.ndarray]:
        """Labels with IGNORE everywhere but on the annotated slices.

        They come slice by slice along z: a large CT never stands in memory as a whole.

        Args:
            box: What is painted.
            slices: The annotated slices.
            partial: Those of them of which only the painted voxels count.
            hidden: Labels that are left out: their voxels are not background either.
            persons: Which voxels of the box a person has painted; None for all painted ones.
            opened: What the others of them say nothing about.
        """
        part, start = box.part, box.start[0]
        for z in range(box.shape[0]):
            plane = np.full(box.shape[1:], IGNORE, np.int16)
            whole = np.zeros(box.shape[1:], np.int16)
            painted = np.zeros(plane.shape, bool)  # by a person: an accepted voxel is nobody's word
            if start <= z < start + box.array.shape[0]:
                whole[part[1:]] = box.array[z - start]
                if hidden:
                    whole[np.isin(whole, list(hidden))] = OPEN
                painted[part[1:]] = whole[part[1:]] > 0 if persons is None else persons[z - start]
            said = np.zeros(plane.shape, bool)
            some = np.zeros(plane.shape, bool)
            unsaid = np.zeros(plane.shape, bool)
            for axis, index in slices:
                if axis == 0 and index != z:
                    continue
                place = [slice(None), (index, slice(None)), (slice(None), index)][axis]
                if (axis, index) in partial:
                    some[place] = True
                elif (axis, index) in opened.places:
                    # what came with Accept is open as well, also beyond the place of today
                    plain = ~opened.line(axis, index, z, box.shape) & ((whole == 0) | painted)[place]
                    said[place] |= plain
                    unsaid[place] |= ~plain
                    some[place] = True
                else:
                    said[place] = True
            plane[unsaid] = OPEN
            np.copyto(plane, whole, where=said | (some & painted))
            yield plane

    @staticmethod
    def _isAnyPainted(box: LabelBox, slices: list[Slice], hidden: Collection[int]) -> bool:
        for axis, index in slices:
            inside = index - box.start[axis]
            if 0 <= inside < box.array.shape[axis]:
                labels = box.array.take(inside, axis)
                if not np.isin(labels, [0, *hidden]).all():
                    return True
        return False

    def _next(self, stem: str) -> tuple[str, list[Path]]:
        """A new file's name, and the files that it replaces."""
        former = sorted(self._folder.glob(f"{stem}-[0-9]*.npy"))
        number = max((int(path.stem.rpartition("-")[2]) for path in former), default=0) + 1
        return f"{stem}-{number:04d}.npy", former
