"""What the button of the set-up does."""

from __future__ import annotations

from enum import Enum


class Action(Enum):
    """The one thing that helps in a state."""

    Nothing = "nothing"
    Install = "install"
    Update = "update"
    InstallGpuBuild = "install the GPU build"
    Repair = "repair"
    Stop = "stop"
    Restart = "restart"
    OpenExtensions = "open the Extensions Manager"
