"""Memory and reaction times of the worker on a large CT.

Makes a synthetic CT of 512x512x300 voxels with five annotated slices, lets a real worker train on
it, and prints what a user would notice: seconds from the start of the process and from the train
command to the first mask, seconds from Stop to the result, and the peak memory of the process.

    python Benchmarks/worker_memory.py --threads 2 --train 25
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

ENGINE = Path(__file__).resolve().parents[1] / "ContrastiveSeg"
SPACING = (1.25, 0.75, 0.75)
LIMITS = {
    "peak_rss_gb": 3.0,
    "first_preview_from_train_cold_s": 10.0,
    "first_preview_from_train_warm_s": 5.0,
    "stop_to_result_s": 1.0,
}


def make_ct(folder: Path, shape: tuple[int, int, int], slices: int) -> None:
    """Writes image.npy (int16, HU) and labels.npy, slice by slice so that little memory is used.

    Args:
        folder: Where to write.
        shape: (z, y, x).
        slices: Number of annotated axial slices; one more beyond each end is annotated as empty.
    """
    random = np.random.default_rng(0)
    noise = random.normal(0, 25, (8, *shape[1:])).astype(np.float32)
    image = np.lib.format.open_memmap(folder / "image.npy", "w+", np.int16, shape)
    labels = np.lib.format.open_memmap(folder / "labels.npy", "w+", np.int16, shape)
    y, x = np.mgrid[-1 : 1 : shape[1] * 1j, -1 : 1 : shape[2] * 1j]
    body = (x / 0.85) ** 2 + (y / 0.65) ** 2 < 1
    bone = x**2 + ((y - 0.45) / 0.8) ** 2 < 0.006
    middle, half = shape[0] / 2, shape[0] * 0.3
    annotated = {round(middle + half * part) for part in np.linspace(-0.8, 0.8, slices)}
    empty = {round(middle - half * 1.2), round(middle + half * 1.2)}
    for index in range(shape[0]):
        z = (index - middle) / half
        size = max(0.0, 1 - z * z) ** 0.5
        organ = ((x + 0.3 + 0.1 * z) / 0.35) ** 2 + ((y + 0.05) / 0.28) ** 2 < size**2
        vessel = ((x - 0.1 * np.sin(3 * z)) / 0.08) ** 2 + ((y - 0.2) / 0.08) ** 2 < min(size, 1) ** 2
        plane = np.where(body, 30.0, -1000.0)
        plane[organ & body] = 110.0
        plane[vessel & body] = 240.0
        plane[bone & body] = 600.0
        image[index] = np.clip(plane + noise[index % len(noise)], -1024, 3000)
        labels[index] = -1
        if index in annotated | empty:
            labels[index] = np.where(vessel & body, 2, organ & body)
    image.flush()
    labels.flush()


class Worker:
    """A worker with the times at which its events came."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        environment = dict(
            os.environ,
            PYTHONPATH=str(ENGINE),
            PYTHONUNBUFFERED="1",
            CONTRASTIVE_SEG_PARENT_PID=str(os.getpid()),
        )
        self.process = subprocess.Popen(
            [sys.executable, "-m", "contrastive_seg.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        self.peak = {"rss": 0, "private": 0}
        threading.Thread(target=self._watch, daemon=True).start()

    def send(self, **command: Any) -> float:
        """Sends a command; the time at which."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.process.stdin.flush()
        return time.monotonic()

    def wait(self, type_: str, **content: Any) -> tuple[float, dict[str, Any]]:
        """Time and content of the next event of a kind; ends the benchmark on an error event."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            now = time.monotonic()
            event = json.loads(line)
            if event["type"] == "error":
                raise SystemExit(f"The worker reports: {event['message']}")
            if event["type"] == type_ and all(event.get(key) == value for key, value in content.items()):
                return now, event
        raise SystemExit("The worker has ended.")

    def _watch(self) -> None:
        """Peak of all resident memory, and of that which is not pages of mapped files."""
        process = psutil.Process(self.process.pid)
        try:
            while True:
                memory = process.memory_info()
                self.peak["rss"] = max(self.peak["rss"], memory.rss)
                self.peak["private"] = max(self.peak["private"], memory.rss - getattr(memory, "shared", 0))
                time.sleep(0.05)
        except psutil.Error:
            return


def measure(
    folder: Path, shape: tuple[int, int, int], threads: int, seconds: float, budget: float = 60.0
) -> dict[str, float]:
    """Runs the worker on the CT in ``folder``.

    Args:
        folder: With image.npy and labels.npy; becomes the run folder.
        shape: (z, y, x).
        threads: CPU threads of the worker.
        seconds: How long to train before Stop.
        budget: Seconds; it decides how fine the network looks and how wide it is.

    Returns:
        What was measured, in seconds and GB.
    """
    matrix = [[-SPACING[2], 0, 0, 190], [0, -SPACING[1], 0, 190], [0, 0, SPACING[0], 0], [0, 0, 0, 1]]
    opening = {
        "command": "open",
        "run": str(folder),
        "cases": [{"image": "image.npy", "labels": "labels.npy", "ijk_to_ras": matrix}],
        "settings": {"budget": budget, "seed": 0, "device": "cpu", "threads": threads},
    }
    found: dict[str, float] = {}
    worker = Worker()
    found["hello_s"] = worker.wait("hello")[0] - worker.started
    sent = worker.send(**opening, id=1)
    found["open_s"] = worker.wait("status", state="ready")[0] - sent
    for number, warmth in enumerate(("cold", "warm")):
        if number:
            worker.send(**opening, id=1)
            worker.wait("status", state="ready")
        train = worker.send(command="train", id=2)
        shown = worker.wait("preview")[0]
        found[f"first_preview_from_train_{warmth}_s"] = shown - train
        if not number:
            found["first_preview_from_process_start_s"] = shown - worker.started
        second = worker.wait("preview")[0]
        found[f"second_preview_from_train_{warmth}_s"] = second - train
        while time.monotonic() - train < seconds:
            worker.wait("progress")
        stop = worker.send(command="stop", id=3)
        found["stopping_s"] = max(
            found.get("stopping_s", 0.0), worker.wait("status", state="stopping")[0] - stop
        )
        found["stop_to_result_s"] = max(found.get("stop_to_result_s", 0.0), worker.wait("result")[0] - stop)
        found["stop_to_idle_s"] = worker.wait("status", state="idle")[0] - stop
    sent = worker.send(command="predict", id=4, case=0)
    found["predict_s"] = worker.wait("result")[0] - sent
    sent = worker.send(command="quit")
    worker.process.wait()
    found["quit_s"] = time.monotonic() - sent
    found["peak_rss_gb"] = worker.peak["rss"] / 1e9
    found["peak_without_mapped_files_gb"] = worker.peak["private"] / 1e9
    return found


def main() -> None:
    """Prints a table, or JSON with ``--json``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs=3, default=(300, 512, 512), metavar=("Z", "Y", "X"))
    parser.add_argument("--slices", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--train", type=float, default=25.0, help="seconds of training before Stop")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds, decides about the network")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    shape = tuple(options.shape)
    with tempfile.TemporaryDirectory() as place:
        make_ct(Path(place), shape, options.slices)
        found = measure(Path(place), shape, options.threads, options.train, options.budget)
    if options.json:
        print(json.dumps(found, indent=2))
        return
    print(f"{shape[2]}x{shape[1]}x{shape[0]}, {options.slices} slices, {options.threads} threads,")
    print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}\n")
    print("| what | measured | limit |\n| --- | --- | --- |")
    for name, value in found.items():
        print(f"| {name} | {value:.2f} | {LIMITS.get(name, '')} |")


if __name__ == "__main__":
    main()
