"""Formats, colours, axes, damage: every file is either read right or refused in a sentence."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from contrastive_seg.data.checks import check_volume
from contrastive_seg.data.read import read_label_map, read_volume
from contrastive_seg.data.volume import Volume
from contrastive_seg.data.write import write_like
from contrastive_seg.errors import ContrastiveSegError

RNG = np.random.default_rng(0)
VOXELS = RNG.integers(-1000, 3000, (9, 20, 30)).astype(np.int16)
DATA = Path(__file__).resolve().parents[5] / "shared" / "data"


def refused(path: Path, **options: bool) -> ContrastiveSegError:
    """The error that reading gives."""
    with pytest.raises(ContrastiveSegError) as told:
        read_volume(path, **options)
    assert told.value.sentence.endswith(".") and told.value.what_to_do.endswith(".")
    return told.value


@pytest.mark.parametrize(
    "name", ["a.nii", "a.nii.gz", "a.nrrd", "a.nhdr", "a.mha", "a.mhd", "ein Bild ü 図.nii"]
)
def test_every_volume_format_is_read(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "Ordner mit Leerzeichen é"
    folder.mkdir()
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), str(folder / name))
    volume = read_volume(folder / name)
    assert np.array_equal(volume.array, VOXELS) and volume.name == name
    assert orientation_is_lps(volume)


def orientation_is_lps(volume: Volume) -> bool:
    """Whether the grid is SimpleITK's identity, seen in RAS."""
    return bool(np.allclose(volume.ijk_to_ras, np.diag([-1, -1, 1, 1])))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_a_2d_colour_image_becomes_one_grey_slice(tmp_path: Path, name: str) -> None:
    colour = np.repeat(np.repeat(RNG.integers(0, 255, (6, 8, 3)), 8, 0), 8, 1).astype(np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(colour, isVector=True), str(tmp_path / name))
    volume = read_volume(tmp_path / name)
    expected = colour @ [0.299, 0.587, 0.114]
    assert volume.shape == (1, 48, 64)
    assert np.abs(volume.array[0] - expected).mean() < (6 if name == "a.jpg" else 0.6)


def test_a_vector_volume_becomes_grey(tmp_path: Path) -> None:
    colour = RNG.random((4, 5, 6, 3)).astype(np.float32)
    sitk.WriteImage(sitk.GetImageFromArray(colour, isVector=True), str(tmp_path / "us.nrrd"))
    assert np.allclose(read_volume(tmp_path / "us.nrrd").array, colour @ [0.299, 0.587, 0.114], atol=1e-6)


def test_double_precision_is_read_as_single(tmp_path: Path) -> None:
    values = RNG.random((4, 5, 6))
    nibabel.save(nibabel.Nifti1Image(values.T, np.diag([2, 2, 5, 1])), tmp_path / "d.nii.gz")
    volume = read_volume(tmp_path / "d.nii.gz")
    assert volume.array.dtype == np.float32 and np.allclose(volume.array, values)
    assert volume.spacing_zyx == (5, 2, 2)


def test_a_scaled_nifti_is_read_in_scanner_units(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(VOXELS.T, np.eye(4))
    image.header.set_slope_inter(0.5, -7)
    image = nibabel.Nifti1Image(image.dataobj, np.eye(4), image.header)
    image.header.set_slope_inter(0.5, -7)
    nibabel.save(image, tmp_path / "s.nii")
    loaded = np.asanyarray(nibabel.load(tmp_path / "s.nii").dataobj).T
    assert np.allclose(read_volume(tmp_path / "s.nii").array, loaded, atol=1e-3)


def test_voxels_outlive_the_reader(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), str(tmp_path / "a.mha"))
    arrays = [read_volume(tmp_path / "a.mha").array for _ in range(50)]
    assert all(np.array_equal(array, VOXELS) for array in arrays)


def test_a_fourth_axis_of_one_is_dropped_and_a_longer_one_is_refused(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(VOXELS.T[..., None], np.eye(4)), tmp_path / "one.nii.gz")
    assert np.array_equal(read_volume(tmp_path / "one.nii.gz").array, VOXELS)
    nibabel.save(nibabel.Nifti1Image(np.stack([VOXELS.T] * 2, -1), np.eye(4)), tmp_path / "two.nii.gz")
    told = refused(tmp_path / "two.nii.gz")
    assert told.code == "unreadable-file" and "4 axes (30 x 20 x 9 x 2)" in told.sentence
    assert "3D file" in told.what_to_do


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha", "a.png", "a.jpg", "a.tif"])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, name: str) -> None:
    array = VOXELS if name not in ("a.png", "a.jpg") else VOXELS[0].astype(np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / name), useCompression=name != "a.nii")
    whole = (tmp_path / name).read_bytes()
    for share in (0.97, 0.6, 0.05):
        (tmp_path / name).write_bytes(whole[: int(len(whole) * share)])
        told = refused(tmp_path / name)
        assert told.code == "unreadable-file" and name in told.sentence


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.mha"])
def test_a_damaged_compressed_file_is_refused(tmp_path: Path, name: str) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), str(tmp_path / name), useCompression=True)
    data = bytearray((tmp_path / name).read_bytes())
    data[len(data) // 2 : len(data) // 2 + 20] = bytes(20)
    (tmp_path / name).write_bytes(data)
    assert refused(tmp_path / name).code == "unreadable-file"


@pytest.mark.parametrize("content", [b"", b"no image at all", bytes(500)])
@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.dcm", "a.xyz"])
def test_what_is_no_image_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert refused(tmp_path / name).code == "unreadable-file"


def test_missing_files_and_empty_folders_are_named(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "nothing.nii").sentence
    assert "is empty" in refused(tmp_path).sentence
    (tmp_path / "notes.txt").write_text("no image")
    assert "no DICOM images" in refused(tmp_path).sentence


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_nifti_2_file_is_told_as_such(tmp_path: Path, name: str) -> None:
    nibabel.save(nibabel.Nifti2Image(VOXELS.T, np.eye(4)), tmp_path / name)
    error = refused(tmp_path / name)
    assert "it is a NIfTI-2 file" in error.sentence and "NIfTI-1" in error.what_to_do


def test_a_sheared_grid_is_refused_and_rounding_is_not(tmp_path: Path) -> None:
    affine = np.eye(4)
    affine[0, 1] = 0.3
    nibabel.save(nibabel.Nifti1Image(VOXELS.T, affine), tmp_path / "a.nii")
    assert "right angles" in refused(tmp_path / "a.nii").sentence
    affine[0, 1] = 5e-4
    nibabel.save(nibabel.Nifti1Image(VOXELS.T, affine), tmp_path / "b.nii")
    assert np.allclose(read_volume(tmp_path / "b.nii").ijk_to_ras, affine, atol=1e-3)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha"])
def test_nan_voxels_are_refused_or_replaced_when_asked(tmp_path: Path, name: str) -> None:
    values = VOXELS.astype(np.float32)
    values[0, 0, :3] = np.nan, np.inf, -np.inf
    sitk.WriteImage(sitk.GetImageFromArray(values), str(tmp_path / name))
    told = refused(tmp_path / name)
    assert told.code == "nonfinite-voxels" and "3 of the 5400" in told.sentence
    notes: list[str] = []
    array = read_volume(tmp_path / name, replace_nonfinite=True, on_note=notes.append).array
    rest = values[np.isfinite(values)]
    expected = [0, 0, 0] if ".nii" in name else [rest.min(), rest.max(), rest.min()]
    assert array[0, 0, :3].tolist() == expected and len(notes) == 1


def test_images_without_contrast_or_voxels_are_refused(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(np.full((3, 4, 5), 7, np.int16)), str(tmp_path / "a.nii"))
    told = refused(tmp_path / "a.nii")
    assert told.code == "constant-image" and "value 7" in told.sentence
    with pytest.raises(ContrastiveSegError) as empty:
        check_volume(Volume(np.zeros((0, 4, 5), np.int16), name="x"))
    assert empty.value.code == "empty-volume" and "5 x 4 x 0" in empty.value.sentence


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), str(tmp_path / "a.nii"))
    (tmp_path / "a.nii").chmod(0)
    assert "may not read" in refused(tmp_path / "a.nii").sentence


def test_label_maps_must_hold_whole_numbers_that_fit(tmp_path: Path) -> None:
    a_volume = Volume(VOXELS)
    for values, word in [(VOXELS / 3, "whole numbers"), (VOXELS, "-999"), (VOXELS + 40000.0, "value 4")]:
        path = write_like(values.astype(np.float32), a_volume, tmp_path / "l.nii")
        with pytest.raises(ContrastiveSegError, match=word) as told:
            read_label_map(path)
        assert told.value.code == "bad-labels"


@pytest.mark.parametrize("name", ["l.nii", "l.nii.gz", "l.nrrd", "l.mha"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_label_that_is_no_number_is_never_background(tmp_path: Path, name: str, value: float) -> None:
    """ITK's reader of NIfTI makes 0 of it."""
    values = np.zeros(VOXELS.shape, np.float32)
    values[3, 5:9], values[3, 7, 2:4] = 1, value
    path = write_like(values, Volume(VOXELS), tmp_path / name)
    for ignore in (None, 0):
        with pytest.raises(ContrastiveSegError, match="2 voxels that are not numbers") as told:
            read_label_map(path, ignore=ignore)
        assert told.value.code == "bad-labels" and name in told.value.sentence


def test_one_file_of_each_real_data_set_is_read() -> None:
    if not DATA.is_dir():
        pytest.skip("The real data (../shared/data) is not there.")
    for folder in sorted(p for p in DATA.iterdir() if p.is_dir()):
        image = sorted((folder / "images").iterdir())[0]
        volume = read_volume(image)
        label = folder / "labels" / image.name
        if label.exists():
            assert read_label_map(label, like=volume).array.max() > 0


def a_dicom_series(folder: Path, series: str, array: np.ndarray, *, spacing: float = 2.5) -> None:
    """Writes an oblique CT series, files in an order that is not that of their names."""
    folder.mkdir(parents=True, exist_ok=True)
    direction = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])  # sagittal
    for index in range(array.shape[0]):
        image = sitk.GetImageFromArray(array[index])
        image.SetSpacing([0.7, 0.9])
        position = np.array([10.0, 20, 30]) + direction[:, 2] * spacing * index
        tags = {
            "0008|0060": "CT",
            "0008|0016": "1.2.840.10008.5.1.4.1.1.2",
            "0008|0018": f"{series}.{index + 1}",
            "0020|000d": "1.2.3.1",
            "0020|000e": series,
            "0020|0013": str(index + 1),
            "0020|0032": "\\".join(map(str, position)),
            "0020|0037": "\\".join(map(str, direction[:, :2].T.ravel())),
            "0028|1052": "-1000",
            "0028|1053": "1",
        }
        for tag, value in tags.items():
            image.SetMetaData(tag, value)
        writer = sitk.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        writer.SetFileName(str(folder / f"{series}-{(index * 7) % array.shape[0]}.dcm"))
        writer.Execute(image)


def test_a_dicom_folder_is_read_in_the_order_of_its_positions(tmp_path: Path) -> None:
    folder = tmp_path / "Müller Röntgen"
    a_dicom_series(folder, "1.2.3.4", VOXELS)
    volume = read_volume(folder)
    assert np.array_equal(volume.array, VOXELS)
    assert np.allclose(volume.spacing_zyx, (2.5, 0.9, 0.7))
    # i runs to posterior, j to superior, k to the left
    expected = np.array([[0, 0, -2.5, -10], [-0.7, 0, 0, -20], [0, 0.9, 0, 30], [0, 0, 0, 1]])
    assert np.allclose(volume.ijk_to_ras, expected)


def test_of_several_series_the_longest_is_read_and_named(tmp_path: Path) -> None:
    a_dicom_series(tmp_path / "scout", "1.2.3.5", VOXELS[:2])
    a_dicom_series(tmp_path / "scan", "1.2.3.4", VOXELS)
    notes: list[str] = []
    assert read_volume(tmp_path, on_note=notes.append).shape == VOXELS.shape
    assert len(notes) == 1 and "2 DICOM series" in notes[0] and "1.2.3.4" in notes[0]
    shutil.rmtree(tmp_path / "scout")
    a_dicom_series(tmp_path / "other", "1.2.3.6", VOXELS)
    told = refused(tmp_path)
    assert told.code == "unreadable-file" and "1.2.3.4" in told.sentence and "1.2.3.6" in told.sentence


def test_a_series_with_a_missing_slice_is_refused(tmp_path: Path) -> None:
    a_dicom_series(tmp_path, "1.2.3.4", VOXELS)
    (tmp_path / "1.2.3.4-1.dcm").unlink()
    assert "not evenly spaced" in refused(tmp_path).sentence


def test_a_folder_without_dicom_is_told_in_a_sentence_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), str(tmp_path / "a.nii.gz"))
    told = refused(tmp_path)
    assert told.code == "unreadable-file" and "holds no DICOM" in told.sentence
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "header", ["type: float\ndimension: 3\n", "type: float\ndimension: 3\nsizes: 3 3\n\n"]
)
def test_what_the_nrrd_library_says_is_translated(tmp_path: Path, header: str) -> None:
    (tmp_path / "a.nrrd").write_bytes(f"NRRD0004\n{header}".encode() + b"\0" * 200)
    told = refused(tmp_path / "a.nrrd")
    assert "its NRRD header is damaged or cut off" in told.sentence and "[nrrd]" not in str(told)


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha", "a.nhdr", "a.mhd"])
def test_voxels_that_are_missing_are_told_as_such(tmp_path: Path, name: str) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), str(tmp_path / name), useCompression=False)
    raw = [path for path in tmp_path.iterdir() if path.name != name]
    if raw:
        raw[0].unlink()
    else:
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: int(len(whole) * 0.7)])
    assert "part of its voxels is missing" in refused(tmp_path / name).sentence


@pytest.mark.parametrize("value", [np.nan, 1e300])
def test_nobody_is_told_to_replace_what_cannot_be_replaced(tmp_path: Path, value: float) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(np.full((4, 5, 6), value)), str(tmp_path / "a.nrrd"))
    with pytest.raises(ContrastiveSegError) as told:
        read_volume(tmp_path / "a.nrrd", replace_nonfinite=True)
    assert told.value.code == "nonfinite-voxels" and "--replace-nonfinite" not in told.value.what_to_do
