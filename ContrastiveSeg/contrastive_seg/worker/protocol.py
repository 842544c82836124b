"""Commands of the worker protocol: from a line of JSON to a checked object.

Pure Python on purpose: it runs in the reader thread before numpy or torch are loaded.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import Any

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.export.formats import FORMATS
from contrastive_seg.finetuning.settings import FinetuneSettings, parse_budget
from contrastive_seg.runs import JobCase, Segment

PROTOCOL = 1
MAX_LINE = 4 * 1024 * 1024
"""Bytes of the longest command; arrays go by file, so that even hundreds of cases fit easily."""

Matrix = tuple[tuple[float, ...], ...]
Id = int | str | None

_OUTPUT = re.compile(r"[^\W_][\w\- ]{0,99}")  # letters of any language; no separators, no dots
_SETTINGS: dict[str, tuple[type, ...]] = {
    "budget": (int, float, str),
    "seed": (int,),
    "device": (str,),
    "weights": (str, type(None)),
    "threads": (int, type(None)),
    "steps": (int, type(None)),
    "network": (str,),
    "freeze": (int, float),
    "semi_supervised": (str,),
}
_MOST_SUGGESTIONS = 20


@dataclass(frozen=True)
class Open:
    """Opens a run, or goes to the next round of the one that is open. No cases: those stored.

    With ``anew`` what the run has learnt is forgotten first. ``unlabelled`` are further images without
    labels, for semi-supervised learning.
    """

    id: Id
    run: str
    cases: tuple[JobCase, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    segments: tuple[Segment, ...] = ()
    resume: bool = False
    anew: bool = False
    unlabelled: tuple[JobCase, ...] = ()


@dataclass(frozen=True)
class Train:
    """Trains on the open run's cases; the budget in seconds, None for the settings' own."""

    id: Id
    budget: float | None = None


@dataclass(frozen=True)
class Predict:
    """Segments one of the run's cases (by index) or another image."""

    id: Id
    case: int | None = None
    image: JobCase | None = None
    output: str | None = None


@dataclass(frozen=True)
class Suggest:
    """Asks which slices of a case to annotate next."""

    id: Id
    case: int = 0
    count: int = 3


@dataclass(frozen=True)
class Export:
    """Writes the network of a run for other programs; no run: the one that is open."""

    id: Id
    format: str
    output: str
    run: str | None = None


@dataclass(frozen=True)
class Stop:
    """Ends what is going on and keeps the best so far."""

    id: Id


@dataclass(frozen=True)
class Quit:
    """Ends the worker."""

    id: Id = None


Command = Open | Train | Predict | Suggest | Export | Stop | Quit


class BadMessage(ContrastiveSegError):
    """A line that is no command; ``id`` is that of the command as far as it could be read."""

    def __init__(self, code: str, sentence: str, what_to_do: str, id_: Id = None) -> None:
        super().__init__(code, sentence, what_to_do)
        self.id = id_


def parse_command(line: bytes) -> Command:
    """The command in a line.

    Args:
        line: UTF-8 JSON object, with or without line end.

    Raises:
        BadMessage: ``bad-command``, ``unknown-command``, ``bad-job`` or ``bad-budget``.
    """
    message = _object(line)
    id_ = message.get("id")
    if id_ is not None and (isinstance(id_, bool) or not isinstance(id_, int | str)):
        raise _bad("id", "a number or a text", None)
    try:
        return _command(message, id_)
    except BadMessage as error:
        error.id = id_
        raise
    except ContrastiveSegError as error:
        raise BadMessage(error.code, error.sentence, error.what_to_do, id_) from error


def too_long() -> BadMessage:
    """The error for a line beyond :data:`MAX_LINE`."""
    return BadMessage(
        "bad-command",
        f"A command is longer than {MAX_LINE // 2**20} MB and was passed over.",
        "Send arrays by file, not in the command.",
    )


def _object(line: bytes) -> dict[str, Any]:
    advice = "Send one JSON object a line, encoded in UTF-8."
    try:
        message = json.loads(line.decode("utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise BadMessage("bad-command", "A command is not encoded in UTF-8.", advice) from error
    except (ValueError, RecursionError) as error:
        raise BadMessage("bad-command", f"A command is not valid JSON ({error}).", advice) from error
    if not isinstance(message, dict):
        raise BadMessage("bad-command", "A command is JSON, but not an object.", advice)
    return message


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def _command(message: dict[str, Any], id_: Id) -> Command:
    name = message.get("command")
    if not isinstance(name, str):
        raise _bad("command", "a text such as 'open'", id_)
    if name == "open":
        return _open(message, id_)
    if name == "train":
        budget = message.get("budget")
        return Train(id_, None if budget is None else _budget(budget))
    if name == "predict":
        return _predict(message, id_)
    if name == "suggest":
        return _suggest(message, id_)
    if name == "export":
        return _export(message, id_)
    if name == "stop":
        return Stop(id_)
    if name == "quit":
        return Quit(id_)
    raise BadMessage(
        "unknown-command",
        f"The worker does not know the command '{name[:40]}'.",
        "Use open, train, predict, suggest, export, stop or quit, or a newer version of the engine.",
        id_,
    )


def _open(message: dict[str, Any], id_: Id) -> Open:
    resume, anew = message.get("resume", False), message.get("anew", False)
    for name, value in (("resume", resume), ("anew", anew)):
        if not isinstance(value, bool):
            raise _bad(name, "true or false", id_)
    if resume and anew:
        raise _bad("anew", "left out where 'resume' is true", id_)
    cases = message.get("cases")
    if cases is None and resume:
        cases = []
    elif not isinstance(cases, list) or not cases:
        raise _bad("cases", "a list with at least one case", id_, "bad-job")
    segments, others = message.get("segments") or [], message.get("unlabelled") or []
    for name, found in (("segments", segments), ("unlabelled", others)):
        if not isinstance(found, list):
            raise _bad(name, "a list", id_, "bad-job")
    return Open(
        id=id_,
        run=_text(message, "run", id_),
        cases=tuple(_case(case, f"cases[{index}]", id_) for index, case in enumerate(cases)),
        settings=_settings(message.get("settings") or {}, id_),
        segments=tuple(_segment(one, f"segments[{index}]", id_) for index, one in enumerate(segments)),
        resume=resume,
        anew=anew,
        unlabelled=tuple(
            _case(one, f"unlabelled[{index}]", id_, labels_needed=False) for index, one in enumerate(others)
        ),
    )


def _predict(message: dict[str, Any], id_: Id) -> Predict:
    output = message.get("output")
    if output is not None and not (isinstance(output, str) and _OUTPUT.fullmatch(output)):
        raise _bad("output", "a name of letters, digits, spaces, '-' and '_'", id_)
    index = message.get("case")
    if index is not None:
        if isinstance(index, bool) or not isinstance(index, int) or index < 0:
            raise _bad("case", "the number of a case, counted from 0", id_)
        if message.get("image") is not None:
            raise _bad("case", "left out where 'image' is given", id_)
        return Predict(id_, case=index, output=output)
    return Predict(id_, image=_case(message, "predict", id_, labels_needed=False), output=output)


def _suggest(message: dict[str, Any], id_: Id) -> Suggest:
    numbers = {"case": message.get("case", 0), "count": message.get("count", 3)}
    for name, (least, most) in {"case": (0, 10**6), "count": (1, _MOST_SUGGESTIONS)}.items():
        value = numbers[name]
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise _bad(name, f"a whole number from {least} to {most}", id_)
    return Suggest(id_, **numbers)


def _export(message: dict[str, Any], id_: Id) -> Export:
    kind = message.get("format")
    if not isinstance(kind, str) or kind not in FORMATS:
        raise _bad("format", f"one of {', '.join(FORMATS)}", id_)
    run = None if message.get("run") is None else _text(message, "run", id_)
    return Export(id_, kind, _text(message, "output", id_), run)


def _case(case: Any, where: str, id_: Id, labels_needed: bool = True) -> JobCase:
    if not isinstance(case, dict):
        raise _bad(where, "an object with image and labels", id_, "bad-job")
    name = case.get("name")
    if name is not None and not isinstance(name, str):
        raise _bad(f"{where}.name", "a text", id_, "bad-job")
    labels = case.get("labels")
    if labels is not None or labels_needed:
        labels = _text(case, "labels", id_, where)
    image = _text(case, "image", id_, where)
    matrix = case.get("ijk_to_ras")
    if matrix is not None:
        matrix = _matrix(matrix, f"{where}.ijk_to_ras", id_)
    elif image.lower().endswith(".npy"):
        raise _bad(f"{where}.ijk_to_ras", "given for .npy images: 4 rows of 4 numbers", id_, "bad-job")
    return JobCase(image, labels, matrix, name, _slices(case.get("corrected"), f"{where}.corrected", id_))


def _slices(slices: Any, where: str, id_: Id) -> tuple[tuple[int, int], ...]:
    expected = "a list of slices, each as array axis (0 to 2) and index"
    if not isinstance(slices, list | None):
        raise _bad(where, expected, id_, "bad-job")
    for one in slices or []:
        if not isinstance(one, list) or len(one) != 2 or not all(type(number) is int for number in one):
            raise _bad(where, expected, id_, "bad-job")
        if one[0] not in (0, 1, 2) or not 0 <= one[1] < 2**31:
            raise _bad(where, expected, id_, "bad-job")
    return tuple((axis, index) for axis, index in slices or [])


def _matrix(rows: Any, where: str, id_: Id) -> Matrix:
    expected = "4 rows of 4 numbers, the last row 0 0 0 1"
    if not isinstance(rows, list) or len(rows) != 4:
        raise _bad(where, expected, id_, "bad-job")
    for row in rows:
        if not isinstance(row, list) or len(row) != 4 or not all(_is_number(number) for number in row):
            raise _bad(where, expected, id_, "bad-job")
    m = tuple(tuple(float(number) for number in row) for row in rows)
    if m[3] != (0.0, 0.0, 0.0, 1.0):
        raise _bad(where, expected, id_, "bad-job")
    volume = (
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1])
        - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
        + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    )
    if not math.isfinite(volume) or volume == 0.0:
        raise _bad(where, "a matrix whose voxels have a volume", id_, "bad-job")
    return m


def _segment(segment: Any, where: str, id_: Id) -> Segment:
    if not isinstance(segment, dict):
        raise _bad(where, "an object with value and name", id_, "bad-job")
    value, name = segment.get("value"), segment.get("name")
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 32767:
        raise _bad(f"{where}.value", "a whole number from 1 to 32767", id_, "bad-job")
    if not isinstance(name, str):
        raise _bad(f"{where}.name", "a text", id_, "bad-job")
    return Segment(value, name)


def _settings(settings: Any, id_: Id) -> dict[str, Any]:
    if not isinstance(settings, dict):
        raise _bad("settings", "an object", id_, "bad-job")
    for name, value in settings.items():
        if name not in _SETTINGS:
            raise _bad(f"settings.{name[:40]}", f"one of {', '.join(_SETTINGS)}", id_, "bad-job")
        if not isinstance(value, _SETTINGS[name]) or isinstance(value, bool):
            raise _bad(f"settings.{name}", "of another type", id_, "bad-job")
    checked = dict(settings)
    if "budget" in checked:
        checked["budget"] = _budget(checked["budget"])
    if checked.get("threads") is not None and checked["threads"] < 1:
        raise _bad("settings.threads", "at least 1", id_, "bad-job")
    if not 0 <= checked.get("seed", 0) < 2**32:
        raise _bad("settings.seed", "from 0 to 4294967295", id_, "bad-job")
    FinetuneSettings(**checked)
    return checked


def _budget(budget: Any) -> float:
    if isinstance(budget, bool) or not isinstance(budget, int | float | str):
        budget = json.dumps(budget)[:40]
    return parse_budget(str(budget))


def _text(message: dict[str, Any], name: str, id_: Id, where: str = "") -> str:
    text = message.get(name)
    if not isinstance(text, str) or not text.strip() or not _is_path(text):
        code = "bad-job" if where else "bad-command"
        raise _bad(f"{where}.{name}" if where else name, "a text that is not empty", id_, code)
    return text


def _is_path(text: str) -> bool:
    try:
        return b"\0" not in text.encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair, as JSON can spell it
        return False


def _is_number(number: Any) -> bool:
    if isinstance(number, bool) or not isinstance(number, int | float):
        return False
    try:
        return math.isfinite(float(number))
    except OverflowError:
        return False


def _bad(where: str, expected: str, id_: Id, code: str = "bad-command") -> BadMessage:
    return BadMessage(
        code,
        f"In a command to the worker, '{where}' must be {expected}.",
        "Correct the command; Docs/worker-protocol.md describes it.",
        id_,
    )
