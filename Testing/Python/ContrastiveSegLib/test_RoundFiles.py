"""The nodes of a learning on their way into its files."""

import numpy as np
import pytest
from scene_parts import ball, only_slices, paint, wait_until

from ContrastiveSegLib import RoundFiles as module
from ContrastiveSegLib.LearningRound import LearningRound
from ContrastiveSegLib.RoundFiles import RoundFiles
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeExport import VolumeExport

SHAPE = (12, 30, 40)
VALUES = {"Ball": 1}


@pytest.fixture
def large_ones(monkeypatch):
    """Every segmentation counts as a large one, looked at between events."""
    monkeypatch.setattr(module, "_FEW_VOXELS", 0)


@pytest.fixture
def a_painted_node(a_volume_node, a_segmentation_node):
    paint(a_segmentation_node, "Ball", only_slices(ball(SHAPE), 0, [4, 7]), a_volume_node)
    return a_segmentation_node


def a_round(volume, segmentation):
    folder = RunFolder.of(volume, segmentation).create()
    return LearningRound(volume, segmentation, folder, VolumeExport.segments(segmentation, VALUES), "quick")


def heard():
    """What was written, and what failed, with the functions that note it."""
    written, failures = [], []
    return written, failures, (written.append, failures.append)


def test_a_large_segmentation_is_looked_at_after_start_has_returned(
    large_ones, a_scene, a_volume_node, a_painted_node, tmp_path, monkeypatch
):
    expected = VolumeExport(tmp_path).export(a_volume_node, a_painted_node, VALUES)
    monkeypatch.setattr("ContrastiveSegLib.Chunks._PIECE", 0.0)
    files, (written, failures, ends) = RoundFiles(), heard()
    now = a_round(a_volume_node, a_painted_node)
    files.look(now, VALUES, None, ends[1])
    files.write(now, *ends)
    assert not list(now.folder.path.glob("labels-*.npy")) and not written
    wait_until(lambda: bool(written or failures), 10)
    assert not failures and written[0].slices == expected.slices
    labels = [np.load(one / "labels-0001.npy") for one in (now.folder.path, tmp_path)]
    assert np.array_equal(*labels) and labels[0].max() == 1


def test_what_is_wrong_with_a_large_segmentation_is_said_later(
    large_ones, a_scene, a_volume_node, a_painted_node, monkeypatch
):
    def broken(self, *arguments, **options):
        yield
        raise AttributeError("a segment went away")

    monkeypatch.setattr(VolumeExport, "prepareSteps", broken)
    monkeypatch.setattr("ContrastiveSegLib.Chunks._PIECE", 0.0)
    files, (written, failures, ends) = RoundFiles(), heard()
    now = a_round(a_volume_node, a_painted_node)
    files.look(now, VALUES, None, ends[1])
    files.write(now, *ends)
    wait_until(lambda: bool(failures), 10)
    assert isinstance(failures[0], UserError) and not written
    assert "a segment went away" in str(failures[0]) and "Press Start" in str(failures[0])


def test_a_small_segmentation_without_painting_is_refused_at_once(
    a_scene, a_volume_node, a_segmentation_node
):
    written, failures, ends = heard()
    with pytest.raises(UserError, match="painted on a slice that counts"):
        RoundFiles().look(a_round(a_volume_node, a_segmentation_node), VALUES, None, ends[1])
    assert not written and not failures


def test_a_round_that_is_forgotten_is_not_written(
    large_ones, a_scene, a_volume_node, a_painted_node, monkeypatch
):
    monkeypatch.setattr("ContrastiveSegLib.Chunks._PIECE", 0.0)
    files, (written, failures, ends) = RoundFiles(), heard()
    now = a_round(a_volume_node, a_painted_node)
    files.look(now, VALUES, None, ends[1])
    files.write(now, *ends)
    files.forget()
    with pytest.raises(AssertionError):
        wait_until(lambda: bool(written or failures), 0.3)
    assert not list(now.folder.path.glob("labels-*.npy"))
