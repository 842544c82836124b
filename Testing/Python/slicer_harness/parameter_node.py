"""``slicer.parameterNodeWrapper`` for the kinds of parameters the panel has.

Nodes, truth values, whole numbers within a range, and enumerations; anything else raises. Values
live in the real vtkMRMLScriptedModuleNode, so they are saved with the scene; widgets are bound by the
dynamic property ``SlicerParameterName``, both ways.
"""

from __future__ import annotations

import enum
import sys
import typing
from dataclasses import dataclass
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class WithinRange:
    """The limits of a number."""

    minimum: float
    maximum: float


class _Parameter:
    def __init__(self, name: str, annotated: Any, default: Any) -> None:
        import slicer

        self.name = name
        self.limits: WithinRange | None = None
        self.kind: Any = annotated
        if typing.get_origin(annotated) is typing.Annotated:
            self.kind, *notes = typing.get_args(annotated)
            for note in notes:
                if not isinstance(note, WithinRange):
                    raise TypeError(f"{name}: the stand-in does not know the annotation {note}")
                self.limits = note
        self.isNode = isinstance(self.kind, type) and issubclass(self.kind, slicer.vtkMRMLNode)
        self.isEnum = isinstance(self.kind, type) and issubclass(self.kind, enum.Enum)
        if not (self.isNode or self.isEnum or self.kind in (bool, int, str)):
            raise TypeError(f"{name}: the stand-in has no serializer for {self.kind}")
        self.default = default
        if default is None and not self.isNode:
            self.default = next(iter(self.kind)) if self.isEnum else self.kind()

    def read(self, node: Any) -> Any:
        if self.isNode:
            return node.GetNodeReference(self.name)
        text = node.GetParameter(self.name)
        if self.isEnum:
            return self.kind[text]
        return text == "True" if self.kind is bool else self.kind(text)

    def write(self, node: Any, value: Any) -> None:
        if value is None and not self.isNode:
            raise ValueError(f"{self.name} must have a value")
        if (
            value is not None
            and type(value) is not self.kind
            and not (self.isNode and value.IsA("vtkMRMLNode"))
        ):
            raise TypeError(f"{self.name} must be a {self.kind.__name__}, not {value!r}")
        if self.limits and not self.limits.minimum <= value <= self.limits.maximum:
            raise ValueError(f"{self.name} must lie within {self.limits}")
        if self.isNode:
            node.SetParameter(self.name, "")
            node.SetNodeReferenceID(self.name, value.GetID() if value is not None else None)
        else:
            node.SetParameter(self.name, value.name if self.isEnum else str(value))


class _Binding:
    """One widget and one parameter."""

    def __init__(self, wrapper: Any, parameter: _Parameter, widget: Any) -> None:
        import ctk
        import qt
        import slicer

        self.wrapper, self.parameter, self.widget = wrapper, parameter, widget
        kind = parameter.kind
        if kind is bool and type(widget) is qt.QCheckBox:
            self.property, self.signal = "checked", widget.stateChanged
        elif kind is int and type(widget) is ctk.ctkSliderWidget and parameter.limits:
            self.property, self.signal = "value", widget.valueChanged
            widget.decimals = 0
            widget.minimum, widget.maximum = parameter.limits.minimum, parameter.limits.maximum
        elif parameter.isEnum and type(widget) is qt.QComboBox:
            self.property, self.signal = "currentIndex", widget.currentIndexChanged
            widget.clear()
            for one in kind:
                widget.addItem(one.label() if hasattr(one, "label") else one.name)
        elif parameter.isNode and type(widget) is slicer.qMRMLNodeComboBox:
            self.property, self.signal = "currentNodeID", widget.currentNodeChanged
            widget.nodeTypes = [kind.__name__]
        else:
            raise RuntimeError(f"cannot bind {parameter.name} ({kind}) to a {type(widget).__name__}")
        self.show()
        self.signal.connect(self.changed)

    def show(self) -> None:
        value = self.parameter.read(self.wrapper.parameterNode)
        if self.parameter.isNode:
            self.widget.setCurrentNode(value)
            return
        if self.parameter.isEnum:
            value = list(self.parameter.kind).index(value)
        setattr(self.widget, self.property, value)

    def changed(self, *_: Any) -> None:
        if self.wrapper._updating:
            return
        if self.parameter.isNode:
            value = self.widget.currentNode()
        else:
            value = getattr(self.widget, self.property)
            if self.parameter.isEnum:
                value = list(self.parameter.kind)[value]
            elif self.parameter.kind is int:
                value = int(value)
        self.parameter.write(self.wrapper.parameterNode, value)

    def end(self) -> None:
        self.signal.disconnect(self.changed)


def parameterNodeWrapper(cls: type) -> type:
    """Class decorator: annotated fields become properties kept in a parameter node."""
    parameters = {
        name: _Parameter(name, kind, getattr(cls, name, None))
        for name, kind in typing.get_type_hints(cls, include_extras=True).items()
    }

    def init(self: Any, parameterNode: Any) -> None:
        self.parameterNode = parameterNode
        self._bindings, self._tags, self._updating = {}, {}, False
        for parameter in parameters.values():
            if not parameterNode.HasParameter(parameter.name):
                parameter.write(parameterNode, parameter.default)

    def connectGui(self: Any, gui: Any) -> int:
        bindings = []
        for widget in list(vars(gui).values()):
            name = widget.property("SlicerParameterName")
            if name:
                if name not in parameters:
                    raise ValueError(f"Cannot find a param with the given name: {name}")
                bindings.append(_Binding(self, parameters[name], widget))
        tag = len(self._tags)
        self._bindings[tag] = bindings

        def update(*_: Any) -> None:
            if self._updating:
                return
            self._updating = True
            try:
                for binding in bindings:
                    binding.show()
            finally:
                self._updating = False

        self._tags[tag] = self.parameterNode.AddObserver("ModifiedEvent", update)
        return tag

    def disconnectGui(self: Any, tag: int) -> None:
        for binding in self._bindings.pop(tag, []):
            binding.end()
        if tag in self._tags:
            self.parameterNode.RemoveObserver(self._tags.pop(tag))

    for name, parameter in parameters.items():
        setattr(
            cls,
            name,
            property(
                lambda self, p=parameter: p.read(self.parameterNode),
                lambda self, value, p=parameter: p.write(self.parameterNode, value),
            ),
        )
    made: Any = cls
    made.__init__ = init
    made.connectGui, made.disconnectGui = connectGui, disconnectGui
    made.AddObserver = lambda self, event, f, priority=0.0: self.parameterNode.AddObserver(event, f, priority)
    made.RemoveObserver = lambda self, tag: self.parameterNode.RemoveObserver(tag)
    made.StartModify = lambda self: self.parameterNode.StartModify()
    made.EndModify = lambda self, modified: self.parameterNode.EndModify(modified)
    made.Modified = lambda self: self.parameterNode.Modified()
    return cls


def install(slicer: Any) -> None:
    """Puts ``slicer.parameterNodeWrapper`` in place."""
    module = ModuleType("slicer.parameterNodeWrapper")
    module.parameterNodeWrapper = parameterNodeWrapper  # type: ignore[attr-defined]
    module.WithinRange = WithinRange  # type: ignore[attr-defined]
    sys.modules["slicer.parameterNodeWrapper"] = module
    slicer.parameterNodeWrapper = module
