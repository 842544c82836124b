"""Keyboard shortcuts while the panel is shown."""

from __future__ import annotations

import contextlib
import html
import re
from typing import Any

import qt
import slicer
import slicer.util
from slicer.i18n import tr as _

from ContrastiveSegLib.Panels.Section import Section


class ShortcutsSection(Section):
    """Each shortcut presses a button of the panel; none is there while another module is shown.

    The keys are none of Slicer's own and none of the Segment Editor's, which takes letters, digits,
    Escape and Space without Ctrl. Toolbars count, too: Markups has Ctrl+Shift with A, T and Space,
    Sequences Ctrl+Shift with arrows; of two shortcuts with the same keys none works.
    """

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self._shortcuts: list[Any] = []
        self.ui.shortcutsButton.toolTip = self.help()
        self.ui.shortcutsButton.connect("clicked(bool)", self._onHelp)

    @staticmethod
    def table() -> list[tuple[str, str, str]]:
        """Key, button that it presses, and what it does; a button may be missing in the panel."""
        return [
            ("Ctrl+Shift+L", "startButton", _("Start or stop learning")),
            ("Ctrl+Shift+N", "suggestButton", _("Go to the next slice to annotate")),
            ("Ctrl+Shift+D", "doubtfulButton", _("Go to the next doubtful place")),
            ("Ctrl+Shift+E", "correctButton", _("Correct (edit) the prediction on the slice shown")),
            ("Ctrl+Shift+K", "acceptSliceButton", _("Accept the slice shown")),
            ("Ctrl+Shift+P", "showCheckBox", _("Show or hide the prediction")),
        ]

    def help(self) -> str:
        """A table of the shortcuts, as rich text."""
        rows = "".join(
            f"<tr><td><b>{html.escape(self._native(key))}</b>&nbsp;&nbsp;</td><td>{html.escape(words)}</td></tr>"
            for key, name, words in self.table()
            if self._button(name) is not None
        )
        title = html.escape(_("Keyboard shortcuts while this module is shown:"))
        return f"<p>{title}</p><table>{rows}</table>"

    def enter(self) -> None:
        """Makes the shortcuts."""
        window = slicer.util.mainWindow()
        if self._shortcuts or window is None:
            return
        for key, name, _words in self.table():
            button = self._button(name)
            if button is None:
                continue
            shortcut = qt.QShortcut(window)
            shortcut.setKey(qt.QKeySequence(key))
            shortcut.connect("activated()", lambda button=button: self._press(button))
            self._shortcuts.append(shortcut)

    def exit(self) -> None:
        """Removes them: in another module the keys may mean something else."""
        for shortcut in self._shortcuts:
            with contextlib.suppress(RuntimeError, ValueError):  # gone already, with the main window
                shortcut.setEnabled(False)
                shortcut.setParent(None)
                shortcut.deleteLater()
        self._shortcuts = []

    def close(self) -> None:
        """Removes them, and lets go of the button."""
        self.exit()
        self.ui.shortcutsButton.disconnect("clicked(bool)", self._onHelp)

    def _button(self, name: str) -> Any:
        return getattr(self.ui, name, None)

    @staticmethod
    def _native(key: str) -> str:
        return str(qt.QKeySequence(key).toString(qt.QKeySequence.NativeText))

    def _press(self, button: Any) -> None:
        if button.enabled:
            button.click()
        else:  # the reason stands in the tooltip, which nobody sees who uses the keyboard
            self.panel.say(self._plain(button.toolTip))

    @staticmethod
    def _plain(tip: str) -> str:
        return html.unescape(re.sub("<[^>]*>", "", tip))

    def _onHelp(self, checked: bool = False) -> None:
        button = self.ui.shortcutsButton
        qt.QToolTip.showText(qt.QCursor.pos(), button.toolTip, button)
