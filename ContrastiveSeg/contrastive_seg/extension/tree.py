"""Writes an extension of 3D Slicer that holds nothing but weights."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from contrastive_seg.atomic import PART_PREFIX, make_folder, write_bytes, write_error, write_text
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.extension import templates
from contrastive_seg.extension.icon import icon_png
from contrastive_seg.weights.card import WeightCard
from contrastive_seg.weights.files import card_and_bytes, unpack, write_pair
from contrastive_seg.weights.store import TENSORS_SUFFIX, Store

PREFIX = "ContrastiveSegWeights"
"""With what the name of a weights extension begins, so that the panel finds it on the server."""

SCHEMA = (
    "https://raw.githubusercontent.com/Slicer/Slicer/main/Schemas/"
    "slicer-extension-catalog-entry-schema-v1.0.1.json#"
)
LARGE = 20_000_000
"""Bytes above which the extension server's maintainers ask for files elsewhere."""

_NAME = re.compile(r"^[A-Z][A-Za-z0-9]{2,63}$")
_TAKEN = {"contrastiveseg", "contrastiveseglib"}
_ICON = "Resources/Icons"
_MODELS = "Resources/Models"


@dataclass(frozen=True)
class About:
    """What is said about a weights extension.

    Attributes:
        name: Of the extension and its module.
        contributors: Who made it.
        repository: Web address of its source; empty for ``Slicer`` + name beside ContrastiveSeg's.
        licence_text: Full text of the weights' licences, appended to LICENSE; may be empty.

    Raises:
        ContrastiveSegError: ``bad-extension-name``.
    """

    name: str
    contributors: str = "ContrastiveSeg contributors"
    repository: str = ""
    licence_text: str = ""

    def __post_init__(self) -> None:
        if not _NAME.match(self.name) or self.name.lower() in _TAKEN:
            raise ContrastiveSegError(
                "bad-extension-name",
                f"An extension cannot be called '{self.name}'.",
                f"Use letters and digits, a capital letter first, such as {PREFIX}Heart.",
            )

    @property
    def url(self) -> str:
        """Of its source, without a slash at the end."""
        given = self.repository.rstrip("/").removesuffix(".git")
        return given or f"https://github.com/ContrastiveSeg/Slicer{self.name}"


@dataclass(frozen=True)
class Packed:
    """An extension that was written.

    Attributes:
        root: Folder of its source.
        cards: Of the weights in it.
        size: Bytes of the weights.
    """

    root: Path
    cards: list[WeightCard]
    size: int


def write_extension(names: Sequence[str | Path], about: About, target: Path, store: Store) -> Packed:
    """Writes the source of an extension: CMake files, catalogue entry, module, weights, licence, icon.

    Args:
        names: Of the weights, as :meth:`~contrastive_seg.weights.store.Store.find` takes them.
        about: What is said about it.
        target: Its folder, which must not be there yet, or be empty.
        store: Where names are looked up.

    Raises:
        ContrastiveSegError: ``extension-exists``, ``no-write-permission``, ``disk-full``, and what is
            wrong with weights (see :func:`~contrastive_seg.weights.files.load_weights`); the target is
            complete or not there.
    """
    target = Path(os.path.abspath(target))
    taken = []
    for name in dict.fromkeys(names):
        found = store.find(name)
        card, data = card_and_bytes(found)
        unpack(found.path, data, card)
        taken.append((card, data))
    if not taken:
        raise ContrastiveSegError("usage", "No weights are named.", "Name at least one.")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ContrastiveSegError(
            "extension-exists",
            f"'{target}' is there already.",
            "Name a new or empty folder.",
        )
    part = target.with_name(f"{PART_PREFIX}{os.getpid()}-{target.name}")
    try:
        _write(part, about, taken)
        if target.exists():
            target.rmdir()
        os.replace(part, target)
    except OSError as error:
        raise write_error(target, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Packed(target, [card for card, _ in taken], sum(len(data) for _, data in taken))


def _write(root: Path, about: About, taken: list[tuple[WeightCard, bytes]]) -> None:
    module = root / about.name
    for folder in (module / _ICON, module / _MODELS):
        make_folder(folder)
    resources = [f"{_ICON}/{about.name}.png", f"{_MODELS}/LICENSE.txt"]
    for stem, (card, data) in zip(_stems([card for card, _ in taken]), taken, strict=True):
        write_pair(module / _MODELS / f"{stem}{TENSORS_SUFFIX}", data, card)
        resources += [f"{_MODELS}/{stem}.card.json", f"{_MODELS}/{stem}{TENSORS_SUFFIX}"]
    for icon in (root / f"{about.name}.png", module / _ICON / f"{about.name}.png"):
        write_bytes(icon, icon_png())
    texts = _texts(about, taken, sorted(resources))
    for path, text in {
        root / "CMakeLists.txt": templates.TOP_CMAKE,
        root / "README.md": templates.README,
        root / "LICENSE": templates.LICENCE,
        module / _MODELS / "LICENSE.txt": templates.LICENCE,
        module / "CMakeLists.txt": templates.MODULE_CMAKE,
        module / f"{about.name}.py": templates.MODULE,
    }.items():
        write_text(path, templates.filled(text, **texts))
    write_text(root / f"{about.name}.json", json.dumps(_entry(about), indent=2) + "\n")


def _texts(about: About, taken: list[tuple[WeightCard, bytes]], resources: list[str]) -> dict[str, str]:
    cards = [card for card, _ in taken]
    images = "; ".join(f"{card.anatomy} ({card.modality})" for card in cards)
    description = (
        f"Pretrained weights for the module ContrastiveSeg, which segments whole volumes from a few "
        f"painted slices. They help with images like these: {images}."
    )
    return {
        "EXTENSION": about.name,
        "HOMEPAGE": templates.cmake_text(about.url),
        "CONTRIBUTORS": templates.cmake_text(about.contributors),
        "PYTHON_CONTRIBUTORS": repr(about.contributors),
        "DESCRIPTION": templates.cmake_text(description),
        "PLAIN_DESCRIPTION": description,
        "ICONURL": templates.cmake_text(_icon_url(about)),
        "RESOURCES": "\n".join(f"  {one}" for one in resources),
        "TABLE": "\n".join(_row(card, len(data)) for card, data in taken),
        "LICENCES": "\n".join(_licence(card) for card in cards),
        "FURTHER": f"\n{about.licence_text.strip()}\n" if about.licence_text.strip() else "",
    }


def _icon_url(about: About) -> str:
    raw = about.url.replace("https://github.com/", "https://raw.githubusercontent.com/", 1)
    return f"{raw}/main/{about.name}.png"


def _entry(about: About) -> dict[str, object]:
    return {
        "$schema": SCHEMA,
        "build_dependencies": [],
        "build_subdirectory": ".",
        "category": "Segmentation",
        "scm_revision": "main",
        "scm_url": f"{about.url}.git",
        "tier": 1,
    }


def _row(card: WeightCard, size: int) -> str:
    data = ", ".join(f"[{one.name}]({one.url})" if one.url else one.name for one in card.training_data)
    cells = (card.name, card.version, f"{card.modality}, {card.anatomy}", data or "not named", card.licence)
    return "| " + " | ".join(one.replace("|", "/") for one in (*cells, f"{size / 1e6:.1f} MB")) + " |"


def _licence(card: WeightCard) -> str:
    lines = [f"- {card.name}, version {card.version}: {card.licence}"]
    if re.fullmatch(r"[A-Za-z0-9.+-]+", card.licence) and any(c.isdigit() for c in card.licence):
        lines[0] += f" (https://spdx.org/licenses/{card.licence}.html)"
    for one in card.training_data:
        lines.append(f"  trained on {one.name}, {one.licence}{f', {one.url}' if one.url else ''}")
    return "\n".join(lines)


def _stems(cards: Sequence[WeightCard]) -> list[str]:
    """Names of files that CMake and every system can bear; the names on the cards stay as they are."""
    stems: list[str] = []
    for card in cards:
        plain = re.sub(r"[^A-Za-z0-9._+-]+", "-", card.name).strip("-.") or "weights"
        stem, number = plain, 2
        while stem.lower() in {one.lower() for one in stems}:
            stem, number = f"{plain}-{number}", number + 1
        stems.append(stem)
    return stems
