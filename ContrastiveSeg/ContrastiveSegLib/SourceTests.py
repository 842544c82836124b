"""The repository's tests of the panel, run within the application."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import sys
from pathlib import Path

_FOLDER = Path(__file__).resolve().parents[2] / "Testing" / "Python"
_ARGUMENTS = ["-q", "-p", "no:cacheprovider", "-m", "not slow and not gpu and not standin", "--timeout=600"]


class SourceTests:
    """The same files that run with stand-ins for the application elsewhere; here nothing stands in.

    They are there where the module was loaded from its sources, and run where pytest is installed in
    the application's Python: ``pip_install("pytest pytest-timeout hypothesis psutil")``.
    """

    @staticmethod
    def whyNot() -> str:
        """Why they cannot run; empty where they can."""
        if not _FOLDER.is_dir():
            return "This is not the module's source folder; the repository's tests are not here."
        if "PYTEST_CURRENT_TEST" in os.environ:
            return "The repository's tests are running already."
        missing = [
            one
            for one in ("pytest", "pytest_timeout", "hypothesis", "psutil")
            if importlib.util.find_spec(one) is None
        ]
        return f"Python packages are missing: {', '.join(missing)}." if missing else ""

    @classmethod
    def run(cls) -> None:
        """Runs them; it takes minutes.

        In the environment ``CONTRASTIVESEG_TESTS`` names files below Testing/Python with blanks between, else
        those of the panel run; ``CONTRASTIVESEG_TEST_LOG`` names a file for what pytest says.

        Raises:
            AssertionError: One has failed.
        """
        import pytest

        for name, module in list(sys.modules.items()):  # of the last time
            if (getattr(module, "__file__", None) or "").startswith(str(_FOLDER)):
                del sys.modules[name]
        if str(_FOLDER) not in sys.path:
            sys.path.insert(0, str(_FOLDER))
        panel = sorted(path.name for path in _FOLDER.glob("test_panel*.py"))
        wanted = os.environ.get("CONTRASTIVESEG_TESTS", "").split() or [*panel, "ContrastiveSegLib"]
        arguments = [*(str(_FOLDER / one) for one in wanted), *_ARGUMENTS, f"--rootdir={_FOLDER.parents[1]}"]
        with contextlib.ExitStack() as stack:
            if log := os.environ.get("CONTRASTIVESEG_TEST_LOG"):
                file = stack.enter_context(open(log, "w", encoding="utf-8", buffering=1))
                stack.enter_context(contextlib.redirect_stdout(file))
                stack.enter_context(contextlib.redirect_stderr(file))
            status = int(pytest.main(arguments))
        logging.info("The repository's tests ended with status %d.", status)
        assert status == 0, f"The repository's tests ended with status {status}."
