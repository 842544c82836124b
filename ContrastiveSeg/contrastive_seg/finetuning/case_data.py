"""From a volume and its sparse labels to training slices and priors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from contrastive_seg.data.orientation import Orientation
from contrastive_seg.data.sparse_labels import IGNORE, SparseLabels
from contrastive_seg.data.volume import Volume
from contrastive_seg.finetuning.open_slices import carried, filled, settled, unsaid
from contrastive_seg.finetuning.samples import TrainingSlice
from contrastive_seg.finetuning.settings import region_pixels
from contrastive_seg.finetuning.view import Box, View, region_of_interest, whole_plane
from contrastive_seg.preprocessing import Normalisation
from contrastive_seg.priors.propagation import Ends, Propagator, SlicePrior
from contrastive_seg.priors.region_growing import RegionGrowing, mixed

_WORTH_RESAMPLING = 1.25
"""Times as coarse as the image from which its slices are resampled."""

_MOST_PIXELS_IN_MEMORY = 150_000_000
_MOST_LEFT_OUT = 24
_MOST_OUTSIDE = 6
_MOST_OUTSIDE_VALUES = 60_000_000

_ALIKE = 1.5
"""Up to this ratio of its spacings a volume looks alike along all axes."""

_NEAR_MM = 1.0
"""Added to a slice's distance from the next annotated one, whose square then divides its weight."""

_UNSURE = 1.0
"""Pixels beside a contour carried to an open place, on which nothing is said."""

_FEW_SLICES = 0.5
"""Scribbles on more slices than this share, along any plane, were not painted on a few slices."""

_MOST_VOXELS_THRICE = 8_000_000
"""Larger volumes are seen along one axis only: three take three times as long."""


@dataclass
class AxisPlan:
    """Which slices along one axis teach something.

    Attributes:
        axis: 0 axial, 1 coronal, 2 sagittal.
        complete: Slices that are annotated as a whole.
        partial: Slices with some truth.
        again: Whether these voxels are those of an earlier plan, seen along another axis.
    """

    axis: int
    complete: list[int] = field(default_factory=list)
    partial: list[int] = field(default_factory=list)
    again: bool = False

    @property
    def count(self) -> int:
        """Slices that teach."""
        return len(self.complete) + len(self.partial)


def plan_axes(labels: SparseLabels, spacing_zyx: tuple[float, float, float]) -> list[AxisPlan]:
    """Along which planes a volume was annotated, most annotated first.

    A completely labelled volume is read along its coarsest axis, where slices are sharpest; a small one
    with voxels of about equal sides along the other axes too: from few patients three views learn more
    than one, and their mean is better than each (Docs/benchmarks.md). Paint that belongs to no complete
    slice (scribbles) is read along the plane that gathers it in the fewest slices; where it is on most slices
    along any plane, along the one in which the strokes are flat.
    """
    array = labels.array
    known = array > IGNORE
    complete = [labels.annotated_slices(axis) for axis in range(3)]
    if all(len(complete[a]) == array.shape[a] for a in range(3)):
        # Coarsest spacing; among equal ones the third array axis of the common orientation.
        axis = max(range(3), key=lambda a: (round(spacing_zyx[a], 3), -a))
        alike = max(spacing_zyx) <= _ALIKE * min(spacing_zyx) and array.size <= _MOST_VOXELS_THRICE
        others = [a for a in range(3) if a != axis] if alike and min(array.shape) > 1 else []
        return [AxisPlan(a, complete[a], again=a != axis) for a in (axis, *others)]
    plans = [AxisPlan(a, complete[a]) for a in range(3)]
    rest = known
    for plan in plans:
        if plan.complete:
            rest = rest.copy() if rest is known else rest
            np.moveaxis(rest, plan.axis, 0)[plan.complete] = False
    if rest.any():
        counts = [np.flatnonzero(rest.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
        shares = [len(found) / size for found, size in zip(counts, array.shape, strict=True)]
        axis = int(np.argmin(shares))
        if shares[axis] > _FEW_SLICES:
            box = rest[tuple(slice(found[0], found[-1] + 1) for found in counts)]
            axis = min(range(3), key=lambda a: (round(_thickness(box, a), 1), -spacing_zyx[a], shares[a], a))
        plans[axis].partial = [int(i) for i in counts[axis]]
    return sorted((p for p in plans if p.count), key=lambda p: -p.count)


def _thickness(strokes: np.ndarray, axis: int) -> float:
    """Share of the painted voxels that are followed by another one along an axis."""
    moved = np.moveaxis(strokes, axis, 0)
    return float(np.count_nonzero(moved[1:] & moved[:-1]) / np.count_nonzero(strokes))


def teaching_slices(plans: list[AxisPlan], labels: SparseLabels) -> Iterator[tuple[int, int, bool]]:
    """(axis, index, painted?) of every slice that teaches something of its own."""
    for plan in plans:
        if plan.again:
            continue
        for index in plan.complete:
            painted = bool((np.take(labels.array, index, axis=plan.axis) > 0).any())
            yield plan.axis, index, painted
        for index in plan.partial:
            yield plan.axis, index, False


@dataclass
class PreparedView:
    """A view with everything that training and prediction need."""

    view: View
    samples: list[TrainingSlice]
    priors: dict[int, SlicePrior]
    weight: float | torch.Tensor = 1.0
    ends: Ends | None = None
    outside: list[TrainingSlice] = field(default_factory=list)
    propagator: Propagator | None = None


def choose_pixel(volume: Volume, plans: list[AxisPlan], labels: SparseLabels, target_pixels: int) -> float:
    """Pixel size in mm at which the region of interest has about ``target_pixels`` pixels.

    Never finer than the image itself, and its own where that is nearly coarse enough: small structures
    suffer from resampling by a few percent.
    """
    axis = plans[0].axis
    spacing = [s for a, s in enumerate(volume.spacing_zyx) if a != axis]
    box = region_of_interest(labels.array, axis)
    area = box.size[0] * spacing[0] * box.size[1] * spacing[1]
    finest, wanted = min(spacing), float(np.sqrt(area / target_pixels))
    return float(finest if wanted < _WORTH_RESAMPLING * finest else wanted)


def common_pixel(
    cases: Sequence[tuple[Volume, SparseLabels, Orientation, list[AxisPlan]]], budget: float
) -> float:
    """Pixel size in mm for several cases: the median of what :func:`choose_pixel` says of each."""
    target = region_pixels(budget)
    sizes = sorted(choose_pixel(volume, plans, labels, target) for volume, labels, _, plans in cases)
    return sizes[len(sizes) // 2]


def prepare_view(
    volume: Volume,
    labels: SparseLabels,
    plan: AxisPlan,
    values: tuple[int, ...],
    pixel: float,
    held_out: Callable[[int], bool] = lambda index: False,
    should_stop: Callable[[], bool] = lambda: False,
    previous: PreparedView | None = None,
    hidden: Mapping[int, Sequence[int]] | None = None,
) -> PreparedView:
    """Builds the slices of one axis, propagates what is annotated, and collects what to learn.

    Args:
        volume: Image.
        labels: Its sparse labels.
        plan: Slices of the axis.
        values: Label values by class.
        pixel: mm.
        held_out: Whether a slice is kept for the estimate.
        should_stop: See :class:`Propagator`.
        previous: The same axis of the same volume in an earlier round, whose images and
            registrations are taken over where the region is still large enough.
        hidden: Slices of other axes, by axis, that are kept for the estimate: where they cross a slice
            of this axis, nothing is learnt.
    """
    box: Box = region_of_interest(labels.array, plan.axis)
    if previous is not None and previous.view.pixel == pixel and previous.view.box.contains(box):
        view = previous.view
    else:
        previous = None
        view = View(volume, Normalisation.of(volume.array), plan.axis, box, pixel)
    if view.count * view.size[0] * view.size[1] <= _MOST_PIXELS_IN_MEMORY:
        view.cache()
    priors: dict[int, SlicePrior] = {}
    propagator: Propagator | None = None
    growing: RegionGrowing | None = None
    own: dict[int, torch.Tensor] = {}
    told: dict[int, torch.Tensor] = {}  # what is carried to places that are left open
    taught = _without(labels.array, plan.axis, hidden or {})
    dense = len(plan.complete) > 0.5 * view.count
    painted = any((np.take(labels.array, i, axis=plan.axis) > 0).any() for i in plan.complete)
    if painted and not dense:
        own = {i: view.distances(labels.array, i, values) for i in plan.complete}
        earlier = previous.propagator if previous is not None else None
        propagator = Propagator(view.cache(), own, view.slice_pixels, should_stop, earlier)
        open_ = unsaid(labels.array, plan.axis, plan.complete, values)
        if open_:
            own = filled(propagator, view, labels.array, open_, values)
            propagator = Propagator(view.cache(), own, view.slice_pixels, should_stop, propagator)
            told = carried(own, open_)
        propagated = propagator.propagate()
        growing = _region_growing(view, plan.complete, propagated, values, labels.array, taught, told)
        grown = growing.labels()
        priors = {i: mixed(p, grown[i], pixel) if i in grown else p for i, p in propagated.items()}
    gaps = np.diff([max(0, plan.complete[0] - 8), *plan.complete]) if plan.complete else np.array([0])
    largest_gap = float(gaps.max()) / 2 * view.slice_pixels
    samples: list[TrainingSlice] = []
    for index in [*plan.complete, *plan.partial]:
        kept = held_out(index)
        soft = view.soft_labels(labels.array if kept else taught, index, values).half()
        if index in told and not kept:
            soft = settled(view, soft, told[index], _UNSURE)
        if not soft[-1].any():
            continue
        present = tuple(c for c in range(len(values)) if bool((soft[c] > 0.5).any()))
        left_out = []
        if propagator is not None and index in own and len(samples) < _MOST_LEFT_OUT:
            left_out = _left_out_priors(propagator, growing, plan.complete, index, pixel)
        elif propagator is not None and index in priors:
            left_out = [priors[index]]
        samples.append(TrainingSlice(view, index, soft, left_out, own.get(index), largest_gap, kept, present))
    ends = propagator.ends if propagator is not None else None
    outside = _outside_samples(view, plan, taught, values, held_out)
    return PreparedView(view, samples, priors, _slice_weights(view, plan), ends, outside, propagator)


def _slice_weights(view: View, plan: AxisPlan) -> torch.Tensor:
    """How much each slice is to be believed beside those along other planes, (slices,).

    The less, the farther the next slice that was annotated along the same plane.
    """
    known = torch.tensor([*plan.complete, *plan.partial])
    gap = (torch.arange(view.count)[:, None] - known).abs().amin(dim=1) * view.slice_spacing
    return 1 / (gap + _NEAR_MM) ** 2


def _outside_samples(
    view: View,
    plan: AxisPlan,
    labels: np.ndarray,
    values: tuple[int, ...],
    held_out: Callable[[int], bool],
) -> list[TrainingSlice]:
    """Complete slices beyond the region of interest too.

    The volume's own mask does not need them, but in another patient the network looks at whole
    slices, where it would take unknown tissue for the structure.
    """
    volume, axis = view.volume, view.axis
    box = whole_plane(volume, axis)
    if view.box.size[0] * view.box.size[1] > 0.8 * box.size[0] * box.size[1]:
        return []
    wide = View(volume, view.normalisation, axis, box, view.pixel)
    most = min(_MOST_OUTSIDE, _MOST_OUTSIDE_VALUES // (wide.size[0] * wide.size[1] * (len(values) + 1)))
    teaching = [i for i in plan.complete if not held_out(i)]
    chosen = sorted({teaching[round(p)] for p in np.linspace(0, len(teaching) - 1, most)} if teaching else ())
    return [TrainingSlice(wide, index, wide.soft_labels(labels, index, values).half()) for index in chosen]


def _without(labels: np.ndarray, axis: int, hidden: Mapping[int, Sequence[int]]) -> np.ndarray:
    """The labels with IGNORE on slices of other axes."""
    taught = labels
    for other, indices in hidden.items():
        if other != axis and len(indices):
            taught = taught.copy() if taught is labels else taught
            np.moveaxis(taught, other, 0)[list(indices)] = IGNORE
    return taught


def _region_growing(
    view: View,
    complete: list[int],
    priors: dict[int, SlicePrior],
    values: tuple[int, ...],
    labels: np.ndarray,
    taught: np.ndarray,
    told: dict[int, torch.Tensor],
) -> RegionGrowing:
    """What grows between the complete slices of a view, also from where other planes cross the rest."""
    annotated = {}
    for index in complete:
        soft = view.soft_labels(labels, index, values)
        known = (soft[:-1].argmax(dim=0) + 1) * (soft[-1] > 0.5)
        if index in told:
            inside, found = told[index].max(dim=0)
            here = torch.where(inside > 0, found + 2, 1) * (inside.abs() > _UNSURE)
            known = torch.where(known == 0, here, known)
        annotated[index] = known.numpy()
    crossed = np.flatnonzero((taught > IGNORE).any(axis=tuple({0, 1, 2} - {view.axis}))).tolist()
    crossing = {i: view.known_pixels(taught, i, values) for i in crossed if i not in annotated}
    return RegionGrowing(view.cache(), annotated, priors, view.slice_pixels, crossing)


def _left_out_priors(
    propagator: Propagator, growing: RegionGrowing | None, complete: list[int], index: int, pixel: float
) -> list[SlicePrior]:
    """Priors of an annotated slice from the others; also without a neighbour when there are many."""
    position = complete.index(index)
    groups = [[index]]
    if len(complete) > 6:
        groups += [[index, complete[p]] for p in (position - 1, position + 1) if 0 <= p < len(complete)]
    found = []
    for group in groups:
        # Of wider gaps there are enough examples without regions of their own.
        grows = growing is not None and len(group) == 1
        wanted = growing.gap(index) if growing is not None and grows else [index]
        carried = propagator.propagate(leave_out=group, only=wanted)
        if index not in carried:
            continue
        grown = growing.labels(index, carried) if growing is not None and grows else {}
        found.append(mixed(carried[index], grown[index], pixel) if index in grown else carried[index])
    return found
