"""``qt`` as PythonQt gives it, made from PySide6.

PythonQt has properties without parentheses (``button.text``), the setters beside them
(``button.setText``), ``connect("clicked(bool)", function)`` on every object, ``name`` for the
object's name, and refuses to make new attributes on a wrapped object.
"""

from __future__ import annotations

import html
import inspect
import sys
from types import ModuleType
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

# PySide looks these up by name when Qt lays a widget out, and would call a property back for ever
_VIRTUAL = {"sizeHint", "minimumSizeHint"}
_VIRTUAL_OF = {"QProgressBar": {"text"}}
_STATIC_OF = {"QTimer": {"singleShot"}}  # a property has the same name; on the class it is the function
_WIDGETS = [
    "QWidget", "QFrame", "QLabel", "QPushButton", "QToolButton", "QCheckBox", "QComboBox", "QSlider",
    "QSpinBox", "QProgressBar", "QGroupBox", "QLineEdit", "QDoubleSpinBox", "QTableWidget",
    "QPlainTextEdit",
]  # fmt: skip
_LAYOUTS = ("QVBoxLayout", "QHBoxLayout", "QFormLayout", "QGridLayout")
_CORE = ("QTimer", "QProcess")
_GUI = ("QShortcut",)
_AS_THEY_ARE = {
    QtCore: "Qt QObject QByteArray QFile QIODevice QSettings QSize QUrl QProcessEnvironment QEventLoop QDir "
    "QStandardPaths QEvent",
    QtGui: "QIcon QPixmap QColor QFont QPalette QFontMetrics QKeySequence QCursor QBrush",
    QtWidgets: "QApplication QSizePolicy QSpacerItem QMessageBox QStyle QTableWidgetItem QHeaderView "
    "QToolTip",
}
_names: dict[type, dict[str, Any]] = {}


def stand_in(base: type) -> type:
    """A subclass of a PySide class that behaves as PythonQt's wrapper of the same Qt class."""
    attributes: dict[str, Any] = {
        "connect": _connect,
        "disconnect": _disconnect,
        "className": lambda self: self.metaObject().className(),
        "name": property(lambda self: QtCore.QObject.objectName(self), lambda self, n: self.setObjectName(n)),
        "__setattr__": _set_known,
    }
    meta = base.staticMetaObject  # type: ignore[attr-defined]
    for index in range(meta.propertyCount()):
        about = meta.property(index)
        name = about.name()
        declared = isinstance(inspect.getattr_static(base, name, None), QtCore.Property)
        virtual = _VIRTUAL | _VIRTUAL_OF.get(base.__name__, set())
        if name in _STATIC_OF.get(base.__name__, ()):
            continue
        if name in virtual:
            attributes[name] = _virtual(base, name)
        elif not declared:
            attributes[name] = _property(name, about.isWritable())
    if "toolTip" in attributes:
        attributes["toolTip"] = property(attributes["toolTip"].fget, _write_tip)
        attributes["setToolTip"] = _write_tip
    return type(base.__name__, (base,), attributes)


def _property(name: str, writable: bool) -> property:
    def read(self: Any) -> Any:
        return self.property(name)

    def write(self: Any, value: Any) -> None:
        self.setProperty(name, value)

    return property(read, write if writable else None)


def _virtual(base: type, name: str) -> property:
    return property(lambda self: getattr(base, name)(self))


def _write_tip(self: Any, text: str) -> None:
    """The application makes each plain tooltip rich text, so that its lines are broken."""
    rich = not text or QtGui.Qt.mightBeRichText(text)
    self.setProperty("toolTip", text if rich else f"<p>{html.escape(text, quote=False)}</p>")


def _set_known(self: Any, name: str, value: Any) -> None:
    about = inspect.getattr_static(type(self), name, None)
    if not isinstance(about, property | QtCore.Property):
        raise AttributeError(
            f"{type(self).__name__} has no property '{name}', and none can be added to a Qt object"
        )
    if isinstance(about, property):
        about.__set__(self, value)
    else:
        self.setProperty(name, value)


def _connect(self: QtCore.QObject, *about: Any) -> Any:
    return _link(QtCore.QObject.connect, self, *about)


def _disconnect(self: QtCore.QObject, *about: Any) -> Any:
    return _link(QtCore.QObject.disconnect, self, *about)


def _link(link: Any, self: QtCore.QObject, first: Any, *rest: Any) -> Any:
    if not isinstance(first, str):  # PySide's own signal.connect(function) comes back to here
        return link(first, *rest)
    _check_signal(self, first)
    (function,) = rest
    if not callable(function):
        raise TypeError(f"only a function can be connected to '{first}'")
    return bool(link(self, QtCore.SIGNAL(first), function))


def _check_signal(sender: QtCore.QObject, signature: str) -> None:
    normalized = bytes(QtCore.QMetaObject.normalizedSignature(signature).data()).decode("ascii")
    if sender.metaObject().indexOfSignal(normalized) < 0:
        raise ValueError(f"{type(sender).__name__} has no signal '{signature}'")


class _Module(ModuleType):
    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the stand-in for the module '{self.__name__}' has no '{name}'")


def install() -> ModuleType:
    """Puts the module ``qt`` in place and starts the application object."""
    if "qt" in sys.modules:
        return sys.modules["qt"]
    module = _Module("qt")
    if QtWidgets.QApplication.instance() is None:
        module._application = QtWidgets.QApplication(["ContrastiveSegTest"])  # type: ignore[attr-defined]
    for source, names in _AS_THEY_ARE.items():
        for name in names.split():
            setattr(module, name, getattr(source, name))
    for name in _WIDGETS:
        setattr(module, name, stand_in(getattr(QtWidgets, name)))
    for name in _LAYOUTS:
        setattr(module, name, stand_in(getattr(QtWidgets, name)))
    for name in _GUI:
        setattr(module, name, stand_in(getattr(QtGui, name)))
    for name in _CORE:
        setattr(module, name, stand_in(getattr(QtCore, name)))
    from slicer_harness.ui_loader import make_loader

    module.QUiLoader = make_loader(module)  # type: ignore[attr-defined]
    sys.modules["qt"] = module
    return module
