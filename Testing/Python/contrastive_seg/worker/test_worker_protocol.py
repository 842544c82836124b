"""Commands from lines of JSON; pure Python, no process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.worker.protocol import (
    BadMessage,
    Open,
    Predict,
    Quit,
    Stop,
    Suggest,
    Train,
    parse_command,
)

MATRIX = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
CASE = {"image": "image.npy", "ijk_to_ras": MATRIX, "labels": "labels.npy"}


def parse(**message: Any) -> Any:
    return parse_command(json.dumps(message).encode())


def test_an_open_command_becomes_a_job_with_defaults() -> None:
    command = parse(command="open", id="a", run="folder", cases=[CASE])
    assert isinstance(command, Open)
    assert command.id == "a" and command.run == "folder" and not command.resume
    assert command.cases[0].ijk_to_ras == tuple(tuple(map(float, row)) for row in MATRIX)
    assert command.settings == {} and command.segments == ()


def test_named_budgets_become_seconds() -> None:
    assert parse(command="train", id=2, budget="quick") == Train(2, 60.0)
    assert parse(command="train", id=2, budget=2.5) == Train(2, 2.5)
    assert parse(command="train", id=2) == Train(2, None)
    opened = parse(command="open", run="r", cases=[CASE], settings={"budget": "best", "threads": None})
    assert opened.settings == {"budget": 600.0, "threads": None}


def test_predict_takes_a_case_or_an_image() -> None:
    assert parse(command="predict", case=0) == Predict(None, case=0)
    other = parse(command="predict", image="scan.nii.gz", labels=None, output="follow up ä-1")
    assert other.image is not None and other.image.labels is None and other.output == "follow up ä-1"


def test_suggest_asks_for_three_slices_of_the_first_case_unless_told_otherwise() -> None:
    assert parse(command="suggest", id=2) == Suggest(2, case=0, count=3)
    assert parse(command="suggest", case=1, count=5) == Suggest(None, case=1, count=5)


def test_stop_and_quit_need_nothing_else() -> None:
    assert parse(command="stop", id=4) == Stop(4)
    assert parse(command="quit") == Quit(None)


def test_a_resume_needs_no_cases() -> None:
    command = parse(command="open", run="r", resume=True)
    assert command.resume and command.cases == ()


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"hello", "bad-command"),
        (b"[1, 2]", "bad-command"),
        (b'{"command": "train"', "bad-command"),
        (b'\xff\xfe{"command":"stop"}', "bad-command"),
        (b"[" * 100000, "bad-command"),
        (b'{"command": 7}', "bad-command"),
        (b'{"command": "stop", "id": [1]}', "bad-command"),
        (b'{"command": "stop", "id": true}', "bad-command"),
        (b'{"command": "train", "budget": NaN}', "bad-command"),
        (b'{"command": "train", "budget": ' + b"9" * 5000 + b"}", "bad-command"),
        (b'{"command": "train", "budget": -1}', "bad-budget"),
        (b'{"command": "train", "budget": true}', "bad-budget"),
        (b'{"command": "train", "budget": [60]}', "bad-budget"),
        (b'{"command": "train", "budget": "soon"}', "bad-budget"),
        (b'{"command": "suggest", "count": 0}', "bad-command"),
        (b'{"command": "suggest", "count": 1000}', "bad-command"),
        (b'{"command": "suggest", "case": -1}', "bad-command"),
        (b'{"command": "open", "run": "r", "anew": 1}', "bad-command"),
        (b'{"command": "open", "run": "r", "resume": true, "anew": true}', "bad-command"),
        (b'{"command": "export"}', "bad-command"),
        (b'{"command": "dance"}', "unknown-command"),
        (b'{"command": "predict", "case": -1}', "bad-command"),
        (b'{"command": "predict", "case": 0, "output": "../../x"}', "bad-command"),
        (b'{"command": "predict", "case": 0, "output": "a/b"}', "bad-command"),
        (b'{"command": "open", "run": "", "cases": []}', "bad-job"),
        (b'{"command": "open", "run": "a\\u0000b", "resume": true}', "bad-command"),
        (b'{"command": "open", "run": "\\ud800", "resume": true}', "bad-command"),
        (b'{"command": "open", "run": "r"}', "bad-job"),
        (b'{"command": "open", "run": "r", "resume": "yes"}', "bad-command"),
    ],
)
def test_a_line_that_is_no_command_is_refused_with_a_sentence(line: bytes, code: str) -> None:
    with pytest.raises(BadMessage) as refused:
        parse_command(line)
    assert refused.value.code == code
    assert refused.value.sentence.endswith(".") and refused.value.what_to_do.endswith(".")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"image": 3}, "cases[0].image"),
        ({"image": "  "}, "cases[0].image"),
        ({"labels": None}, "cases[0].labels"),
        ({"ijk_to_ras": None}, "cases[0].ijk_to_ras"),
        ({"ijk_to_ras": [[1, 0, 0, 0]] * 3}, "cases[0].ijk_to_ras"),
        ({"ijk_to_ras": [[0, 0, 0, 0]] * 3 + [[0, 0, 0, 1]]}, "cases[0].ijk_to_ras"),
        ({"ijk_to_ras": [["1", 0, 0, 0], *MATRIX[1:]]}, "cases[0].ijk_to_ras"),
        ({"ijk_to_ras": [[10**400, 0, 0, 0], *MATRIX[1:]]}, "cases[0].ijk_to_ras"),
        ({"name": 5}, "cases[0].name"),
        ({"corrected": 5}, "cases[0].corrected"),
        ({"corrected": [[0]]}, "cases[0].corrected"),
        ({"corrected": [[3, 0]]}, "cases[0].corrected"),
        ({"corrected": [[0, -1]]}, "cases[0].corrected"),
        ({"corrected": [[0, True]]}, "cases[0].corrected"),
    ],
)
def test_an_error_in_a_case_names_the_field_and_the_command(change: dict[str, Any], field: str) -> None:
    with pytest.raises(BadMessage) as refused:
        parse(command="open", id=9, run="r", cases=[CASE | change])
    assert refused.value.code == "bad-job" and refused.value.id == 9
    assert f"'{field}'" in refused.value.sentence


@pytest.mark.parametrize(
    "settings",
    [
        {"speed": 1},
        {"seed": 1.5},
        {"seed": -1},
        {"seed": True},
        {"device": 0},
        {"threads": 0},
        {"weights": 1},
        {"semi_supervised": True},
        7,
    ],
)
def test_settings_that_do_not_exist_or_fit_are_refused(settings: Any) -> None:
    with pytest.raises(BadMessage, match="settings"):
        parse(command="open", run="r", cases=[CASE], settings=settings)


@pytest.mark.parametrize(
    "segment", [{"value": 0, "name": "a"}, {"value": 40000, "name": "a"}, {"value": 1}, 3]
)
def test_segments_need_a_value_and_a_name(segment: Any) -> None:
    with pytest.raises(BadMessage, match=r"segments\[0\]"):
        parse(command="open", run="r", cases=[CASE], segments=[segment])


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
_fields = st.sampled_from(
    ("id", "run", "cases", "settings", "segments", "resume", "budget", "case", "image", "labels", "output")
)


@given(
    st.sampled_from(["open", "train", "predict", "stop", "quit", "suggest"]),
    st.dictionaries(_fields, _json, max_size=6),
)
def test_whatever_a_command_holds_it_is_taken_or_refused(name: str, fields: dict[str, Any]) -> None:
    line = json.dumps({"command": name} | fields).encode()
    try:
        command = parse_command(line)
    except ContrastiveSegError as error:
        assert error.sentence
    else:
        assert type(command).__name__.lower() == name


def test_the_reader_of_commands_does_not_wait_for_numpy_or_torch(an_environment: dict[str, str]) -> None:
    code = (
        "import sys, contrastive_seg.worker.__main__\n"
        "sys.exit(bool({'numpy', 'torch', 'monai', 'scipy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], env=an_environment, check=False).returncode == 0
