"""What was accepted, and what a person changed since."""

import numpy as np
import pytest

from ContrastiveSegLib.AcceptedLabels import AcceptedLabels
from ContrastiveSegLib.LabelBox import LabelBox

SHAPE = (40, 12, 14)


def box(**blocks):
    labels = np.zeros(SHAPE, np.int16)
    for name, value in blocks.items():
        z = int(name[1:])
        labels[z : z + 3, 4:8, 5:9] = value
    return LabelBox.of(labels)


def write(accepted, labels):
    for _step in accepted.write(labels):
        pass


@pytest.fixture
def an_accepted(tmp_path):
    return AcceptedLabels(tmp_path / "accepted.npy")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"z3": 1}, {"z3": 1}),
        ({"z3": 1}, {"z30": 1}),
        ({"z3": 300}, {"z4": 2}),
        ({}, {"z3": 1}),
        ({"z3": 1}, {}),
    ],
)
def test_it_tells_where_labels_are_other_than_accepted(an_accepted, before, after):
    write(an_accepted, box(**before))
    found = an_accepted.changed(box(**after))
    assert np.array_equal(found.whole() != 0, box(**before).whole() != box(**after).whole())


def test_without_a_note_for_this_grid_nothing_is_told(an_accepted):
    assert an_accepted.changed(box(z3=1)) is None
    write(an_accepted, box(z3=1))
    assert an_accepted.changed(LabelBox.of(np.ones((3, 3, 3), np.int16))) is None
    an_accepted.remove()
    assert an_accepted.changed(box(z3=1)) is None


def test_it_can_be_put_aside_and_taken_back(an_accepted, tmp_path):
    write(an_accepted, box(z3=1))
    an_accepted.moveTo(tmp_path / "kept.npy")
    assert an_accepted.changed(box(z3=1)) is None
    AcceptedLabels(tmp_path / "kept.npy").moveTo(tmp_path / "accepted.npy")
    assert not an_accepted.changed(box(z3=1)).array.any()
