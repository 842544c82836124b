"""Where each label of an image lies."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator
from typing import Any

import numpy as np

Bounds = tuple[slice, slice, slice]
"""Slices along z, y, x of an array."""

_KEPT = 32
_PLANE_PIXELS = 1_000_000


class LabelBounds:
    """Finds the boxes of all labels of an image in one pass, and remembers them until it changes.

    A hundred segments of a whole CT share one image. To look through all of it for each of them takes
    a minute; this takes a second, in steps.
    """

    _known: OrderedDict[tuple[Any, ...], dict[int, Bounds]] = OrderedDict()

    @classmethod
    def steps(cls, image: Any, array: np.ndarray) -> Generator[None, None, dict[int, Bounds]]:
        """The box of each label that occurs but 0, in steps of some milliseconds.

        Args:
            image: The vtkImageData, which tells whether it was changed.
            array: Its voxels (z, y, x), integers.
        """
        # no two changes of any objects have the same time; the image is not kept alive
        key = (image.GetMTime(), array.ctypes.data, array.shape)
        if key in cls._known:
            cls._known.move_to_end(key)
            return cls._known[key]
        low: dict[int, list[int]] = {}
        high: dict[int, list[int]] = {}
        pixels = 0
        for z, plane in enumerate(array):
            for value in cls.valuesIn(plane):
                there = plane == value
                rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
                first, last = [z, int(rows[0]), int(columns[0])], [z, int(rows[-1]), int(columns[-1])]
                low[value] = [min(a, b) for a, b in zip(low.get(value, first), first, strict=True)]
                high[value] = [max(a, b) for a, b in zip(high.get(value, last), last, strict=True)]
                pixels += plane.size
                if pixels > _PLANE_PIXELS:
                    pixels = 0
                    yield
        found: dict[int, Bounds] = {}
        for value, first in low.items():
            z, y, x = (slice(a, b + 1) for a, b in zip(first, high[value], strict=True))
            found[value] = (z, y, x)
        cls._known[key] = found
        while len(cls._known) > _KEPT:
            cls._known.popitem(last=False)
        return found

    @staticmethod
    def valuesIn(plane: np.ndarray) -> list[int]:
        """The labels of a slice, without 0; much quicker than sorting, as ``np.unique`` does."""
        if not plane.size or not plane.any():
            return []
        lowest, highest = int(plane.min()), int(plane.max())
        if plane.dtype.kind not in "iu" or highest - lowest > plane.size:
            return [int(one) for one in np.unique(plane) if one]
        seen = np.zeros(highest - lowest + 1, bool)
        seen[plane.ravel().astype(np.int64) - lowest if lowest else plane.ravel()] = True
        return [int(one) + lowest for one in np.flatnonzero(seen) if one + lowest]
