"""One of the other patients: where its image is, and what came out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from ContrastiveSegLib.PatientState import PatientState
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeGrid import VolumeGrid

if TYPE_CHECKING:
    from ContrastiveSegLib.SequenceLogic import SequenceLogic


@dataclass
class PatientCase:
    """A line of the list.

    Attributes:
        key: Unique among the cases of a batch; part of file names.
        name: What to call it.
        volumeId: The volume node; empty for files and frames.
        path: The file or DICOM folder; None for nodes.
        frame: The frame's number in the sequence; None for anything else.
        place: Where its mask belongs below the folder of masks.
        wanted: Whether the user has checked it.
        state: How far it is.
        fraction: Share that is done while it is segmented.
        learns: Whether it waits for what has to be learnt once, before the first of them.
        reason: Why it failed.
        result: What the engine said of it.
        first: Why it should be looked at before the others.
        nodeId: The segmentation that shows it; empty where none does.
        loadedId: The volume node that was loaded to show it.
    """

    key: str
    name: str
    volumeId: str = ""
    path: Path | None = None
    frame: int | None = None
    place: str = ""
    wanted: bool = True
    state: PatientState = PatientState.Chosen
    fraction: float = 0.0
    learns: bool = False
    reason: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    first: list[str] = field(default_factory=list)
    nodeId: str = ""
    loadedId: str = ""

    def begin(self, number: int) -> None:
        """Forgets what came out before; it waits where it is wanted.

        Args:
            number: Its place in the list.
        """
        self.key = f"{number + 1:04d}"
        self.result, self.first, self.reason, self.fraction = {}, [], "", 0.0
        self.state = PatientState.Waiting if self.wanted else PatientState.Chosen

    def volumeNode(self) -> Any:
        """The volume of the scene that shows its image; None where there is none."""
        return slicer.mrmlScene.GetNodeByID(self.volumeId or self.loadedId or "")

    def maskNode(self) -> Any:
        """The segmentation that shows what was found, or was corrected since; None where there is none."""
        return slicer.mrmlScene.GetNodeByID(self.nodeId or "")

    @classmethod
    def found(cls, answer: dict[str, Any]) -> list[PatientCase]:
        """The volumes of a folder, as the process lists them."""
        return [
            cls(
                f"{number + 1:04d}",
                str(one.get("name", "")),
                path=Path(str(one.get("image", ""))),
                place=str(one.get("place", "")),
                state=PatientState.Waiting,
            )
            for number, one in enumerate(answer.get("cases", []))
        ]

    def neededVolume(self) -> Any:
        """The volume node of a case that is one.

        Raises:
            UserError: It was removed.
        """
        node = slicer.mrmlScene.GetNodeByID(self.volumeId)
        if node is None or node.GetImageData() is None:
            raise UserError(_("The volume '{name}' was removed from the scene.").format(name=self.name))
        return node

    def source(self, sequence: SequenceLogic | None) -> tuple[Any, list[list[float]]]:
        """The node with its voxels, and that node's IJK-to-RAS matrix in the world.

        Raises:
            UserError: The volume was removed.
        """
        if self.frame is not None:
            assert sequence is not None
            volume = sequence.volume(self.frame)
            matrix = VolumeGrid(volume).ijkToLocal
            if sequence.proxy is not None:
                matrix = VolumeGrid.localToWorld(sequence.proxy) @ matrix
        else:
            volume = self.neededVolume()
            matrix = VolumeGrid(volume).ijkToWorld()
        return volume, [[float(number) for number in row] for row in matrix]

    def volumes(self) -> dict[int, float]:
        """Millilitres by label value."""
        return {int(value): float(ml) for value, ml in self.result.get("volume_ml", {}).items()}
