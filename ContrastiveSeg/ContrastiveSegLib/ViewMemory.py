"""What a slice view showed before something else was laid into it."""

from __future__ import annotations

import contextlib
from typing import Any

import slicer.util

PATIENT = "Patient"
"""Purpose of the memory that is kept while another patient is shown."""


class ViewMemory:
    """Keeps the volumes of a slice view while it shows something else for some time.

    They are kept in the view's own node, as references, and so also in a saved scene.

    Args:
        compositeNode: The node that says which volumes the view shows.
        purpose: What is laid into it; each purpose has a memory of its own.
    """

    def __init__(self, compositeNode: Any, purpose: str) -> None:
        self._view = compositeNode
        self._role = f"ContrastiveSeg{purpose}"
        self._opacity = f"ContrastiveSeg.{purpose}ForegroundOpacity"

    @staticmethod
    def ofAll(purpose: str) -> list[tuple[Any, ViewMemory]]:
        """All views of the scene, each with its memory."""
        views = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
        return [(view, ViewMemory(view, purpose)) for view in views]

    @staticmethod
    def otherPatient() -> Any:
        """The volume that is shown in place of the one learnt on; None where none is."""
        for view, memory in ViewMemory.ofAll(PATIENT):
            if memory.laid is not None and view.GetBackgroundVolumeID() == memory.laid.GetID():
                return memory.laid
        return None

    @property
    def laid(self) -> Any:
        """What was laid into the view after it was remembered; None where nothing was, or that is gone."""
        return self._view.GetNodeReference(self._role)

    @laid.setter
    def laid(self, node: Any) -> None:
        self._view.SetNodeReferenceID(self._role, node.GetID())

    @property
    def background(self) -> Any:
        """The volume that was shown; None where there was none, or it is gone."""
        return self._view.GetNodeReference(f"{self._role}Background")

    @property
    def foreground(self) -> Any:
        """The volume that lay over it; None where there was none, or it is gone."""
        return self._view.GetNodeReference(f"{self._role}Foreground")

    @property
    def opacity(self) -> float | None:
        """How much the foreground covered, 0 to 1; None where nothing is remembered."""
        with contextlib.suppress(TypeError, ValueError):
            return float(self._view.GetAttribute(self._opacity))
        return None

    def keep(self, laid: Any) -> None:
        """Remembers what the view shows, before a volume is laid into it."""
        view = self._view
        self._set(laid.GetID(), view.GetBackgroundVolumeID(), view.GetForegroundVolumeID())
        view.SetAttribute(self._opacity, repr(view.GetForegroundOpacity()))

    def restoreForeground(self) -> None:
        """Lays over the image again what lay there."""
        foreground, opacity = self.foreground, self.opacity
        self._view.SetForegroundVolumeID(foreground.GetID() if foreground is not None else None)
        if opacity is not None:
            self._view.SetForegroundOpacity(opacity)

    def replaceForeground(self, former: Any, other: ViewMemory) -> None:
        """Where the remembered foreground is ``former``, which goes, takes that of another memory."""
        if self.foreground is former and other.opacity is not None:
            foreground = other.foreground
            self._view.SetNodeReferenceID(
                f"{self._role}Foreground", foreground.GetID() if foreground is not None else None
            )
            self._view.SetAttribute(self._opacity, repr(other.opacity))

    def forget(self) -> None:
        """Empties the memory."""
        self._set(None, None, None)
        self._view.SetAttribute(self._opacity, None)

    def _set(self, laid: str | None, background: str | None, foreground: str | None) -> None:
        self._view.SetNodeReferenceID(self._role, laid)
        self._view.SetNodeReferenceID(f"{self._role}Background", background)
        self._view.SetNodeReferenceID(f"{self._role}Foreground", foreground)
