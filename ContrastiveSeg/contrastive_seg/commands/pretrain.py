"""``contrastive-seg pretrain``: unlabelled volumes in, encoder weights with their card out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from rich.markup import escape
from rich.table import Table

from contrastive_seg import __version__
from contrastive_seg.atomic import make_folder, write_json
from contrastive_seg.commands.console import Output
from contrastive_seg.commands.interrupt import stop_on_interrupt
from contrastive_seg.commands.pretrain_log import PICTURE, TensorBoardLog, draw_history
from contrastive_seg.commands.pretrain_store import PretrainStore
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.pretraining.checkpoint import NAME as CHECKPOINT
from contrastive_seg.pretraining.collapse import Spectrum
from contrastive_seg.pretraining.data.slices import SliceData
from contrastive_seg.pretraining.loop import Pretraining, PretrainProgress
from contrastive_seg.pretraining.record import write_pretraining_provenance
from contrastive_seg.pretraining.settings import PretrainSettings
from contrastive_seg.weights.card import Preprocessing, TrainingData, WeightCard
from contrastive_seg.weights.files import save_weights
from contrastive_seg.weights.store import TENSORS_SUFFIX


@dataclass(frozen=True)
class About:
    """What a person has to say for the card.

    Attributes:
        name: Of the weights.
        modality: Such as MR, CT or US.
        anatomy: What the images show.
        licence: Of the weights and of the data.
        command: That was given, without paths.
    """

    name: str
    modality: str
    anatomy: str
    licence: str
    command: str


def pretrain(
    data: SliceData,
    settings: PretrainSettings,
    folder: Path,
    about: About,
    resume: bool,
    half: bool,
    output: Output,
    tensorboard: bool = False,
    store: bool = False,
) -> dict[str, Any]:
    """Pretrains and writes ``NAME.safetensors`` with its card into the folder.

    Stopped early it leaves the weights as they are by then, and a checkpoint, from which ``--resume``
    goes on.

    Args:
        data: The slices.
        settings: Of the pretraining.
        folder: For weights, card and checkpoint.
        about: What the card says.
        resume: Whether to go on from the folder's checkpoint.
        half: Store the weights in float16.
        output: Gets progress, the curves and the result.
        tensorboard: Write its log, too.
        store: Put the weights among the user's own, too.

    Returns:
        What ``--json`` prints.

    Raises:
        ContrastiveSegError: Anything a user can put right.
    """
    make_folder(folder)
    place = PretrainStore(folder, about.name) if store else None
    job = Pretraining(data, settings, folder)
    if resume:
        job.resume(output.note)
        _tell_earlier(job, output)
    log = TensorBoardLog(folder / "tensorboard") if tensorboard and job.processes.is_first else None
    last: list[PretrainProgress] = []
    warned = False

    with (
        stop_on_interrupt(lambda: output.note("Stopping; --resume goes on from here.")) as interrupted,
        output.progress() as show,
    ):

        def tell(progress: PretrainProgress) -> None:
            nonlocal warned
            last[:] = [progress]
            if log is not None:
                log.add(progress)
            loss = progress.losses["loss"]
            show(f"loss {loss:.3f}", progress.fraction, progress.seconds_left)
            found = progress.spectrum
            output.metric(
                step=progress.step,
                steps=progress.steps,
                loss=loss,
                images_per_second=round(progress.images_per_second, 2),
                **_spectrum(found),
            )
            late = progress.fraction >= 0.2  # at first few directions are normal
            if found is not None and found.is_collapsed(settings.method) and late and not warned:
                warned = True
                output.note(
                    f"Step {progress.step}: the features collapse ({found.symptom(settings.method)}). "
                    "Use a smaller learning rate, a larger batch or another method.",
                    "collapse",
                )

        try:
            complete = job.run(tell, lambda: interrupted() or output.should_stop())
        finally:
            if log is not None:
                log.close()
    found: dict[str, Any] = {
        "complete": complete,
        "steps": job.step,
        "slices": data.count,
        "volumes": len(data.volumes),
        "skipped": [{"file": path.name, "reason": reason} for path, reason in data.skipped],
        "loss": job.losses[-1][1] if job.losses else None,
        "images_per_second": round(last[0].images_per_second, 2) if last else None,
        "effective_rank": round(job.spectra[-1][1].effective_rank, 2) if job.spectra else None,
    }
    if not job.processes.is_first:
        return found
    if job.step == 0:
        _write_history(folder, job)
        output.result(found, [_table(found)], ["Stopped before the first step; there are no weights."])
        return found
    card = save_weights(folder, job.weights(), _card(job, data, settings, about, found), half)
    write_pretraining_provenance(folder, card, job, data)
    weights = folder / f"{card.name}.safetensors"
    found |= {"weights": str(weights), "name": card.name, "sha256": card.sha256}
    if place is not None:
        found["weights"] = str(place.put(weights))
    sentences = [f"The weights are '{found['weights']}'."]
    if complete:
        (folder / CHECKPOINT).unlink(missing_ok=True)
    else:
        sentences.insert(0, f"Stopped after {job.step} of {job.steps} steps; --resume goes on from here.")
    # Last: whatever happens to a picture, hours of training are on the disk.
    _write_history(folder, job)
    draw_history(folder / PICTURE, job.losses, job.spectra, settings.method)
    output.result(found, [_table(found)], sentences)
    return found


def _spectrum(found: Spectrum | None) -> dict[str, float | None]:
    if found is None:
        return {}
    return {"effective_rank": found.effective_rank, "deviation": found.deviation}


def _tell_earlier(job: Pretraining, output: Output) -> None:
    """The curves up to where an interrupted pretraining was."""
    spectra = dict(job.spectra)
    for step, loss in job.losses:
        output.metric(step=step, loss=loss, earlier=True, **_spectrum(spectra.get(step)))


def _write_history(folder: Path, job: Pretraining) -> None:
    write_json(
        folder / "history.json",
        {
            "settings": asdict(job.settings),
            "losses": [{"step": step, "loss": loss} for step, loss in job.losses],
            "spectra": [{"step": step, **asdict(found)} for step, found in job.spectra],
        },
    )


def refuse_finished(folder: Path, name: str) -> None:
    """Keeps a new pretraining from writing over the weights of another one.

    Raises:
        ContrastiveSegError: ``weights-exist``.
    """
    if (folder / f"{name}{TENSORS_SUFFIX}").exists():
        raise ContrastiveSegError(
            "weights-exist",
            f"There are weights called '{name}' in '{folder}' already.",
            "Choose another --name or --output, or add --overwrite to replace them.",
        )


def draft_card(about: About, settings: PretrainSettings) -> WeightCard:
    """The card as far as it is known before the data are read.

    Raises:
        ContrastiveSegError: ``bad-setting`` when something that a person has said cannot stand in a card:
            better now than after hours of training.
    """
    try:
        return WeightCard(
            name=about.name,
            method=settings.method,
            network=settings.network,
            width=settings.width if settings.network == "unet" else None,
            in_channels=settings.in_channels,
            modality=about.modality,
            anatomy=about.anatomy,
            licence=about.licence,
            engine_version=__version__,
            seed=settings.seed,
            command=about.command,
        )
    except ContrastiveSegError as error:
        raise ContrastiveSegError(
            "bad-setting",
            error.sentence,
            "Change --name (letters, digits, spaces and . + - _ only), --modality, --anatomy or --licence.",
        ) from error


def _card(
    job: Pretraining, data: SliceData, settings: PretrainSettings, about: About, found: dict[str, Any]
) -> WeightCard:
    stack = data.settings
    metrics = {"loss": found["loss"], "effective_rank": found["effective_rank"], "steps": float(job.step)}
    return replace(
        draft_card(about, settings),
        preprocessing=Preprocessing(
            None if stack.window else stack.clip,
            stack.window,
            # Where each volume was given its own: a usual one, which others can be prepared with.
            stack.pixel or round(median(volume.pixel for volume in data.volumes), 4),
            stack.plane,
            stack.size,
        ),
        parts={part: f"{part}." for part in job.method.backbone.parts},
        training_data=(
            TrainingData(about.anatomy, about.licence, volumes=len(data.volumes), slices=data.count),
        ),
        metrics={key: float(value) for key, value in metrics.items() if value is not None},
    )


def _table(found: dict[str, Any]) -> Table:
    table = Table(title="Pretraining", show_header=False)
    for key in ("volumes", "slices", "steps", "loss", "images_per_second", "effective_rank"):
        value = found[key]
        table.add_row(key.replace("_", " "), f"{value:.4g}" if isinstance(value, float) else str(value))
    if found["skipped"]:
        table.add_row("skipped", escape(", ".join(one["file"] for one in found["skipped"])))
    return table
