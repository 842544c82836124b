"""Segments one volume after the other with what a run has learnt."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from contrastive_seg.atomic import make_folder, probe_folder, write_bytes, write_json, write_npy
from contrastive_seg.data.read import read_label_map
from contrastive_seg.data.volume import Volume
from contrastive_seg.finetuning.events import Event, Progress
from contrastive_seg.inference.one_piece import said_of_elsewhere
from contrastive_seg.inference.prediction import Prediction
from contrastive_seg.patients.differences import Look, differences
from contrastive_seg.patients.learnt import Learnt
from contrastive_seg.patients.measure import CaseResult, mean_uncertainty
from contrastive_seg.patients.pictures import CasePictures
from contrastive_seg.patients.png import png_bytes
from contrastive_seg.patients.structures import Structure, check_format, write_labels_table, write_mask
from contrastive_seg.worker.outputs import volumes_ml, voxel_ml

_PICTURE = 320
_THUMBNAIL = 64
_LINE = 2

_LEARNING = 0.8
"""Share of the first volume in which it is learnt how to segment others."""


@dataclass(frozen=True)
class MaskFolder:
    """Where masks are put as files for the user.

    Attributes:
        folder: Made where it is missing.
        format: ``seg.nrrd`` or ``nii.gz``.
        replace: Whether files that are there already are replaced; else they are kept, and measured
            instead of made again.
    """

    folder: Path
    format: str = "nii.gz"
    replace: bool = False

    def path(self, place: str) -> Path:
        """The file for a place that :func:`~contrastive_seg.patients.find.places_of` gave."""
        return self.folder / f"{place}.{check_format(self.format)}"


class Segmenter:
    """Applies what was learnt, and leaves with each result what a list or a report shows of it.

    Args:
        learnt: The network and what is known about it.
        structures: What the label values stand for.
        work: Folder for labels, pictures and results; made where it is missing.
        masks: Where files for the user are put; None for none.
    """

    def __init__(
        self, learnt: Learnt, structures: Sequence[Structure], work: Path, masks: MaskFolder | None = None
    ) -> None:
        self.learnt, self.structures = learnt, list(structures)
        self._work, self._masks = make_folder(work), masks

    def segment(
        self,
        case: str,
        volume: Volume,
        place: str = "",
        notes: Sequence[str] = (),
        on_progress: Callable[[Progress], None] = lambda progress: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> CaseResult:
        """Segments, measures and draws a volume; or measures and draws the mask that is there.

        Args:
            case: Its unique name among the files of the work folder: letters, digits, ``-`` and ``_``.
            volume: The image.
            place: Where the file for the user belongs, without suffix.
            notes: What was said while the image was read.
            on_progress: Told how far it is.
            should_stop: True raises :class:`~contrastive_seg.inference.scores.Stopped`.

        Raises:
            ContrastiveSegError: Anything a user can put right.
        """
        clock = time.monotonic()
        path = self._masks.path(place) if self._masks is not None and place else None
        kept = path is not None and path.exists() and not (self._masks and self._masks.replace)
        doubt: np.ndarray | None = None
        if kept:
            assert path is not None
            labels = read_label_map(path, like=volume).array
        else:
            if path is not None:
                probe_folder(path.parent)  # before minutes of learning
            found = self._predict(volume, on_progress, should_stop)
            labels, doubt = found.labels, found.uncertainty
            notes = [*notes, *said_of_elsewhere(found, voxel_ml(volume.ijk_to_ras))]
        if path is not None and not kept:
            write_mask(labels, volume, path, self.structures)
            if not path.name.endswith(".seg.nrrd"):
                assert self._masks is not None
                write_labels_table(self._masks.folder, self.structures)
        uncertainty = None if doubt is None else mean_uncertainty(labels, doubt)
        start, box = boxed(labels)
        write_npy(self._work / f"labels-{case}.npy", box, durable=False)
        pictures, thumbnail = self._draw(case, volume, labels)
        values = self.learnt.values
        result = CaseResult(
            case=case,
            name=volume.name,
            volume_ml=volumes_ml(labels, volume.ijk_to_ras, values),
            uncertainty=None if uncertainty is None else round(uncertainty, 2),
            differences=differences(Look.of(volume), self.learnt.looks, self.learnt.axis),
            notes=[*notes, *([] if kept else self.learnt.notes)],
            size=list(reversed(volume.shape)),
            spacing_mm=[round(one, 4) for one in reversed(volume.spacing_zyx)],
            center_ras=_center(start, box, volume),
            pictures=pictures,
            thumbnail=thumbnail,
            labels=f"labels-{case}.npy",
            start=start,
            file="" if path is None else str(path),
            kept=kept,
            seconds=round(time.monotonic() - clock, 2),
        )
        write_json(self._work / f"result-{case}.json", result.to_dict(), durable=False)
        return result

    def _predict(
        self, volume: Volume, on_progress: Callable[[Progress], None], should_stop: Callable[[], bool]
    ) -> Prediction:
        """The mask; before the first one it may have to be learnt how to segment others."""
        begin = 0.0 if self.learnt.others.is_ready else _LEARNING
        session = self.learnt.ready(
            lambda p: on_progress(replace(p, fraction=begin * p.fraction)), should_stop
        )

        def sink(event: Event) -> None:
            if isinstance(event, Progress):
                on_progress(replace(event, fraction=begin + (1 - begin) * event.fraction))

        return session.predict(volume, None, sink, should_stop)

    def _draw(self, case: str, volume: Volume, labels: np.ndarray) -> tuple[list[list[str]], str]:
        colours = {one.value: one.colour for one in self.structures}
        drawing = CasePictures(volume, labels, self.learnt.axis, colours)
        pictures = []
        for number, index in enumerate(drawing.slices()):
            picture = drawing.draw(index, _PICTURE, _LINE)
            name = f"picture-{case}-{number}.png"
            write_bytes(self._work / name, png_bytes(picture.pixels), durable=False)
            pictures.append([name, picture.caption])
        thumbnail = f"thumbnail-{case}.png"
        small = drawing.draw(drawing.middle(), _THUMBNAIL)
        write_bytes(self._work / thumbnail, png_bytes(small.pixels), durable=False)
        return pictures, thumbnail


def results_in(work: Path) -> list[CaseResult]:
    """The results that a work folder holds, also those of a process that has ended."""
    known = {one.name for one in fields(CaseResult)}
    found = []
    for path in sorted(work.glob("result-*.json")):
        try:
            stored = json.loads(path.read_text("utf-8"))
            found.append(CaseResult(**{key: value for key, value in stored.items() if key in known}))
        except (OSError, ValueError, TypeError, AttributeError):
            continue
    return found


def boxed(labels: np.ndarray) -> tuple[list[int], np.ndarray]:
    """The smallest box with all labels: index of its first voxel, and a copy; one voxel where all is 0.

    So small an array can be shown by the application at once, whatever the size of the image.
    """
    start, stop = [], []
    for axis in range(3):
        other = tuple(a for a in range(3) if a != axis)
        inside = np.flatnonzero(labels.any(axis=other))
        start.append(int(inside[0]) if len(inside) else 0)
        stop.append(int(inside[-1]) + 1 if len(inside) else 1)
    box = labels[start[0] : stop[0], start[1] : stop[1], start[2] : stop[2]]
    return start, np.ascontiguousarray(box)


def _center(start: Sequence[int], box: np.ndarray, volume: Volume) -> list[float]:
    """RAS mm of the middle of what was found, on the slice (z) with most of it; of the image without."""
    counts = np.array([np.count_nonzero(one) for one in box])
    if counts.any():
        z = int(np.argmax(counts))
        y, x = (float(np.mean(one)) for one in np.nonzero(box[z]))
        index = [x + start[2], y + start[1], float(z + start[0]), 1.0]
    else:
        index = [*((n - 1) / 2 for n in reversed(volume.shape)), 1.0]
    place = np.asarray(volume.ijk_to_ras, dtype=float) @ np.array(index)
    return [round(float(one), 3) for one in place[:3]]
