"""What belongs to Qt is not deleted by a thread of ours."""

import gc
import threading
import weakref

import pytest
from scene_parts import wait_until

from ContrastiveSegLib.Background import Background
from ContrastiveSegLib.Chunks import Chunks
from ContrastiveSegLib.OtherThread import OtherThread


class Ring:
    """Something that only the collector can delete."""

    def __init__(self, deleted):
        self.itself = self
        weakref.finalize(self, lambda: deleted.append(threading.current_thread()))


def allocate():
    """Enough for the collector to run many times."""
    return [[] for _ in range(200_000)]


@pytest.fixture(autouse=True)
def the_collector_runs_again_afterwards():
    OtherThread.look()
    assert gc.isenabled()
    yield
    wait_until(gc.isenabled, 10)


def test_without_care_the_thread_that_allocates_deletes():
    deleted = []
    gc.disable()  # or the main thread might come first
    Ring(deleted)

    def work():
        gc.enable()
        allocate()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert deleted == [thread], "else there would be nothing to take care of"


def test_a_background_task_deletes_nothing_of_others():
    deleted, ended = [], []
    background = Background()
    Ring(deleted)
    background.run(allocate, ended.append, ended.append)
    assert not gc.isenabled()
    wait_until(lambda: bool(ended), 20)
    assert gc.isenabled() and len(ended[0]) == 200_000
    gc.collect()
    assert deleted == [threading.main_thread()]


def test_a_thread_beside_steps_deletes_nothing_of_others():
    deleted = []
    Ring(deleted)
    assert len(Chunks.finish(Chunks.beside(allocate))) == 200_000
    assert gc.isenabled()
    gc.collect()
    assert deleted == [threading.main_thread()]


def test_the_collector_waits_for_all_threads_and_for_those_that_were_forgotten():
    may = threading.Event()
    background, chunks = Background(), Chunks()
    background.run(lambda: may.wait(10), lambda _value: None, lambda _error: None)
    chunks.run(Chunks.beside(allocate), lambda: None, lambda _error: None)
    background.forget()
    wait_until(lambda: not chunks.isBusy, 20)
    assert not gc.isenabled()
    may.set()
    wait_until(gc.isenabled, 10)


def test_a_collector_that_others_have_stopped_stays_so():
    gc.disable()
    try:
        assert Chunks.finish(Chunks.beside(lambda: 1)) == 1
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_at_the_end_of_the_module_the_collector_runs_again_whatever_threads_do(monkeypatch):
    monkeypatch.setattr("ContrastiveSegLib.OtherThread._PATIENCE", 0.05)
    may, background = threading.Event(), Background()
    background.run(lambda: may.wait(10), lambda _value: None, lambda _error: None)
    assert not gc.isenabled()
    OtherThread.end()
    assert gc.isenabled() and not OtherThread._threads
    may.set()
    background.wait()
