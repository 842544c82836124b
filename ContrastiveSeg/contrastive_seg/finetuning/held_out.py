"""Which annotated slices are kept for the estimate."""

from __future__ import annotations

from collections.abc import Collection

from contrastive_seg.finetuning.checkpoint import RunState

FEWEST_SLICES = 10
"""With fewer painted slices none is held out: each is needed for learning."""

SHARE = 8
"""One painted slice in this many is held out."""

FEWEST_CASES = 5
"""From so many annotated volumes on whole volumes are held out: their slices resemble each other."""


def choose_held_out(
    cases: list[list[tuple[int, int, bool]]],
    state: RunState,
    corrected: Collection[tuple[int, int, int]] = (),
) -> set[tuple[int, int, int]]:
    """Slices (case, axis, index) that are never trained on; also noted in ``state``.

    What was decided for a slice in an earlier round stays: a slice trained on is never held out
    later, or the estimate would be too good, and the other way round.

    Args:
        cases: For each case its annotated slices as (axis, index, painted).
        state: Of the run; its ``held_out`` and ``trained`` are extended.
        corrected: Slices that were predicted and then corrected: they are never held out, since they agree
            with the network more than others, and since what was corrected is to be learnt.
    """
    held = {(c, a, i) for c, a, i in state.held_out}
    trained = {(c, a, i) for c, a, i in state.trained}
    everything = [(c, a, i) for c, slices in enumerate(cases) for a, i, _ in slices]
    annotated_cases = [c for c, slices in enumerate(cases) if any(p for _, _, p in slices)]
    if len(annotated_cases) >= FEWEST_CASES:
        chosen = set(annotated_cases[SHARE // 2 :: SHARE])
        candidates = [s for s in everything if s[0] in chosen]
    else:
        painted = sorted((c, a, i) for c, slices in enumerate(cases) for a, i, p in slices if p)
        wanted = len(painted) // SHARE if len(painted) >= FEWEST_SLICES else 0
        wanted -= len([s for s in painted if s in held])
        fresh = [s for s in painted if s not in trained and s not in held and s not in corrected]
        # From the middle of each stretch: the outermost slices show where the structure ends.
        step = max(1, len(fresh) // max(wanted, 1))
        candidates = fresh[step // 2 :: step][: max(0, wanted)]
    held.update(s for s in candidates if s not in trained)
    if all(s in held for s in everything):
        held.clear()
    state.held_out = [list(s) for s in sorted(held)]
    state.trained = [list(s) for s in sorted(trained | {s for s in everything if s not in held})]
    return held
