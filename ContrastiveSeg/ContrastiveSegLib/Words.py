"""Numbers in plain words."""

from __future__ import annotations

from slicer.i18n import tr as _


class Words:
    """How times, positions and lists are written for the user."""

    @staticmethod
    def timeLeft(seconds: float | None) -> str:
        """What remains, roughly; empty where it is not known."""
        if seconds is None:
            return ""
        if seconds < 1:
            return _("almost done")
        if seconds < 90:
            return _("about {seconds} s left").format(seconds=round(seconds))
        return _("about {minutes} min left").format(minutes=round(seconds / 60))

    @staticmethod
    def position(ras: tuple[float, float, float], plane: int) -> str:
        """Where a slice lies, as the bar of a slice view has it, e.g. ``S: 35.0 mm``.

        Args:
            ras: A point of the slice, mm.
            plane: The coordinate across the slice: 0, 1, 2 for right, anterior, superior.
        """
        letter = ("RL", "AP", "SI")[plane][0 if ras[plane] >= 0 else 1]
        return f"{letter}: {abs(ras[plane]):.1f} mm"

    @staticmethod
    def listed(names: list[str], most: int = 3) -> str:
        """Names with commas between them; of many, only the first."""
        return ", ".join(names[:most]) + (" …" if len(names) > most else "")

    @staticmethod
    def milliliters(ml: float) -> str:
        """A volume with as many digits as anybody can believe, without the unit."""
        return f"{ml:.0f}" if ml >= 100 else f"{ml:.1f}" if ml >= 10 else f"{ml:.2f}"
