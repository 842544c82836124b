"""From a network and a prepared case to a mask on the image's own grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from contrastive_seg.compute import Compute
from contrastive_seg.data.orientation import Orientation
from contrastive_seg.data.sparse_labels import IGNORE, SparseLabels
from contrastive_seg.data.volume import Volume
from contrastive_seg.finetuning.case_data import PreparedView, plan_axes, prepare_view
from contrastive_seg.finetuning.model import Architecture
from contrastive_seg.finetuning.prepared_case import PreparedCase, views_of
from contrastive_seg.finetuning.view import View, whole_plane
from contrastive_seg.inference.combine import ViewScores, combine
from contrastive_seg.inference.prediction import Prediction
from contrastive_seg.inference.scores import Looked, score_view
from contrastive_seg.preprocessing import Normalisation


def prepare_case(
    volume: Volume,
    labels: SparseLabels | None,
    architecture: Architecture,
    should_stop: Callable[[], bool],
    earlier: Sequence[PreparedCase],
) -> PreparedCase:
    """A volume as the network is to see it: by its own annotated slices, or whole.

    Args:
        volume: In any orientation.
        labels: Its sparse labels, or None.
        architecture: Of the network.
        should_stop: See :func:`~contrastive_seg.finetuning.case_data.prepare_view`.
        earlier: Cases whose images and registrations are taken over where they are the same.
    """
    orientation = Orientation.of(volume)
    turned = orientation.turn(volume)
    known = SparseLabels(orientation.apply(labels.array)) if labels is not None else None
    if known is not None and any(value > 0 for value in known.values):
        before = views_of(turned, earlier)
        views = [
            prepare_view(
                turned,
                known,
                plan,
                architecture.values,
                architecture.pixel,
                should_stop=should_stop,
                previous=before.get(plan.axis),
            )
            for plan in plan_axes(known, turned.spacing_zyx)
        ]
    else:
        normalisation = Normalisation.of(turned.array)
        views = []
        for axis in architecture.axes:
            view = View(turned, normalisation, axis, whole_plane(turned, axis), architecture.pixel)
            views.append(PreparedView(view, [], {}, 1.0))
    if known is None:  # IGNORE everywhere, without memory
        known = SparseLabels(np.broadcast_to(np.int16(IGNORE), turned.shape))
    return PreparedCase(turned, known, orientation, views)


def predict_case(
    case: PreparedCase,
    network: nn.Module | None,
    values: tuple[int, ...],
    trust: float | torch.Tensor,
    compute: Compute,
    should_stop: Callable[[], bool],
    on_fraction: Callable[[float], None],
    patience: float | None = None,
    looked: Looked | None = None,
) -> Prediction:
    """The mask of a case, without an estimate of Dice.

    Args:
        case: What to segment.
        network: None for the priors alone.
        values: Label values by class.
        trust: Weight of the network beside a prior, see :func:`score_view`.
        compute: Where to run.
        should_stop: True raises :class:`~contrastive_seg.inference.scores.Stopped`.
        on_fraction: Told the share that is done.
        patience: See :func:`~contrastive_seg.inference.scores.score_view`.
        looked: Likewise.
    """
    items = []
    for number, item in enumerate(case.views):
        scores = score_view(
            network,
            item.view,
            item.priors,
            len(values),
            compute,
            should_stop,
            lambda f, n=number: on_fraction((n + f) / len(case.views)),  # type: ignore[misc]
            item.ends,
            trust,
            patience,
            looked,
        )
        items.append(ViewScores(item.view, scores, item.weight))
    found = combine(items, case.volume.shape, values, case.labels.array)
    undo = case.orientation.undo
    return replace(
        found,
        labels=undo(found.labels),
        probability=undo(found.probability),
        uncertainty=undo(found.uncertainty),
    )
