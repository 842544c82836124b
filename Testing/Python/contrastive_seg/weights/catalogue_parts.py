"""Manifests for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from contrastive_seg.weights.card import WeightCard
from contrastive_seg.weights.catalogue import Entry


def entry_of(path: Path, *urls: str, **changes: Any) -> Entry:
    """The entry of weights in a file, with these addresses."""
    card = WeightCard.read(path.with_name(path.name.replace(".safetensors", ".card.json")))
    values = {
        "id": card.name,
        "version": card.version,
        "urls": urls,
        "sha256": card.sha256,
        "size": path.stat().st_size,
        "licence": card.licence,
        "card": card,
    }
    return Entry(**{**values, **changes})


def manifest_values(*entries: Entry) -> dict[str, Any]:
    """What a manifest with these entries holds."""
    return {
        "format": 1,
        "entries": [
            {
                "id": one.id,
                "version": one.version,
                "urls": list(one.urls),
                "sha256": one.sha256,
                "size": one.size,
                "licence": one.licence,
                "card": one.card.to_dict(),
            }
            for one in entries
        ],
    }


def write_manifest(path: Path, *entries: Entry) -> Path:
    """A manifest in a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(manifest_values(*entries)), "utf-8")
    return path
