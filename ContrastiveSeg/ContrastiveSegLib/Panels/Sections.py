"""The parts of the panel, from top to bottom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
import slicer.util

from ContrastiveSegLib.Panels.AlignmentSection import AlignmentSection
from ContrastiveSegLib.Panels.CurveSection import CurveSection
from ContrastiveSegLib.Panels.DownloadSection import DownloadSection
from ContrastiveSegLib.Panels.EditorSection import EditorSection
from ContrastiveSegLib.Panels.ExportSection import ExportSection
from ContrastiveSegLib.Panels.MethodSection import MethodSection
from ContrastiveSegLib.Panels.ModelsSection import ModelsSection
from ContrastiveSegLib.Panels.MoreWeightsSection import MoreWeightsSection
from ContrastiveSegLib.Panels.NameSection import NameSection
from ContrastiveSegLib.Panels.OtherPatientsSection import OtherPatientsSection
from ContrastiveSegLib.Panels.PretrainingSection import PretrainingSection
from ContrastiveSegLib.Panels.ReviewedSection import ReviewedSection
from ContrastiveSegLib.Panels.ReviewSection import ReviewSection
from ContrastiveSegLib.Panels.Section import Section
from ContrastiveSegLib.Panels.SetUpSection import SetUpSection
from ContrastiveSegLib.Panels.ShortcutsSection import ShortcutsSection
from ContrastiveSegLib.Panels.SuggestionSection import SuggestionSection
from ContrastiveSegLib.Panels.VolumeSection import VolumeSection

FORMS = ["SetUp", "Volume", "Annotation", "Learning", "Review", "OtherPatients", "Models"]
"""Names of the .ui files, in the order in which they stand."""

SECTIONS: list[type[Section]] = [
    SetUpSection,
    VolumeSection,
    AlignmentSection,
    EditorSection,
    SuggestionSection,
    MethodSection,
    CurveSection,
    ReviewSection,
    ShortcutsSection,
    OtherPatientsSection,
    NameSection,
    ReviewedSection,
    ModelsSection,
    DownloadSection,
    MoreWeightsSection,
    ExportSection,
    PretrainingSection,
]
"""Classes that the panel makes and keeps up to date, beside those that it knows by name."""


def load(path: Callable[[str], str]) -> Any:
    """Makes the widget of the whole panel from the .ui files.

    Args:
        path: Gives the place of a file in the folder Resources, as ``resourcePath`` of the module does.

    Returns:
        A widget with all sections below each other; their scene is set.
    """
    widget = qt.QWidget()
    widget.name = "ContrastiveSeg"
    layout = qt.QVBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    for name in FORMS:
        form = slicer.util.loadUI(path(f"UI/{name}.ui"))
        layout.addWidget(form)
        form.setMRMLScene(slicer.mrmlScene)
    layout.addStretch(1)
    return widget
