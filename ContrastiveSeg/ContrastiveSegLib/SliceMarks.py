"""What is said of slices, as an attribute of a segmentation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ContrastiveSegLib.SliceRule import Slice
from ContrastiveSegLib.VolumeGrid import VolumeGrid

_LETTERS = "kji"


class SliceMarks:
    """Marks as index along a grid axis (``k12 j3``), which are saved with the scene.

    An index means nothing without its grid: one segmentation may be painted over a T1 and then over a
    T2 with other slices, or its volume is cropped. So where the grid is known a mark also says what the
    grid is like (``k12@256x256x30/0.94x0.94x5/ACS``: sizes, spacing, and the planes that k, j and i
    count), and counts on such grids only, wherever these are moved to. Marks without that, as earlier
    releases made them, count on all.

    Args:
        segmentationNode: Whose marks.
        name: Of the attribute.
        grid: On which they are to count; None for those of all grids.
    """

    def __init__(self, segmentationNode: Any, name: str, grid: VolumeGrid | None = None) -> None:
        self._node, self._name = segmentationNode, name
        self._grid = grid

    def read(self) -> list[Slice]:
        """The slices that are marked on the grid, sorted."""
        return sorted({one for _word, one, isHere in self._words() if isHere})

    def write(self, slices: list[Slice]) -> None:
        """Marks these slices of the grid and no others of it; marks of other grids stay."""
        kind = f"@{self._grid.kind()}" if self._grid is not None else ""
        words = [f"{_LETTERS[axis]}{index}{kind}" for axis, index in sorted(set(slices))]
        words += [word for word, _one, isHere in self._words() if not isHere]
        # an attribute that is None is removed
        self._node.SetAttribute(self._name, " ".join(words) or None)

    def put(self, one: Slice, isMarked: bool) -> None:
        """Marks one slice of the grid, or takes its mark away."""
        others = [other for other in self.read() if other != one]
        self.write([*others, one] if isMarked else others)

    def _words(self) -> Iterator[tuple[str, Slice, bool]]:
        """Each mark that can be read, its slice, and whether it is one of the grid."""
        same = {"": True}  # hundreds of marks are of few grids
        for word in (self._node.GetAttribute(self._name) or "").split():
            index, _at, kind = word.partition("@")
            if index and index[0] in _LETTERS and index[1:].isdigit():
                if kind not in same:
                    same[kind] = self._grid is None or self._grid.isOfKind(kind)
                yield word, (_LETTERS.index(index[0]), int(index[1:])), same[kind]
