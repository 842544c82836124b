"""What is closed or removed does not stay in memory: a day has many patients, each CT hundreds of MB."""

import gc

import pytest
import slicer
from scene_parts import add_segmentation, add_volume, ball, only_slices, paint, predict_ball, wait_until

from ContrastiveSegLib.AcceptedLabels import AcceptedLabels
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from slicer_harness.views import SliceView

SHAPE = (12, 30, 40)


class Watched:
    """Tells which objects of VTK are there no longer."""

    def __init__(self):
        self.left = set()

    def watch(self, name, thing):
        self.left.add(name)
        thing.AddObserver("DeleteEvent", lambda *_: self.left.discard(name))


def add_patient(watched, name):
    """A volume and its painting with a prediction and maps; returns nothing that keeps them."""
    volume = add_volume(ball(SHAPE) * 300 + 50, name=name)
    segmentation = add_segmentation(volume, ["Ball"], name=f"{name} painted")
    paint(segmentation, "Ball", only_slices(ball(SHAPE), 0, [3, 6, 8]), volume)
    predict_ball(volume, segmentation)
    watched.watch(f"volume of {name}", volume)
    watched.watch(f"voxels of {name}", volume.GetImageData())
    watched.watch(f"segmentation of {name}", segmentation)
    watched.watch(f"segments of {name}", segmentation.GetSegmentation())


def choose(widget, name):
    parameters = widget.panel._parameters
    parameters.volume = slicer.util.getFirstNodeByName(name)
    parameters.segmentation = slicer.util.getFirstNodeByName(f"{name} painted")
    widget.panel.update()


def settle():
    slicer.app.processEvents()
    gc.collect()


@pytest.mark.parametrize("accepted", [False, True])
def test_a_closed_scene_leaves_no_image_behind(a_panel, accepted):
    watched = Watched()
    for name in ("Anna", "Bert"):
        add_patient(watched, name)
    view = SliceView()
    for name in ("Anna", "Bert"):
        choose(a_panel, name)
        view.show(slicer.util.getFirstNodeByName(name))
        a_panel.ui.uncertaintyCheckBox.checked = True
        if accepted:
            a_panel.ui.acceptButton.click()
            wait_until(lambda: "Accepted" in a_panel.ui.statusLabel.text, 20)
    assert len(watched.left) == 8
    del view
    slicer.mrmlScene.Clear(0)
    settle()
    assert watched.left == set()


def test_a_volume_that_is_removed_leaves_memory_though_the_scene_goes_on(a_panel):
    watched = Watched()
    for name in ("Anna", "Bert"):
        add_patient(watched, name)
        choose(a_panel, name)
    volume, segmentation = (slicer.util.getFirstNodeByName(one) for one in ("Anna", "Anna painted"))
    for node in (volume, segmentation, PredictionLogic.predicted(segmentation)):
        slicer.mrmlScene.RemoveNode(node.GetDisplayNode())  # as Data does; it would keep the image
        slicer.mrmlScene.RemoveNode(node)
    del node, volume, segmentation
    settle()
    assert not [name for name in watched.left if name.endswith("Anna")]
    assert len(watched.left) == 4


def test_what_was_accepted_goes_with_its_segmentation_also_while_another_module_is_shown(a_panel):
    add_patient(Watched(), "Anna")
    choose(a_panel, "Anna")
    a_panel.ui.acceptButton.click()
    wait_until(lambda: "Accepted" in a_panel.ui.statusLabel.text, 20)
    segmentation = slicer.util.getFirstNodeByName("Anna painted")
    accepted = AcceptedLabels(segmentation).node
    clone = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Clone")
    clone.CopyContent(segmentation)
    clone.CopyReferences(segmentation)
    a_panel.exit()
    slicer.mrmlScene.RemoveNode(segmentation)
    settle()
    assert AcceptedLabels(clone).node is accepted  # from it is told what was painted in the clone
    slicer.mrmlScene.RemoveNode(clone)
    settle()
    assert not slicer.mrmlScene.IsNodePresent(accepted)
