import os
import sys
import threading

import pytest

from contrastive_seg.compute import choose_compute, load_in_background, usable_cores
from contrastive_seg.errors import ContrastiveSegError


def test_as_many_threads_as_the_environment_allows(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert usable_cores() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert usable_cores() >= 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_as_many_threads_as_cores_are_given_to_the_process(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cpu:1", ""])
def test_an_unknown_device_is_refused(device):
    with pytest.raises(ContrastiveSegError) as caught:
        choose_compute(device, 1)
    assert caught.value.code == "unknown-device"


def test_a_module_loaded_in_the_background_arrives_and_a_missing_one_does_no_harm():
    for name in ("colorsys", "no_such_module_at_all"):
        sys.modules.pop(name, None)
        load_in_background(name)
    for thread in threading.enumerate():
        if thread.name.startswith("import "):
            thread.join(timeout=10)
    assert "colorsys" in sys.modules and "no_such_module_at_all" not in sys.modules
