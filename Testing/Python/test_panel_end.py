"""No worker outlives the application, however that ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from scene_parts import is_alive, wait_until

pytestmark = pytest.mark.standin

_HERE = Path(__file__).resolve().parent

_APPLICATION = """
import sys
import slicer_harness
slicer = slicer_harness.install()
import numpy as np
from pathlib import Path
from slicer_harness.module_host import load_module
from scene_parts import add_segmentation, add_volume, ball, only_slices, paint, wait_until

truth = ball((16, 32, 32))
volume = add_volume(truth * 300 + np.random.default_rng(0).integers(0, 40, truth.shape).astype(np.int16))
segmentation = add_segmentation(volume, ["Ball"])
paint(segmentation, "Ball", only_slices(truth, 0, [5, 8, 11]), volume)
module = load_module(Path(sys.argv[1]))
module.widgetRepresentation().enter()
widget = module.widgetRepresentation().self()
widget.panel.secondsInsteadOfBudget = 60.0
widget.ui.startButton.click()
learning = widget.panel.learning
wait_until(lambda: learning.machine.state.value == sys.argv[2], 100)
print("PIDS", learning.worker.pid, *learning.worker.descendants(), flush=True)
if sys.argv[3] == "exit":
    slicer.app.moduleManager().unload("ContrastiveSeg")
    slicer_harness.exit_now(0)
if sys.argv[3] == "crash":
    import os
    os.abort()
wait_until(lambda: False, 100)
"""


@pytest.fixture
def an_application(tmp_path):
    """Starts a process with a panel that learns; gives it and the ids of its worker's processes."""
    started = []

    def start(state, ending):
        module = _HERE.parents[1] / "ContrastiveSeg" / "ContrastiveSeg.py"
        path = os.pathsep.join([str(module.parent), str(_HERE)])
        process = subprocess.Popen(
            [sys.executable, "-c", _APPLICATION, str(module), state, ending],
            stdout=subprocess.PIPE,
            env=dict(os.environ, PYTHONPATH=path, TMPDIR=str(tmp_path)),
            text=True,
            encoding="utf-8",
        )
        started.append(process)
        for line in process.stdout:
            if line.startswith("PIDS"):
                return process, [int(pid) for pid in line.split()[1:]]
        pytest.fail("the panel's process ended before the worker learnt")

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("state", ["starting", "learning"])
def test_a_killed_application_leaves_no_worker(an_application, state):
    process, pids = an_application(state, "wait")
    assert len(pids) > 1 and all(is_alive(pid) for pid in pids)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: not any(is_alive(pid) for pid in pids), 20)


def test_an_application_that_crashes_leaves_no_worker(an_application):
    process, pids = an_application("learning", "crash")
    process.wait(30)
    wait_until(lambda: not any(is_alive(pid) for pid in pids), 20)


def test_an_application_that_ends_takes_its_worker_along(an_application):
    process, pids = an_application("learning", "exit")
    assert process.wait(30) == 0
    wait_until(lambda: not any(is_alive(pid) for pid in pids), 5)
