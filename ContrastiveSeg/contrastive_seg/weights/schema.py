"""What a weight card may say, as a JSON Schema, and a validator that answers in sentences.

Only the keywords that the schema uses are understood, so that no further package is needed.
"""

from __future__ import annotations

import math
import re
from typing import Any

NETWORKS = ("unet", "echo-unet", "deeplabv3")
PARTS = ("encoder", "decoder")
PLANES = ("axial", "coronal", "sagittal")

_TEXT = {"type": "string", "minLength": 1}
_PAIR = {"type": ["array", "null"], "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
_COUNT = {"type": ["integer", "null"], "minimum": 0}

CARD_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Weight card",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "format": {"const": 1},
        "name": {"type": "string", "pattern": r"^\w(?:[\w .+-]{0,98}[\w+])?$"},
        "version": {"type": "string", "pattern": r"^\w[\w.+-]{0,49}$"},
        "method": {"type": "string", "pattern": r"^[a-z0-9][a-z0-9-]{0,49}$"},
        "network": {"enum": list(NETWORKS)},
        "width": {"type": ["integer", "null"], "minimum": 1},
        "in_channels": {"type": "integer", "minimum": 1},
        "modality": _TEXT,
        "anatomy": _TEXT,
        "preprocessing": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "clip_percentiles": _PAIR,
                "window": _PAIR,
                "pixel_mm": {"type": ["number", "null"], "exclusiveMinimum": 0},
                "plane": {"enum": [*PLANES, None]},
                "size": {"type": ["integer", "null"], "minimum": 1},
            },
            "required": ["clip_percentiles", "window", "pixel_mm", "plane", "size"],
        },
        "parts": {
            "type": "object",
            "additionalProperties": False,
            "properties": {part: {"type": "string", "pattern": r"^[\w.]*\.$"} for part in PARTS},
            "required": ["encoder"],
        },
        "training_data": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "name": _TEXT,
                    "licence": _TEXT,
                    "url": {"type": "string"},
                    "volumes": _COUNT,
                    "slices": _COUNT,
                },
                "required": ["name", "licence", "url", "volumes", "slices"],
            },
        },
        "licence": _TEXT,
        "metrics": {"type": "object", "additionalProperties": {"type": "number"}},
        "seed": {"type": ["integer", "null"]},
        "command": {"type": "string"},
        "engine_version": _TEXT,
        "sha256": {"type": "string", "pattern": "^(?:[0-9a-f]{64})?$"},
        "parameters": {"type": "integer", "minimum": 0},
    },
}
CARD_SCHEMA["required"] = list(CARD_SCHEMA["properties"])

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}
_WORDS = {
    "object": "an object",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "null": "null",
}


def problems(value: Any, schema: dict[str, Any], where: str = "") -> list[str]:
    """What is wrong with a JSON value, one clause each, naming the field; empty where nothing is.

    Args:
        value: As ``json.loads`` gives it.
        schema: A JSON Schema made of the keywords used in :data:`CARD_SCHEMA`.
        where: The field's name, dotted; empty for the whole.
    """
    shown = f"'{where}'" if where else "it"
    if "const" in schema:
        same = value == schema["const"] and type(value) is type(schema["const"])
        return [] if same else [f"{shown} must be {schema['const']}, not {_short(value)}"]
    if "enum" in schema:
        choices = ", ".join("null" if one is None else str(one) for one in schema["enum"])
        known = any(value == one and type(value) is type(one) for one in schema["enum"])
        return [] if known else [f"{shown} must be one of {choices}, not {_short(value)}"]
    wanted = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(_is(value, one) for one in wanted):
        return [f"{shown} must be {' or '.join(_WORDS[one] for one in wanted)}, not {_short(value)}"]
    if isinstance(value, dict):
        return _object_problems(value, schema, where, shown)
    if isinstance(value, list):
        return _list_problems(value, schema, where, shown)
    if isinstance(value, str):
        return _text_problems(value, schema, shown)
    return [] if value is None else _number_problems(value, schema, shown)


def _is(value: Any, name: str) -> bool:
    return isinstance(value, _TYPES[name]) and not isinstance(value, bool)


def _object_problems(value: dict[str, Any], schema: dict[str, Any], where: str, shown: str) -> list[str]:
    known, further = schema.get("properties", {}), schema.get("additionalProperties", False)
    found = [f"{shown} lacks the field '{key}'" for key in schema.get("required", []) if key not in value]
    for key, content in value.items():
        inner = f"{where}.{key}" if where else str(key)
        if key in known:
            found += problems(content, known[key], inner)
        elif isinstance(further, dict):
            found += problems(content, further, inner)
        else:
            found.append(f"the field '{inner}' is unknown")
    return found


def _list_problems(value: list[Any], schema: dict[str, Any], where: str, shown: str) -> list[str]:
    least, most = schema.get("minItems", 0), schema.get("maxItems", math.inf)
    if not least <= len(value) <= most:
        return [f"{shown} must have {least} entries, not {len(value)}"]
    return [text for i, one in enumerate(value) for text in problems(one, schema["items"], f"{where}[{i}]")]


def _text_problems(value: str, schema: dict[str, Any], shown: str) -> list[str]:
    if len(value) < schema.get("minLength", 0) or (schema.get("minLength") and not value.strip()):
        return [f"{shown} must not be empty"]
    if "pattern" in schema and (value.endswith("\n") or not re.match(schema["pattern"], value)):
        return [f"{shown} cannot be {_short(value)}"]
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return [f"{shown} holds half a character"]
    return []


def _number_problems(value: float, schema: dict[str, Any], shown: str) -> list[str]:
    if isinstance(value, float) and not math.isfinite(value):
        return [f"{shown} must be finite"]
    if "minimum" in schema and value < schema["minimum"]:
        return [f"{shown} must be at least {schema['minimum']}, not {_short(value)}"]
    if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
        return [f"{shown} must be above {schema['exclusiveMinimum']}, not {_short(value)}"]
    return []


def _short(value: Any) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
