"""``contrastive-seg predict``: a finished run on another image."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from contrastive_seg.atomic import probe_folder
from contrastive_seg.commands.console import Output, duration
from contrastive_seg.commands.finetune import LabelReading
from contrastive_seg.commands.outputs import check_free
from contrastive_seg.data.read import read_labels, read_volume
from contrastive_seg.data.write import check_output, write_like
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.events import Event, Progress
from contrastive_seg.finetuning.for_others import ForOthers
from contrastive_seg.finetuning.session import FinetuningSession
from contrastive_seg.finetuning.settings import FinetuneSettings
from contrastive_seg.inference.one_piece import said_of_elsewhere
from contrastive_seg.patients.differences import Look, differences
from contrastive_seg.patients.learnt import Learnt
from contrastive_seg.patients.run_cases import as_long_as
from contrastive_seg.runs import RunFolder
from contrastive_seg.worker.outputs import volumes_ml, voxel_ml


def predict(
    run: Path,
    image: Path,
    mask: Path,
    labels: Path | None,
    uncertainty: Path | None,
    settings: FinetuneSettings,
    reading: LabelReading,
    output: Output,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Segments ``image`` with what ``run`` has learnt, helped by sparse labels where it has some.

    Image and labels are never written to, and other files only with ``overwrite``.

    Returns:
        What ``--json`` prints.

    Raises:
        ContrastiveSegError: Anything a user can put right.
    """
    for path in (mask, uncertainty):
        if path is not None:
            check_output(path, fractions=path is uncertainty)
    check_free(
        {"--output": mask, "--uncertainty": uncertainty},
        {"the image": image, "the label map": labels},
        overwrite,
    )
    if not run.is_dir():
        raise ContrastiveSegError(
            "bad-job", f"There is no run '{run}'.", "Give the folder that finetune wrote (its --output)."
        )
    learnt = Learnt.load(run, settings, on_note=output.note) if labels is None else None
    session = learnt.session if learnt else FinetuningSession.resume(run, as_long_as(run, settings))
    volume = read_volume(image, replace_nonfinite=reading.replace_nonfinite, on_note=output.note)
    for path in (mask, uncertainty):
        if path is not None:
            check_output(path, volume)
            probe_folder(path.parent)
    known = None
    if labels is not None:
        assert session.state is not None
        known = read_labels(
            labels,
            volume,
            reading.ignore,
            reading.plane,
            reading.annotated,
            structures=session.state.architecture.values,
            on_note=output.note,
        )
        if more := sorted(set(known.values) - set(session.state.architecture.values)):
            output.note(
                f"The run has not learnt {', '.join(map(str, more))} of '{labels.name}': kept where it was "
                "painted, and looked for nowhere else."
            )
    clock = time.monotonic()
    different: list[str] = []
    if learnt is not None:
        tell_before(learnt.others, output)
        different = differences(Look.of(volume), learnt.looks, learnt.axis)
    if different:
        output.note(f"This image differs much from those learnt on; look at the mask: {' '.join(different)}")
    with output.progress() as show:

        def sink(event: Event) -> None:
            if isinstance(event, Progress):
                show(event.stage, event.fraction, event.seconds_left)

        able = session if learnt is None else learnt.others.session(sink)
        prediction = able.predict(volume, known, sink)
    write_like(prediction.labels, volume, mask)
    if uncertainty is not None:
        write_like(prediction.uncertainty, volume, uncertainty, divide_by=100.0)
    elsewhere = said_of_elsewhere(prediction, voxel_ml(volume.ijk_to_ras))
    for sentence in elsewhere:
        output.note(sentence)
    assert session.state is not None
    values = tuple(value for value in session.state.architecture.values if value)
    found: dict[str, Any] = {
        "image": str(image),
        "files": {"prediction": str(mask), **({"uncertainty": str(uncertainty)} if uncertainty else {})},
        "volume_ml": volumes_ml(prediction.labels, volume.ijk_to_ras, values),
        "differences": different,
        "notes": [*(learnt.notes if learnt else []), *elsewhere],
        "seconds": round(time.monotonic() - clock, 2),
    }
    names = _names(run)
    table = Table(title="Segmented structures")
    table.add_column("Structure")
    table.add_column("Volume (ml)", justify="right")
    for value in values:
        name = escape(names.get(value, f"Structure {value}"))
        table.add_row(name, f"{found['volume_ml'][str(value)]:.2f}")
    output.result(found, [table], [f"Done after {duration(found['seconds'])}. The mask is '{mask}'."])
    return found


def tell_before(others: ForOthers, output: Output) -> None:
    """Says what the user should know before other patients are segmented.

    Raises:
        ContrastiveSegError: ``input-changed``.
    """
    others.prepare()
    if others.warning:
        output.note(f"Warning: {others.warning}")
    elif not others.is_ready:
        output.note(
            "Learning once how to segment other patients: at most two minutes, and kept for the next time."
        )


def _names(run: Path) -> dict[int, str]:
    try:
        return {segment.value: segment.name for segment in RunFolder(run).read_job().segments}
    except ContrastiveSegError:
        return {}
