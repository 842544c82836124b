"""Keeps what the test found, so that it need not run each time the panel is opened."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import slicer

from ContrastiveSegLib.SetUp.CheckReport import CheckReport

_KEY = "ContrastiveSeg/SelfCheck"


class CheckStore:
    """The last report, in the user's settings; it holds for the version of PyTorch that it was made with."""

    def read(self, torch: str) -> CheckReport | None:
        """The report for an installed version of PyTorch; None where there is none."""
        try:
            stored: Any = json.loads(str(slicer.app.userSettings().value(_KEY) or ""))
            report = CheckReport(**stored)
        except (ValueError, TypeError):
            return None
        return report if torch and _isOf(report.torch, torch) else None

    def write(self, report: CheckReport) -> None:
        """Keeps a report."""
        slicer.app.userSettings().setValue(_KEY, json.dumps(asdict(report)))

    def forget(self) -> None:
        """Forgets it, as after an installation."""
        slicer.app.userSettings().setValue(_KEY, "")


def _isOf(reported: str, installed: str) -> bool:
    """Whether the version that PyTorch says of itself is the installed one.

    A build for GPUs from the public index is installed as 2.13.0 and calls itself 2.13.0+cu130.
    """
    number, _plus, build = reported.partition("+")
    return reported == installed or (number == installed and build != "cpu")
