"""Numbers of one segmented volume, and which of many should be looked at first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

_DOUBTFUL = 50
_FEW = 3
_SHARE = 0.25
_OUTLYING = 3.5
_ENOUGH = 5


@dataclass(frozen=True)
class CaseResult:
    """What came out for one volume.

    Attributes:
        case: Its number or name among the cases, unique.
        name: What to call it: a file's name, or that of a node.
        volume_ml: By label value as text.
        uncertainty: Mean uncertainty of what was found, percent; None where it is not known.
        differences: Sentences about how the image differs from those that were learnt on.
        notes: What the reader of the file had to say.
        size: Voxels along x, y, z.
        spacing_mm: Likewise.
        center_ras: A point in the middle of what was found, mm.
        pictures: Names of PNG files beside the result, with their captions.
        thumbnail: Name of a small one.
        labels: Name of a .npy file with the box of the labels that holds all that was found.
        start: Index (z, y, x) of its first voxel in the image.
        file: The file that was written for the user; empty without.
        kept: Whether that file was there before and was left as it was.
        seconds: How long it took.
    """

    case: str
    name: str
    volume_ml: dict[str, float] = field(default_factory=dict)
    uncertainty: float | None = None
    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    size: list[int] = field(default_factory=list)
    spacing_mm: list[float] = field(default_factory=list)
    center_ras: list[float] = field(default_factory=list)
    pictures: list[list[str]] = field(default_factory=list)
    thumbnail: str = ""
    labels: str = ""
    start: list[int] = field(default_factory=list)
    file: str = ""
    kept: bool = False
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def mean_uncertainty(labels: np.ndarray, uncertainty: np.ndarray) -> float | None:
    """Mean uncertainty, percent, of the voxels found or in doubt; None where there are none.

    The background far from every structure is left out: it is sure, and there is more of it the larger
    the image is.

    Args:
        labels: Label values (z, y, x).
        uncertainty: uint8 percent, likewise.
    """
    total, count = 0, 0
    for found, doubt in zip(labels, uncertainty, strict=True):
        chosen = doubt[(found > 0) | (doubt >= _DOUBTFUL)]
        total, count = total + int(chosen.sum(dtype=np.int64)), count + chosen.size
    return total / count if count else None


def look_first(results: Sequence[CaseResult], names: Mapping[int, str]) -> dict[str, list[str]]:
    """Why a case should be looked at before the others, by case; the most urgent first.

    Args:
        results: All cases so far.
        names: Of the structures, by label value.
    """
    reasons: dict[str, list[str]] = {}
    for one in results:
        missing = [names.get(int(v), f"structure {v}") for v, ml in one.volume_ml.items() if ml == 0]
        if missing:
            reasons.setdefault(one.case, []).append(f"Nothing was found of: {', '.join(missing)}.")
    for one in results:
        if one.differences:
            reasons.setdefault(one.case, []).append("The image differs much from what was learnt on.")
    for value in {v for one in results for v in one.volume_ml}:
        name = names.get(int(value), f"structure {value}")
        for case, larger in _outlying(results, value).items():
            word = "larger" if larger else "smaller"
            reasons.setdefault(case, []).append(f"{name} is much {word} than in the other cases.")
    known = sorted((one for one in results if one.uncertainty is not None), key=lambda one: -one.uncertainty)  # type: ignore[operator]
    if len(known) >= _FEW:
        for one in known[: max(1, round(_SHARE * len(known)))]:
            reasons.setdefault(one.case, []).append("Its result is among the least sure.")
    doubt = {one.case: one.uncertainty or 0.0 for one in results}
    order = sorted(reasons, key=lambda case: (-len(reasons[case]), -doubt[case]))
    return {case: reasons[case] for case in order}


def _outlying(results: Sequence[CaseResult], value: str) -> dict[str, bool]:
    """Cases whose volume of a structure is far from that of the others; True for larger."""
    sizes = {one.case: one.volume_ml[value] for one in results if one.volume_ml.get(value, 0.0) > 0}
    if len(sizes) < _ENOUGH:
        return {}
    logs = np.log(list(sizes.values()))
    middle = float(np.median(logs))
    spread = max(1.4826 * float(np.median(np.abs(logs - middle))), 0.1)
    return {
        case: bool(log > middle)
        for case, log in zip(sizes, logs, strict=True)
        if abs(log - middle) > _OUTLYING * spread
    }
