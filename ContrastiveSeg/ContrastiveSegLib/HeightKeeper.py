"""Keeps the panel as high as its texts need."""

from __future__ import annotations

from typing import Any

import qt


class HeightKeeper(qt.QObject):
    """Makes the height that a widget needs at its width its least height, whenever that changes.

    The application's module panel remembers the height that a panel with wrapped texts had when it was
    entered for the second time: it lets go of a layout's item without deleting it, and Qt then asks the new
    one only once. Without this, what is shown later lies over what stands above it.

    Args:
        widget: With a layout.
    """

    def __init__(self, widget: Any) -> None:
        qt.QObject.__init__(self)
        self._widget: Any = widget
        widget.installEventFilter(self)

    def close(self) -> None:
        """Lets go of the widget."""
        if self._widget is not None:
            self._widget.removeEventFilter(self)
            self._widget = None

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Called by Qt."""
        if event.type() in (qt.QEvent.LayoutRequest, qt.QEvent.Resize):
            self._adjust()
        return False

    def _adjust(self) -> None:
        if self._widget is None:
            return
        height = self._widget.layout().heightForWidth(self._widget.width)
        if height != self._widget.minimumHeight:
            self._widget.setMinimumHeight(max(0, height))
