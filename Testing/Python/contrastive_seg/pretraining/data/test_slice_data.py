"""Slices of real files in batches."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from slice_files import voxels, write, write_upright

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.preprocessing import Normalisation
from contrastive_seg.pretraining.data.slices import SliceBatch, SliceData


def same(one: SliceBatch, other: SliceBatch) -> bool:
    names = ("images", "positions", "partitions", "volumes")
    alike = all(torch.equal(getattr(one, name), getattr(other, name)) for name in names)
    if one.neighbours is None or other.neighbours is None:
        return alike and one.neighbours is other.neighbours
    return alike and torch.equal(one.neighbours, other.neighbours)


def all_slices(data: SliceData) -> SliceBatch:
    """Every slice, sorted by volume and position."""
    batch = data.batch(0, data.count, 0)
    order = np.lexsort((batch.positions.numpy(), batch.volumes.numpy()))
    neighbours = None if batch.neighbours is None else batch.neighbours[order]
    return SliceBatch(
        batch.images[order], neighbours, batch.positions[order], batch.partitions[order], batch.volumes[order]
    )


def test_a_batch_holds_the_normalised_slices_with_their_places(tmp_path: Path) -> None:
    array = voxels((6, 32, 32))
    write_upright(tmp_path / "a.nii.gz", array)
    batch = all_slices(SliceData(tmp_path, size=32))
    assert batch.images.shape == (6, 1, 32, 32) and batch.images.dtype == torch.float32
    assert batch.neighbours is None
    expected = Normalisation.of(array).apply(array)
    assert np.abs(batch.images[:, 0].numpy() - expected).max() < 2e-3  # float16
    assert abs(float(batch.images.mean())) < 1e-3 and abs(float(batch.images.std()) - 1) < 1e-3
    assert batch.positions.dtype == torch.float64
    assert batch.positions.tolist() == [(i + 1) / 6 for i in range(6)]
    assert batch.partitions.dtype == torch.int64 and batch.partitions.tolist() == [1, 1, 2, 2, 3, 3]
    assert batch.volumes.dtype == torch.int64 and batch.volumes.tolist() == [0] * 6


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, [1]),
        (2, [1, 2]),
        (3, [1, 2, 3]),
        (5, [1, 2, 3, 4, 4]),
        (10, [1, 1, 1, 2, 2, 2, 3, 3, 3, 4]),
    ],
)
def test_partitions_are_quarters_with_halves_rounded_up(
    tmp_path: Path, count: int, expected: list[int]
) -> None:
    write_upright(tmp_path / "a.nii", voxels((count, 16, 16)))
    data = SliceData(tmp_path, size=16, plane="axial")
    assert all_slices(data).partitions.tolist() == expected


def test_volumes_in_any_orientation_look_the_same(tmp_path: Path) -> None:
    array = voxels((4, 16, 16))
    write_upright(tmp_path / "a.nii", array)
    write(tmp_path / "b.nii", array[:, ::-1, ::-1], (1, 1, 5))  # LPS instead of RAS
    batch = all_slices(SliceData(tmp_path, size=16))
    assert torch.equal(batch.images[:4], batch.images[4:])


@pytest.mark.parametrize(("plane", "axis"), [("axial", 0), ("coronal", 1), ("sagittal", 2)])
def test_any_plane_can_be_cut(tmp_path: Path, plane: str, axis: int) -> None:
    array = voxels((18, 20, 24))
    write_upright(tmp_path / "a.nii", array, (1, 1, 1))
    data = SliceData(tmp_path, size=32, plane=plane)
    assert data.count == array.shape[axis] and data.volumes[0].plane == plane
    normalised = np.moveaxis(Normalisation.of(array).apply(array), axis, 0)[3]
    height, width = normalised.shape
    top, left = (32 - height) // 2, (32 - width) // 2
    image = all_slices(data).images[3, 0].numpy()
    assert np.abs(image[top : top + height, left : left + width] - normalised).max() < 2e-3
    image[top : top + height, left : left + width] = 0
    assert not image.any()  # surrounded by the volume's mean


def test_without_a_plane_the_one_between_the_thickest_slices_is_cut(tmp_path: Path) -> None:
    write_upright(tmp_path / "a.nii", voxels((20, 6, 24)), (1, 7, 1))
    assert SliceData(tmp_path, size=32).volumes[0].plane == "coronal"


def test_slices_are_resampled_to_the_pixel_and_larger_ones_are_cropped_at_random(tmp_path: Path) -> None:
    array = np.repeat(np.repeat(voxels((2, 40, 40)), 2, 1), 2, 2)
    write_upright(tmp_path / "a.nii", array, (0.5, 0.5, 5))
    data = SliceData(tmp_path, size=16, pixel=1.0)
    small = Normalisation.of(array).apply(array)[:, ::2, ::2]
    found = set()
    for step in range(12):
        batch = data.batch(step, 2, 0)
        image = batch.images[0, 0].numpy()
        whole = small[round(float(batch.positions[0]) * 2) - 1]
        windows = np.lib.stride_tricks.sliding_window_view(whole, (16, 16))
        places = np.argwhere(np.abs(windows - image).max(axis=(2, 3)) < 5e-3)
        assert len(places) == 1
        found.add(tuple(places[0]))
    assert len(found) > 6


@pytest.mark.parametrize("pixel", [1e-3, 1e-9])
def test_pixels_far_too_small_are_refused_and_fill_no_memory(tmp_path: Path, pixel: float) -> None:
    write(tmp_path / "a.nii", voxels())
    with pytest.raises(ContrastiveSegError) as caught:
        SliceData(tmp_path, size=32, pixel=pixel)
    assert caught.value.code == "bad-setting" and "--pixel" in caught.value.what_to_do
    assert f"pixels of {pixel:g} mm" in caught.value.sentence


def test_without_a_pixel_the_whole_slice_is_seen(tmp_path: Path) -> None:
    array = np.zeros((3, 60, 90), np.int16)
    array[:, 0, 0] = array[:, -1, -1] = 500
    array[:, 10:50, 20:70] = 100
    write_upright(tmp_path / "a.nii", array, (0.5, 1.0, 5))
    data = SliceData(tmp_path, size=32, clip=(0, 100))
    assert data.volumes[0].pixel == pytest.approx(60 / 32)
    image = all_slices(data).images[0, 0]
    rows, columns = (image != 0).nonzero().T
    assert rows.max() - rows.min() == 31 and columns.max() - columns.min() == 23  # 60 mm by 45 mm


def test_a_window_replaces_the_percentiles(tmp_path: Path) -> None:
    array = voxels((4, 16, 16)) * 4 - 2000
    write_upright(tmp_path / "ct.nii", array)
    image = all_slices(SliceData(tmp_path, size=16, window=(-160, 240))).images[:, 0].numpy()
    clipped = np.clip(array, -160, 240).astype(np.float32)
    assert np.abs(image - (clipped - clipped.mean()) / clipped.std()).max() < 2e-3


def test_context_slices_repeat_the_outermost_one(tmp_path: Path) -> None:
    write_upright(tmp_path / "a.nii", voxels((5, 16, 16)))
    plain = all_slices(SliceData(tmp_path, size=16)).images[:, 0]
    wide = all_slices(SliceData(tmp_path, size=16, context=3)).images
    assert wide.shape == (5, 3, 16, 16)
    for i in range(5):
        expected = plain[[max(0, i - 1), i, min(4, i + 1)]]
        assert torch.equal(wide[i], expected)


def test_slices_with_nothing_on_them_are_left_out_and_positions_stay(tmp_path: Path) -> None:
    array = voxels((8, 16, 16))
    array[[0, 1, 7]] = 0
    write_upright(tmp_path / "a.nii", array)
    data = SliceData(tmp_path, size=16)
    assert data.count == 5 and data.left_out == 3 and data.volumes[0].slices == 8
    assert all_slices(data).positions.tolist() == [(i + 1) / 8 for i in range(2, 7)]


def test_a_slice_of_noise_in_air_has_nothing_on_it_but_a_small_structure_counts(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    array = np.abs(random.normal(0, 8, (6, 64, 64)))
    array[2:5, 10:50, 10:50] += 400
    array[5, 30:38, 30:38] += 400
    write_upright(tmp_path / "a.nii", array.astype(np.int16))
    data = SliceData(tmp_path, size=64)
    assert all_slices(data).positions.tolist() == [(i + 1) / 6 for i in (2, 3, 4, 5)]


def test_positions_in_millimetres_are_the_patients(tmp_path: Path) -> None:
    write_upright(tmp_path / "a.nii", voxels((4, 16, 16)), (1, 1, 2.5))
    write(tmp_path / "b.nii", voxels((4, 16, 16)), (1, 1, 3.0))
    batch = all_slices(SliceData(tmp_path, size=16, positions="mm"))
    assert batch.positions.tolist() == pytest.approx([0, 2.5, 5, 7.5, 0, 3, 6, 9], abs=1e-5)


def test_positions_in_millimetres_follow_a_flipped_axis(tmp_path: Path) -> None:
    array = voxels((6, 8, 16))
    write(tmp_path / "a.nii", array, (1.5, 2, 1))  # x runs to the left: R = -x
    data = SliceData(tmp_path, size=16, plane="sagittal", positions="mm")
    positions = all_slices(data).positions
    assert positions.tolist() == pytest.approx([-1.5 * (15 - i) for i in range(16)], abs=1e-5)


def test_flat_images_and_volumes_of_one_slice_are_read(tmp_path: Path) -> None:
    write(tmp_path / "a.png", voxels((20, 24)).astype(np.uint8))
    write_upright(tmp_path / "b.nii", voxels((1, 16, 16)))
    batch = all_slices(SliceData(tmp_path, size=32, plane="coronal", neighbours=2))
    assert batch.positions.tolist() == [1, 1] and batch.partitions.tolist() == [1, 1]
    assert batch.neighbours is not None and torch.equal(batch.neighbours, batch.images)


@pytest.mark.parametrize("name", ["clip.nrrd", "clip.mha", "clip.dcm"])
def test_the_neighbour_of_a_colour_clips_frame_is_another_close_frame(tmp_path: Path, name: str) -> None:
    clip = np.random.default_rng(0).integers(0, 255, (7, 32, 32, 3)).astype(np.uint8)
    write(tmp_path / name, clip)
    data = SliceData(tmp_path, size=32, neighbours=2)
    plain = all_slices(data).images
    assert len(plain) == 7
    steps = set()
    for step in range(20):
        batch = data.batch(step, 7, 0)
        assert batch.neighbours is not None
        for image, neighbour in zip(batch.images, batch.neighbours, strict=True):
            frame = int((plain - image).abs().amax(dim=(1, 2, 3)).argmin())
            other = int((plain - neighbour).abs().amax(dim=(1, 2, 3)).argmin())
            assert torch.equal(plain[other], neighbour)
            steps.add(other - frame)
    assert steps == {-2, -1, 1, 2}


def test_frames_of_a_table_are_one_clip(tmp_path: Path) -> None:
    for k in range(5):
        write(tmp_path / f"f{k}.png", voxels((32, 32), k).astype(np.uint8))
    rows = "".join(f"f{k}.png,beat\n" for k in range(5))
    (tmp_path / "clips.csv").write_text("image,clip\n" + rows)
    batch = all_slices(SliceData(tmp_path / "clips.csv", size=32, neighbours=1))
    assert batch.volumes.tolist() == [0] * 5
    assert batch.positions.tolist() == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert batch.neighbours is not None and not torch.equal(batch.neighbours, batch.images)


def test_volumes_of_one_slice_are_left_out_where_places_are_compared(tmp_path: Path) -> None:
    write_upright(tmp_path / "b.nii", voxels((1, 16, 16)))
    notes: list[str] = []
    with pytest.raises(ContrastiveSegError, match="1 of the 1 images") as told:
        SliceData(tmp_path, size=32, positional=True, on_note=notes.append)
    assert told.value.code == "no-positions"
    write_upright(tmp_path / "a.nii", voxels((4, 16, 16)))
    write(tmp_path / "c.png", voxels((32, 32)).astype(np.uint8))
    assert not SliceData(tmp_path, size=32).has_positions
    notes.clear()
    data = SliceData(tmp_path, size=32, positional=True, on_note=notes.append)
    assert data.has_positions and [volume.name for volume in data.volumes] == ["a.nii"]
    assert all_slices(data).positions.tolist() == [0.25, 0.5, 0.75, 1]
    assert [path.name for path, _ in data.skipped] == ["b.nii", "c.png"]
    assert len(notes) == 2 and all("one slice only" in note for note in notes)


def test_a_table_restricts_the_slices_and_the_positions_follow(tmp_path: Path) -> None:
    write_upright(tmp_path / "a.nii", voxels((9, 16, 16)))
    (tmp_path / "t.csv").write_text("image,first,last\na.nii,2,5\n")
    batch = all_slices(SliceData(tmp_path / "t.csv", size=16))
    assert batch.positions.tolist() == [0.25, 0.5, 0.75, 1]
    (tmp_path / "t.csv").write_text("image,first,last\na.nii,2,9\n")
    with pytest.raises(ContrastiveSegError) as told:
        SliceData(tmp_path / "t.csv", size=16)
    assert told.value.code == "bad-table" and "9 axial slices" in told.value.sentence


def folder_with_damage(folder: Path) -> Path:
    write_upright(folder / "good.nii.gz", voxels((6, 16, 16)))
    write_upright(folder / "cut.nii.gz", voxels((6, 16, 16)))
    whole = (folder / "cut.nii.gz").read_bytes()
    (folder / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "text.nrrd").write_text("this is no image")
    write_upright(folder / "flat.nii", np.full((4, 16, 16), 7, np.int16))
    return folder


def test_volumes_that_cannot_be_used_are_left_out_and_listed(tmp_path: Path) -> None:
    notes: list[str] = []
    data = SliceData(folder_with_damage(tmp_path), size=16, on_note=notes.append)
    assert [volume.name for volume in data.volumes] == ["good.nii.gz"] and data.count == 6
    assert sorted(path.name for path, _ in data.skipped) == ["cut.nii.gz", "flat.nii", "text.nrrd"]
    assert all(sentence.endswith(".") for _, sentence in data.skipped)
    assert all(any(name in note for note in notes) for name in ("cut.nii.gz", "flat.nii", "text.nrrd"))


def test_strictly_a_volume_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContrastiveSegError) as told:
        SliceData(folder_with_damage(tmp_path), size=16, strict=True, on_note=lambda note: None)
    assert told.value.code == "unreadable-file" and "cut.nii.gz" in told.value.sentence


def test_a_folder_without_any_usable_volume_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.nrrd").write_text("this is no image")
    with pytest.raises(ContrastiveSegError) as told:
        SliceData(tmp_path, size=16, on_note=lambda note: None)
    assert told.value.code == "no-volumes" and "text.nrrd" in told.value.sentence


def test_a_batch_larger_than_the_data_is_refused(tmp_path: Path) -> None:
    write_upright(tmp_path / "a.nii", voxels((6, 16, 16)))
    data = SliceData(tmp_path, size=16)
    with pytest.raises(ContrastiveSegError) as told:
        data.batch(0, 7, 0)
    assert told.value.code == "batch-too-large"
    assert "7" in told.value.sentence and "6" in told.value.sentence


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 20},
        {"plane": "oblique"},
        {"pixel": 0.0},
        {"pixel": float("nan")},
        {"positions": "cm"},
        {"context": 2},
        {"clip": (99, 1)},
        {"window": (5, 5)},
        {"window": (float("-inf"), 5)},
        {"window": (0, float("nan"))},
        {"neighbours": -1},
    ],
)
def test_a_setting_that_makes_no_sense_is_named(tmp_path: Path, wrong: dict[str, object]) -> None:
    write_upright(tmp_path / "a.nii", voxels((6, 16, 16)))
    with pytest.raises(ContrastiveSegError) as told:
        SliceData(tmp_path, **{"size": 16, **wrong})
    assert told.value.code == "bad-setting" and f"'{next(iter(wrong))}'" in told.value.sentence


def several_volumes(folder: Path) -> Path:
    for k, count in enumerate((5, 1, 9, 4, 7)):
        write_upright(folder / f"{k}.nii.gz", voxels((count, 20 + k, 24), k))
    return folder


def test_batches_depend_on_step_and_seed_only(tmp_path: Path) -> None:
    folder = several_volumes(tmp_path)
    options = {"size": 16, "pixel": 1.0, "context": 3, "neighbours": 2, "plane": "axial"}
    data = SliceData(folder, **options)
    steps = {step: data.batch(step, 6, 3) for step in range(12)}
    resumed = SliceData(folder, **options)
    for step in (7, 8, 2, 11, 0):
        assert same(resumed.batch(step, 6, 3), steps[step])
    assert not same(data.batch(0, 6, 4), steps[0])


@pytest.mark.parametrize("memory", [0, 8000])
def test_volumes_that_do_not_fit_into_memory_give_the_same_batches(tmp_path: Path, memory: int) -> None:
    folder = several_volumes(tmp_path)
    kept = SliceData(folder, size=32, neighbours=1, plane="axial")
    read_again = SliceData(folder, size=32, neighbours=1, plane="axial", memory=memory)
    for step in (0, 1, 2, 9, 3, 4):
        assert same(read_again.batch(step, 6, 1), kept.batch(step, 6, 1))


def test_a_volume_that_disappears_while_it_is_in_use_is_named(tmp_path: Path) -> None:
    folder = several_volumes(tmp_path)
    data = SliceData(folder, size=32, plane="axial", memory=0)
    for path in folder.iterdir():
        os.remove(path)
    with pytest.raises(ContrastiveSegError) as told:
        data.batch(0, 6, 1)
    assert told.value.code == "unreadable-file" and ".nii.gz" in told.value.sentence


def test_every_slice_is_used_once_an_epoch(tmp_path: Path) -> None:
    data = SliceData(several_volumes(tmp_path), size=32, plane="axial")
    assert data.count == 26
    row = []
    for step in range(13):
        batch = data.batch(step, 8, 0)
        row += list(zip(batch.volumes.tolist(), batch.positions.tolist(), strict=True))
    for epoch in range(4):
        assert len(set(row[epoch * 26 : (epoch + 1) * 26])) == 26


def test_reading_says_how_far_it_is(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    SliceData(several_volumes(tmp_path), size=32, on_progress=lambda done, count: told.append((done, count)))
    assert told == [(k, 5) for k in range(1, 6)]
