"""The one exception type that reaches a user.

Anything a user can cause (a wrong file, a full disk, no paint) is raised as
:class:`ContrastiveSegError` with a stable code, a sentence, and what to do. The command line
prints the two sentences, the worker sends them as an ``error`` event; neither shows a traceback.
"""

from __future__ import annotations


class ContrastiveSegError(Exception):
    """An error with a stable code, a sentence for the user, and what to do about it.

    Args:
        code: Stable kebab-case identifier, e.g. ``"no-annotation"``; scripts may rely on it.
        sentence: One sentence saying what is wrong, naming the file and the field.
        what_to_do: One sentence saying how to get out of it.
    """

    def __init__(self, code: str, sentence: str, what_to_do: str = "") -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.what_to_do = what_to_do

    def __str__(self) -> str:
        return f"{self.sentence} {self.what_to_do}".strip()
