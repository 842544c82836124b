"""Which state follows which."""

import itertools

import pytest

from ContrastiveSegLib.Signal import Signal
from ContrastiveSegLib.State import State
from ContrastiveSegLib.StateMachine import StateMachine


def machine_in(*way):
    machine = StateMachine()
    for state in way:
        assert machine.go(state), way
    return machine


def test_the_usual_way_is_told_step_by_step():
    machine, seen = StateMachine(), []
    machine.changed.connect(seen.append)
    way = [State.Ready, State.Starting, State.Learning, State.Stopping, State.Done, State.Starting]
    assert all(machine.go(state) for state in way)
    assert seen == way


@pytest.mark.parametrize(
    ("way", "late"),
    [
        ((State.Ready,), State.Learning),
        ((State.Ready, State.Starting, State.Learning, State.Done), State.Learning),
        ((State.Ready, State.Starting, State.Stopping), State.Learning),
        ((State.Ready, State.Starting, State.Learning, State.Failed), State.Stopping),
    ],
)
def test_a_late_message_changes_nothing(way, late):
    machine = machine_in(*way)
    assert not machine.go(late)
    assert machine.state is way[-1]


def test_from_everywhere_the_scene_can_be_closed_and_the_worker_can_fail():
    for state, end in itertools.product(State, (State.Empty, State.Failed)):
        machine = StateMachine()
        machine.state = state
        assert machine.go(end), state


def test_a_receiver_that_fails_does_not_keep_the_others_from_hearing(caplog):
    signal, heard = Signal("test"), []
    signal.connect(lambda: 1 / 0)
    signal.connect(lambda: heard.append(1))
    signal.emit()
    assert heard == [1] and "ZeroDivisionError" in caplog.text
