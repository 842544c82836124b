"""``contrastive-seg reproduce``: repeats a run and says whether the result is the same."""

from __future__ import annotations

import contextlib
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from contrastive_seg import __version__
from contrastive_seg.atomic import make_folder
from contrastive_seg.commands.console import Output
from contrastive_seg.commands.interrupt import stop_on_interrupt
from contrastive_seg.commands.reproduce_inputs import find_inputs
from contrastive_seg.data.read import read_volume
from contrastive_seg.data.write import write_like
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.events import Event, Progress
from contrastive_seg.finetuning.replay import PlannedRound, Repetition, plan, repeat
from contrastive_seg.provenance import array_sha256, hardware, versions
from contrastive_seg.runs import Job, RunFolder
from contrastive_seg.weights.files import load_weights
from contrastive_seg.worker.arrays import open_npy


def reproduce(
    run: Path,
    data: Path | None,
    seed: int | None,
    device: str | None,
    target: Path | None,
    output: Output,
) -> dict[str, Any]:
    """Repeats a run.

    Args:
        run: Its folder, which is only read.
        data: Where images (and label maps) are looked for beside where they were.
        seed: Another seed, to see how much depends on chance.
        device: Another device.
        target: Folder that keeps the repetition; None keeps nothing.
        output: Gets the comparison.

    Returns:
        What ``--json`` prints; ``equal`` says whether network and masks are the same bit for bit.

    Raises:
        ContrastiveSegError: ``bad-job``, ``not-repeatable``, ``input-changed``, ``other-weights``, and what
            reading and training may say.
    """
    folder = RunFolder(run)
    job, provenance = folder.read_job(), folder.read_provenance()
    weights = job.settings.get("weights")
    planned = plan(provenance, str(weights) if weights else None, seed=seed, device=device)
    _check_weights(weights, provenance)
    volumes, labels = find_inputs(folder, job, provenance, data, output)
    if target is not None and _holds_something(target):
        raise ContrastiveSegError("usage", f"'{target}' is not empty.", "Name an empty folder with --output.")
    with _place(target) as place:
        with stop_on_interrupt(lambda: output.note("Stopping.")) as should_stop, output.progress() as show:

            def sink(event: Event) -> None:
                if isinstance(event, Progress):
                    show(event.stage, event.fraction, event.seconds_left)

            unlabelled = provenance.get("unlabelled")
            repeated = repeat(
                run,
                planned,
                volumes,
                labels,
                place,
                sink,
                should_stop,
                unlabelled=[str(sha) for sha in unlabelled] if isinstance(unlabelled, list) else (),
            )
        if target is not None:
            for number, (case, prediction) in enumerate(
                zip(planned[-1].round.images, repeated.predictions, strict=True)
            ):
                write_like(prediction.labels, volumes[case], target / f"prediction-{number}.nii.gz")
    return _compare(run, job, provenance, planned, repeated, output)


def _holds_something(folder: Path) -> bool:
    try:
        return any(not one.name.startswith(".") for one in folder.iterdir())
    except OSError:  # it is not there, or cannot be used: that is told when it is made
        return False


def _check_weights(weights: object, provenance: Mapping[str, Any]) -> None:
    """That the pretrained weights are the same files as then."""
    known = provenance.get("weights")
    if not weights or not isinstance(known, dict):
        return
    card, _ = load_weights(str(weights))
    if card.sha256 != known.get("sha256"):
        raise ContrastiveSegError(
            "other-weights",
            f"The run began with other weights called '{weights}' (version {known.get('version')}) than the "
            f"ones on this computer (version {card.version}).",
            "Get that version again, for example with 'contrastive-seg weights import'.",
        )


@contextlib.contextmanager
def _place(target: Path | None) -> Iterator[Path]:
    if target is not None:
        yield make_folder(target)
        return
    folder = Path(tempfile.mkdtemp(prefix="contrastive-seg-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _compare(
    run: Path,
    job: Job,
    provenance: Mapping[str, Any],
    planned: list[PlannedRound],
    repeated: Repetition,
    output: Output,
) -> dict[str, Any]:
    results = provenance.get("results")
    stored = [one if isinstance(one, dict) else {} for one in results] if isinstance(results, list) else []
    last = planned[-1].round
    names = {str(one.value): one.name for one in job.segments}
    cases = []
    for number, prediction in enumerate(repeated.predictions):
        then = stored[number].get("prediction_sha256") if number < len(stored) else None
        now = array_sha256(prediction.labels)
        found: dict[str, Any] = {"case": number, "equal": then == now, "dice": None}
        old = _old_mask(run, job, number, prediction.labels.shape)
        if old is not None:
            if then is not None and array_sha256(old.astype(prediction.labels.dtype)) != then:
                output.note(f"The mask of case {number} in the run has changed since it was made.")
            found["dice"] = _dice(old, prediction.labels, [int(value) for value in names])
        cases.append(found)
    same_network = last.network_sha256 == repeated.network_sha256
    same_masks = all(one["equal"] for one in cases)
    values = {
        "equal": same_network and same_masks,
        "network_equal": same_network,
        "rounds": len(planned),
        "steps": repeated.steps,
        "cases": cases,
        "differences": _differences(provenance, planned),
        "reasons": _reasons(planned),
    }
    shown = not same_masks and any(one["dice"] for one in cases)
    output.result(values, [_table(cases, names)] if shown else [], _sentences(values, same_masks))
    return values


def _old_mask(run: Path, job: Job, number: int, shape: tuple[int, ...]) -> np.ndarray | None:
    """The mask in the run folder: of the worker, or of the command line."""
    from contrastive_seg.commands.pairs import stem

    places = [run / f"prediction-{number}.npy"]
    if len(job.cases) == 1:
        places.append(run / "prediction.nii.gz")
    if number < len(job.cases):
        places.append(run / "predictions" / f"{stem(Path(job.cases[number].image))}.nii.gz")
    for place in places:
        if not place.is_file():
            continue
        try:
            array = open_npy(place, "iu") if place.suffix == ".npy" else read_volume(place).array
        except ContrastiveSegError:
            continue
        if array.shape == shape:
            return np.asarray(array)
    return None


def _dice(old: np.ndarray, new: np.ndarray, values: list[int]) -> dict[str, float]:
    found = {}
    for value in values:
        mine, theirs = old == value, new == value
        total = int(mine.sum()) + int(theirs.sum())
        found[str(value)] = round(2 * int((mine & theirs).sum()) / total, 6) if total else 1.0
    return found


def _differences(provenance: Mapping[str, Any], planned: list[PlannedRound]) -> list[dict[str, Any]]:
    """What was different when the run was made."""
    then: dict[str, Any] = {"contrastive_seg": _inner(provenance, "engine").get("version")}
    now: dict[str, Any] = {"contrastive_seg": __version__}
    then |= _inner(provenance, "versions")
    now |= versions()
    device = planned[-1].settings.device
    then |= {"device": planned[-1].round.device, **_inner(provenance, "hardware")}
    now |= {"device": device, **hardware(device)}
    then["platform"] = provenance.get("platform")
    now["platform"] = f"{platform.system()} {platform.machine()}"
    then["seed"], now["seed"] = provenance.get("seed"), planned[-1].settings.seed
    return [
        {"what": key, "then": then.get(key), "now": now.get(key)}
        for key in dict.fromkeys((*then, *now))
        if then.get(key) != now.get(key)
    ]


def _inner(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    inner = values.get(key)
    return dict(inner) if isinstance(inner, dict) else {}


def _reasons(planned: list[PlannedRound]) -> list[str]:
    """Why a repetition may differ although everything is as it was."""
    reasons = []
    last = planned[-1]
    if last.round.from_preview:
        reasons.append(
            "The run was stopped, and its mask is the last preview, made within a second; "
            "the repetition's mask is complete."
        )
    if last.settings.device.startswith(("cuda", "mps")):
        reasons.append("A GPU adds numbers in an order that varies from time to time.")
    for one in planned:
        if one.schedule.resumed_at and one.settings.semi_supervised:
            reasons.append(
                f"Round {one.round.number} was interrupted, and its second network began anew then."
            )
        if any(size[3] != one.schedule.sizes[0][3] for size in one.schedule.sizes):
            reasons.append(f"Round {one.round.number} changed to the processor when memory was short.")
    return reasons


def _sentences(values: Mapping[str, Any], same_masks: bool) -> list[str]:
    counted = f"{values['rounds']} round(s), {values['steps']} steps"
    if values["equal"]:
        return [f"Equal: repeated with {counted}, network and masks are the same bit for bit."]
    if same_masks:
        sentences = [f"The masks are the same, but the network is not, bit for bit ({counted})."]
    else:
        sentences = [f"Not equal: repeated with {counted}, the masks differ."]
    if values["differences"]:
        listed = ", ".join(f"{one['what']} {one['then']} (now {one['now']})" for one in values["differences"])
        sentences.append(f"Then it was: {listed}.")
    elif not values["reasons"]:
        sentences.append("Versions, device and settings are the same as then.")
    return [*sentences, *values["reasons"]]


def _table(cases: list[dict[str, Any]], names: Mapping[str, str]) -> Table:
    table = Table(title="Dice between the masks then and now")
    for title in ("Case", "Structure", "Dice"):
        table.add_column(title)
    for one in cases:
        for value, dice in (one["dice"] or {}).items():
            table.add_row(str(one["case"]), escape(names.get(value, value)), f"{dice:.4f}")
    return table
