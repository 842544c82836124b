"""A structure far from the volume's middle is found where it is, whatever the plane it was painted in."""

import numpy as np
import pytest

from contrastive_seg.data.sparse_labels import IGNORE, SparseLabels
from contrastive_seg.data.volume import Volume
from contrastive_seg.finetuning.session import Case, FinetuningSession
from contrastive_seg.finetuning.settings import FinetuneSettings

SHAPE = (96, 90, 84)
CENTER = (70, 24, 62)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_between_the_painted_slices_the_mask_lies_on_the_structure(axis, tmp_path):
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    truth = ((z - CENTER[0]) / 11) ** 2 + ((y - CENTER[1]) / 12) ** 2 + ((x - CENTER[2]) / 10) ** 2 < 1
    noise = np.random.default_rng(0).normal(0, 8, SHAPE)
    labels = np.full(SHAPE, IGNORE, np.int16)
    painted = [CENTER[axis] + step for step in (-14, -8, -4, 0, 4, 8, 14)]
    np.moveaxis(labels, axis, 0)[painted] = np.moveaxis(truth, axis, 0)[painted]
    volume = Volume((100 + 60 * truth + noise).astype(np.float32), np.eye(4), "off-centre ball")
    session = FinetuningSession(tmp_path / "run", FinetuneSettings(budget=10, device="cpu", steps=10))
    session.set_cases([Case(volume, SparseLabels(labels))])
    found = session.train(on_event=lambda event: None, should_stop=lambda: False)[0].labels == 1
    unsaid = labels == IGNORE
    agreement = 2 * (found & truth & unsaid).sum() / ((found & unsaid).sum() + (truth & unsaid).sum())
    assert agreement > 0.7
