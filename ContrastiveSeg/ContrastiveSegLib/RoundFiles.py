"""Brings the nodes of a learning into the files that the worker reads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from slicer.i18n import tr as _

from ContrastiveSegLib.Background import Background
from ContrastiveSegLib.Chunks import Chunks
from ContrastiveSegLib.FurtherVolumes import FurtherVolumes
from ContrastiveSegLib.LearningRound import LearningRound
from ContrastiveSegLib.SegmentResampler import SegmentResampler
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeExport import Exported, ExportJob, VolumeExport

_FEW_VOXELS, _FEW_SEGMENTS = 12_000_000, 16


class RoundFiles:
    """Looks at the nodes between the application's events, and writes the arrays in a thread.

    What a run's folder holds already of an unchanged image is not written again.
    """

    def __init__(self) -> None:
        self._exports: dict[Path, VolumeExport] = {}
        self._further: dict[Path, FurtherVolumes] = {}
        self._looking, self._files = Chunks(), Background()
        self._job: ExportJob | None = None
        self._write: Callable[[ExportJob], None] | None = None

    def look(
        self,
        now: LearningRound,
        values: dict[str, int],
        axis: int | None,
        failed: Callable[[UserError], None],
    ) -> None:
        """Begins to look at the nodes; one that is not large is looked at before this returns.

        Args:
            now: Whose nodes and folder.
            values: Label values by segment ID.
            axis: Limits the annotated slices to one array axis.
            failed: Gets what was wrong with a large segmentation.

        Raises:
            UserError: Nothing is painted on a slice that counts, or a node holds no voxels.
        """
        self._looking.forget()  # of a round that was stopped meanwhile
        self._job = self._write = None
        export = self._exports.setdefault(now.folder.path, VolumeExport(now.folder.path))
        further = self._further.setdefault(now.folder.path, FurtherVolumes(now.folder.path))

        def steps() -> Iterator[None]:
            job = yield from export.prepareSteps(now.volume, now.segmentation, values, axis=axis)
            self._job = further.added(job, now.further)

        def notFound(error: Exception) -> None:
            if not isinstance(error, UserError):  # such as after a change of the nodes
                logging.warning("ContrastiveSeg: a segmentation cannot be read", exc_info=error)
                words = _("The segmentation cannot be read ({reason}).").format(reason=error)
                error = UserError(words, _("Press Start to try again."))
            failed(error)

        voxels, segments = SegmentResampler.voxels(now.segmentation), len(values)
        isSmall = voxels < _FEW_VOXELS and segments <= _FEW_SEGMENTS
        self._looking.run(steps(), self._writeFound, notFound, atOnce=isSmall)

    def write(
        self, now: LearningRound, done: Callable[[Exported], None], failed: Callable[[UserError], None]
    ) -> None:
        """Writes the arrays as soon as the nodes have been looked at.

        Args:
            now: As in :meth:`look`, which was called before.
            done: Gets what was written.
            failed: Gets why files could not be written.
        """
        export = self._exports[now.folder.path]

        def notWritten(error: Exception) -> None:
            self._further.pop(now.folder.path, None)  # the next export writes all anew
            failed(export.explained(error if isinstance(error, OSError) else OSError(str(error))))

        self._write = lambda job: self._files.run(job.write, done, notWritten)
        self._writeFound()

    def _writeFound(self) -> None:
        if self._job is None or self._write is None:
            return
        job, write, self._job, self._write = self._job, self._write, None, None
        write(job)

    def forget(self) -> None:
        """Leaves everything where it is, and lets go of the nodes; for the end of a scene."""
        self._exports.clear()
        self._further.clear()
        self._job = self._write = None
        self._looking.forget()
        self._files.forget()
