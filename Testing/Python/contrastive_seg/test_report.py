"""The report of segmented patients, its pictures, and what is told about each case."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from contrastive_seg_phantom import two_organs

from contrastive_seg.data.volume import Volume
from contrastive_seg.patients.differences import Look, differences
from contrastive_seg.patients.find import find_cases, is_mask, places_of
from contrastive_seg.patients.measure import CaseResult, look_first, mean_uncertainty
from contrastive_seg.patients.pictures import CasePictures
from contrastive_seg.patients.png import png_bytes
from contrastive_seg.patients.segmenter import boxed
from contrastive_seg.patients.structures import Structure, write_labels_table
from contrastive_seg.report import Failure, Report

STRUCTURES = [Structure(1, "Liver <left>", (1.0, 0.0, 0.0)), Structure(7, "Kidney", (0.0, 0.0, 1.0))]


class _Page(HTMLParser):
    """Tags that were opened and not closed, pictures, and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.pictures: list[bytes] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids.add(given.get("id") or "")
        if tag == "img":
            head, _, data = (given["src"] or "").partition(",")
            assert head == "data:image/png;base64"
            self.pictures.append(base64.b64decode(data))
        if tag == "a":
            self.links.append(given["href"] or "")
        assert tag not in ("script", "link", "iframe")
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def a_case(work: Path, number: int, **about: object) -> CaseResult:
    volume, truth = two_organs(seed=number)
    drawing = CasePictures(volume, truth, 0, {one.value: one.colour for one in STRUCTURES})
    pictures = []
    for index in drawing.slices():
        picture = drawing.draw(index, 200, 2)
        name = f"picture-{number}-{index}.png"
        (work / name).write_bytes(png_bytes(picture.pixels))
        pictures.append([name, picture.caption])
    given = {"volume_ml": {"1": 80.0, "7": 20.0}, "uncertainty": 10.0 + number, **about}
    return CaseResult(f"{number:04d}", f"b/<i>{number}</i> & Co.nii.gz", pictures=pictures, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(7, 5), (9, 4, 3), (1, 1)])
def test_a_png_is_read_by_others_as_it_was_written(shape: tuple[int, ...], tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    (tmp_path / "a.png").write_bytes(png_bytes(pixels))
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.png"))), pixels)


@pytest.mark.parametrize(
    "array", [np.zeros((3, 3)), np.zeros((3, 3, 2), np.uint8), np.zeros((0, 3), np.uint8)]
)
def test_what_is_no_picture_is_refused(array: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"picture"):
        png_bytes(array)


def test_outlines_lie_on_the_border_of_each_structure_in_its_colour() -> None:
    labels = np.zeros((9, 40, 40), np.uint8)
    labels[2:7, 10:30, 12:28] = 1
    volume = Volume(np.full(labels.shape, 50, np.int16) + np.arange(9, dtype=np.int16)[:, None, None])
    picture = CasePictures(volume, labels, 0, {1: (1.0, 0.0, 0.0)}).draw(4, 160)
    red = (picture.pixels == (255, 0, 0)).all(axis=2)
    assert red.any() and not red[picture.pixels.shape[0] // 2, picture.pixels.shape[1] // 2]
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    ratio = (rows[-1] - rows[0] + 1) / (columns[-1] - columns[0] + 1)
    assert ratio == pytest.approx(20 / 16, rel=0.06)
    assert picture.caption == "axial, S 4.0 mm"


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1), (1, -1, -1)])
def test_the_patients_right_is_left_in_the_picture_however_the_image_is_stored(
    signs: tuple[int, int, int],
) -> None:
    flip = tuple(slice(None, None, sign) for sign in reversed(signs))
    stored = np.zeros((5, 32, 32), np.int16)  # x to the right, y to anterior, z to superior
    stored[2, 20:30, 22:30] = 100  # right and anterior
    labels = (stored > 0).astype(np.uint8)
    volume = Volume(stored[flip], np.diag([*signs, 1.0]).astype(float))
    picture = CasePictures(volume, labels[flip], 0, {1: (1.0, 0.0, 0.0)})
    picture._region = lambda: (slice(None), slice(None))  # type: ignore[method-assign]
    index = int(np.argmax(picture._counts))
    rows, columns = np.nonzero((picture.draw(index, 64).pixels == (255, 0, 0)).all(axis=2))
    assert columns.mean() < 32 and rows.mean() < 32


def test_a_single_slice_and_an_empty_mask_are_drawn_too() -> None:
    volume = Volume(np.arange(64, dtype=np.float32).reshape(1, 8, 8))
    drawing = CasePictures(volume, np.zeros((1, 8, 8), np.uint8), 0, {})
    assert drawing.slices() == [0]
    assert drawing.draw(0, 32).pixels.shape == (32, 32, 3)


def test_the_report_is_one_page_with_three_pictures_a_case_and_all_text_escaped(tmp_path: Path) -> None:
    results = [a_case(tmp_path, number) for number in range(3)]
    results.append(a_case(tmp_path, 3, volume_ml={"1": 0.0, "7": 9.0}, differences=["Voxels of <3> mm."]))
    failures = [Failure("c/<script>alert(1)</script>.nii", "It is <b>broken</b>.")]
    about = {"device": "cpu", "versions": {"torch": "2 <x>"}, "nothing": None}
    path = Report(results, STRUCTURES, tmp_path, failures, about).write(tmp_path / "report ü.html")
    page = _Page()
    content = path.read_text("utf-8")
    page.feed(content)
    assert not page.open and len(page.pictures) == 12
    for data in page.pictures:
        assert data.startswith(b"\x89PNG") and struct.unpack(">I", data[16:20])[0] > 50
        assert zlib.crc32(data[12:29]) == struct.unpack(">I", data[29:33])[0]
    assert all(link[1:] in page.ids for link in page.links)
    for text in (
        "b/<i>2</i> & Co.nii.gz",
        "Liver <left>",
        "<script>alert(1)</script>",
        "It is <b>broken</b>.",
    ):
        assert text in page.text
    assert "Nothing was found of: Liver <left>." in page.text and "2 <x>" in page.text
    assert "prefers-color-scheme: dark" in content and "http" not in content
    assert re.search(r"80\.00", page.text) and "not a medical device" in page.text


def test_a_report_of_nothing_but_failures_can_be_written(tmp_path: Path) -> None:
    page = _Page()
    page.feed(Report([], STRUCTURES, tmp_path, [Failure("a", "broken")]).html())
    assert not page.open and "broken" in page.text and not page.pictures


def test_what_is_missing_different_or_outlying_is_to_be_looked_at_first() -> None:
    cases = [CaseResult(str(n), str(n), {"1": 80.0 + n}, 5.0 + n / 10) for n in range(8)]
    cases[2] = CaseResult("2", "2", {"1": 0.0}, None)
    cases[4] = CaseResult("4", "4", {"1": 900.0}, 5.0)
    cases[5] = CaseResult("5", "5", {"1": 81.0}, 40.0, differences=["Voxels of 5 mm."])
    first = look_first(cases, {1: "Liver"})
    assert next(iter(first)) == "5" and set(first) == {"2", "4", "5", "7"}
    assert first["4"] == ["Liver is much larger than in the other cases."]
    assert first["2"] == ["Nothing was found of: Liver."]
    assert look_first(cases[:1], {}) == {}


def test_the_sure_background_does_not_make_a_case_look_sure() -> None:
    labels, doubt = np.zeros((4, 10, 10), np.uint8), np.zeros((4, 10, 10), np.uint8)
    labels[1, 2:4, 2:4], doubt[1, 2:4, 2:4], doubt[2, 0, 0] = 1, 40, 90
    assert mean_uncertainty(labels, doubt) == pytest.approx((4 * 40 + 90) / 5)
    assert mean_uncertainty(labels * 0, doubt * 0) is None


def test_differences_are_told_whatever_the_orientation_and_small_ones_are_not() -> None:
    array = np.random.default_rng(0).normal(100, 20, (10, 60, 50)).astype(np.float32)
    learnt = Look.of(Volume(array, np.diag([1.0, 1.0, 3.0, 1.0])))
    turned = np.zeros((4, 4))
    turned[0, 1], turned[1, 0], turned[2, 2], turned[3, 3] = 1.2, -1.2, 3.0, 1
    assert differences(Look.of(Volume(array, turned)), [learnt], 0) == []
    coarse = differences(Look.of(Volume(array, np.diag([2.5, 2.5, 3.0, 1.0]))), [learnt], 0)
    assert "Voxels of 2.5 x 2.5 x 3 mm; learnt on 1 x 1 x 3 mm." in coarse
    assert any(one.startswith("The slices are 125 x 150 mm large") for one in coarse)
    other = differences(Look.of(Volume(array * 20 - 9000, np.diag([1.0, 1.0, 3.0, 1.0]))), [learnt], 0)
    assert len(other) == 1 and other[0].startswith("Intensities")
    assert differences(learnt, [], 0) == []


def test_places_differ_for_equal_names_and_fit_every_system() -> None:
    names = ["a/scan.nii.gz", "b/scan.nii.gz", "b/scan.nrrd", "b/SCAN.mha", "c/wer:da?.nii", "plain"]
    places = places_of(names)
    assert places[0] == "a/scan_predicted" and places[1] == "b/scan_nii_gz_predicted"
    assert places[2] == "b/scan_nrrd_predicted" and places[4] == "c/wer_da__predicted"
    assert len({one.casefold() for one in places}) == len(names)
    assert places_of(["x", "x"]) == ["x_predicted", "x-2_predicted"]


def test_masks_made_before_and_the_folder_of_results_are_no_images(tmp_path: Path) -> None:
    for name in ("a.nii.gz", "a_predicted.nii.gz", "results/b.nii.gz", "labels/c.nii.gz", "sub/ü.nrrd"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_cases(tmp_path, [tmp_path / "results"])
    assert [one.name for one in found] == ["a.nii.gz", "sub/ü.nrrd"]
    assert is_mask("x_predicted.seg.nrrd") and not is_mask("x.nii.gz")


def test_a_table_of_labels_that_says_something_else_is_left_alone(tmp_path: Path) -> None:
    first = write_labels_table(tmp_path, STRUCTURES)
    assert write_labels_table(tmp_path, STRUCTURES) == first
    text = first.read_text("utf-8")
    other = write_labels_table(tmp_path, STRUCTURES[:1])
    assert other.name == "labels-2.csv" and first.read_text("utf-8") == text
    assert text.splitlines()[3] == "7,Kidney,0,0,255,255"


def test_the_box_of_labels_is_as_small_as_what_was_found() -> None:
    labels = np.zeros((9, 8, 7), np.uint8)
    labels[3:5, 2:6, 1] = 7
    start, box = boxed(labels)
    assert start == [3, 2, 1] and box.shape == (2, 4, 1) and (box == 7).all()
    assert boxed(labels * 0)[1].shape == (1, 1, 1)
