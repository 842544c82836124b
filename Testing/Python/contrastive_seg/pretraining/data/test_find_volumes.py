"""What counts as a volume in a folder or a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from slice_files import voxels, write

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.pretraining.data.volumes import VolumeSource, find_volumes

FORMATS = ("a.nii", "b.nii.gz", "c.nrrd", "d.nhdr", "e.mha", "f.mhd", "ein Bild ü.nii")
FLAT_FORMATS = ("a.png", "b.jpg", "c.tif", "d.jpeg", "e.tiff", "F.PNG")


def refused(source: Path) -> ContrastiveSegError:
    with pytest.raises(ContrastiveSegError) as told:
        find_volumes(source)
    assert told.value.sentence.endswith(".") and told.value.what_to_do.endswith(".")
    return told.value


def write_series(folder: Path, array: np.ndarray) -> None:
    """A DICOM series, one file a slice, without file extensions."""
    folder.mkdir(parents=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for z, part in enumerate(array):
        image = sitk.GetImageFromArray(part[None])
        tags = {
            "0008|0060": "CT",
            "0020|000e": "1.2.826.0.1.1",
            "0020|000d": "1.2.826.0.1",
            "0008|0018": f"1.2.826.0.1.1.{z + 1}",
            "0020|0032": f"0\\0\\{3 * z}",
            "0020|0037": "1\\0\\0\\0\\1\\0",
            "0020|0013": str(z + 1),
        }
        for key, value in tags.items():
            image.SetMetaData(key, value)
        writer.SetFileName(str(folder / f"{z:03d}.dcm"))
        writer.Execute(image)
        (folder / f"{z:03d}.dcm").rename(folder / f"IM{z:03d}")


def test_every_readable_format_is_found_once(tmp_path: Path) -> None:
    for name in FORMATS:
        write(tmp_path / name, voxels())
    for name in FLAT_FORMATS:
        write(tmp_path / "2D" / name, voxels((20, 24)).astype(np.uint8))
    write_series(tmp_path / "series", voxels())
    (tmp_path / "readme.txt").write_text("not an image")
    found = [volume.name for volume in find_volumes(tmp_path)]
    assert sorted(found) == sorted([*FORMATS, *(f"2D/{name}" for name in FLAT_FORMATS), "series"])


def test_the_order_is_that_of_people_and_the_same_every_time(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        write(tmp_path / f"frame_{number}.png", voxels((20, 24)).astype(np.uint8))
    names = [volume.name for volume in find_volumes(tmp_path)]
    assert names == ["frame_1.png", "frame_2.png", "frame_10.png"]


@pytest.mark.parametrize("folder", ["labels", "labelsTr", "Masks", "segmentations", "scribbles"])
def test_folders_and_files_of_labels_are_passed_over_and_named(tmp_path: Path, folder: str) -> None:
    write(tmp_path / "images" / "a.nii.gz", voxels())
    write(tmp_path / folder / "a.nii.gz", voxels())
    write(tmp_path / "images" / "a.seg.nrrd", voxels())
    notes: list[str] = []
    assert [volume.name for volume in find_volumes(tmp_path, notes.append)] == ["images/a.nii.gz"]
    assert len(notes) == 2 and any(folder in note for note in notes) and "a.seg.nrrd" in "".join(notes)


@pytest.mark.parametrize(
    "name", ["segmentation.nii.gz", "Labels.nrrd", "case_1_seg.nii", "a mask.mha", "000_HC_Annotation.png"]
)
def test_files_that_are_called_labels_are_passed_over_beside_their_image(tmp_path: Path, name: str) -> None:
    for image in ("imaging.nii.gz", "segmented.nii.gz", "unmasked.nii.gz", "labelled 2.nii.gz"):
        write(tmp_path / "case_1" / image, voxels())
    flat = name.endswith(".png")
    write(tmp_path / "case_1" / name, voxels((20, 24)).astype(np.uint8) if flat else voxels())
    notes: list[str] = []
    found = [volume.name for volume in find_volumes(tmp_path, notes.append)]
    assert len(found) == 4 and f"case_1/{name}" not in found
    assert notes == [f"'{Path('case_1', name)}' holds labels by its name and is passed over."]


def test_hidden_files_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "a.nii", voxels())
    (tmp_path / "._a.nii").write_bytes(b"resource fork")
    assert len(find_volumes(tmp_path)) == 1


def test_a_link_to_a_folder_above_is_not_followed_for_ever(tmp_path: Path) -> None:
    write(tmp_path / "sub" / "a.nii", voxels())
    try:
        (tmp_path / "sub" / "up").symlink_to(tmp_path, target_is_directory=True)
    except OSError:
        pytest.skip("Links cannot be made here.")
    assert [volume.name for volume in find_volumes(tmp_path)] == ["sub/a.nii"]


def test_a_dicom_file_with_several_frames_is_a_volume_of_its_own(tmp_path: Path) -> None:
    clip = np.random.default_rng(0).integers(0, 255, (5, 24, 32, 3)).astype(np.uint8)
    for name in ("clip1.dcm", "clip2.dcm"):
        write(tmp_path / name, clip)
    assert [volume.name for volume in find_volumes(tmp_path)] == ["clip1.dcm", "clip2.dcm"]


@pytest.mark.parametrize("name", ["DICOMDIR", "dicomdir"])
def test_the_index_of_a_cd_is_no_image(tmp_path: Path, name: str) -> None:
    write_series(tmp_path / "IMAGES" / "1", voxels())
    (tmp_path / name).write_bytes(bytes(128) + b"DICM" + bytes(64))
    assert [volume.name for volume in find_volumes(tmp_path)] == ["IMAGES/1"]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("no image")
    error = refused(tmp_path)
    assert error.code == "no-volumes" and str(tmp_path) in error.sentence


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "nowhere").code == "unreadable-file"


def test_a_single_volume_is_a_source_too(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", voxels())
    assert find_volumes(path) == [VolumeSource(path, "a.nii")]


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_table_names_volumes_slices_and_clips(tmp_path: Path, separator: str, encoding: str) -> None:
    rows = ["image,first,last,clip", "a ü.nii,2,4,", "sub/b.nii,,,", "f1.png,,,heart", "f2.png,,,heart"]
    text = "\n".join(rows).replace(",", separator)
    (tmp_path / "data.csv").write_text(text, encoding=encoding)
    first, second, clip = find_volumes(tmp_path / "data.csv")
    assert (first.path, first.first, first.last) == (tmp_path / "a ü.nii", 2, 4)
    assert (second.path, second.first, second.last) == (tmp_path / "sub" / "b.nii", 0, None)
    assert clip.name == "heart" and [frame.name for frame in clip.frames] == ["f1.png", "f2.png"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("path\na.nii\n", "'image'"),
        ("image,first\na.nii,two\n", "Line 2"),
        ("image,first,last\na.nii,,\nb.nii,5,3\n", "Line 3"),
        ("image,last\na.nii,-1\n", "'last'"),
        ("", "'image'"),
    ],
)
def test_a_bad_table_is_refused_with_the_place(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "data.csv").write_text(text)
    error = refused(tmp_path / "data.csv")
    assert error.code == "bad-table" and told in error.sentence


def test_a_table_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_bytes(bytes(range(256)))
    assert refused(tmp_path / "data.csv").code == "bad-table"


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("image\n\n")
    assert refused(tmp_path / "data.csv").code == "no-volumes"


@pytest.mark.parametrize("mark", ["job.json", "checkpoint.json"])
def test_the_results_of_a_run_are_no_volumes(tmp_path: Path, mark: str) -> None:
    write(tmp_path / "images" / "a.nii.gz", voxels())
    write(
        tmp_path / "uncertainty" / "b.nii.gz", voxels()
    )  # a folder of that name elsewhere is one like others
    for name in ("prediction.nii.gz", "predictions/a.nii.gz", "uncertainty/a.nii.gz"):
        write(tmp_path / "runs" / "one" / name, voxels())
    write(
        tmp_path / "runs" / "one" / "images" / "c.nii.gz", voxels()
    )  # as with --output in the folder of data
    (tmp_path / "runs" / "one" / mark).write_text("{}", "utf-8")
    notes: list[str] = []
    found = [volume.name for volume in find_volumes(tmp_path, notes.append)]
    assert found == ["images/a.nii.gz", "runs/one/images/c.nii.gz", "uncertainty/b.nii.gz"]
    assert len(notes) == 1 and f"'{Path('runs/one')}'" in notes[0] and "run" in notes[0]
    (tmp_path / "runs" / "one" / "images" / "c.nii.gz").unlink()
    assert refused(tmp_path / "runs" / "one").code == "no-volumes"
