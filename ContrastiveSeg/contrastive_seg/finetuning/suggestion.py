"""Which slice to annotate next: where one more is expected to correct most of the mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from contrastive_seg.data.orientation import Orientation
from contrastive_seg.data.sparse_labels import PLANES
from contrastive_seg.finetuning.case_data import PreparedView
from contrastive_seg.finetuning.prepared_case import PreparedCase
from contrastive_seg.inference.prediction import Prediction

NEAREST = 2
"""Slices nearest to an annotated one are suggested only where nothing else is left."""

UNDECIDED_WEIGHT = 0.3
"""Of undecided pixels beside those that neighbours disagree about: more of it brought suggestions near to
annotated slices with long contours, where little is wrong."""

_UNDECIDED = 50
"""Percent of uncertainty from which a pixel counts as undecided."""


@dataclass(frozen=True)
class Suggestion:
    """A slice to annotate next, and why.

    Attributes:
        axis: Array axis that counts the slices.
        index: Which slice along it.
        reason: ``change`` (the annotated slices on both sides say different things here), ``unsure``
            (network and prior are undecided), ``end`` (beyond the outermost annotated slice: where
            does the structure end?) or ``far`` (most is between annotated slices here).
        undecided: Area of undecided pixels as a share of the structures' area on the slice; may be
            above 1 where there is little of them.
        disagreement: Area on which the annotated slices on both sides disagree, likewise.
        distance: Slices to the nearest annotated one; 0 where none is annotated.
        distance_mm: The same in mm.
        value: Label value of the structure that is meant, None where it cannot be said.
    """

    axis: int
    index: int
    reason: str
    undecided: float
    disagreement: float
    distance: int
    distance_mm: float
    value: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """For the worker protocol."""
        return {
            "plane": PLANES[self.axis],
            "axis": self.axis,
            "index": self.index,
            "reason": self.reason,
            "undecided": round(self.undecided, 3),
            "disagreement": round(self.disagreement, 3),
            "distance": self.distance,
            "distance_mm": round(self.distance_mm, 2),
            "value": self.value,
        }


@dataclass
class Profile:
    """What is known of each slice of one plane, by foreground class.

    Attributes:
        annotated: Indices of slices that say something, sorted.
        area: Pixels of the mask, (C-1, slices).
        undecided: Undecided pixels, (C-1, slices).
        disagreement: Pixels on which the annotated slices on both sides disagree, (C-1, slices).
    """

    annotated: list[int]
    area: np.ndarray
    undecided: np.ndarray
    disagreement: np.ndarray

    @classmethod
    def of(
        cls, item: PreparedView, annotated: Sequence[int], found: Prediction, values: tuple[int, ...]
    ) -> Profile:
        """Looks at a prediction.

        Args:
            item: The view whose slices are meant.
            annotated: Indices of its slices that say something.
            found: Mask and uncertainty in the orientation of the view's volume.
            values: Label values by class, background first.
        """
        count, classes = item.view.count, len(values) - 1
        area, undecided = np.zeros((classes, count)), np.zeros((classes, count))
        box = item.view.box  # nothing is found beyond it
        rows, columns = slice(box.y0, box.y1), slice(box.x0, box.x1)
        labels, uncertainty = (np.moveaxis(a, item.view.axis, 0) for a in (found.labels, found.uncertainty))
        for index in range(count):
            mask = labels[index, rows, columns]
            open_ = uncertainty[index, rows, columns] >= _UNDECIDED
            for row, value in enumerate(values[1:]):
                inside = mask == value
                area[row, index] = inside.sum()
                undecided[row, index] = (inside & open_).sum()
            # What is undecided around the structures belongs to them in proportion.
            around = float((open_ & (mask == 0)).sum())
            share = undecided[:, index] if undecided[:, index].any() else area[:, index]
            undecided[:, index] += around * (share / share.sum() if share.any() else 1 / classes)
        known = sorted(annotated)
        return cls(known, area, undecided, cls._disagreement(item, classes) * _beside(area, known))

    @staticmethod
    def _disagreement(item: PreparedView, classes: int) -> np.ndarray:
        """Pixels near the contours that slices below and above see on different sides of it."""
        view = item.view
        pixel = view.pixel**2 / (view.native_pixel[0] * view.native_pixel[1])
        found = np.zeros((classes, view.count))
        for index, prior in item.priors.items():
            open_ = prior.distance.abs() < prior.disagreement / 2
            found[:, index] = open_.flatten(1).sum(dim=1).numpy() * pixel
        return found


def next_slices(profile: Profile, count: int) -> list[int]:
    """The slices to annotate next, the best first.

    What is wrong on a slice is taken to be in proportion to what its annotated neighbours disagree
    about, and to fall with the distance to the nearest annotated slice. Each slice is chosen such that
    least is left wrong when it has been annotated too; this puts it into the middle of a stretch that
    changes much, and spreads several apart. Docs/annotating.md has what else was tried.

    Args:
        profile: Of the plane.
        count: How many are wanted.

    Returns:
        Indices; fewer where there are not so many slices, or nothing is in doubt.
    """
    chosen: list[int] = []
    slices = profile.area.shape[1]
    doubt, known = _doubt(profile).sum(axis=0), set(profile.annotated)
    places = np.arange(slices)
    while len(chosen) < count:
        distance = _distance(slices, known)
        nearer = np.minimum(distance[None], np.abs(places[:, None] - places[None]))
        gain = ((distance[None] - nearer) * doubt[None]).sum(axis=1)
        gain[distance <= NEAREST] *= 0.1
        gain[sorted(known)] = 0
        best = int(np.argmax(gain))
        if not gain[best] > 0:
            break
        chosen.append(best)
        known.add(best)
    return chosen


def _beside(area: np.ndarray, known: list[int]) -> np.ndarray:
    """Which structures the nearest annotated slices on both sides show, (C-1, slices).

    Where neither shows one they cannot disagree about it: its distance is cut off there, and means nothing.
    """
    found = np.zeros(area.shape, bool)
    for index in range(area.shape[1]):
        below = [one for one in known if one <= index][-1:]
        above = [one for one in known if one >= index][:1]
        found[:, index] = (area[:, below + above] > 0).any(axis=1)
    return found


def _distance(slices: int, known: set[int]) -> np.ndarray:
    """Slices to the nearest known one; all of them where none is known."""
    if not known:
        return np.full(slices, float(slices))
    places = np.array(sorted(known))
    away: np.ndarray = np.abs(np.arange(slices)[:, None] - places[None]).min(axis=1)
    return away.astype(float)


def _doubt(profile: Profile) -> np.ndarray:
    """What may be wrong, as a share of each structure, so that small ones count as much, (C-1, slices)."""
    found: np.ndarray = (profile.disagreement + UNDECIDED_WEIGHT * profile.undecided) / _whole(profile)
    return found


def _whole(profile: Profile) -> np.ndarray:
    """Pixels of each structure on all slices, (C-1, 1)."""
    found: np.ndarray = np.maximum(profile.area.sum(axis=1, keepdims=True), 1.0)
    return found


def profile_of(case: PreparedCase, found: Prediction, values: tuple[int, ...]) -> Profile:
    """What a prediction says about the plane that has been annotated most.

    Args:
        case: With the views and priors of the annotated slices.
        found: What is predicted for it, on the image's own axes.
        values: Label values by class, background first.
    """
    apply = case.orientation.apply
    turned = replace(found, labels=apply(found.labels), uncertainty=apply(found.uncertainty))
    item, labels = case.views[0], case.labels
    annotated = labels.annotated_slices(item.view.axis) or labels.touched_slices(item.view.axis)
    return Profile.of(item, annotated, turned, values)


def suggest(case: PreparedCase, profile: Profile, values: tuple[int, ...], count: int) -> list[Suggestion]:
    """The next slices to annotate, best first, on the image's own axes; never an annotated one.

    Args:
        case: With the views and priors of the annotated slices.
        profile: Of its prediction, see :func:`profile_of`.
        values: Label values by class, background first.
        count: How many are wanted.
    """
    shape, item = case.volume.shape, case.views[0]
    return [
        _on_image(_described(profile, index, item, values), case.orientation, shape)
        for index in next_slices(profile, count)
    ]


def _described(profile: Profile, index: int, item: PreparedView, values: tuple[int, ...]) -> Suggestion:
    """A slice with its numbers and the reason that they give."""
    area = max(1.0, float(profile.area[:, index].sum()))
    undecided = float(profile.undecided[:, index].sum())
    disagreement = float(profile.disagreement[:, index].sum())
    known = profile.annotated
    distance = min((abs(index - one) for one in known), default=0)
    reason, meant = "far", _doubt(profile)
    if known and not known[0] < index < known[-1]:
        reason = "end"
    elif disagreement > 0 and _stands_out(profile.disagreement, known, index):
        reason, meant = "change", profile.disagreement / _whole(profile)
    elif undecided > 0 and _stands_out(profile.undecided, known, index):
        reason, meant = "unsure", profile.undecided / _whole(profile)
    doubt = meant[:, index]
    return Suggestion(
        item.view.axis,
        index,
        reason,
        undecided / area,
        disagreement / area,
        distance,
        distance * item.view.slice_spacing,
        values[1 + int(doubt.argmax())] if doubt.any() else None,
    )


def _stands_out(of: np.ndarray, known: list[int], index: int) -> bool:
    """Whether a slice has more of something than half of the slices between annotated ones."""
    total = of.sum(axis=0)
    between = [i for i in range(total.size) if i not in known and (not known or known[0] < i < known[-1])]
    return bool(between) and bool(total[index] > np.median(total[between]))


def _on_image(one: Suggestion, orientation: Orientation, shape: tuple[int, ...]) -> Suggestion:
    """The same slice on the image's own axes."""
    index = shape[one.axis] - 1 - one.index if orientation.flipped[one.axis] else one.index
    return replace(one, axis=orientation.order[one.axis], index=index)
