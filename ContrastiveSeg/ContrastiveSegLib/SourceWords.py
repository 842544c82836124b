"""Where weights come from and whether they are sound, in the user's words."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

PREFIX = "ContrastiveSegWeights"
"""With what the names of weights extensions begin."""


class SourceWords:
    """Texts for the list of weights."""

    @staticmethod
    def of(source: Any) -> str:
        """Where weights come from, as it stands in the list."""
        if source.kind == "extension":
            return source.extension or _("another extension")
        return {
            "user": _("your own"),
            "folder": _("a folder"),
            "starter": _("ContrastiveSeg"),
            "download": _("not downloaded yet"),
        }[source.kind]

    @classmethod
    def short(cls, source: Any) -> str:
        """The same for a narrow column: an extension without what all their names begin with."""
        if source.kind == "extension" and source.extension:
            return _("extension {name}").format(name=cls.shortName(source.extension))
        return cls.of(source)

    @staticmethod
    def shortName(extension: str) -> str:
        """What tells weights extensions apart."""
        return extension.removeprefix(PREFIX) or extension

    @staticmethod
    def size(size: int | None) -> str:
        """Megabytes."""
        return _("{size:.1f} MB").format(size=size / 1e6) if size is not None else _("size not known")

    @staticmethod
    def checksum(state: str) -> str:
        """Whether the file is the one that its card belongs to."""
        return {
            "checked": _("checked"),
            "not yet checked": _("not yet checked"),
            "wrong": _("wrong"),
            "": _("not known"),
        }[state]

    @classmethod
    def state(cls, entry: Any) -> str:
        """Whether weights are used, and by what they are replaced; one sentence."""
        if entry.problem is not None:
            return str(entry.problem)
        if entry.checksum == "wrong":
            return _("Cannot be used: the file is changed or damaged.")
        if entry.replaced_by is None:
            return _("Used.") if entry.is_here else _("Not downloaded yet.")
        other = entry.replaced_by
        if other.version == entry.version:
            return _("Not used: the same version from {source} comes first.").format(
                source=cls.of(other.source)
            )
        return _("Not used: version {version} from {source} is newer.").format(
            version=other.version, source=cls.of(other.source)
        )
