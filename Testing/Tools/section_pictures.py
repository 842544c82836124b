"""Pictures of each section of the panel, as it is at the moment, in a light and a dark theme."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QImage, QPalette, QPixmapCache
from PySide6.QtWidgets import QApplication, QWidget

WIDTH = 400
_LARGEST = 90_000

_COLORS = {
    "light": {
        "Window": "#f0f0f0", "WindowText": "#141414", "Base": "#ffffff", "AlternateBase": "#f5f5f5",
        "Text": "#141414", "Button": "#e6e6e6", "ButtonText": "#141414", "Highlight": "#3b7dc4",
        "HighlightedText": "#ffffff", "PlaceholderText": "#787878",
    },
    "dark": {
        "Window": "#2e2e2e", "WindowText": "#ececec", "Base": "#232323", "AlternateBase": "#2a2a2a",
        "Text": "#ececec", "Button": "#3c3c3c", "ButtonText": "#ececec", "Highlight": "#4a86c5",
        "HighlightedText": "#ffffff", "PlaceholderText": "#9a9a9a",
    },
}  # fmt: skip
_DISABLED = {"light": "#8c8c8c", "dark": "#8f8f8f"}


def theme(name: str) -> QPalette:
    """The colours of a theme, ``light`` or ``dark``."""
    colors = _COLORS[name]
    palette = QPalette(QColor(colors["Button"]), QColor(colors["Window"]))  # edges and shadows follow these
    for role, color in colors.items():
        palette.setColor(getattr(QPalette.ColorRole, role), QColor(color))
    for role in ("WindowText", "Text", "ButtonText"):
        group = QPalette.ColorGroup.Disabled
        palette.setColor(group, getattr(QPalette.ColorRole, role), QColor(_DISABLED[name]))
    return palette


class SectionPictures:
    """Draws whatever sections a panel has, state after state; what looks as before is not drawn again.

    Args:
        panel: The widget of the whole panel.
        folder: Where ``<section>-<state>-<theme>.png`` are put; former pictures there are deleted.
    """

    def __init__(self, panel: QWidget, folder: Path) -> None:
        self._panel, self._folder = panel, folder
        self._seen: dict[tuple[str, str], list[QImage]] = {}
        self._made: dict[str, list[str]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.png"):
            old.unlink()

    def sections(self) -> list[tuple[str, QWidget]]:
        """Names and widgets, from top to bottom: the roots of the .ui files."""
        found = []
        for widget in self._panel.findChildren(QWidget):
            name = str(widget.property("objectName"))
            if name.endswith("Section") and widget.metaObject().className() == "_Widget":
                found.append((name.removesuffix("Section"), widget))
        return found

    def draw(self, state: str, only: str = "") -> None:
        """Draws all sections that have changed, or only one, in both themes."""
        former = QApplication.palette()
        for name in _COLORS:
            QApplication.setPalette(theme(name))
            QPixmapCache.clear()  # or boxes would be drawn in the colours of the former theme
            for _event in range(3):
                QApplication.processEvents()
            for section, widget in self.sections():
                if only in ("", section):
                    self._one(section, widget, state, name)
        QApplication.setPalette(former)
        QApplication.processEvents()
        self._write_list()

    def _one(self, section: str, widget: QWidget, state: str, theme_name: str) -> None:
        if widget.isHidden() or widget.property("height") < 8:
            return
        picture = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
        seen = self._seen.setdefault((section, theme_name), [])
        if any(picture == one for one in seen):
            return
        seen.append(picture)
        name = f"{section}-{state}-{theme_name}.png"
        no_dither = Qt.ImageConversionFlag.ThresholdDither | Qt.ImageConversionFlag.AvoidDither
        small = picture.convertToFormat(QImage.Format.Format_Indexed8, no_dither)
        if small.convertToFormat(QImage.Format.Format_RGB32) != picture:
            small = picture  # more colours than a palette holds, such as a thumbnail's
        path = self._folder / name
        if not small.save(str(path), None, 0) or path.stat().st_size > _LARGEST:
            raise SystemExit(f"'{path}' cannot be written, or is too large.")
        self._made.setdefault(section, []).append(name)

    def _write_list(self) -> None:
        """A page that shows them all."""
        lines = ["# The sections of the panel", "", "Made by `Testing/Tools/render_pictures.py`.", ""]
        for section, names in self._made.items():
            lines += [f"## {section}", "", "| | light | dark |", "| --- | --- | --- |"]
            states = list(dict.fromkeys(name.split("-")[1] for name in names))
            for state in states:
                cells = [
                    f"![{section}, {state}, {one}]({section}-{state}-{one}.png)"
                    if f"{section}-{state}-{one}.png" in names
                    else ""
                    for one in _COLORS
                ]
                lines.append(f"| {state} | {' | '.join(cells)} |")
            lines.append("")
        (self._folder / "README.md").write_text("\n".join(lines), "utf-8")
