"""The methods of pretraining in plain words."""

from __future__ import annotations

from slicer.i18n import tr as _


class PretrainingMethod:
    """Names and explanations; the first is the default."""

    @staticmethod
    def all() -> list[tuple[str, str, str]]:
        """(value for the engine, name, what it does) of every method."""
        return [
            (
                "pcl",
                "PCL",
                _(
                    "Slices at nearly the same height in any of the volumes belong together. For "
                    "volumes of the "
                    "same part of the body, all scanned in the same direction."
                ),
            ),
            (
                "simclr",
                "SimCLR",
                _(
                    "Two changed versions of a slice belong together, all other slices apart. For "
                    "any images, "
                    "single pictures and ultrasound, too."
                ),
            ),
            (
                "gcl",
                "GCL",
                _(
                    "Slices of the same quarter of any of the volumes belong together. As PCL, but "
                    "coarser: for "
                    "volumes that begin and end at somewhat different places."
                ),
            ),
            (
                "byol",
                "BYOL",
                _(
                    "Of two changed versions of a slice one predicts the other; no slices are "
                    "pushed apart. For "
                    "any images, also where many slices look alike."
                ),
            ),
            (
                "moco",
                "MoCo v2",
                _("As SimCLR, but each slice is compared with thousands seen before. For many volumes."),
            ),
            (
                "moco-local-decorrelated",
                _("MoCo v2, local features and decorrelation"),
                _(
                    "As MoCo; the regions of a slice learn to recognise themselves, too. For many "
                    "volumes and "
                    "small structures."
                ),
            ),
            (
                "macl",
                "MACL",
                _(
                    "As PCL, and also at every place within a slice, with both halves of the "
                    "network. Takes the "
                    "longest."
                ),
            ),
        ]

    @classmethod
    def nameOf(cls, value: str) -> str:
        """The name of a method; a value that is not known stands for itself."""
        return next((name for one, name, _help in cls.all() if one == value), value)
