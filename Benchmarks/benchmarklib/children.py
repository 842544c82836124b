"""Every method runs in a child process of its own, so that time and peak memory are its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outcome:
    """How a child process ended.

    Attributes:
        seconds: Wall-clock time from launch to exit, start of Python and imports included.
        peak_mb: Largest resident memory of the process and its children together, in MB.
        code: Exit status.
        log: Last lines of what it wrote.
    """

    seconds: float
    peak_mb: float
    code: int
    log: str


def run_child(arguments: list[str], threads: int, log: Path, limit: float) -> Outcome:
    """Runs ``python ARGUMENTS`` and measures it.

    Args:
        arguments: What follows the interpreter.
        threads: Cores that the child may use.
        log: File for its stdout and stderr.
        limit: Seconds after which it is killed.

    Returns:
        The outcome; a child that crashed is no exception here.
    """
    environment = dict(os.environ)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        environment[name] = str(threads)
    environment["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = str(threads)
    paths = [str(ROOT / "ContrastiveSeg"), str(ROOT / "Benchmarks"), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(p for p in paths if p)
    begin = time.monotonic()
    with log.open("wb") as stream:
        child = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        watch = _MemoryWatch(child.pid)
        try:
            code = child.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            child.kill()
            code = child.wait()
        finally:
            if child.poll() is None:
                child.kill()
            peak = watch.stop()
    seconds = time.monotonic() - begin
    tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
    return Outcome(seconds, peak, code, "\n".join(tail))


class _MemoryWatch(threading.Thread):
    """Samples the resident memory of a process tree.

    ``ru_maxrss`` would be exact, but on Linux a child inherits the value of the process that
    started it, and it does not add up a tree.
    """

    def __init__(self, pid: int, interval: float = 0.05) -> None:
        super().__init__(daemon=True)
        self._pid, self._interval = pid, interval
        self._done = threading.Event()
        self._peak = 0
        self.start()

    def run(self) -> None:
        """Samples until stopped or the process is gone."""
        while not self._done.is_set():
            try:
                parent = psutil.Process(self._pid)
                tree = [parent, *parent.children(recursive=True)]
            except psutil.Error:
                return
            total = 0
            for process in tree:
                try:
                    total += process.memory_info().rss
                except psutil.Error:
                    continue
            self._peak = max(self._peak, total)
            self._done.wait(self._interval)

    def stop(self) -> float:
        """Ends the watch; returns the peak in MB."""
        self._done.set()
        self.join(timeout=5)
        return self._peak / 2**20
