"""What the panel says before a button is pressed."""

import pytest
from scene_parts import ball, only_slices, paint

from ContrastiveSegLib.AnnotationSummary import AnnotationSummary
from ContrastiveSegLib.LearningRound import LearningRound
from ContrastiveSegLib.PlaneChoice import PlaneChoice
from ContrastiveSegLib.Readiness import Readiness
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.VolumeExport import VolumeExport

SHAPE = (12, 30, 40)


@pytest.fixture
def painted(a_scene, a_volume_node, a_segmentation_node):
    """Paints these slices, and gives what the panel knows of them."""

    def paint_slices(slices):
        paint(a_segmentation_node, "Ball", only_slices(ball(SHAPE), 0, slices), a_volume_node)
        return AnnotationSummary.of(a_volume_node, a_segmentation_node, PlaneChoice.Automatic)

    return paint_slices


def test_slices_that_were_annotated_since_start_are_told(painted, a_volume_node, a_segmentation_node):
    summary = painted([4, 7])
    folder = RunFolder.of(a_volume_node, a_segmentation_node)
    segments = VolumeExport.segments(a_segmentation_node, {"Ball": 1})
    now = LearningRound(a_volume_node, a_segmentation_node, folder, segments, "quick")
    assert Readiness.notLearntYet(now, summary) == "", "it is not known yet what is learnt"
    now.slices = frozenset({(0, 4), (0, 7)})
    assert Readiness.notLearntYet(now, summary) == ""
    assert Readiness.notLearntYet(None, painted([4, 5, 7])) == "", "nothing was learnt in this session"
    assert Readiness.notLearntYet(now, painted([4, 5, 7])).startswith("A slice was annotated since Start.")
    assert Readiness.notLearntYet(now, painted([4, 5, 6, 7])).startswith("2 slices were annotated")
    assert Readiness.notLearntYet(now, painted([4])) == "", "what was taken away is nothing to be learnt"
