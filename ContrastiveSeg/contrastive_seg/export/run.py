"""From a run's folder to a folder with a model that others can use."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from contrastive_seg.atomic import PART_PREFIX, make_folder, write_error, write_json, write_text
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.export.card import model_card
from contrastive_seg.export.compare import Comparison, compare, samples
from contrastive_seg.export.formats import check_format, check_place, plain_name
from contrastive_seg.export.model import ExportedModel
from contrastive_seg.export.readme import readme
from contrastive_seg.export.source import Source
from contrastive_seg.export.writers import LOADERS, WRITERS
from contrastive_seg.finetuning.events import EventSink, Note, Progress
from contrastive_seg.inference.scores import Stopped
from contrastive_seg.patients.run_cases import learn_for_others

_CARD = "model.json"
_README = "README.txt"
_PROVENANCE = "provenance.json"
_PART_AGE = 600.0

_LEARNING = 0.25
"""Share of the whole in which it is learnt, if need be, how to segment other volumes."""


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        kind: The format.
        folder: Where it is.
        model: The model's file, relative to the folder.
        compared: With the original.
        seconds: It took so long.
    """

    kind: str
    folder: Path
    model: str
    compared: Comparison
    seconds: float


def export_run(
    run: Path,
    kind: str,
    output: Path,
    *,
    image: Path | None = None,
    name: str | None = None,
    on_event: EventSink = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Exported:
    """Exports the network that a run segments other volumes with; it is learnt first where need be.

    It is written beside its place, loaded again, compared with the original on real slices, and
    only then renamed: a folder that is there is complete and right.

    Args:
        run: Folder of the run.
        kind: One of :data:`~contrastive_seg.export.formats.FORMATS`.
        output: Folder to make.
        image: Another image to compare on; None for the run's own.
        name: Of the model; None for the output folder's.
        on_event: Told the progress.
        should_stop: True raises :class:`~contrastive_seg.inference.scores.Stopped`; nothing is left then.

    Raises:
        ContrastiveSegError: ``bad-setting``, ``missing-package``, ``output-exists``, ``no-checkpoint``,
            ``bad-checkpoint``, ``no-image``, ``export-differs``, ``disk-full``, ``no-write-permission``.
        Stopped: When asked to stop.
    """
    begin = time.monotonic()
    check_format(kind)
    check_place(output)

    def step(fraction: float) -> None:
        if should_stop():
            raise Stopped
        on_event(Progress("exporting", fraction, None))

    step(0.0)
    if warning := learn_for_others(run, lambda p: step(_LEARNING * p.fraction), should_stop):
        on_event(Note("not-for-others", warning))  # written nevertheless: it may be wanted for this volume
    source = Source.of(run)
    real = samples(source, image, should_stop)
    step(0.3)
    model = ExportedModel(source.network, len(source.state.architecture.values))
    model.eval()
    title = name or plain_name(output.name)
    make_folder(output.parent)
    _remove_old_parts(output)
    part = output.with_name(f"{PART_PREFIX}{os.getpid()}-{output.name}")
    try:
        part.mkdir()
        path = WRITERS[kind](model, part, model_card(source, title, kind))
        step(0.7)
        compared = compare(LOADERS[kind](path), real, should_stop)
        step(0.9)
        card = model_card(source, title, kind, compared)
        texts = part / "docs" if kind == "monai-bundle" else part
        make_folder(texts)
        write_json(texts / _CARD, card)
        write_text(texts / _README, readme(card))
        if source.provenance:  # all that is needed to repeat the run; no names and no paths
            write_json(texts / _PROVENANCE, source.provenance)
        if output.exists():
            output.rmdir()  # empty, as was checked
        os.replace(part, output)
    except OSError as error:
        raise write_error(output, error) from error
    except RuntimeError as error:
        # what a format cannot express is told by exceptions of many kinds, all of them RuntimeErrors
        raise _failed(output, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    on_event(Progress("exporting", 1.0, 0.0))
    return Exported(kind, output, path.relative_to(part).as_posix(), compared, time.monotonic() - begin)


def _remove_old_parts(output: Path) -> None:
    """Deletes what an export that was killed has left beside this place; younger ones may be at work."""
    for part in output.parent.glob(f"{PART_PREFIX}*"):
        with contextlib.suppress(OSError):
            old = time.time() - part.stat().st_mtime > _PART_AGE
            if old and part.is_dir() and part.name.endswith(f"-{output.name}"):
                shutil.rmtree(part, ignore_errors=True)


def _failed(output: Path, error: Exception) -> ContrastiveSegError:
    reason = (str(error).splitlines() or [""])[0][:200]
    return ContrastiveSegError(
        "export-failed",
        f"The model could not be written to '{output}' ({reason}).",
        "Use another format, or other versions of PyTorch and of the format's packages.",
    )
