"""The repository's tests of the panel, run within the application."""

from __future__ import annotations

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
    def run(cls, names: str = "", log: Path | None = None) -> None:
        """Runs them; it takes minutes.

        Args:
            names: Files below Testing/Python with blanks between; empty for all of the panel.
            log: Where to write what pytest says; else it goes to the standard output.

        Raises:
            AssertionError: One has failed.
        """
        import pytest

        for one in [name for name in sys.modules if name.startswith(("test_panel", "test_", "conftest"))]:
            del sys.modules[one]  # of the last time
        if str(_FOLDER) not in sys.path:
            sys.path.insert(0, str(_FOLDER))
        panel = sorted(path.name for path in _FOLDER.glob("test_panel*.py"))
        wanted = names.split() or [*panel, "ContrastiveSegLib"]
        arguments = [*(str(_FOLDER / one) for one in wanted), *_ARGUMENTS, f"--rootdir={_FOLDER.parents[1]}"]
        former = sys.stdout, sys.stderr
        file = open(log, "w", encoding="utf-8", buffering=1) if log is not None else None  # noqa: SIM115
        try:
            if file is not None:
                sys.stdout = sys.stderr = file
            status = pytest.main(arguments)
        finally:
            sys.stdout, sys.stderr = former
            if file is not None:
                file.close()
        logging.info("The repository's tests ended with status %d.", status)
        assert int(status) == 0, f"The repository's tests ended with status {int(status)}."
