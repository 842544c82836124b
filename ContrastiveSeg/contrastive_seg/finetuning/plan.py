"""What network a run needs for the structures and planes that were annotated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from contrastive_seg.finetuning.checkpoint import RunState
from contrastive_seg.finetuning.model import Architecture
from contrastive_seg.finetuning.settings import FinetuneSettings, network_width
from contrastive_seg.finetuning.transfer import Pretrained


def planned_state(
    state: RunState | None,
    settings: FinetuneSettings,
    pretrained: Pretrained | None,
    values: set[int],
    axes: tuple[int, ...],
    pixel: Callable[[], float],
) -> RunState:
    """The state with an architecture for these classes: new, kept, or that of the last round with more.

    Args:
        state: Of the last round; None before the first.
        settings: Name the network of a new one.
        pretrained: Weights to begin with, which have their own network.
        values: Label values, background (0) included.
        axes: Planes that were annotated, most annotated first.
        pixel: Size of the pixels of a new one in mm; asked only then.
    """
    if state is None:
        network, width = settings.network, network_width(settings.seconds_for_one)
        if pretrained is not None:
            network, width = pretrained.card.network, pretrained.card.width or width
        state = RunState(Architecture(tuple(sorted(values)), width, pixel(), axes, network))
        if pretrained is not None:
            state.weights = pretrained.about
        return state
    old = state.architecture
    state.architecture = replace(
        old,
        values=(*old.values, *sorted(values - set(old.values))),
        axes=tuple(dict.fromkeys((*axes, *old.axes))),
    )
    return state
