"""Files that a command is about to write: never over what it reads, and over others only when asked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.runs import RunFolder


def check_free(
    outputs: Mapping[str, Path | None], inputs: Mapping[str, Path | None], overwrite: bool
) -> None:
    """Looks at the places of all results before anything is done.

    Args:
        outputs: Files to write by the option that names them; None where it was not given.
        inputs: Files that are read, by what they are.
        overwrite: Whether other files that are there may be replaced; inputs never are.

    Raises:
        ContrastiveSegError: ``bad-output`` for an input, a folder or two equal outputs, ``files-exist``.
    """
    wanted = {option: path for option, path in outputs.items() if path is not None}
    for number, (option, path) in enumerate(wanted.items()):
        for what, given in inputs.items():
            if given is not None and same_place(path, given):
                raise _bad(f"{option} '{path}' is {what} itself, which would be lost.", option)
        for other in list(wanted)[:number]:
            if same_place(path, wanted[other]):
                raise _bad(f"{other} and {option} are the same file '{path}'.", option)
        if path.is_dir():
            raise _bad(f"{option} '{path}' is a folder.", option)
    there = [path for path in wanted.values() if os.path.lexists(path)]
    if there and not overwrite:
        raise ContrastiveSegError(
            "files-exist",
            f"'{there[0]}' exists already.",
            "Choose another name, or add --overwrite to replace it.",
        )


def check_run_folder(folder: Path, inputs: Iterable[Path], *, resume: bool, overwrite: bool) -> None:
    """Looks at the folder of a run before anything is read: an earlier run in it is replaced only when asked.

    Args:
        folder: It need not be there.
        inputs: Files that are read; none of them may be among what is replaced.
        resume: Whether the run goes on that the folder holds.
        overwrite: Whether that is replaced; other files stay.

    Raises:
        ContrastiveSegError: ``files-exist`` or ``bad-output``.
    """
    try:
        is_empty = all(path.name.startswith(".") for path in folder.iterdir())
    except OSError:  # it is not there, or cannot be used: that is told when it is made
        return
    if is_empty or resume:
        return
    earlier = RunFolder(folder).results()
    if not overwrite:
        if earlier:
            advice = (
                "Name another --output, add --overwrite to replace that run, or --resume to go on with it."
            )
            raise ContrastiveSegError("files-exist", f"The folder '{folder}' holds an earlier run.", advice)
        advice = "Name an empty folder with --output, or add --overwrite: what is in it stays beside the run."
        raise ContrastiveSegError("files-exist", f"The folder '{folder}' is not empty.", advice)
    for path in inputs:
        if any(same_place(path, one) for one in earlier):
            raise _bad(f"'{path}' is among the results that would be replaced.", "--output")


def same_place(first: Path, second: Path) -> bool:
    """Whether two names lead to one file, through links and in whatever case the system allows."""
    try:
        return first.samefile(second)
    except OSError:  # one of them is not there yet
        return os.path.normcase(first.resolve()) == os.path.normcase(second.resolve())


def _bad(sentence: str, option: str) -> ContrastiveSegError:
    return ContrastiveSegError("bad-output", sentence, f"Choose another name for {option}.")
