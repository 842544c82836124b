"""Structures that are painted on different slices: what a slice says nothing about is left open."""

import json

import numpy as np
import pytest
import qt
import slicer
from contrastive_seg_phantom import two_organs
from scene_parts import add_segmentation, add_volume, only_slices, paint, wait_until

from ContrastiveSegLib.AcceptLogic import AcceptLogic
from ContrastiveSegLib.AnnotationLogic import AnnotationLogic
from ContrastiveSegLib.AnnotationSummary import AnnotationSummary
from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.PlaneChoice import PlaneChoice
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.Runs.RunFinder import RunFinder
from ContrastiveSegLib.Runs.RunRestorer import RunRestorer
from ContrastiveSegLib.SegmentResampler import SegmentResampler
from ContrastiveSegLib.VolumeExport import VolumeExport
from ContrastiveSegLib.VolumeGrid import VolumeGrid

VALUES = {"Liver": 1, "Kidney": 7}
LIVER, KIDNEY = [5, 10, 13, 18], [6, 11, 17]
CLEAN = [one for one in range(24) if one not in [*LIVER, *KIDNEY]]
OPEN = -2
UNCHECKED, PARTIALLY, CHECKED = qt.Qt.Unchecked, qt.Qt.PartiallyChecked, qt.Qt.Checked


@pytest.fixture
def a_scene_of_two(a_scene):
    """A volume, a segmentation with each organ painted on slices of its own, and the truth."""
    image, truth = two_organs()
    volume = add_volume(image.array, np.diag([-0.8, -0.8, 1.5, 1.0]))
    segmentation = add_segmentation(volume, list(VALUES))
    paint(segmentation, "Liver", only_slices(truth == 1, 0, LIVER), volume)
    paint(segmentation, "Kidney", only_slices(truth == 7, 0, KIDNEY), volume)
    return volume, segmentation, truth


def exported(folder, volume, segmentation):
    folder.mkdir(exist_ok=True)
    return np.load(folder / VolumeExport(folder).export(volume, segmentation, VALUES).case["labels"])


def left_open(volume, segmentation):
    summary = AnnotationSummary.of(volume, segmentation, PlaneChoice.Automatic)
    return {one.slice[1]: one.open for one in summary.slices if one.open}


def labels_of(segmentation, volume):
    return SegmentResampler(segmentation, VolumeGrid(volume)).labels(VALUES).whole()


def states(table):
    return [table.item(row, 3).checkState() for row in range(table.rowCount)]


def test_around_where_the_other_structure_may_be_nothing_is_said(a_scene_of_two, tmp_path):
    volume, segmentation, truth = a_scene_of_two
    labels = exported(tmp_path, volume, segmentation)
    assert (labels[CLEAN] == -1).all()
    for index in (10, 13):
        hole = labels[index] == OPEN
        assert hole[truth[index] == 7].all() and (labels[index] == 1)[truth[index] == 1].all()
        assert (labels[index] == 0).mean() > 0.3 and not (labels[index] == 7).any()
    for index in (6, 11, 17):
        assert (labels[index] == OPEN)[truth[index] == 1].all()
    for index in (5, 18):  # beyond those that show the kidney nobody knows either
        assert (labels[index] == OPEN).any() and (labels[index] == 0).mean() > 0.3


def test_beyond_a_slice_without_it_and_where_all_is_painted_together_a_structure_has_ended(
    a_scene_of_two, tmp_path
):
    volume, segmentation, truth = a_scene_of_two
    AnnotationLogic.setWhole(segmentation, (0, 18))
    assert set(left_open(volume, segmentation)) == {5, 6, 10, 11, 13, 17}
    paint(segmentation, "Kidney", only_slices(truth == 7, 0, [*KIDNEY, 10, 13]), volume)
    assert {one: ids for one, ids in left_open(volume, segmentation).items() if "Kidney" in ids} == {}


@pytest.mark.parametrize("axis", [1, 2])
def test_slices_of_any_plane_are_left_open(a_scene, tmp_path, axis):
    image, truth = two_organs()
    turned = np.ascontiguousarray(np.moveaxis(truth, 0, axis))
    volume = add_volume(np.ascontiguousarray(np.moveaxis(image.array, 0, axis)))
    segmentation = add_segmentation(volume, list(VALUES))
    paint(segmentation, "Liver", only_slices(turned == 1, axis, LIVER), volume)
    paint(segmentation, "Kidney", only_slices(turned == 7, axis, KIDNEY), volume)
    labels = np.moveaxis(exported(tmp_path, volume, segmentation), axis, 0)
    for index in (10, 13):
        assert (labels[index] == OPEN)[truth[index] == 7].all() and (labels[index] == 0).any()


def test_the_panel_says_so_and_a_click_says_that_it_is_not_there(a_scene_of_two, a_panel, tmp_path):
    volume, segmentation, _truth = a_scene_of_two
    a_panel.enter()
    ui = a_panel.ui
    assert "Left open where only others are painted: Liver (3 slices), Kidney (4 slices)." in (
        ui.annotationLabel.text
    )
    assert states(ui.sliceTable) == [PARTIALLY] * 7
    assert "Kidney: painted on other slices" in ui.sliceTable.item(2, 3).toolTip()
    ui.sliceTable.item(2, 3).setCheckState(CHECKED)  # slice 10, without a kidney
    wait_until(lambda: "Kidney (3 slices)" in ui.annotationLabel.text, 5)
    assert AnnotationLogic.wholeSlices(segmentation) == [(0, 10)] and states(ui.sliceTable)[2] == CHECKED
    assert (exported(tmp_path, volume, segmentation)[10] >= 0).all()
    assert left_open(volume, segmentation)[13] == ("Kidney",)
    # finished and unfinished again: open as before
    ui.sliceTable.item(2, 3).setCheckState(UNCHECKED)
    wait_until(lambda: AnnotationLogic.partialSlices(segmentation) == [(0, 10)], 5)
    wait_until(lambda: not ui.sliceTable.item(2, 3).toolTip().startswith("Kidney"), 5)
    a_panel.enter()
    ui.sliceTable.item(2, 3).setCheckState(CHECKED)
    assert AnnotationLogic.partialSlices(segmentation) == [] == AnnotationLogic.wholeSlices(segmentation)
    assert left_open(volume, segmentation)[10] == ("Kidney",)


def test_what_is_painted_there_later_closes_the_slice(a_scene_of_two):
    volume, segmentation, truth = a_scene_of_two
    assert left_open(volume, segmentation)[13] == ("Kidney",)
    paint(segmentation, "Kidney", only_slices(truth == 7, 0, [*KIDNEY, 13]), volume)
    assert 13 not in left_open(volume, segmentation)
    AnnotationLogic.setEmpty(segmentation, (0, 12))  # nothing is on a slice between
    assert left_open(volume, segmentation)[11] == ("Liver",)


def test_one_structure_and_one_that_is_hidden_leave_nothing_open(a_scene_of_two):
    volume, segmentation, _truth = a_scene_of_two
    segmentation.GetDisplayNode().SetSegmentVisibility("Kidney", False)
    assert left_open(volume, segmentation) == {}


def test_accept_fills_what_is_open_and_it_stays_open_for_learning(a_scene_of_two, tmp_path):
    volume, segmentation, truth = a_scene_of_two
    before, open_before = labels_of(segmentation, volume), left_open(volume, segmentation)
    wrong = truth.copy()
    wrong[10, :4, :4] = 1  # the liver is complete on this slice
    segments = [LabelledSegment(value, name, name) for name, value in VALUES.items()]
    PredictionLogic.update(volume, segmentation, wrong, segments)
    summary = AnnotationSummary.of(volume, segmentation, PlaneChoice.Automatic)
    accept = AcceptLogic()
    opened = {one.slice: one.open for one in summary.slices if one.open}
    accept.accept(volume, segmentation, [one.slice for one in summary.slices], opened=opened)
    after = labels_of(segmentation, volume)
    for index in (10, 13):
        assert np.array_equal(after[index] == 7, truth[index] == 7)
        assert np.array_equal(after[index] == 1, before[index] == 1)
    assert np.array_equal(after[8], truth[8])
    assert left_open(volume, segmentation) == open_before
    assert np.array_equal(
        exported(tmp_path, volume, segmentation)[[5, 10, 13]],
        only_open(truth, exported(tmp_path, volume, segmentation))[[5, 10, 13]],
    )
    accept.undo(segmentation)
    assert np.array_equal(labels_of(segmentation, volume), before)
    accept.forget()


def only_open(truth, labels):
    """Truth of the liver's slices where they are not open."""
    return np.where(labels == OPEN, OPEN, np.where(truth == 1, 1, 0))


def test_earlier_work_is_opened_with_what_was_open(a_scene_of_two, tmp_path, monkeypatch):
    monkeypatch.setattr(RunFolder, "root", staticmethod(lambda: tmp_path / "Runs"))
    volume, segmentation, _truth = a_scene_of_two
    AnnotationLogic.setWhole(segmentation, (0, 17), grid=VolumeGrid(volume))
    opened = left_open(volume, segmentation)
    assert 17 not in opened and 10 in opened
    folder = RunFolder.of(volume, segmentation).create()
    values = folder.segmentValues(list(VALUES))
    case = VolumeExport(folder.path).export(volume, segmentation, values)
    job = {
        "format": 1,
        "cases": [{key: case.case[key] for key in ("image", "labels", "ijk_to_ras")}],
        "settings": {},
        "segments": [{"value": one.value, "name": one.name} for one in case.segments],
    }
    (folder.path / "job.json").write_text(json.dumps(job), "utf-8")
    (folder.path / "checkpoint.safetensors").write_bytes(b"x")
    image = slicer.util.arrayFromVolume(volume).copy()
    slicer.mrmlScene.Clear(0)
    again = add_volume(image, np.diag([-0.8, -0.8, 1.5, 1.0]))
    run = RunFinder().of(again)[0]
    made = None
    steps = RunRestorer(again).steps(run)
    while made is None:
        try:
            next(steps)
        except StopIteration as end:
            made = end.value
    assert AnnotationLogic.partialSlices(made) == [] and AnnotationLogic.wholeSlices(made) == [(0, 17)]
    assert left_open(again, made) == opened
