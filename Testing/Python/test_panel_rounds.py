"""Two rounds of painting, learning and correcting on a left atrium, the second from a suggested slice."""

import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scene_parts import add_segmentation, add_volume, only_slices, paint, wait_until

from ContrastiveSegLib.AnnotationLogic import AnnotationLogic
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.SegmentResampler import SegmentResampler
from ContrastiveSegLib.State import State
from ContrastiveSegLib.VolumeGrid import VolumeGrid
from slicer_harness.views import SliceView

DATA = Path(os.environ.get("CONTRASTIVE_SEG_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
CASE = "la_031.nii.gz"
STEPS = 2

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def an_atrium(a_panel):
    """The volume with three painted slices and an empty one beyond each end where there is room."""
    image_path, labels_path = (DATA / "left_atrium" / kind / CASE for kind in ("images", "labels"))
    if not image_path.is_file():
        pytest.skip("The left-atrium volumes are not on this computer.")
    image, labels = sitk.ReadImage(str(image_path)), sitk.ReadImage(str(labels_path))
    truth = (sitk.GetArrayFromImage(labels) > 0).astype(np.int16)
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) @ np.diag(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    volume = add_volume(sitk.GetArrayFromImage(image), np.diag([-1, -1, 1, 1.0]) @ matrix, name="Atrium")
    segmentation = add_segmentation(volume, ["Atrium"])
    extent = np.flatnonzero(truth.any(axis=(1, 2)))
    painted = [int(i) for i in np.linspace(extent[0], extent[-1], 5).round()[1:-1]]
    paint(segmentation, "Atrium", only_slices(truth, 0, painted), volume)
    for index in (extent[0] - 1, extent[-1] + 1):
        if 0 <= index < truth.shape[0]:
            AnnotationLogic.setEmpty(segmentation, (0, int(index)))
    a_panel.enter()
    a_panel.panel.learning.settings = {"steps": STEPS}
    return volume, segmentation, truth, painted


def learn(widget):
    """Presses Start and waits for the mask and for what is suggested after it; the mask's Dice."""
    told = []
    widget.panel.learning.suggested.connect(told.append)
    widget.ui.startButton.click()
    machine = widget.panel.learning.machine
    wait_until(lambda: not machine.state.isBusy, 1500)
    assert machine.state is State.Done, widget.ui.statusLabel.text
    wait_until(lambda: bool(told), 600)
    widget.panel.learning.suggested.disconnect(told.append)


def dice_of(volume, segmentation, truth):
    node = PredictionLogic.predicted(segmentation)
    found = SegmentResampler(node, VolumeGrid(volume)).labels({"Atrium": 1}).whole() == 1
    return 2 * (found & (truth > 0)).sum() / (found.sum() + (truth > 0).sum())


def test_the_second_round_starts_from_the_suggested_slice_and_is_better(an_atrium, a_panel):
    volume, segmentation, truth, painted = an_atrium
    view = SliceView()
    view.show(volume)
    learn(a_panel)
    first = dice_of(volume, segmentation, truth)
    assert first > 0.7
    assert a_panel.ui.suggestionLabel.text.startswith("Next: axial slice")

    for _ in range(2):  # two slices, one after the other, as they are suggested
        a_panel.ui.suggestButton.click()
        _axis, index = AnnotationLogic.sliceAt(
            VolumeGrid(volume), tuple(view.node.GetSliceToRAS().GetElement(row, 3) for row in range(3)), 0
        )
        assert index not in painted
        painted.append(index)
        paint(segmentation, "Atrium", only_slices(truth, 0, painted), volume)
        a_panel.enter()
    learn(a_panel)
    second = dice_of(volume, segmentation, truth)
    assert second > first + 0.02
    a_panel.ui.acceptButton.click()
    accepted = SegmentResampler(segmentation, VolumeGrid(volume)).labels({"Atrium": 1}).whole()
    assert (accepted[painted] == truth[painted]).all()
