"""A fine-tuning session: the network and the volumes, kept warm between rounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from contrastive_seg.atomic import make_folder
from contrastive_seg.compute import Compute, choose_compute, load_in_background
from contrastive_seg.data.orientation import Orientation
from contrastive_seg.data.sparse_labels import SparseLabels
from contrastive_seg.data.volume import Volume
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.case_data import common_pixel, plan_axes, prepare_view, teaching_slices
from contrastive_seg.finetuning.check_cases import check_cases, nothing_learnt
from contrastive_seg.finetuning.checkpoint import RunState, load_state, load_tensors, save_checkpoint
from contrastive_seg.finetuning.events import EventSink, Preview, Progress
from contrastive_seg.finetuning.held_out import choose_held_out
from contrastive_seg.finetuning.make_trainer import make_trainer, offer_unlabelled
from contrastive_seg.finetuning.model import grow
from contrastive_seg.finetuning.plan import planned_state
from contrastive_seg.finetuning.predict_case import predict_case, prepare_case
from contrastive_seg.finetuning.prepared_case import PreparedCase, some_images, views_of
from contrastive_seg.finetuning.schedule import Schedule
from contrastive_seg.finetuning.settings import FinetuneSettings
from contrastive_seg.finetuning.suggestion import Profile, Suggestion, profile_of, suggest
from contrastive_seg.finetuning.trainer import Trainer
from contrastive_seg.finetuning.training_loop import TrainingLoop
from contrastive_seg.finetuning.transfer import Pretrained, encoder_rate
from contrastive_seg.finetuning.trust import class_trust
from contrastive_seg.free_cores import FreeCores
from contrastive_seg.inference.one_piece import is_one_piece, keep_largest_piece
from contrastive_seg.inference.prediction import Prediction
from contrastive_seg.inference.scores import Looked, Stopped

_AT_ONCE = 0.5
"""Seconds that a prediction may take when the user has pressed Stop."""

_PREVIEW_SECONDS = 1.0
"""Seconds that the network may look at slices for a preview."""


@dataclass(frozen=True)
class Case:
    """A volume with its sparse labels (same array shape).

    Attributes:
        volume: The image.
        labels: What is known of it.
        corrected: Slices, as array axis and index, that were predicted and then corrected by hand.
    """

    volume: Volume
    labels: SparseLabels
    corrected: frozenset[tuple[int, int]] = frozenset()


class FinetuningSession:
    """Trains on sparse labels and predicts; a later ``train`` continues from the last state.

    Args:
        folder: Run folder; checkpoints are written there (``checkpoint.safetensors`` and
            ``checkpoint.json``, each beside and renamed). Created when missing.
        settings: What the user chose.

    Raises:
        ContrastiveSegError: ``unknown-device``, ``no-write-permission``, ``disk-full``, and what
            reading weights may say.
    """

    def __init__(self, folder: Path, settings: FinetuneSettings) -> None:
        self._pretrained = Pretrained.load(settings.weights) if settings.weights is not None else None
        if self._pretrained is not None:
            settings.check_network(self._pretrained.card.network)
        self.folder = make_folder(Path(folder))
        self.settings = settings
        self.compute: Compute = choose_compute(settings.device, settings.threads)
        self.threads = torch.get_num_threads()  # on an idle computer
        self._cores = FreeCores(self.threads) if settings.threads is None else None
        load_in_background("monai.losses", "torch._dynamo")  # training wants them
        self.state: RunState | None = None
        self.trainer: Trainer | None = None
        self._cases: list[Case] = []
        self._unlabelled: list[Volume] = []
        self._prepared: list[PreparedCase] | None = None
        self._earlier: list[PreparedCase] | None = None
        self._shown: Prediction | None = None
        self.replay: Schedule | None = None  # what train repeats, instead of heeding the clock
        self.began_from_checkpoint = self.gave_preview = False  # of the round trained last
        self._profiles: dict[int, Profile] = {}
        self.estimates = True  # whether slices are held out for an estimate of the Dice

    @classmethod
    def resume(cls, folder: Path, settings: FinetuneSettings | None = None) -> FinetuningSession:
        """A session with the network, optimiser state, history and held-out split of ``folder``.

        ``settings`` replaces the stored ones (budget, device), the stored label values stay.

        Raises:
            ContrastiveSegError: ``no-checkpoint`` or ``bad-checkpoint``.
        """
        state = load_state(Path(folder))
        settings = settings or FinetuneSettings()
        # The weights it began with are in the checkpoint by now, and need not be there any more.
        session = cls(folder, replace(settings, weights=None))
        session.settings = settings
        trainer = make_trainer(session.settings, state.architecture, session.compute)
        load_tensors(session.folder, trainer)
        trainer.step_count = state.step
        session.state, session.trainer = state, trainer
        session.began_from_checkpoint = True
        return session

    @property
    def step(self) -> int:
        """Optimiser steps since the run began."""
        return self.trainer.step_count if self.trainer else 0

    @property
    def weights(self) -> dict[str, object]:
        """What is known of the pretrained weights that the run began with; empty without any."""
        return self.state.weights if self.state else {}

    def set_cases(self, cases: Sequence[Case]) -> None:
        """Replaces the cases (a new round: more labels on the same volumes, or further volumes).

        Raises:
            ContrastiveSegError: ``no-annotation`` or ``one-class``, ``label-outside-image``.
        """
        check_cases(cases)
        self._cases = list(cases)
        self._earlier, self._prepared = self._prepared or self._earlier, None
        self._profiles.clear()

    def set_unlabelled(self, volumes: Sequence[Volume]) -> None:
        """Further volumes without any truth, for semi-supervised learning; replaces earlier ones."""
        self._unlabelled = list(volumes)

    def _prepare(self, should_stop: Callable[[], bool]) -> list[PreparedCase]:
        """Builds views and priors, once for a set of cases."""
        if self._prepared is not None:
            return self._prepared
        if not self._cases:
            raise ContrastiveSegError("no-annotation", "No volume is open.", "Open a volume first.")
        turned = []
        values: set[int] = {0}
        for case in self._cases:
            orientation = Orientation.of(case.volume)
            volume = orientation.turn(case.volume)
            labels = SparseLabels(orientation.apply(case.labels.array))
            turned.append((volume, labels, orientation, plan_axes(labels, volume.spacing_zyx)))
            values.update(case.labels.values)
        annotated = [t for t in turned if t[3]]
        axes = tuple(dict.fromkeys(p.axis for t in annotated for p in t[3]))
        self.state = planned_state(
            self.state, self.settings, self._pretrained, values, axes,
            lambda: common_pixel(annotated, self.settings.seconds_for_one),
        )  # fmt: skip
        self.state.one_piece = all(
            case.labels.is_complete and is_one_piece(case.labels.array) for case in self._cases
        )
        teaching = [list(teaching_slices(t[3], t[1])) for t in turned]
        numbered = enumerate(zip(turned, self._cases, strict=True))
        corrected = {
            (n, *t[2].slice_of(s, c.labels.array.shape)) for n, (t, c) in numbered for s in c.corrected
        }
        split = choose_held_out(teaching, self.state, corrected) if self.estimates else set()
        architecture = self.state.architecture
        prepared = []
        for number, (volume, labels, orientation, plans) in enumerate(turned):
            earlier = views_of(volume, (self._earlier or [])[number : number + 1])
            hidden = {a: [i for n, b, i in split if (n, b) == (number, a)] for a in range(3)}
            views = [
                prepare_view(
                    volume,
                    labels,
                    plan,
                    architecture.values,
                    architecture.pixel,
                    lambda i, n=number, a=plan.axis: (n, a, i) in split,  # type: ignore[misc]
                    should_stop,
                    earlier.get(plan.axis),
                    hidden,
                )
                for plan in plans
            ]
            prepared.append(PreparedCase(volume, labels, orientation, views))
        self._prepared, self._earlier = prepared, None
        return prepared

    def _ready_trainer(self) -> Trainer:
        """A trainer for the planned network: new, kept, or grown from the one of the last round."""
        assert self.state is not None and self._prepared is not None
        architecture = self.state.architecture
        seed = self.settings.seed
        if self.trainer is None:
            start = None
            if self._pretrained is not None:
                start = self._pretrained.start(architecture, seed, some_images(self._prepared))
                self._pretrained = None
            self.trainer = make_trainer(self.settings, architecture, self.compute, start)
        elif self.trainer.architecture.values != architecture.values:
            torch.manual_seed(seed)
            network = grow(self.trainer.average.network.cpu(), self.trainer.architecture, architecture)
            steps = self.trainer.step_count
            self.trainer = make_trainer(self.settings, architecture, self.compute, network)
            self.trainer.step_count = steps
        self.trainer.architecture = architecture
        offer_unlabelled(self.settings, self.trainer, self._prepared, self._unlabelled)
        if self.settings.weights is not None:
            slices = sum(len(view.samples) for case in self._prepared for view in case.views)
            self.trainer.encoder_rate = encoder_rate(slices)
            # What it has learnt in an earlier round is not what was pretrained.
            first = self.state.round == 0 or (self.state.round == 1 and self.state.elapsed > 0)
            self.trainer.freeze = self.settings.freeze if first else 0.0
        return self.trainer

    def train(
        self,
        on_event: EventSink = lambda event: None,
        should_stop: Callable[[], bool] = lambda: False,
        budget: float | None = None,
        predict: bool = True,
    ) -> list[Prediction]:
        """Trains within the budget and predicts every case; stopped early it keeps the best state.

        Stopped while a large volume is learnt, the first case's mask is the last preview; the
        checkpoint has the newest state, from which ``predict`` makes a newer one.

        Args:
            on_event: Told progress, metrics, previews and notes, in the calling thread.
            should_stop: Asked often; True ends training, and what has been learnt is predicted.
            budget: Wall-clock seconds for everything, prediction included; None for the settings'.
            predict: False to learn only, without a mask at the end or a preview.

        Returns:
            One prediction per case; none without ``predict``.

        Raises:
            ContrastiveSegError: ``out-of-memory``, ``disk-full`` and what :meth:`set_cases` says.
        """
        begin = time.monotonic()
        torch.set_num_threads(self.threads)
        budget = self.settings.budget if budget is None else budget
        on_event(Progress("preparing", 0.0, budget))
        prepared = self._prepare(should_stop)
        assert self.state is not None
        self._shown = None
        prepared_at = time.monotonic()
        if self.trainer is None and self.replay is None and predict:
            # Before the trainer: what the first one loads takes seconds.
            self._preview(None, on_event, should_stop)
        previewed = time.monotonic()
        trainer = self._ready_trainer()
        loop = TrainingLoop(
            trainer,
            self.state,
            [view for case in prepared for view in case.views],
            begin,
            budget,
            self.settings.steps,
            on_event=on_event,
            should_stop=should_stop,
            preview=lambda network: self._preview(network, on_event, should_stop) if predict else 0.0,
            save=lambda: save_checkpoint(self.folder, trainer, self.state),  # type: ignore[arg-type]
            replay=self.replay,
            cores=self._cores,
        )
        if self._shown is not None:
            loop.preview_cost = 2 * (previewed - prepared_at)  # until the network's own is measured
        loop.run()
        self.compute = trainer.compute
        network = trainer.average.network
        self.state.elapsed = 0.0
        # Who stops wants the mask now, not after all slices of a large volume once more.
        at_once = should_stop() and loop.preview_cost > _AT_ONCE
        shown, self._shown = self._shown if at_once else None, None
        self.gave_preview = shown is not None
        predictions = []
        for number, case in enumerate(prepared if predict else ()):
            begun = loop.fraction_after_training
            share = (1 - begun) / len(prepared)

            def tell(part: float, offset: float = begun + share * number, share: float = share) -> None:
                left = max(0.0, begin + budget - time.monotonic())
                on_event(Progress("predicting", min(1.0, offset + share * part), left))

            if number == 0 and shown is not None:
                found = replace(shown, dice_estimate=dict(self.state.dice))
            else:
                found = self._predict_prepared(case, network, lambda: False, tell)
            predictions.append(found)
            self._profiles[number] = profile_of(case, found, self.state.architecture.values)
        on_event(Progress("saving", 1.0, 0.0))
        save_checkpoint(self.folder, trainer, self.state)
        return predictions

    def _preview(
        self, network: nn.Module | None, on_event: EventSink, should_stop: Callable[[], bool]
    ) -> float:
        """Shows the mask of the first case as it would be now; seconds that it takes when complete."""
        assert self._prepared is not None
        case = self._prepared[0]
        begin = time.monotonic()
        looked = Looked()
        if network is not None or any(view.priors for view in case.views):
            with suppress(Stopped):
                prediction = self._predict_prepared(
                    case, network, should_stop, lambda fraction: None, _PREVIEW_SECONDS, looked
                )
                self._shown = prediction
                on_event(Preview(0, prediction))
        spent = time.monotonic() - begin
        return spent + looked.for_all(sum(item.view.count for item in case.views))

    def _predict_prepared(
        self,
        case: PreparedCase,
        network: nn.Module | None,
        should_stop: Callable[[], bool],
        on_fraction: Callable[[float], None],
        patience: float | None = None,
        looked: Looked | None = None,
    ) -> Prediction:
        assert self.state is not None
        values = self.state.architecture.values
        trust: float | torch.Tensor = 1.0
        if network is not None:
            trust = class_trust(case.views, network, len(values), self.step, self.compute)
        found = predict_case(
            case, network, values, trust, self.compute, should_stop, on_fraction, patience, looked
        )
        return replace(found, dice_estimate=dict(self.state.dice))

    def predict(
        self,
        volume: Volume,
        labels: SparseLabels | None = None,
        on_event: EventSink = lambda event: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Prediction:
        """Segments a volume, with the help of its own sparse labels where it has some.

        Args:
            volume: In any orientation; it is seen the way round the run was trained.
            labels: Of the same shape, or None.
            on_event: Told the progress.
            should_stop: True raises :class:`Stopped`; nothing is returned then.

        Raises:
            ContrastiveSegError: ``no-checkpoint`` when nothing has been trained yet.
            Stopped: When asked to stop.
        """
        if self.state is None or self.trainer is None:
            raise nothing_learnt()
        begin = time.monotonic()
        case = prepare_case(volume, labels, self.state.architecture, should_stop, self._prepared or [])
        on_event(Progress("predicting", 0.0, None))

        def tell(fraction: float) -> None:
            if self._cores is not None:
                self._cores.apply()
            spent = time.monotonic() - begin
            left = spent * (1 - fraction) / fraction if fraction > 0 else None
            on_event(Progress("predicting", fraction, left))

        with torch.inference_mode():
            found = self._predict_prepared(case, self.trainer.average.network, should_stop, tell)
        is_told = any(view.priors for view in case.views)
        return keep_largest_piece(found) if self.state.one_piece and not is_told else found

    def suggest(
        self, case: int, count: int, should_stop: Callable[[], bool] = lambda: False
    ) -> list[Suggestion]:
        """The next slices of a case to annotate, best first; see :mod:`.suggestion`.

        Args:
            case: Number of the case.
            count: How many are wanted.
            should_stop: True raises :class:`Stopped`.

        Raises:
            ContrastiveSegError: ``no-checkpoint`` when nothing has been trained yet.
            Stopped: When asked to stop.
        """
        prepared = self._prepare(should_stop)[case] if self.trainer is not None else None
        if prepared is None or self.state is None or self.trainer is None:
            raise nothing_learnt()
        values = self.state.architecture.values
        if case not in self._profiles:  # a run taken up again, or new annotations since
            network = self.trainer.average.network
            found = self._predict_prepared(prepared, network, should_stop, lambda fraction: None)
            self._profiles[case] = profile_of(prepared, found, values)
        return suggest(prepared, self._profiles[case], values, count)
