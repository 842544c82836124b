"""Where the runs of this computer's user live."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import uuid
from pathlib import Path
from typing import Any

import slicer
import slicer.util

from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.SequenceFrame import SequenceFrame
from ContrastiveSegLib.UserError import UserError

_ATTRIBUTE = "ContrastiveSeg.Run"
_NUMBER = re.compile(r"[0-9a-f]{16}")


class RunFolder:
    """The run of one volume and one segmentation: a folder beside the application's settings.

    Its name is made of two random numbers, kept as attributes of the two nodes and so saved with
    the scene; no patient's name comes into a path. A cloned node has the attributes of its original:
    of nodes with the same number it belongs to the one that was first in the scene, and a clone gets
    one of its own.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @staticmethod
    def root() -> Path:
        """The folder of all runs, in the folder of the user's settings."""
        return Path(os.path.dirname(slicer.app.slicerUserSettingsFilePath)) / "ContrastiveSeg" / "Runs"

    @classmethod
    def of(cls, volumeNode: Any, segmentationNode: Any) -> RunFolder:
        """The run of two nodes; gives them numbers where they have none, but makes no folder."""
        for node in (volumeNode, segmentationNode):
            cls.setNumber(node, cls._number(node) or uuid.uuid4().hex[:16])
        return cls(cls.root() / (cls._number(volumeNode) + cls._number(segmentationNode)))

    @classmethod
    def existing(cls, volumeNode: Any, segmentationNode: Any) -> RunFolder | None:
        """The run of two nodes where there is one on this computer."""
        numbers = [cls._number(node) for node in (volumeNode, segmentationNode)]
        folder = cls(cls.root() / "".join(numbers))
        return folder if all(numbers) and folder.path.is_dir() else None

    @classmethod
    def numberOf(cls, node: Any) -> str:
        """The number that runs of a node carry in their names; empty where it has none yet."""
        return cls._number(node)

    @classmethod
    def _number(cls, node: Any) -> str:
        for one in (SequenceFrame.keeper(node), node):
            number = one.GetAttribute(_ATTRIBUTE) or ""
            if _NUMBER.fullmatch(number) and not cls._isClone(one, number):
                return number
        return ""

    @staticmethod
    def _isClone(node: Any, number: str) -> bool:
        """Whether a node has its number from another one, which is earlier in the scene."""
        if node.GetScene() is not slicer.mrmlScene:  # a frame of a sequence
            return False
        bearers = (
            one
            for one in slicer.util.getNodesByClass(node.GetClassName())
            if one.GetAttribute(_ATTRIBUTE) == number
        )
        return next(bearers, node) is not node

    def create(self) -> RunFolder:
        """Makes the folder.

        Raises:
            UserError: It cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError.cannotWrite(self.path, error) from error
        return self

    def segmentValues(self, segmentIds: list[str]) -> dict[str, int]:
        """Label values by segment ID; a segment keeps its value in all rounds, new ones get the next."""
        before, known = self.values(), self.values()
        for segmentId in segmentIds:
            if segmentId not in known:
                known[segmentId] = max(known.values(), default=0) + 1
        if known != before and self.path.is_dir():  # to look at slices must not need a disk with room
            self._write(values=known)
        return {segmentId: known[segmentId] for segmentId in segmentIds}

    def values(self) -> dict[str, int]:
        """Label values given so far, by segment ID."""
        known = self._read().get("values", {})
        return {str(one): int(value) for one, value in known.items()} if isinstance(known, dict) else {}

    def keepLook(self, segmentationNode: Any) -> None:
        """Notes how the segments are called and look, so that they can be made again in another scene."""
        segmentation = segmentationNode.GetSegmentation()
        look = {}
        for segmentId in segmentation.GetSegmentIDs():
            segment = segmentation.GetSegment(segmentId)
            name = LabelledSegment.nameOf(segment, segmentId)
            color = [round(one, 4) for one in segment.GetColor()]
            terminology = LabelledSegment.terminologyOf(segment)
            look[segmentId] = {"name": name, "color": color, "terminology": terminology}
        self._write(segments=look)

    @property
    def title(self) -> str:
        """What the user calls that which was learnt; empty where it has no name."""
        return str(self._read().get("title") or "")

    def setTitle(self, title: str) -> None:
        """Gives what was learnt a name.

        Raises:
            UserError: It cannot be written.
        """
        self._write(title=title)

    def look(self) -> dict[str, dict[str, Any]]:
        """What :meth:`keepLook` noted, by segment ID."""
        stored = self._read().get("segments", {})
        if not isinstance(stored, dict):
            return {}
        return {str(key): one for key, one in stored.items() if isinstance(one, dict)}

    @staticmethod
    def setNumber(node: Any, number: str) -> None:
        """Makes a node the one to which a run belongs; another one that had its number lets go of it.

        All frames of a sequence have the same number.
        """
        node = SequenceFrame.keeper(node)
        for one in slicer.util.getNodesByClass(node.GetClassName()):
            if one is not node and one.GetAttribute(_ATTRIBUTE) == number:
                one.RemoveAttribute(_ATTRIBUTE)
        node.SetAttribute(_ATTRIBUTE, number)

    @property
    def hasLearnt(self) -> bool:
        """Whether there is something that a learning can go on from."""
        return (self.path / "checkpoint.safetensors").is_file()

    @property
    def begunWith(self) -> tuple[str, str]:
        """Pretrained weights and semi-supervised method that the learning began with, each may be empty."""
        try:
            settings = json.loads((self.path / "job.json").read_text("utf-8"))["settings"]
            return str(settings.get("weights") or ""), str(settings.get("semi_supervised") or "")
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return "", ""

    def curve(self) -> list[dict[str, Any]]:
        """The learning curve so far: ``step``, ``loss``, and ``dice`` by label value."""
        points = []
        with contextlib.suppress(OSError):
            for line in (self.path / "history.jsonl").read_text("utf-8").splitlines():
                with contextlib.suppress(ValueError):
                    points.append(json.loads(line))
        return [one for one in points if isinstance(one, dict) and "step" in one]

    def forgetLearnt(self) -> None:
        """Lets the next learning begin anew."""
        for name in ("checkpoint.safetensors", "checkpoint.json"):
            with contextlib.suppress(OSError):
                (self.path / name).unlink(missing_ok=True)

    def setLearning(self, learning: bool) -> None:
        """Notes that learning began or ended well; what began and never ended can be resumed."""
        self._write(learning=learning)

    def endLearning(self) -> None:
        """Notes that learning has ended; where that cannot be written it only looks interrupted."""
        try:
            self.setLearning(False)
        except UserError:  # a full disk may be the very reason why it has ended
            logging.warning("ContrastiveSeg: it could not be noted that a learning has ended")

    def wasInterrupted(self) -> bool:
        """Whether learning began here and did not end, as after a crash."""
        return self._read().get("learning") is True and (self.path / "job.json").is_file()

    def _read(self) -> dict[str, Any]:
        try:
            stored = json.loads((self.path / "panel.json").read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return stored if isinstance(stored, dict) else {}

    def _write(self, **changed: Any) -> None:
        part = self.path / "panel.json.part"
        try:
            part.write_text(json.dumps({**self._read(), **changed}), "utf-8")
            os.replace(part, self.path / "panel.json")
        except OSError as error:
            raise UserError.cannotWrite(self.path, error) from error
