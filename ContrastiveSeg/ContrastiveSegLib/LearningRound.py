"""What is being learnt at the moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.RunFolder import RunFolder
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
        openId: Of the command ``open``; 0 before it is sent.
        trainId: Of ``train``; -1 where it must not be sent any more.
        suggestId: Of ``suggest``.
        hasResult: Whether there is a finished mask.
        isReading: Whether files are being read.
        afterReading: What waits for that.
    """

    volume: Any
    segmentation: Any
    folder: RunFolder
    segments: list[LabelledSegment]
    budget: str | float
    settings: dict[str, Any] = field(default_factory=dict)
    anew: bool = False
    openId: int = 0
    trainId: int = 0
    suggestId: int = 0
    hasResult: bool = False
    isReading: bool = False
    afterReading: list[Callable[[], None]] = field(default_factory=list)

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
