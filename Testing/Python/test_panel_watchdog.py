"""Nothing stands still: the event loop is watched while a volume goes to the worker and back."""

import gc
import threading
import time
import weakref

import numpy as np
import pytest
import slicer
from scene_parts import add_segmentation, add_volume, python_program, wait_until
from watchdog import Watchdog

from ContrastiveSegLib.Background import Background
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.State import State
from ContrastiveSegLib.VolumeGrid import VolumeGrid
from ContrastiveSegLib.WorkerProcess import WorkerProcess
from slicer_harness.views import SliceView

ALLOWED = 0.5
"""Seconds of work in one go. Meant are 0.05; computers that run tests are slow."""

_WORKER = """
import json, os, sys
import numpy as np
def say(**event):
    print(json.dumps(event), flush=True)
say(type="hello", protocol=1, pid=os.getpid(), device={"name": "CPU"}, engine="0", torch="2")
for line in sys.stdin:
    c = json.loads(line)
    if c["command"] == "quit":
        break
    if c["command"] == "open":
        run, case = c["run"], c["cases"][0]
        shape = np.load(os.path.join(run, case["image"]), mmap_mode="r").shape
        said = np.load(os.path.join(run, case["labels"]), mmap_mode="r")
        assert said.shape == shape and said.dtype == np.int16
        say(type="result", reply_to=c["id"], **{"for": "open"}, case=None)
    if c["command"] == "train":
        z, y, x = np.ogrid[-1:1:complex(shape[0]), -1:1:complex(shape[1]), -1:1:complex(shape[2])]
        found = ((z / 0.4) ** 2 + (y / 0.5) ** 2 + (x / 0.4) ** 2 < 1).astype(np.uint8)
        np.save(os.path.join(run, "preview-0001.npy"), found)
        say(type="status", state="training", reply_to=c["id"], message="")
        say(type="preview", reply_to=c["id"], case=0, prediction="preview-0001.npy")
        for kind in ("prediction", "probability", "uncertainty"):
            np.save(os.path.join(run, kind + "-0.npy"), found)
        say(type="result", reply_to=c["id"], **{"for": "train"}, case=0, stopped=False,
            prediction="prediction-0.npy", probability="probability-0.npy", uncertainty="uncertainty-0.npy",
            dice_estimate={}, volume_ml={"1": 3.0}, volume_error_ml={"1": 0.1},
            doubtful=[{"index": [5, 5, 5], "value": 1, "ml": 0.1}])
        say(type="status", state="idle", reply_to=c["id"], message="Done.")
"""


def painted_organ(shape):
    """A volume with an organ in it, painted on five slices as the Segment Editor leaves them."""
    image = np.zeros(shape, np.int16)
    image[:] = np.random.default_rng(0).integers(-200, 200, shape[1:], dtype=np.int16)
    volume = add_volume(image, np.diag([0.8, 0.8, 1.0, 1.0]))
    segmentation = add_segmentation(volume, ["Liver", "Spleen"])
    low, high = [int(0.3 * n) for n in shape], [int(0.7 * n) for n in shape]
    box = np.zeros([b - a for a, b in zip(low, high, strict=True)], np.uint8)
    for index in np.linspace(0, len(box) - 1, 5).astype(int):
        box[index, 2:-2, 2:-2] = 1
    slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(
        VolumeGrid(volume).orientedImage(box, tuple(low)), segmentation, "Liver"
    )
    return volume, segmentation


@pytest.fixture(autouse=True)
def without_what_other_tests_left():
    """After thousands of tests the collector looks through their objects for half a second."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("shape", [(60, 96, 96), pytest.param((600, 512, 512), marks=pytest.mark.slow)])
def test_the_application_answers_while_avolume_goes_to_the_worker_and_back(a_panel, shape, capsys):
    panel, ui, dog = a_panel.panel, a_panel.ui, Watchdog()
    panel.learning.worker._command = [python_program(), "-c", _WORKER]
    volume, segmentation = painted_organ(shape)
    slicer.app.processEvents()
    dog.call("show the panel", a_panel.enter)
    dog.call("list of annotated slices", panel.update)
    assert "5 annotated slices" in ui.annotationLabel.text
    dog.call("start, export, preview, result", ui.startButton.click)
    dog.wait(lambda: not panel.learning.machine.state.isBusy)
    assert panel.learning.machine.state is State.Done, ui.statusLabel.text
    dog.call("surfaces", lambda: None)
    predicted = PredictionLogic.predicted(segmentation)
    surface = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
    dog.wait(lambda: predicted.GetSegmentation().ContainsRepresentation(surface))
    dog.call("uncertainty", lambda: setattr(ui.uncertaintyCheckBox, "checked", True))
    dog.call("next doubtful place", ui.doubtfulButton.click)
    dog.call("accept all", ui.acceptButton.click)
    dog.wait(lambda: "Accepted into" in ui.statusLabel.text)
    dog.call("list after accept", panel.update)
    dog.wait(lambda: "5 annotated slices" in ui.annotationLabel.text)
    dog.call("undo", ui.undoButton.click)
    assert "before Accept" in ui.statusLabel.text
    dog.wait(lambda: "5 annotated slices" in ui.annotationLabel.text)
    SliceView().show(volume, offset=0.35 * shape[0])
    dog.call("accept the slice", ui.acceptSliceButton.click)
    dog.wait(lambda: "Accepted into" in ui.statusLabel.text)
    dog.call("list after the slice", panel.update)
    dog.wait(lambda: "5 annotated slices" in ui.annotationLabel.text)
    dog.call("second start", ui.startButton.click)
    assert panel.learning.machine.state.isBusy
    dog.wait(lambda: not panel.learning.machine.state.isBusy)
    with capsys.disabled():
        if shape[0] > 100:
            print("\n" + dog.table())
    worst = max(dog.longest().values(), key=lambda one: one.work)
    assert worst.work < ALLOWED * (2 if worst.name == "undo" else 1), dog.table()


def test_the_watchdog_sees_a_block():
    dog = Watchdog()
    dog.call("busy", lambda: sum(range(10_000_000)))
    assert dog.longest()["busy"].work > 0.02 and "busy" in dog.table()


def test_background_tasks_come_back_in_order_and_in_the_main_thread():
    background, seen = Background(), []
    for number in range(3):
        background.run(
            lambda n=number: time.sleep(0.02) or n,
            lambda n: seen.append((n, threading.current_thread() is threading.main_thread())),
            seen.append,
        )
    wait_until(lambda: not background.isBusy, 10)
    assert seen == [(0, True), (1, True), (2, True)]


def test_a_background_task_that_fails_tells_why_and_the_next_one_runs():
    background, seen = Background(), []
    background.run(lambda: 1 / 0, seen.append, lambda error: seen.append(type(error)))
    background.run(lambda: 2, seen.append, seen.append)
    background.wait()
    assert seen == [ZeroDivisionError, 2]


def test_a_forgotten_task_is_not_heard_of_and_the_next_one_waits_for_its_end():
    background, seen, running = Background(), [], []

    def work(n):
        running.append(n)
        time.sleep(0.05)
        running.remove(n)
        return list(running)

    background.run(lambda: work(1), seen.append, seen.append)
    background.forget()
    background.run(lambda: work(2), seen.append, seen.append)
    wait_until(lambda: bool(seen), 10)
    assert seen == [[]]


def test_closing_the_scene_while_files_are_written_starts_no_learning(a_panel):
    panel = a_panel.panel
    said = []
    panel.learning.worker._command = [python_program(), "-c", _WORKER]
    sent = panel.learning.worker.send
    panel.learning.worker.send = lambda command, **rest: said.append(command) or sent(command, **rest)
    painted_organ((60, 96, 96))
    slicer.app.processEvents()
    a_panel.enter()
    a_panel.ui.startButton.click()
    slicer.mrmlScene.Clear(0)
    for _step in range(30):
        slicer.app.processEvents()
        time.sleep(0.01)
    assert "open" not in said and panel.learning.machine.state is State.Empty
    assert isinstance(panel.learning.worker, WorkerProcess)


def test_a_task_that_is_forgotten_holds_nothing_that_belongs_to_the_panel():
    class Owner:
        """Stands for what has timers and processes, which only the main thread may delete."""

    may, owner, background = threading.Event(), Owner(), Background()
    gone = weakref.ref(owner)
    background.run(lambda: may.wait(10), lambda _value, own=owner: None, lambda _error, own=owner: None)
    thread = background._thread
    background.forget()
    del owner
    assert gone() is None and thread.is_alive()
    may.set()
    thread.join(10)
    assert not thread.is_alive()
