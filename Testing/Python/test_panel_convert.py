"""Segmentations of surfaces, such as RTSTRUCT: nothing is converted or lost without asking."""

import numpy as np
import slicer
from scene_parts import (
    add_segmentation,
    add_volume,
    ball,
    keep_only_surfaces,
    only_slices,
    paint,
    tip_of,
    wait_until,
)

from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.PredictionLogic import PredictionLogic

SHAPE = (12, 30, 40)


def surfaces():
    """A volume, and a segmentation of which there are only surfaces."""
    volume = add_volume(ball(SHAPE) * 300, name="Image")
    segmentation = add_segmentation(volume, ["Ball"], name="Plan")
    paint(segmentation, "Ball", only_slices(ball(SHAPE), 0, [3, 6, 8]), volume)
    keep_only_surfaces(segmentation)
    return volume, segmentation


def mask(segmentation, volume):
    return slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "Ball", volume) > 0


def test_surfaces_are_converted_only_after_asking(a_panel, monkeypatch):
    volume, segmentation = surfaces()
    a_panel.enter()
    assert a_panel.panel.nodes() == (volume, None), "what cannot be painted in is not chosen by itself"
    assert a_panel.ui.convertButton.isHidden()
    a_panel.ui.segmentationSelector.setCurrentNode(segmentation)
    reason = "'Plan' is made of 'Closed surface', not of voxels"
    assert reason in a_panel.ui.annotationLabel.text and "Press Convert" in a_panel.ui.annotationLabel.text
    for name in ("startButton", "paintButton", "convertButton"):
        assert reason in tip_of(getattr(a_panel.ui, name)), name
    assert not a_panel.ui.startButton.enabled and not a_panel.ui.paintButton.enabled
    own = segmentation.GetSegmentation()
    kind = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    asked = []
    for answer in (False, True):
        assert not own.ContainsRepresentation(kind) and not a_panel.ui.convertButton.isHidden()
        monkeypatch.setattr(
            slicer.util, "confirmOkCancelDisplay", lambda text, *_, a=answer: asked.append(text) or a
        )
        a_panel.ui.convertButton.click()
    assert "cannot be undone" in asked[0] and "'Plan' from 'Closed surface'" in asked[0]
    assert own.GetSourceRepresentationName() == kind and a_panel.ui.convertButton.isHidden()
    assert a_panel.ui.startButton.enabled and a_panel.ui.paintButton.enabled
    assert "binary labelmap now" in a_panel.ui.statusLabel.text


def test_what_is_accepted_after_a_conversion_is_what_is_saved(a_panel, monkeypatch, tmp_path):
    volume, segmentation = surfaces()
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *_: True)
    a_panel.enter()
    a_panel.ui.segmentationSelector.setCurrentNode(segmentation)
    a_panel.ui.convertButton.click()
    moved = np.roll(ball(SHAPE), 6, axis=2)
    PredictionLogic.update(volume, segmentation, moved, [LabelledSegment(1, "Ball", "Ball")])
    a_panel.enter()
    a_panel.ui.acceptButton.click()
    wait_until(lambda: "Accepted" in a_panel.ui.statusLabel.text, 20)
    accepted = mask(segmentation, volume)
    assert (accepted[5] == moved[5]).all() and moved[5].any()
    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(tmp_path / "a.seg.nrrd"))
    saved = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    assert storage.WriteData(segmentation) and storage.ReadData(saved)
    assert (mask(saved, volume) == accepted).all()


def test_a_name_with_tags_stands_in_tooltips_and_questions_as_it_is(a_panel, monkeypatch):
    _volume, segmentation = surfaces()
    segmentation.SetName("Plan <b>1</b>")
    a_panel.enter()
    a_panel.ui.segmentationSelector.setCurrentNode(segmentation)
    shown = "Plan &lt;b&gt;1&lt;/b&gt;"
    for name in ("startButton", "convertButton", "editorCollapsibleButton"):
        assert shown in getattr(a_panel.ui, name).toolTip, name
    asked = []
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, *_: bool(asked.append(text)))
    a_panel.ui.convertButton.click()
    assert shown in asked[0]
