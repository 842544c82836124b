"""Which state may follow which."""

from __future__ import annotations

from ContrastiveSegLib.Signal import Signal
from ContrastiveSegLib.State import State

_IDLE = {State.Empty, State.Ready, State.Done, State.Failed}
_NEXT = {
    State.Empty: _IDLE,
    State.Ready: _IDLE | {State.Starting},
    State.Starting: _IDLE | {State.Learning, State.Stopping},
    State.Learning: {State.Stopping, State.Done, State.Failed, State.Empty},
    State.Stopping: {State.Ready, State.Done, State.Failed, State.Empty},
    State.Done: _IDLE | {State.Starting},
    State.Failed: _IDLE | {State.Starting},
}


class StateMachine:
    """Keeps the panel's state; late or repeated messages of the worker cannot confuse it.

    A failure carries a sentence and whether the run can be resumed. ``changed`` is sent with the
    new state.
    """

    def __init__(self) -> None:
        self.changed = Signal("changed")
        self.state = State.Empty
        self.resumable = False

    def go(self, state: State, resumable: bool = False) -> bool:
        """Goes to a state where it may follow; returns whether it did."""
        if state not in _NEXT[self.state]:
            return False
        changed = state is not self.state or resumable is not self.resumable
        self.state, self.resumable = state, resumable
        if changed:
            self.changed.emit(state)
        return True
