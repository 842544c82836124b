"""What is being learnt at the moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.SequenceFrame import SequenceFrame
from ContrastiveSegLib.SliceRule import Slice
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VoxelMark import VoxelMark
from ContrastiveSegLib.Words import Words


@dataclass
class LearningRound:
    """One round of :class:`LearningLogic`: its nodes, its folder, and how far it is.

    Attributes:
        volume: The image.
        segmentation: Where the user has painted.
        folder: Of the run.
        segments: The structures with their label values.
        budget: ``quick``, ``balanced``, ``best`` or seconds.
        settings: Of the engine.
        anew: Whether what was learnt before is forgotten.
        further: Volumes of the scene that lend their images.
        openId: Of the command ``open``; 0 before it is sent.
        trainId: Of ``train``; -1 where it must not be sent any more.
        suggestId: Of ``suggest``.
        hasResult: Whether there is a finished mask.
        isReading: Whether files are being read.
        afterReading: What waits for that.
        slices: The annotated slices that it learns from, once they are known.
        mark: Of the voxels that are learnt from.

    Raises:
        UserError: The segmentation was learnt on another frame of a sequence than the one shown.
    """

    volume: Any
    segmentation: Any
    folder: RunFolder
    segments: list[LabelledSegment]
    budget: str | float
    settings: dict[str, Any] = field(default_factory=dict)
    anew: bool = False
    further: tuple[Any, ...] = ()
    openId: int = 0
    trainId: int = 0
    suggestId: int = 0
    hasResult: bool = False
    isReading: bool = False
    afterReading: list[Callable[[], None]] = field(default_factory=list)
    slices: frozenset[Slice] = frozenset()
    mark: int = field(init=False)

    def __post_init__(self) -> None:
        whyNot = SequenceFrame.whyNotHere(self.volume, self.segmentation)
        if whyNot:
            raise UserError(whyNot)
        self.mark = VoxelMark.of(self.volume)

    def whyNoResult(self) -> str:
        """Why a mask cannot be put into the scene any more; empty where it can.

        While a volume shows another frame of its sequence the mask is put there, but not shown.
        """
        if not all(slicer.mrmlScene.IsNodePresent(node) for node in (self.volume, self.segmentation)):
            return _("The volume or the segmentation was removed while it was being learnt.")
        if SequenceFrame.whyNotHere(self.volume, self.segmentation) or VoxelMark.of(self.volume) == self.mark:
            return ""
        return _(
            "The image of '{name}' was changed while it was being learnt. Press Start to learn from it as it "
            "is now."
        ).format(name=self.volume.GetName())

    def names(self) -> dict[int, str]:
        """What the structures are called, by label value; segments may have been renamed meanwhile."""
        segments = self.segmentation.GetSegmentation()
        named = [(one, segments.GetSegment(one.segmentId)) for one in self.segments]
        return {
            one.value: one.name if now is None else LabelledSegment.nameOf(now, one.segmentId)
            for one, now in named
        }

    def isOf(self, volumeNode: Any, segmentationNode: Any) -> bool:
        """Whether these nodes are learnt, and not those of another patient."""
        return self.volume is volumeNode and self.segmentation is segmentationNode

    def path(self, name: Any) -> Path | None:
        """A file the worker names; only names within the run folder are followed."""
        if not isinstance(name, str) or Path(name).name != name:
            return None
        return self.folder.path / name

    def words(self, device: str) -> str:
        """A sentence about what is learnt, and on which device where that is known."""
        names = Words.listed([one.name for one in self.segments])
        if device:
            return _("Learning {names} on {device}.").format(names=names, device=device)
        return _("Learning {names}.").format(names=names)
