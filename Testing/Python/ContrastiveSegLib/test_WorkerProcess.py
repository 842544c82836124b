"""The worker's process as the panel holds it, with small programs in place of the engine."""

import os
import shutil
import signal
import time

import pytest
from scene_parts import is_alive, python_program, wait_until

from ContrastiveSegLib.JsonLines import JsonLines
from ContrastiveSegLib.WorkerProcess import WorkerProcess

_ECHO = """
import json, os, sys
print(json.dumps({"type": "hello", "pid": os.getpid(), "protocol": 1, "device": None}), flush=True)
print("some log text", flush=True)
for line in sys.stdin:
    command = json.loads(line)
    if command["command"] == "quit":
        break
    print(json.dumps({"type": "status", "state": "ready", "message": line.strip()}), flush=True)
"""


@pytest.fixture
def start_worker(a_scene):
    """Starts workers that run a piece of Python; they do not outlive the test."""
    started = []

    def start(code, *launcher):
        worker = WorkerProcess([*(launcher or [python_program()]), "-c", code])
        worker.events, worker.lines, worker.deaths = [], [], []
        for name, signal_ in worker.signals.items():
            signal_.connect(lambda event, name=name: worker.events.append((name, event)))
        worker.log.connect(worker.lines.append)
        worker.died.connect(worker.deaths.append)
        worker.start()
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.quit(wait=True, graceSeconds=1)


def kinds(worker):
    return [name for name, _event in worker.events]


def test_start_and_send_come_back_at_once(start_worker):
    worker = start_worker("import time; time.sleep(20)")
    began = time.monotonic()
    for _ in range(100):
        worker.send("train", budget=1, filler="x" * 1000)  # more than a pipe holds, and nobody reads
    assert time.monotonic() - began < 5
    assert worker.isRunning


def test_events_and_log_lines_are_told_apart(start_worker):
    worker = start_worker(_ECHO)
    wait_until(lambda: "hello" in kinds(worker) and "some log text" in worker.lines, 20)
    number = worker.send("open", run="läufe für 患者")
    wait_until(lambda: "status" in kinds(worker), 20)
    answer = dict(worker.events)["status"]["message"]
    assert f'"id": {number}' in answer and "\\u60a3" in answer  # ASCII on the wire


def test_quit_ends_it_without_a_word(start_worker):
    worker = start_worker(_ECHO)
    wait_until(lambda: "hello" in kinds(worker), 20)
    worker.quit()
    wait_until(lambda: not worker.isRunning, 20)
    assert worker.deaths == []


def test_one_that_does_not_quit_is_ended_by_force(start_worker):
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    worker = start_worker(stubborn)
    pid = worker.pid
    worker.quit(graceSeconds=0.2)
    wait_until(lambda: not is_alive(pid), 20)
    assert worker.deaths == []


def test_the_launchers_child_goes_with_it(start_worker):
    launcher = shutil.which("PythonSlicer")
    worker = start_worker("import time; print('up', flush=True); time.sleep(60)", launcher)
    wait_until(lambda: "up" in worker.lines, 20)
    pids = [worker.pid, *worker.descendants()]
    assert len(pids) == 2
    os.kill(pids[0], signal.SIGKILL)  # the launcher alone, as an impatient user does
    wait_until(lambda: not any(is_alive(pid) for pid in pids), 20)
    assert len(worker.deaths) == 1 and "ended from outside" in worker.deaths[0]


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ended from outside"),
        ("import sys; sys.exit(137)", "ended from outside"),
        ("import sys; sys.exit(139)", "ended from outside"),
        (
            "import sys; print('[Python] exit abnormally - Report the problem.'); sys.exit(1)",
            "ended from outside",
        ),
        ("import no_such_package", "No module named 'no_such_package'"),
        ("import sys; sys.exit(3)", r"exit code 3"),
    ],
)
def test_an_unexpected_end_is_explained(start_worker, code, sentence):
    worker = start_worker(code)
    wait_until(lambda: bool(worker.deaths), 20)
    assert sentence in worker.deaths[0] and not worker.isRunning


def test_a_program_that_is_not_there_is_explained(start_worker, tmp_path):
    worker = start_worker("", str(tmp_path / "nothing"))
    wait_until(lambda: bool(worker.deaths), 20)
    assert "could not be started" in worker.deaths[0]


def test_after_quit_a_new_one_can_be_started_at_once(start_worker):
    worker = start_worker("import time; time.sleep(60)")
    first = worker.pid
    worker.quit(graceSeconds=30)
    worker.start()
    assert worker.isRunning and worker.pid != first
    wait_until(lambda: not is_alive(first), 20)
    assert worker.deaths == []


def test_events_are_put_together_from_any_pieces():
    lines, whole = JsonLines(), '{"type": "status", "message": "für 患者"}\n{"type": 3}\nlog\r\n'.encode()
    found = []
    for index in range(len(whole)):
        found += lines.feed(whole[index : index + 1])
    assert found == [{"type": "status", "message": "für 患者"}, '{"type": 3}', "log"]
    assert lines.feed(b'{"type": "half') == []
    assert lines.end() == ['{"type": "half']
