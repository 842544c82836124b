"""Other volumes of the scene, which lend their images to a semi-supervised learning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer

from ContrastiveSegLib.Modality import Modality
from ContrastiveSegLib.SceneVolumes import SceneVolumes
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeExport import ExportJob, VolumeExport
from ContrastiveSegLib.VolumeGrid import VolumeGrid

_STEM = "unlabelled"


@dataclass(frozen=True)
class _Written:
    """A file of a volume, and how its voxels were then."""

    name: str
    voxels: tuple[Any, ...]


class FurtherVolumes:
    """Writes them as ``unlabelled-0001.npy`` and so on into a run folder, each only once.

    As with :class:`VolumeExport` every new file has a new number.

    Args:
        folder: The run folder; it must exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: dict[str, _Written] = {}

    @classmethod
    def of(cls, volumeNode: Any) -> list[Any]:
        """The volumes of the scene that may show the same as this one: no maps, and no other modality."""
        kind = Modality.of(volumeNode)
        cases = SceneVolumes.cases(volumeNode, set())
        nodes = [slicer.mrmlScene.GetNodeByID(one.volumeId) for one in cases]
        return [one for one in nodes if Modality.of(one) == kind and cls._isUsable(one)]

    @staticmethod
    def _isUsable(node: Any) -> bool:
        try:
            VolumeGrid(node)
        except UserError:  # such as one of tensors
            return False
        return not VolumeGrid.whyNotLinear(node)

    def added(self, job: ExportJob, nodes: Sequence[Any]) -> ExportJob:
        """A job that writes the images of these volumes as well; holds no node.

        Args:
            job: Of :meth:`VolumeExport.prepareSteps`.
            nodes: Volumes with voxels.
        """
        former = sorted(self._folder.glob(f"{_STEM}-[0-9]*.npy"))
        number = max((int(path.stem.rpartition("-")[2]) for path in former), default=0)
        cases, files, written = [], [], {}
        for node in nodes:
            grid, voxels = VolumeGrid(node), VolumeExport.voxelsOf(node)
            known = self._written.get(node.GetID())
            if known is None or known.voxels != voxels or not (self._folder / known.name).is_file():
                number += 1
                known = _Written(f"{_STEM}-{number:04d}.npy", voxels)
                kind, slices = VolumeExport.imageSlices(node)
                files.append((known.name, grid.shape, kind, slices))
            written[node.GetID()] = known
            cases.append(VolumeExport.imageCase(known.name, node, grid))
        self._written = written
        names = {one.name for one in written.values()}
        return job.extended(cases, files, [path for path in former if path.name not in names])
