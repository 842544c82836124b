"""An error that is explained to the user."""

from __future__ import annotations


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
