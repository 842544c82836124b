"""An error that is explained to the user."""

from __future__ import annotations

from pathlib import Path

from slicer.i18n import tr as _


class UserError(Exception):
    """Something the user can put right.

    Args:
        sentence: What is wrong.
        whatToDo: How to put it right; may be empty.
    """

    def __init__(self, sentence: str, whatToDo: str = "") -> None:
        super().__init__(f"{sentence} {whatToDo}".strip())
        self.sentence = sentence
        self.whatToDo = whatToDo

    @classmethod
    def cannotWrite(cls, path: Path, error: OSError) -> UserError:
        """A file or folder that cannot be made or written."""
        return cls(
            _("'{path}' cannot be written ({reason}).").format(path=path, reason=error.strerror or error),
            _("Make room on the disk or check the permissions of the folder."),
        )
