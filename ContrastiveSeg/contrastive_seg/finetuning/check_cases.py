"""Whether there is something to learn in the cases of a session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from contrastive_seg.errors import ContrastiveSegError

if TYPE_CHECKING:
    from contrastive_seg.finetuning.session import Case


def check_cases(cases: Sequence[Case]) -> None:
    """Looks at volumes and sparse labels.

    Raises:
        ContrastiveSegError: ``no-annotation``, ``one-class`` or ``label-outside-image``.
    """
    values: set[int] = set()
    for case in cases:
        if case.labels.array.shape != case.volume.array.shape:
            raise ContrastiveSegError(
                "label-outside-image",
                f"The labels of '{case.volume.name}' have the shape {case.labels.array.shape} (z, y, x), "
                f"the image has {case.volume.array.shape}.",
                "Export both on the same grid.",
            )
        values.update(case.labels.values)
    if not values - {0}:
        raise ContrastiveSegError(
            "no-annotation",
            "No structure is painted on any slice.",
            "Paint at least one structure on a few slices, then start again.",
        )
    if len(values) < 2:
        raise ContrastiveSegError(
            "one-class",
            f"Only one class ({values.pop()}) is annotated, and nothing says what is not it.",
            "Mark the painted slices as complete, or paint some background too.",
        )


def nothing_learnt() -> ContrastiveSegError:
    """For whoever asks a session that has not been trained."""
    return ContrastiveSegError(
        "no-checkpoint", "Nothing has been learnt yet.", "Train on annotated slices first."
    )
