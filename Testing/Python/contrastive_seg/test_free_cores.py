import psutil
import pytest
import torch

from contrastive_seg import free_cores
from contrastive_seg.free_cores import FreeCores

CORES = 8


@pytest.fixture
def a_computer(monkeypatch):
    """Makes time pass on a computer of 8 cores, of which others use some."""
    now = {"clock": 100.0, "busy": 1000.0, "own": 10.0}

    def after(seconds, others, own):
        now["clock"] += seconds
        now["busy"] += seconds * (others + own)
        now["own"] += seconds * own

    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: CORES)
    monkeypatch.setattr(FreeCores, "_read", staticmethod(lambda: tuple(now.values())))
    monkeypatch.setattr(free_cores.time, "monotonic", lambda: now["clock"])
    return after


@pytest.mark.parametrize(
    ("others", "threads"), [(0.0, 8), (0.2, 8), (0.5, 7), (1.0, 7), (3.1, 5), (7.9, 1), (30.0, 1), (-0.5, 8)]
)
def test_each_busy_core_of_others_takes_a_thread_away(a_computer, others, threads):
    cores = FreeCores(CORES)
    a_computer(1.5, others, 4.0)
    assert cores.threads() == threads


def test_pytorch_uses_what_is_said(a_computer):
    before = torch.get_num_threads()
    try:
        cores = FreeCores(CORES)
        a_computer(1.5, 5.0, 4.0)
        cores.apply()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_it_looks_again_only_after_a_second_and_comes_back_when_the_others_end(a_computer):
    cores = FreeCores(CORES)
    a_computer(1.5, 4.0, 4.0)
    assert cores.threads() == 4
    a_computer(0.5, 0.0, 4.0)
    assert cores.threads() == 4
    a_computer(0.6, 0.0, 4.0)
    assert cores.threads() == CORES


def test_a_process_that_may_use_some_of_the_cores_only_keeps_its_threads(a_computer):
    cores = FreeCores(3)
    a_computer(5.0, 8.0, 0.0)
    assert cores.threads() == 3


def test_this_computer_can_be_read():
    clock, busy, own = FreeCores._read()
    assert busy > 0 and own > 0 and FreeCores(1).threads() == 1
    assert FreeCores._read()[0] >= clock and FreeCores._read()[1] >= busy and FreeCores._read()[2] >= own
