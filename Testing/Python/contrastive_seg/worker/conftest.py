"""Real worker processes and small synthetic volumes for the worker's tests."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ENGINE = Path(__file__).resolve().parents[4] / "ContrastiveSeg"
TIMEOUT = 90.0
SHAPE = (24, 48, 48)
IJK_TO_RAS = [[-1.0, 0, 0, 10], [0, -1.0, 0, 20], [0, 0, 2.0, -5], [0, 0, 0, 1]]


def worker_environment(**more: str) -> dict[str, str]:
    """The environment in which the application starts the worker."""
    path = os.pathsep.join(filter(None, [str(ENGINE), os.environ.get("PYTHONPATH")]))
    environment = dict(os.environ, PYTHONPATH=path, PYTHONUNBUFFERED="1", OMP_NUM_THREADS="1")
    environment.pop("CONTRASTIVE_SEG_PARENT_PID", None)
    return environment | {"PYTHONIOENCODING": "utf-8"} | more


class WorkerProcess:
    """The other end of the pipes of a real worker."""

    def __init__(self, *, code: str | None = None, **environment: str) -> None:
        start = ["-m", "contrastive_seg.worker"] if code is None else ["-c", code]
        self.process = subprocess.Popen(
            [sys.executable, *start],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=worker_environment(**environment),
        )
        self.seen: list[dict[str, Any]] = []
        self.log: list[str] = []
        self.not_events: list[bytes] = []
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._threads = [
            threading.Thread(target=self._read_events, daemon=True),
            threading.Thread(target=self._read_log, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def send(self, **command: Any) -> None:
        self.send_raw(json.dumps(command).encode() + b"\n")

    def send_raw(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def wait_for(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next event that fits; fails with the log when the worker ends or is silent."""
        while True:
            try:
                event = self._queue.get(timeout=TIMEOUT)
            except queue.Empty:
                event = None
            if event is None:
                pytest.fail(f"no such event; seen: {self.seen[-8:]}\nlog: {''.join(self.log)}")
            if wanted(event):
                return event

    def wait_type(self, type_: str, **content: Any) -> dict[str, Any]:
        """The next event of a type with this content."""
        wanted = {"type": type_} | content
        return self.wait_for(lambda event: all(event.get(key) == value for key, value in wanted.items()))

    def wait_end(self) -> int:
        """The exit status."""
        status = self.process.wait(timeout=TIMEOUT)
        for thread in self._threads:
            thread.join(timeout=TIMEOUT)
        return status

    def kill(self) -> None:
        self.process.kill()
        self.wait_end()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(OSError):
                stream.close()  # type: ignore[union-attr]

    def of_type(self, type_: str) -> list[dict[str, Any]]:
        """All events of a type seen so far."""
        return [event for event in self.seen if event["type"] == type_]

    def _read_events(self) -> None:
        with contextlib.suppress(ValueError, OSError):
            for line in self.process.stdout:  # type: ignore[union-attr]
                try:
                    event = json.loads(line)
                except ValueError:
                    self.not_events.append(line)
                    continue
                self.seen.append(event)
                self._queue.put(event)
        self._queue.put(None)

    def _read_log(self) -> None:
        with contextlib.suppress(ValueError, OSError):
            for line in self.process.stderr:  # type: ignore[union-attr]
                self.log.append(line.decode("utf-8", "replace"))


@pytest.fixture
def an_environment() -> dict[str, str]:
    return worker_environment()


@pytest.fixture
def start_worker() -> Iterator[Callable[..., WorkerProcess]]:
    """Starts workers that do not outlive the test."""
    started: list[WorkerProcess] = []

    def start(**arguments: Any) -> WorkerProcess:
        started.append(WorkerProcess(**arguments))
        return started[-1]

    yield start
    for worker in started:
        worker.close()


@pytest.fixture
def a_worker(start_worker: Callable[..., WorkerProcess]) -> WorkerProcess:
    return start_worker()


@pytest.fixture
def a_run_folder(tmp_path: Path) -> Path:
    """A run folder with a bright ball in noise, three annotated slices of it in labels.npy, and a
    second round's labels with two more slices in labels-2.npy."""
    folder = tmp_path / "läufe für 患者 1"
    folder.mkdir()
    random = np.random.default_rng(0)
    z, y, x = np.mgrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    truth = ((z - 12) / 8) ** 2 + ((y - 24) / 12) ** 2 + ((x - 22) / 14) ** 2 < 1
    image = np.where(truth, 160, 60) + random.normal(0, 12, SHAPE)
    np.save(folder / "image.npy", image.astype(np.int16))
    np.save(folder / "truth.npy", truth.astype(np.int16))
    for name, slices in (("labels.npy", (2, 8, 16)), ("labels-2.npy", (2, 5, 8, 12, 16))):
        labels = np.full(SHAPE, -1, np.int16)
        for index in slices:
            labels[index] = truth[index]
        np.save(folder / name, labels)
    return folder


@pytest.fixture
def open_command(a_run_folder: Path) -> Callable[..., dict[str, Any]]:
    """Makes an ``open`` for the run folder; keyword arguments replace fields of the command.

    With ``steps`` a training does not depend on how fast the machine is at the moment.
    """

    def make(
        labels: str = "labels.npy", budget: float = 6, steps: int | None = None, **fields: Any
    ) -> dict[str, Any]:
        case = {"image": "image.npy", "labels": labels, "ijk_to_ras": IJK_TO_RAS, "name": "a ball"}
        return {
            "command": "open",
            "id": 1,
            "run": str(a_run_folder),
            "cases": [case],
            "settings": {"budget": budget, "seed": 0, "device": "cpu", "threads": 1, "steps": steps},
            "segments": [{"value": 1, "name": "Ball"}],
        } | fields

    return make


@pytest.fixture
def a_host() -> Callable[[dict[str, Any]], Any]:
    """Lets the worker's host carry out an ``open`` in this process; gives the error it raises."""

    def open_and_fail(command: dict[str, Any]) -> Any:
        from contrastive_seg.errors import ContrastiveSegError
        from contrastive_seg.worker.channel import EventWriter
        from contrastive_seg.worker.host import Host
        from contrastive_seg.worker.protocol import Open, parse_command

        opening = parse_command(json.dumps(command).encode())
        assert isinstance(opening, Open)
        with pytest.raises(ContrastiveSegError) as told:
            Host(EventWriter(None, on_broken=lambda: None), lambda: False).open(opening)
        return told.value

    return open_and_fail
