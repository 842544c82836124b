"""Stand-ins for the half of 3D Slicer that no package registry has.

``slicer-core`` brings the real ``slicer.util`` and some 600 real MRML and VTK classes. What is
missing there (``slicer.app``, the scripted-module base classes, ``parameterNodeWrapper``, ``qt``,
``ctk`` and the few qMRML widgets the panel uses) is stood in for here, written from the
application's documented behaviour. Two rules keep the stand-ins honest: they are strict (what they
do not know raises, as a mistyped name does in the application), and they are small.

:func:`install` puts everything in place; after it, code of the extension runs unchanged.
"""

from __future__ import annotations

import atexit
import os
import sys
from types import ModuleType

from slicer_harness.libraries import check_libraries

_installed = False


def in_application() -> bool:
    """Whether this process is the real application, where nothing needs to be stood in for."""
    slicer = sys.modules.get("slicer")
    return slicer is not None and not _installed and hasattr(slicer, "app")


def install() -> ModuleType:
    """Makes ``import slicer, qt, ctk`` work as in the application; calling it again does nothing.

    Within the application it does nothing at all.

    Returns:
        The module ``slicer``.

    Raises:
        RuntimeError: A system library is missing; one sentence names the package to install.
    """
    global _installed
    if in_application():
        return sys.modules["slicer"]
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    check_libraries()
    import slicer

    if not _installed:
        from slicer_harness import application, ctk_module, parameter_node, qt_module, scripted_module

        qt_module.install()
        ctk_module.install()
        application.install(slicer)
        parameter_node.install(slicer)
        scripted_module.install(slicer)
        _installed = True
    return slicer


def exit_now(status: int) -> None:
    """Ends the process with this status, past the destructors that can crash in slicer-core.

    Exit handlers run and streams are flushed before.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
