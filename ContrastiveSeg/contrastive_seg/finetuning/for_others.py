"""What segments volumes of which nothing is painted, learnt from volumes of which a few slices are.

Beside painted slices the network is told what these say of their neighbours, and it hardly ever sees a
slice without that. In another patient nothing is painted. So, once and before the first of them, a copy of
it goes on learning from the whole masks that were found: all slices, along all planes where the voxels
allow it, with nothing told, and with contrasts and shapes that vary as patients do. Other patients of whom
somebody has said that their masks are right are learnt from as well. What both bring is measured by
``Benchmarks/other_patients.py``.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import nn

from contrastive_seg import strict_json
from contrastive_seg.atomic import make_folder, replacing, write_json
from contrastive_seg.data.sparse_labels import SparseLabels
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.check_cases import nothing_learnt
from contrastive_seg.finetuning.checkpoint import TENSORS, RunState, load_state
from contrastive_seg.finetuning.events import Event, Progress
from contrastive_seg.finetuning.make_trainer import make_trainer
from contrastive_seg.finetuning.record import network_sha256
from contrastive_seg.finetuning.session import Case, FinetuningSession
from contrastive_seg.finetuning.settings import FinetuneSettings
from contrastive_seg.inference.scores import Stopped
from contrastive_seg.provenance import array_sha256, read_rounds
from contrastive_seg.runs import RunFolder

FOLDER = "others"
"""In the run folder, where it is kept for the next time."""

LONGEST = 120.0
"""Seconds of learning, at most; a run of fewer seconds is matched."""

MISSING = "no-cases"
"""Code of the error that says that what a run learnt from is not there any more."""

WORSE = "What was learnt from was not there any more: this is worse than after learning again."
"""What results say then; without a file's name, as it may be a patient's."""

_ORIGIN, _NETWORK, _IMAGES, _REVIEWED = "origin.json", "network_sha256", "images_sha256", "reviewed_sha256"

_LOOKING = 0.15
"""Share of the whole in which the masks are found."""


class ForOthers:
    """Learns for other volumes when it is first needed.

    Args:
        run: The run folder.
        session: What was learnt there; it stays as it is.
        find_cases: The volumes and labels it was learnt from, or none where all were labelled completely; an
            error with the code :data:`MISSING` where they are not there any more.
        reviewed: Other patients with whole masks that somebody has found right, to be learnt from as well.
            None takes what is stored, whichever of them that was learnt from.

    Attributes:
        warning: Why others are segmented worse than they could be, naming files; empty where they are not.
    """

    def __init__(
        self,
        run: Path,
        session: FinetuningSession,
        find_cases: Callable[[], Sequence[Case]],
        reviewed: Sequence[Case] | None = None,
    ) -> None:
        self._run, self._session, self._find_cases = run, session, find_cases
        self._reviewed = None if reviewed is None else list(reviewed)
        self._ready: FinetuningSession | None = None
        self._cases: Sequence[Case] | None = None
        self.warning = ""

    @property
    def is_ready(self) -> bool:
        """Whether :meth:`session` answers at once."""
        return self._ready is not None

    def prepare(self) -> None:
        """Finds what is stored, or else what is to be learnt from; learns nothing yet.

        Raises:
            ContrastiveSegError: What ``find_cases`` says, :data:`MISSING` apart; that is the ``warning``.
        """
        if self._ready is not None or self._cases is not None:
            return
        self._ready = self._stored()
        if self._ready is not None:
            return
        try:
            self._cases = self._find_cases()
        except ContrastiveSegError as error:
            if error.code != MISSING:
                raise
            self.warning = str(error)
            self._cases = []
        if not self._reviewed and all(case.labels.is_complete for case in self._cases):
            self._ready, self._cases = self._session, None

    def session(
        self,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> FinetuningSession:
        """What to segment other volumes with.

        Where nobody was reviewed it is the session itself if all that it learnt from was labelled completely,
        as nothing was told then either, or if that is not there any more, which is the ``warning``.

        Args:
            on_progress: Told how far the learning is, where there is some.
            should_stop: True raises :class:`Stopped`; then it has to be learnt the next time.

        Raises:
            ContrastiveSegError: ``no-checkpoint``, ``out-of-memory``, or what :meth:`prepare` says.
            Stopped: When asked to stop.
        """
        self.prepare()
        if self._ready is None:
            assert self._cases is not None
            self._ready = self._learn(self._cases, on_progress, should_stop)
            self._cases = None
        return self._ready

    def _stored(self) -> FinetuningSession | None:
        place = stored_for_others(self._run, self._network(), self._reviewed)
        return None if place is None else FinetuningSession.resume(place, self._session.settings)

    def _learn(
        self,
        cases: Sequence[Case],
        on_progress: Callable[[Progress], None],
        should_stop: Callable[[], bool],
    ) -> FinetuningSession:
        whole = []
        for number, case in enumerate(cases):
            found = self._session.predict(case.volume, case.labels, should_stop=should_stop)
            whole.append(Case(case.volume, SparseLabels(found.labels.astype(np.int16))))
            on_progress(Progress("preparing", _LOOKING * (number + 1) / len(cases)))
        assert self._session.state is not None
        known = self._session.state.architecture.values
        whole += [_with_known(case, known) for case in self._reviewed or []]

        def tell(event: Event) -> None:
            if isinstance(event, Progress):
                fraction = _LOOKING + (1 - _LOOKING) * event.fraction
                on_progress(Progress("preparing", fraction, event.seconds_left))

        settings = self._session.settings
        with tempfile.TemporaryDirectory(prefix="contrastive-seg-") as place:
            settings = replace(settings, budget=min(settings.budget, LONGEST))
            learning = branch(self._session, Path(place), settings)
            learning.set_cases(whole)
            learning.train(tell, should_stop, predict=False)
            if should_stop():
                raise Stopped
            with suppress(ContrastiveSegError):  # a run that may only be read: learnt again the next time
                self._keep(Path(place) / TENSORS, [array_sha256(case.volume.array) for case in cases])
        return learning

    def _keep(self, tensors: Path, images: list[str]) -> None:
        if self.warning:  # what the run learnt from is not part of it
            return
        folder = make_folder(self._run / FOLDER)
        with replacing(folder / TENSORS, durable=False) as part:
            shutil.copyfile(tensors, part)
        # Last: until it is there, what lies beside is not taken for what goes on from this network.
        origin: dict[str, object] = {_NETWORK: network_sha256(self._network()), _IMAGES: images}
        if self._reviewed:
            origin[_REVIEWED] = _hashes(self._reviewed)
        write_json(folder / _ORIGIN, origin, durable=False)

    def _network(self) -> nn.Module:
        assert self._session.trainer is not None
        return self._session.trainer.average.network


def branch(session: FinetuningSession, folder: Path, settings: FinetuneSettings) -> FinetuningSession:
    """A session that goes on from another one's network, for other cases; that one stays as it is.

    It learns in the ordinary way, and nothing is held out for an estimate.

    Args:
        session: Whose network it is.
        folder: The new one's run folder.
        settings: Its budget and device; network and weights are those of ``session``.

    Raises:
        ContrastiveSegError: ``no-checkpoint`` when nothing has been trained yet.
    """
    if session.state is None or session.trainer is None:
        raise nothing_learnt()
    other = FinetuningSession(folder, replace(settings, weights=None, semi_supervised=""))
    architecture = session.state.architecture
    network = deepcopy(session.trainer.average.network).cpu().requires_grad_(True)
    other.trainer = make_trainer(other.settings, architecture, other.compute, network)
    other.trainer.step_count = session.step
    other.state = RunState(architecture, step=session.step, round=session.state.round)
    other.estimates = False
    return other


def stored_for_others(run: Path, network: nn.Module, reviewed: Sequence[Case] | None = None) -> Path | None:
    """The folder with what was learnt for other volumes, None where there is nothing that is up to date.

    It must have gone on from the run's network, on the images from which that was learnt.

    Args:
        run: The run folder.
        network: The run's own, from which that must have gone on.
        reviewed: The other patients from which it must have been learnt as well; None for any, or none.
    """
    folder = run / FOLDER
    with suppress(OSError, ValueError, KeyError, TypeError, ContrastiveSegError):
        origin = strict_json.parse((folder / _ORIGIN).read_text("utf-8"))
        if origin[_NETWORK] == network_sha256(network):
            number = load_state(folder).round - 1  # its own learning was one more round
            known = {one.number: one.images for one in read_rounds(RunFolder(run).read_provenance())}
            same = reviewed is None or origin.get(_REVIEWED, []) == _hashes(reviewed)
            if same and origin[_IMAGES] == known.get(number, origin[_IMAGES]):
                return folder
    return None


def _with_known(case: Case, values: Sequence[int]) -> Case:
    """A case in which structures that a run has not learnt are background, as in the masks that it finds."""
    others = sorted(set(case.labels.values) - set(values))
    if not others:
        return case
    labels = np.where(np.isin(case.labels.array, others), 0, case.labels.array)
    return Case(case.volume, SparseLabels(labels.astype(np.int16)))


def _hashes(cases: Sequence[Case]) -> list[list[str]]:
    """Of image and labels, in an order that does not depend on that of the cases."""
    return sorted([array_sha256(case.volume.array), array_sha256(case.labels.array)] for case in cases)
