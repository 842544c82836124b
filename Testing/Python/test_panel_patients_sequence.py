"""Frames of a sequence as other patients; and large volumes, for which nothing may stand still."""

import shutil
import time

import numpy as np
import pytest
import qt
import slicer
from contrastive_seg_phantom import dice, two_organs
from patients_parts import labels_of, section_of, states, wait_for_end
from scene_parts import add_segmentation, add_volume, only_slices, paint, tip_of, wait_until

from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.LearningRound import LearningRound
from ContrastiveSegLib.PatientCase import PatientCase
from ContrastiveSegLib.PatientChannel import PatientChannel
from ContrastiveSegLib.PatientResults import PatientResults
from ContrastiveSegLib.PatientState import PatientState
from ContrastiveSegLib.PatientViewer import PatientViewer
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.Readiness import Readiness
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.Runs.RunFinder import RunFinder
from ContrastiveSegLib.SceneVolumes import SceneVolumes
from ContrastiveSegLib.SequenceFrame import SequenceFrame
from ContrastiveSegLib.SequenceLogic import SequenceLogic
from ContrastiveSegLib.SlabCopy import SlabCopy
from ContrastiveSegLib.UserError import UserError
from slicer_harness import in_application
from slicer_harness.views import SliceView

pytestmark = pytest.mark.usefixtures("a_scene")


def make_sequence(frames):
    """A browser that plays noisy copies of the phantom."""
    scene = slicer.mrmlScene
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Cine")
    sequence.SetIndexName("time")
    sequence.SetIndexUnit("ms")
    truths = []
    for number in range(frames):
        image, truth = two_organs((20, 40, 48), number)
        node = add_volume(image.array, np.diag([-0.8, -0.8, 1.5, 1.0]), name="frame")
        sequence.SetDataNodeAtValue(node, str(40 * number))
        scene.RemoveNode(node)
        truths.append(truth)
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Cine browser")
    if browser is None and in_application():
        pytest.skip("this application was built without the module Sequences")
    browser.AddSynchronizedSequenceNode(sequence)
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
    return browser, sequence, truths


def test_each_frame_of_a_sequence_is_segmented_and_the_masks_play_with_it(a_panel, learnt):
    browser, sequence, truths = make_sequence(3)
    a_panel.enter()
    section, ui = section_of(a_panel), a_panel.ui
    assert all(one.volumeId != browser.GetProxyNode(sequence).GetID() for one in section.table.cases)
    ui.patientsSourceBox.setCurrentIndex(2)
    assert ui.patientsSequenceBox.currentText == "Cine (3 frames)"
    browser.SetSelectedItemNumber(0)
    ui.patientsStartButton.click()
    wait_for_end(section.logic)
    assert states(section.logic) == [PatientState.Done] * 3, [one.reason for one in section.logic.cases]
    assert browser.GetSelectedItemNumber() == 0  # the user's frame is left alone
    result = section.logic.sequence
    masks = result._result
    assert masks.GetNumberOfDataNodes() == 3 and masks.GetNthIndexValue(2) == "80"
    for number in (2, 1):
        ui.patientsTable.cellClicked.emit(number, 0)
        slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
        assert browser.GetSelectedItemNumber() == number
        proxy, volume = result.resultProxy, browser.GetProxyNode(sequence)
        assert PredictionLogic.isPrediction(proxy)
        overlap = dice(labels_of(proxy, volume), truths[number], 1)
        assert overlap > 0.6


@pytest.mark.parametrize("gone", ["browser", "sequence", "both"])
def test_of_a_sequence_that_is_removed_meanwhile_no_result_is_put_into_the_scene(a_panel, learnt, gone):
    browser, sequence, _truths = make_sequence(3)
    a_panel.enter()
    section, ui = section_of(a_panel), a_panel.ui
    ui.patientsSourceBox.setCurrentIndex(2)
    ui.patientsStartButton.click()
    wait_until(lambda: section.logic.cases[0].state is PatientState.Segmenting, 120)
    failed = []
    section.logic.changed.connect(
        lambda case: failed.append(case.reason) if case.state is PatientState.Failed else None
    )
    for name, node in (("browser", browser), ("sequence", sequence)):
        if gone in (name, "both"):
            slicer.mrmlScene.RemoveNode(node)
    wait_for_end(section.logic, 120)
    assert failed == ["The sequence was removed from the scene."] * 3
    left = slicer.util.getNodesByClass("vtkMRMLSequenceNode")
    assert list(left) == ([sequence] if gone == "browser" else [])


def go_to(browser, frame):
    browser.SetSelectedItemNumber(frame)
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)


@pytest.fixture
def a_learnt_frame(a_panel, a_learnt_run):
    """A sequence of three frames, chosen in the panel; the first one was learnt and has a prediction."""
    browser, sequence, truths = make_sequence(3)
    go_to(browser, 0)
    volume = browser.GetProxyNode(sequence)
    segmentation = add_segmentation(volume, ["Liver", "Kidney"], name="Organs")
    paint(segmentation, "Liver", only_slices(truths[0] == 1, 0, [6, 9, 12]), volume)
    parameters = a_panel.panel._parameters
    parameters.volume, parameters.segmentation = volume, segmentation
    folder = RunFolder.of(volume, segmentation).create()
    learnt = LearningRound(volume, segmentation, folder, [LabelledSegment(1, "Liver", "Liver")], "quick")
    SequenceFrame.claim(volume, segmentation)
    shutil.copytree(a_learnt_run, folder.path, dirs_exist_ok=True)
    a_panel.panel.learning._round = learnt
    a_panel.panel.learning._show(learnt, (truths[0] == 1).astype(np.int16))
    PredictionLogic.updateMaps(volume, segmentation, {"uncertainty": np.zeros((20, 40, 48), np.uint8)})
    parameters.showUncertainty = True
    a_panel.enter()
    return browser, volume, segmentation, learnt


def test_what_was_learnt_on_one_frame_is_known_on_the_others_but_not_mixed_with_them(a_panel, a_learnt_frame):
    browser, volume, segmentation, learnt = a_learnt_frame
    ui, view = a_panel.ui, SliceView()
    view.show(volume)
    ui.uncertaintyCheckBox.checked = False
    ui.uncertaintyCheckBox.checked = True
    display = PredictionLogic.predicted(segmentation).GetDisplayNode()
    assert display.GetVisibility() and ui.startButton.enabled and ui.acceptButton.enabled
    assert view.composite.GetForegroundVolumeID() is not None
    go_to(browser, 1)
    words = "'Organs' was painted on frame 1 of 'Cine', and another one is shown"
    wait_until(lambda: words in ui.annotationLabel.text, 10)
    for name in ("startButton", "paintButton", "emptyButton", "acceptButton", "acceptSliceButton"):
        widget = getattr(ui, name)
        assert not widget.enabled and words in tip_of(widget), name
    assert not display.GetVisibility() and view.composite.GetForegroundVolumeID() is None
    assert RunFolder.existing(volume, segmentation).path == learnt.folder.path
    assert Readiness.whyNotApply(volume, segmentation) == ""
    with pytest.raises(UserError, match=words):
        a_panel.panel.learning.start(volume, segmentation, "quick")
    # a preview that comes now belongs to the other frame
    assert a_panel.panel.learning._show(learnt, np.ones((20, 40, 48), np.int16))
    assert not display.GetVisibility()
    go_to(browser, 0)
    wait_until(lambda: ui.acceptButton.enabled, 10)
    assert display.GetVisibility() and view.composite.GetForegroundVolumeID() is not None
    assert labels_of(PredictionLogic.predicted(segmentation), volume).min() == 1
    assert RunFolder.existing(volume, segmentation).path == learnt.folder.path


def test_another_frame_is_painted_in_a_segmentation_of_its_own(a_panel, a_learnt_frame):
    browser, volume, segmentation, learnt = a_learnt_frame
    go_to(browser, 2)
    wait_until(lambda: not a_panel.ui.startButton.enabled, 10)
    a_panel.ui.newSegmentationButton.click()
    other = a_panel.panel.nodes()[1]
    assert other is not segmentation and a_panel.ui.paintButton.enabled
    assert RunFolder.of(volume, other).path != learnt.folder.path
    SequenceFrame.claim(volume, other)
    go_to(browser, 0)
    wait_until(lambda: "painted on frame 3 of 'Cine'" in a_panel.ui.annotationLabel.text, 10)


def test_what_was_painted_on_one_frame_is_not_learnt_with_the_image_of_another(a_panel):
    browser, sequence, truths = make_sequence(3)
    go_to(browser, 1)
    volume, ui = browser.GetProxyNode(sequence), a_panel.ui
    parameters = a_panel.panel._parameters
    parameters.volume = volume
    a_panel.enter()
    ui.newSegmentationButton.click()
    segmentation = a_panel.panel.nodes()[1]
    go_to(browser, 0)
    paint(segmentation, "Segment_1", only_slices(truths[0] == 1, 0, [6, 9, 12]), volume)
    wait_until(lambda: ui.startButton.enabled, 10)
    go_to(browser, 2)
    wait_until(lambda: "painted on frame 1 of 'Cine'" in ui.annotationLabel.text, 10)
    assert not ui.startButton.enabled
    go_to(browser, 0)
    wait_until(lambda: ui.startButton.enabled, 10)
    # with everything erased any frame may be painted again
    paint(segmentation, "Segment_1", np.zeros(truths[0].shape, bool), volume)
    wait_until(lambda: not ui.startButton.enabled, 10)
    go_to(browser, 2)
    wait_until(lambda: ui.paintButton.enabled, 10)
    assert "frame" not in ui.annotationLabel.text


def test_earlier_work_is_listed_at_the_frame_that_was_learnt(a_panel, a_learnt_frame):
    browser, volume, _segmentation, learnt = a_learnt_frame
    np.save(learnt.folder.path / "image-0007.npy", slicer.util.arrayFromVolume(volume))
    # other tests have left runs of the same voxels
    assert learnt.folder.path in [one.path for one in RunFinder().of(volume)]
    go_to(browser, 1)
    assert learnt.folder.path not in [one.path for one in RunFinder().of(volume)]


def test_back_from_another_frame_goes_to_the_frame_that_was_learnt(a_learnt_frame, tmp_path):
    browser, volume, segmentation, _learnt = a_learnt_frame
    viewer = PatientViewer(
        PatientChannel(),
        tmp_path,
        PatientResults(segmentation, {"Liver": 1}),
        SequenceLogic(SequenceLogic.all()[0]),
    )
    viewer.show(PatientCase("0003", "Frame 3", frame=2), [])
    assert browser.GetSelectedItemNumber() == 2 and not segmentation.GetDisplayNode().GetVisibility()
    viewer.back(volume)
    assert browser.GetSelectedItemNumber() == 0 and segmentation.GetDisplayNode().GetVisibility()


class Watchdog:
    """Measures how long the event loop stands still between two of its turns.

    Seconds on the clock are those of a busy computer; the processor time of the main thread says what
    the application itself is to blame for.
    """

    def __init__(self):
        self._timer = qt.QTimer()
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self._beat)
        self._last, self._lastWork = time.monotonic(), time.thread_time()
        self.longest = self.longestWork = 0.0
        self._timer.start()

    def _beat(self):
        now, work = time.monotonic(), time.thread_time()
        self.longest = max(self.longest, now - self._last)
        self.longestWork = max(self.longestWork, work - self._lastWork)
        self._last, self._lastWork = now, work

    def stop(self):
        """Longest pause in seconds, and most processor time in one."""
        self._timer.stop()
        self._beat()
        return self.longest, self.longestWork


def test_the_event_loop_goes_on_while_a_large_volume_is_exported_read_and_shown(
    a_panel, learnt, tmp_path, record_property
):
    rng = np.random.default_rng(0)
    array = rng.integers(-1000, 1000, (300, 512, 512), np.int16)
    volume = add_volume(array, name="Large")
    path = tmp_path / "large.npy"
    ended = []
    watch = Watchdog()
    copy = SlabCopy(SlabCopy.write(volume, path), ended.append, ended.append)
    wait_until(lambda: bool(ended), 120)
    exported = watch.stop()
    assert ended == [None] and np.array_equal(np.load(path, mmap_mode="r")[::60], array[::60]), copy

    a_panel.enter()
    case = SceneVolumes.cases(learnt[0], set())[0]
    box = np.zeros((200, 300, 300), np.uint8)
    box[20:180, 30:270, 30:270] = 1
    np.save(tmp_path / "labels-0001.npy", box)
    case.result = {"labels": "labels-0001.npy", "start": [40, 100, 100], "size": [512, 512, 300]}
    results = PatientResults(learnt[1], {"Liver": 1, "Kidney": 7})
    results.know(results.structures())
    watch = Watchdog()
    node = results.show(case, PatientResults.read(tmp_path, case), volume)
    PatientResults.lookAt(case, volume)
    shown = watch.stop()
    assert labels_of(node, volume)[100, 250, 250] == 1

    ended.clear()
    watch = Watchdog()
    reading = SlabCopy(SlabCopy.read(path), ended.append, ended.append)
    wait_until(lambda: bool(ended), 120)
    read = watch.stop()
    assert ended[0].GetDimensions() == (512, 512, 300), reading
    for name, (seconds, work) in (("export", exported), ("show", shown), ("read", read)):
        words = f"longest pause, {name}: {1000 * seconds:.0f} ms, of which at work {1000 * work:.0f} ms"
        record_property(name, words)
        assert work < 0.25 and seconds < 10, words
