"""What the panel's logic makes of the worker's words; a small program plays the worker."""

import numpy as np
import pytest
import slicer
from scene_parts import ball, only_slices, paint, python_program, wait_until

from ContrastiveSegLib.LearningLogic import LearningLogic
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.State import State
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.WorkerProcess import WorkerProcess

SHAPE = (12, 30, 40)

_HEAD = """
import json, os, sys
import numpy as np
def say(**event):
    print(json.dumps(event), flush=True)
def save(name, array):
    np.save(os.path.join(run, name), array)
    return name
say(type="hello", protocol=1, pid=os.getpid(), device={"name": "CPU"}, engine="0", torch="2")
for line in sys.stdin:
    c = json.loads(line)
    if c["command"] == "quit":
        break
    if c["command"] == "open":
        run = c["run"]
        say(type="log", opened=c)
        OPEN
    if c["command"] == "train":
        say(type="status", state="training", reply_to=c["id"], message="")
        TRAIN
    if c["command"] == "suggest":
        say(type="log", asked=c)
        SUGGEST
    if c["command"] == "stop":
        STOP
"""
_OPENED = """say(type="result", reply_to=c["id"], **{"for": "open"}, case=None)"""
_RESULT = """
        whole = np.zeros((12, 30, 40), np.int16); whole[2:9, 8:20, 8:30] = 1
        percent = np.full(whole.shape, 40, np.uint8)
        say(type="result", reply_to=train, **{"for": "train"}, case=0, stopped=False,
            prediction=save("prediction-0.npy", whole), probability=save("probability-0.npy", percent),
            uncertainty=save("uncertainty-0.npy", percent), dice_estimate={"1": 0.9}, volume_ml={"1": 3.0})
        say(type="status", state="idle", reply_to=train, message="Done.")
"""


@pytest.fixture
def make_logic(a_scene):
    """Makes a logic whose worker does what is given; it does not outlive the test."""
    made = []

    def make(train="", stop="pass", opening=_OPENED, suggest="pass"):
        train = "train = c['id']; " + train if train else "train = c['id']"
        code = (
            _HEAD.replace("OPEN", opening)
            .replace("TRAIN", train)
            .replace("STOP", stop)
            .replace("SUGGEST", suggest)
        )
        logic = LearningLogic(WorkerProcess([python_program(), "-c", code]))
        logic.sentences, logic.lines = [], []
        logic.said.connect(logic.sentences.append)
        logic.worker.log.connect(logic.lines.append)
        made.append(logic)
        return logic

    yield make
    for logic in made:
        logic.close()


@pytest.fixture
def a_painted_node(a_volume_node, a_segmentation_node):
    paint(a_segmentation_node, "Ball", only_slices(ball(SHAPE), 0, [4, 7]), a_volume_node)
    return a_segmentation_node


def ended(logic):
    wait_until(lambda: not logic.machine.state.isBusy, 30)
    return logic.machine.state


def test_a_result_becomes_nodes_an_estimate_and_a_sentence(make_logic, a_volume_node, a_painted_node):
    logic = make_logic("pass" + _RESULT)
    estimates = []
    logic.estimated.connect(estimates.append)
    logic.start(a_volume_node, a_painted_node, "quick")
    assert ended(logic) is State.Done
    mask = slicer.util.arrayFromSegmentBinaryLabelmap(
        PredictionLogic.predicted(a_painted_node), "Ball", a_volume_node
    )
    assert mask.sum() == 7 * 12 * 22
    assert estimates == [{1: 0.9}]
    assert "Finished." in logic.sentences[-1]
    assert any("Learning Ball on CPU." in one for one in logic.sentences)
    assert not RunFolder.of(a_volume_node, a_painted_node).wasInterrupted()
    assert logic.current.slices == {(0, 4), (0, 7)}


def test_stop_while_a_large_segmentation_is_looked_at_leaves_everything_ready(
    make_logic, a_volume_node, a_painted_node, monkeypatch
):
    monkeypatch.setattr("ContrastiveSegLib.RoundFiles._FEW_VOXELS", 0)
    monkeypatch.setattr("ContrastiveSegLib.Chunks._PIECE", 0.0)
    logic = make_logic("pass" + _RESULT)
    logic.start(a_volume_node, a_painted_node, "quick")
    assert logic.machine.state is State.Starting
    logic.stop()
    assert ended(logic) is State.Ready
    logic.start(a_volume_node, a_painted_node, "quick")
    assert ended(logic) is State.Done, logic.sentences


def test_a_result_of_voxels_that_were_replaced_meanwhile_is_refused(
    make_logic, a_volume_node, a_painted_node
):
    logic = make_logic("pass" + _RESULT)
    logic.start(a_volume_node, a_painted_node, "quick")
    slicer.util.updateVolumeFromArray(a_volume_node, np.zeros(SHAPE, np.int16))  # of the same size
    assert ended(logic) is State.Failed
    assert "The image of 'Volume' was changed while it was being learnt. Press Start" in logic.sentences[-1]
    assert PredictionLogic.predicted(a_painted_node) is None


def test_a_volume_that_is_touched_but_not_changed_gets_its_result(make_logic, a_volume_node, a_painted_node):
    logic = make_logic("pass" + _RESULT)
    logic.start(a_volume_node, a_painted_node, "quick")
    slicer.util.updateVolumeFromArray(a_volume_node, slicer.util.arrayFromVolume(a_volume_node).copy())
    a_volume_node.GetImageData().Modified()
    assert ended(logic) is State.Done, logic.sentences


def test_budget_and_segments_reach_the_worker(make_logic, a_volume_node, a_painted_node):
    logic = make_logic("pass" + _RESULT)
    logic.start(a_volume_node, a_painted_node, "balanced")
    ended(logic)
    opened = next(line for line in logic.lines if "opened" in line)
    assert '"settings": {"budget": "balanced"}' in opened
    assert '"segments": [{"value": 1, "name": "Ball"}]' in opened
    assert '"resume": false' in opened


def test_to_begin_anew_forgets_the_checkpoint_and_tells_the_worker(make_logic, a_volume_node, a_painted_node):
    folder = RunFolder.of(a_volume_node, a_painted_node).create()
    (folder.path / "checkpoint.safetensors").write_bytes(b"old")
    logic = make_logic("pass" + _RESULT)
    logic.start(a_volume_node, a_painted_node, "quick", anew=True, device="cpu", semi_supervised="mcsc")
    ended(logic)
    opened = next(line for line in logic.lines if "opened" in line)
    assert '"anew": true' in opened and "resume" not in opened
    assert '"device": "cpu", "semi_supervised": "mcsc"' in opened
    assert not folder.hasLearnt


_SUGGESTED = """
        one = {"axis": 0, "index": 5, "reason": "unsure", "undecided": 0.2, "distance_mm": 4.0, "value": 1}
        say(type="result", reply_to=c["id"] + WRONG, **{"for": "suggest"}, case=0, suggestions=[one])
        say(type="status", state="idle", reply_to=c["id"], message="Done.")
"""


@pytest.mark.parametrize(("wrong", "count"), [(0, 1), (9, 0)])
def test_after_a_result_the_next_slices_are_asked_for(
    make_logic, a_volume_node, a_painted_node, wrong, count
):
    logic = make_logic("pass" + _RESULT, suggest="pass" + _SUGGESTED.replace("WRONG", str(wrong)))
    told, idle = [], []
    logic.suggested.connect(told.append)
    logic.worker.signals["status"].connect(idle.append)
    logic.start(a_volume_node, a_painted_node, "quick")
    assert ended(logic) is State.Done
    wait_until(lambda: len([one for one in idle if one["state"] == "idle"]) == 2, 30)
    assert logic.machine.state is State.Done and len(told) == count
    if told:
        assert told[0][0].slice == (0, 5) and told[0][0].structure == "Ball"


def test_errors_of_the_engine_are_shown_with_what_to_do(make_logic, a_volume_node, a_painted_node):
    logic = make_logic(
        'say(type="error", reply_to=train, code="one-class", message="Only one.", what_to_do="Paint.")'
    )
    logic.start(a_volume_node, a_painted_node, "quick")
    assert ended(logic) is State.Failed and not logic.machine.resumable
    assert logic.sentences[-1] == "Only one. Paint."


def test_a_spoilt_checkpoint_is_put_aside_so_that_start_begins_anew(
    make_logic, a_volume_node, a_painted_node
):
    folder = RunFolder.of(a_volume_node, a_painted_node).create()
    (folder.path / "checkpoint.safetensors").write_bytes(b"rubbish")
    error = 'say(type="error", reply_to=c["id"], code="bad-checkpoint", message="Bad.", what_to_do="")'
    logic = make_logic(opening=error)
    logic.start(a_volume_node, a_painted_node, "quick")
    assert ended(logic) is State.Failed
    assert any('"resume": true' in line for line in logic.lines)
    assert not folder.hasLearnt


def test_stop_before_anything_was_learnt_ends_quietly(make_logic, a_volume_node, a_painted_node):
    logic = make_logic(
        opening="pass", stop='say(type="status", state="idle", reply_to=c["id"], message="Stopped.")'
    )
    logic.start(a_volume_node, a_painted_node, "quick")
    logic.stop()
    assert logic.machine.state is State.Stopping
    assert ended(logic) is State.Ready
    assert logic.sentences[-1] == "Stopped before there was a mask."


def test_stop_gives_the_best_mask(make_logic, a_volume_node, a_painted_node):
    logic = make_logic("pass", stop="pass" + _RESULT)
    logic.start(a_volume_node, a_painted_node, "quick")
    wait_until(lambda: logic.machine.state is State.Learning, 30)
    logic.stop()
    assert ended(logic) is State.Done
    assert "best mask so far" in logic.sentences[-1]


@pytest.mark.parametrize(
    "name", ["'../outside.npy'", "'/etc/hostname'", "None", "'missing.npy'", "['prediction-0.npy']"]
)
def test_only_previews_within_the_run_folder_are_read(make_logic, a_volume_node, a_painted_node, name):
    logic = make_logic(f'say(type="preview", reply_to=train, case=0, prediction={name})' + _RESULT)
    logic.start(a_volume_node, a_painted_node, "quick")
    assert ended(logic) is State.Done


def test_a_result_that_is_half_written_is_explained(make_logic, a_volume_node, a_painted_node):
    spoilt = _RESULT.replace(
        'prediction=save("prediction-0.npy", whole)',
        'prediction=open(os.path.join(run, "p.npy"), "w").write("x") and "p.npy"',
    )
    logic = make_logic("pass" + spoilt)
    logic.start(a_volume_node, a_painted_node, "quick")
    assert ended(logic) is State.Failed
    assert "p.npy' cannot be read" in logic.sentences[-1]


def test_a_worker_of_another_protocol_is_refused(make_logic, a_volume_node, a_painted_node):
    logic = make_logic()
    command = logic.worker._command
    command[-1] = command[-1].replace("protocol=1", "protocol=2")
    logic.start(a_volume_node, a_painted_node, "quick")
    assert ended(logic) is State.Failed
    assert "another version of the protocol (2)" in logic.sentences[-1]


def test_a_worker_that_cannot_be_started_is_explained(a_volume_node, a_painted_node, tmp_path):
    logic = LearningLogic(WorkerProcess([str(tmp_path / "nothing")]))
    said = []
    logic.said.connect(said.append)
    logic.start(a_volume_node, a_painted_node, "quick")
    assert ended(logic) is State.Failed and not logic.machine.resumable
    assert "could not be started" in said[-1]


def test_without_the_applications_python_start_says_so(a_volume_node, a_painted_node, monkeypatch):
    monkeypatch.setenv("PATH", "")
    logic = LearningLogic()
    said = []
    logic.said.connect(said.append)
    logic.start(a_volume_node, a_painted_node, "quick")
    assert logic.machine.state is State.Failed
    assert "PythonSlicer" in said[-1] and "Install 3D Slicer again." in said[-1]


def test_a_second_start_while_learning_is_refused(make_logic, a_volume_node, a_painted_node):
    logic = make_logic()
    logic.start(a_volume_node, a_painted_node, "quick")
    with pytest.raises(UserError, match="learning is going on"):
        logic.start(a_volume_node, a_painted_node, "quick")


def test_label_values_stay_the_same_in_later_rounds(a_volume_node, a_painted_node):
    folder = RunFolder.of(a_volume_node, a_painted_node).create()
    assert folder.segmentValues(["a", "b"]) == {"a": 1, "b": 2}
    assert folder.segmentValues(["c", "b"]) == {"c": 3, "b": 2}
    assert RunFolder.of(a_volume_node, a_painted_node).segmentValues(["c", "a"]) == {"c": 3, "a": 1}


def test_each_pair_of_volume_and_segmentation_has_its_own_run(a_volume_node, a_painted_node):
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    assert RunFolder.existing(a_volume_node, other) is None
    first, second = (RunFolder.of(a_volume_node, one).path for one in (a_painted_node, other))
    assert first != second and first == RunFolder.of(a_volume_node, a_painted_node).path
    assert a_volume_node.GetName() not in str(first)


def test_a_crash_leaves_a_run_that_can_be_resumed(a_volume_node, a_painted_node):
    folder = RunFolder.of(a_volume_node, a_painted_node).create()
    folder.setLearning(True)
    assert not folder.wasInterrupted()  # the worker had not even opened it
    (folder.path / "job.json").write_text("{}")
    assert folder.wasInterrupted()
    folder.setLearning(False)
    assert not folder.wasInterrupted()
    np.testing.assert_equal((folder.path / "panel.json").is_file(), True)


def test_what_the_worker_says_late_of_an_earlier_learning_is_no_estimate_of_this_one(
    make_logic, a_painted_node, a_volume_node
):
    late = """say(type="progress", reply_to=777, fraction=0.77, seconds_left=1.0)
        say(type="metric", reply_to=777, step=9, loss=0.5, dice={"1": 0.42})
        say(type="metric", reply_to=train, step=1, loss=0.4, dice={"1": 0.8})"""
    logic, estimates, points, fractions = make_logic(late + _RESULT), [], [], []
    logic.estimated.connect(estimates.append)
    logic.measured.connect(lambda step, loss, dice: points.append(step))
    logic.progressed.connect(lambda fraction, left: fractions.append(fraction))
    logic.start(a_volume_node, a_painted_node, "quick")
    wait_until(lambda: logic.machine.state is State.Done, 60)
    assert estimates == [{1: 0.8}, {1: 0.9}] and points == [1] and 0.77 not in fractions


@pytest.mark.parametrize(
    ("train", "state", "said"),
    [
        ("pass" + _RESULT, State.Done, "Finished."),
        ("""say(type="error", reply_to=train, code="disk-full", message="The disk is full.")""",
         State.Failed, "The disk is full."),
    ],
)  # fmt: skip
def test_a_learning_ends_also_where_the_run_folder_can_no_longer_be_written(
    make_logic, a_volume_node, a_painted_node, train, state, said
):
    logic = make_logic(train)
    logic.start(a_volume_node, a_painted_node, "quick")
    block = RunFolder.of(a_volume_node, a_painted_node).path / "panel.json.part"
    block.mkdir()  # nothing can be noted any more, as on a full disk
    assert ended(logic) is state and said in logic.sentences[-1]
    block.rmdir()
    logic.start(a_volume_node, a_painted_node, "quick")
    assert ended(logic) is state


def test_a_disk_that_is_full_at_start_is_told_and_start_can_be_pressed_again(
    make_logic, a_volume_node, a_painted_node, monkeypatch
):
    def full(job):
        (job.folder / "panel.json.part").mkdir()
        raise OSError(28, "No space left on device")

    logic = make_logic("pass" + _RESULT)
    monkeypatch.setattr("ContrastiveSegLib.VolumeExport.ExportJob.write", full)
    logic.start(a_volume_node, a_painted_node, "quick")
    assert ended(logic) is State.Failed and "No space left on device" in logic.sentences[-1]
