"""What the parts of the panel have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ContrastiveSegLib.PlainText import PlainText

if TYPE_CHECKING:
    from ContrastiveSegLib.Panels.Panel import Panel
    from ContrastiveSegLib.Parameters import Parameters


class Section:
    """A part of the panel with a .ui file of its own, listed in :mod:`ContrastiveSegLib.Panels.Sections`.

    The panel calls the methods below; each does nothing unless a section needs it.

    Args:
        panel: Whose part it is: ``panel.ui`` has all widgets by name, ``panel.learning`` what goes on,
            ``panel.nodes()`` the chosen volume and segmentation, ``panel.say(sentence)`` the status line,
            and ``with panel.explained():`` belongs around what a button does.
    """

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self.ui: Any = panel.ui

    @staticmethod
    def allow(widget: Any, whyNot: str, tip: str) -> None:
        """Enables a button or the like, or says in its tooltip why it cannot be used.

        Args:
            widget: Which.
            whyNot: Why not; empty where it can be used.
            tip: What it does.
        """
        widget.enabled = not whyNot
        widget.toolTip = PlainText.shown(whyNot or tip)

    def setParameters(self, parameters: Parameters | None) -> None:
        """The choices of another scene; None while a scene is closed."""

    def enter(self) -> None:
        """The panel is shown."""

    def update(self) -> None:
        """Something has changed: nodes, choices, or what is going on. Must be quick."""

    def showMissing(self) -> None:
        """A learning cannot begin, as packages are missing."""

    def learningSettings(self) -> dict[str, Any]:
        """What Start is to pass on to the learning; raises a UserError where it is not to begin."""
        return {}

    def keepForUndo(self) -> None:
        """The chosen segmentation is about to be changed by a button of the panel."""

    def goOnPainting(self, segmentId: str) -> None:
        """The user is to paint in the chosen segmentation now: this segment, or any where it is empty."""

    def exit(self) -> None:
        """The panel is hidden."""

    def forgetScene(self) -> None:
        """Lets go of all nodes: the scene is closed."""

    def close(self) -> None:
        """Lets go of everything: the module ends or is loaded again."""
