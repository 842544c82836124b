"""Masks of other patients as DICOM segmentation objects, where the application can write them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from ContrastiveSegLib.PatientCase import PatientCase
from ContrastiveSegLib.UserError import UserError

_PLUGIN = "DICOMSegmentationPlugin"


class DicomSegExport:
    """Uses the extension Quantitative Reporting; it needs the image's own DICOM files for the header."""

    @staticmethod
    def whyNot(cases: list[PatientCase]) -> str:
        """Why no DICOM segmentation can be written; empty where one can."""
        if DicomSegExport._plugin() is None:
            return _("DICOM segmentations need the extension Quantitative Reporting (Extensions Manager).")
        if not any(slicer.mrmlScene.GetNodeByID(one.nodeId or "") is not None for one in cases):
            return _("There is no segmentation in the scene yet; segment volumes of the scene first.")
        if not DicomSegExport._fit(cases):
            return _("None of the volumes was loaded from DICOM, so the patient and study are not known.")
        return ""

    @staticmethod
    def _plugin() -> Any:
        plugins = getattr(slicer.modules, "dicomPlugins", {})
        return plugins.get(_PLUGIN)

    @staticmethod
    def _fit(cases: list[PatientCase]) -> list[PatientCase]:
        found = []
        for one in cases:
            volume = one.volumeNode()
            node = slicer.mrmlScene.GetNodeByID(one.nodeId or "")
            if node is not None and volume is not None and volume.GetAttribute("DICOM.instanceUIDs"):
                found.append(one)
        return found

    @classmethod
    def export(cls, cases: list[PatientCase], folder: Path) -> str:
        """Writes one file a case, each into a new folder; returns a sentence.

        Raises:
            UserError: It cannot be done, or the plugin failed.
        """
        whyNot = cls.whyNot(cases)
        if whyNot:
            raise UserError(whyNot)
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        written = 0
        for case in cls._fit(cases):
            node = slicer.mrmlScene.GetNodeByID(case.nodeId)
            item = hierarchy.GetItemByDataNode(node)
            study = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(case.volumeNode()))
            hierarchy.SetItemParent(item, study)
            place = folder / Path(case.place).name
            number = 1
            while place.exists():
                number += 1
                place = folder / f"{Path(case.place).name}-{number}"
            place.mkdir(parents=True)
            plugin = cls._plugin()()
            exportables = plugin.examineForExport(item)
            for one in exportables:
                one.directory = str(place)
            message = plugin.export(exportables) if exportables else _("it offers nothing to export")
            if message:
                logging.warning("ContrastiveSeg: DICOM export failed: %s", message)
                raise UserError(
                    _("'{name}' could not be written as DICOM ({reason}).").format(
                        name=case.name, reason=message
                    )
                )
            written += 1
        return _("{count} DICOM segmentations were written into '{folder}'.").format(
            count=written, folder=folder
        )
