"""``ctk``: the widgets of the Common Toolkit that the panel uses."""

from __future__ import annotations

import sys
from typing import Any

from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal

from slicer_harness.qt_module import _Module, stand_in


class _CollapsibleButton(QtWidgets.QWidget):
    """A title that folds its contents away; the contents keep their own layout."""

    contentsCollapsed = Signal(bool)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._title = QtWidgets.QToolButton(self)
        self._title.setCheckable(True)
        self._title.setChecked(True)
        self._title.setToolButtonStyle(QtCore.Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._title.setArrowType(QtCore.Qt.ArrowType.DownArrow)
        self._title.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        self._title.toggled.connect(self._fold)
        self.setContentsMargins(0, self._title.sizeHint().height() + 2, 0, 0)

    def resizeEvent(self, event: Any) -> None:
        self._title.setGeometry(0, 0, event.size().width(), self._title.sizeHint().height())
        super().resizeEvent(event)

    def _fold(self, opened: bool) -> None:
        arrow = QtCore.Qt.ArrowType.DownArrow if opened else QtCore.Qt.ArrowType.RightArrow
        self._title.setArrowType(arrow)
        for child in self.children():
            if isinstance(child, QtWidgets.QWidget) and child is not self._title:
                child.setVisible(opened)
        self.contentsCollapsed.emit(not opened)

    def _read_text(self) -> str:
        return self._title.text()

    def _write_text(self, text: str) -> None:
        self._title.setText(text)

    def _read_collapsed(self) -> bool:
        return not self._title.isChecked()

    def _write_collapsed(self, collapsed: bool) -> None:
        self._title.setChecked(not collapsed)

    text = Property(str, _read_text, _write_text)
    collapsed = Property(bool, _read_collapsed, _write_collapsed)


class _SliderWidget(QtWidgets.QWidget):
    """A slider with a number beside it."""

    valueChanged = Signal(float)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal, self)
        self._box = QtWidgets.QDoubleSpinBox(self)
        layout.addWidget(self._slider)
        layout.addWidget(self._box)
        self._slider.valueChanged.connect(lambda value: self._box.setValue(value))
        self._box.valueChanged.connect(self._on_box)

    def _on_box(self, value: float) -> None:
        self._slider.setValue(round(value))
        self.valueChanged.emit(value)

    def _limit(self, minimum: float, maximum: float) -> None:
        self._box.setRange(minimum, maximum)
        self._slider.setRange(round(minimum), round(maximum))

    value = Property(float, lambda s: s._box.value(), lambda s, v: s._box.setValue(v))
    minimum = Property(float, lambda s: s._box.minimum(), lambda s, v: s._limit(v, s._box.maximum()))
    maximum = Property(float, lambda s: s._box.maximum(), lambda s, v: s._limit(s._box.minimum(), v))
    decimals = Property(int, lambda s: s._box.decimals(), lambda s, v: s._box.setDecimals(v))
    singleStep = Property(float, lambda s: s._box.singleStep(), lambda s, v: s._box.setSingleStep(v))
    suffix = Property(str, lambda s: s._box.suffix(), lambda s, v: s._box.setSuffix(v))


class _DirectoryButton(QtWidgets.QWidget):
    """A button that shows a folder; pressed, it lets the user choose another one."""

    directoryChanged = Signal(str)
    directorySelected = Signal(str)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        icon = self.style().standardIcon(QtWidgets.QStyle.StandardPixmap.SP_DirIcon)
        self._button = QtWidgets.QPushButton(icon, QtCore.QDir.currentPath(), self)
        policy = QtWidgets.QSizePolicy.Policy
        self._button.setSizePolicy(policy.Ignored, policy.Fixed)
        layout.addWidget(self._button)
        self._directory, self._caption = QtCore.QDir.currentPath(), ""

    def _write_directory(self, path: str) -> None:
        path = QtCore.QDir(path).absolutePath()
        if path != self._directory:
            self._directory = path
            self._button.setText(path)
            self.directorySelected.emit(path)
            self.directoryChanged.emit(path)

    def _write_caption(self, caption: str) -> None:
        self._caption = caption

    directory = Property(str, lambda s: s._directory, _write_directory)
    caption = Property(str, lambda s: s._caption, _write_caption)


def _strict(base: type, name: str) -> type:
    """The stand-in under its public name, which keeps private attributes for its own use."""
    made = stand_in(base)
    strict_set = made.__setattr__

    def set_attribute(self: Any, attribute: str, value: Any) -> None:
        if attribute.startswith("_"):
            self.__dict__[attribute] = value
        else:
            strict_set(self, attribute, value)

    made.__setattr__ = set_attribute  # type: ignore[method-assign,assignment]
    made.__name__ = name
    return made


def install() -> None:
    """Puts the module ``ctk`` in place."""
    if "ctk" in sys.modules:
        return
    module = _Module("ctk")
    module.ctkCollapsibleButton = _strict(_CollapsibleButton, "ctkCollapsibleButton")  # type: ignore[attr-defined]
    module.ctkSliderWidget = _strict(_SliderWidget, "ctkSliderWidget")  # type: ignore[attr-defined]
    module.ctkDirectoryButton = _strict(_DirectoryButton, "ctkDirectoryButton")  # type: ignore[attr-defined]
    sys.modules["ctk"] = module
