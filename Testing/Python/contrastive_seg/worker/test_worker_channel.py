"""Lines in, events out."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator

import pytest

from contrastive_seg.worker.channel import EventWriter, lines


@pytest.fixture
def a_pipe() -> Iterator[tuple[int, int]]:
    yield os.pipe()


def read_lines(pieces: list[bytes], longest: int) -> list[bytes | None]:
    reading, writing = os.pipe()

    def write() -> None:
        for piece in pieces:
            os.write(writing, piece)
        os.close(writing)

    thread = threading.Thread(target=write)
    thread.start()
    found = list(lines(reading, longest))
    thread.join()
    os.close(reading)
    return found


def test_lines_are_put_together_from_pieces() -> None:
    assert read_lines([b"ab", b"c\nd", b"e\n\nf\r\n"], 10) == [b"abc", b"de", b"", b"f\r"]


def test_a_line_without_end_is_no_command() -> None:
    assert read_lines([b'{"command":"quit"}'], 100) == []


def test_lines_that_are_too_long_are_passed_over() -> None:
    assert read_lines([b"x" * 200_000, b"x\nab\n", b"y" * 11 + b"\n", b"z" * 10 + b"\n"], 10) == [
        None,
        b"ab",
        None,
        b"z" * 10,
    ]


def test_hello_comes_first_and_progress_is_thinned_out(a_pipe: tuple[int, int]) -> None:
    now = [0.0]
    writer = EventWriter(a_pipe[1], on_broken=lambda: None, clock=lambda: now[0])
    writer.send("status", state="stopping")
    writer.send("hello", protocol=1)
    for step in range(100):
        now[0] = step * 0.01
        writer.progress(fraction=step / 100)
    writer.send_due()
    now[0] = 2.0
    writer.send_due()
    writer.progress(fraction=1.0)
    writer.drop_progress()
    now[0] = 3.0
    writer.send_due()
    events = [json.loads(line) for line in os.read(a_pipe[0], 100_000).splitlines()]
    assert [event["type"] for event in events[:2]] == ["hello", "status"]
    fractions = [event["fraction"] for event in events[2:]]
    assert fractions == [0.0, 0.25, 0.5, 0.75, 0.99]


def test_a_reader_that_has_gone_is_told_once(a_pipe: tuple[int, int]) -> None:
    told = []
    writer = EventWriter(a_pipe[1], on_broken=lambda: told.append(1))
    os.close(a_pipe[0])
    writer.send("hello", text="ä\ud800")
    writer.send("status")
    assert told == [1]
