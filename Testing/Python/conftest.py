"""Brings the application's stand-ins in for the Slicer-side tests, and keeps the exit status true."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# No test depends on how fast the computer is, or how busy.
settings.register_profile("any speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any speed")

_HERE = Path(__file__).resolve().parent
_status = 0


def pytest_collect_file(file_path: Path, parent: Any) -> None:
    """Slicer-side test modules import slicer and qt at their top, so these must be there before.

    The engine's tests run without them.
    """
    if file_path.suffix == ".py" and _needs_slicer(file_path):
        import slicer_harness

        try:
            slicer_harness.install()
        except RuntimeError as error:
            pytest.exit(str(error), returncode=4)


def _needs_slicer(path: Path) -> bool:
    return _HERE / "ContrastiveSegLib" in path.parents or (
        path.parent == _HERE and path.name.startswith("test_panel")
    )


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    global _status
    _status = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """slicer-core can crash while the interpreter ends, after all reports are written."""
    import slicer_harness

    if slicer_harness.in_application() or hasattr(config, "workerinput"):
        return
    if "slicer" in sys.modules:
        slicer_harness.exit_now(_status)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Within the application there are no stand-ins."""
    import slicer_harness

    if slicer_harness.in_application():
        for item in items:
            if item.get_closest_marker("standin"):
                item.add_marker(pytest.mark.skip(reason="needs the stand-ins"))


@pytest.fixture
def a_scene() -> Iterator[Any]:
    """The real scene, empty before and after."""
    import slicer

    slicer.mrmlScene.Clear(0)
    yield slicer.mrmlScene
    slicer.mrmlScene.Clear(0)


@pytest.fixture
def a_volume_node(a_scene: Any) -> Any:
    """A volume of 12 x 30 x 40 voxels (z, y, x), 2 mm slices, with a bright ball in it."""
    from scene_parts import add_volume, ball

    return add_volume(ball((12, 30, 40)) * 300 + 50)


@pytest.fixture
def a_segmentation_node(a_volume_node: Any) -> Any:
    """A segmentation with the one empty segment 'Ball' on the volume's geometry."""
    from scene_parts import add_segmentation

    return add_segmentation(a_volume_node, ["Ball"])


@pytest.fixture
def a_module() -> Any:
    """The module ContrastiveSeg as the application knows it, ``slicer.modules.contrastiveseg``."""
    import slicer

    if not hasattr(slicer.modules, "contrastiveseg"):
        from slicer_harness.module_host import load_module

        load_module(_HERE.parents[1] / "ContrastiveSeg" / "ContrastiveSeg.py")
    return slicer.modules.contrastiveseg


@pytest.fixture
def a_panel(a_scene: Any, a_module: Any) -> Iterator[Any]:
    """The module's widget, opened in the empty scene; its worker ends with it."""
    import slicer

    import slicer_harness

    is_real = slicer_harness.in_application()
    with _panel_of_application() if is_real else _panel_of_stand_ins(a_module) as widget:
        loaded = {name: one for name, one in sys.modules.items() if name.startswith("ContrastiveSeg")}
        yield widget
    sys.modules.update(loaded)  # a reload makes new classes, which the tests do not know
    slicer.app.processEvents()


@contextlib.contextmanager
def _panel_of_stand_ins(module: Any) -> Iterator[Any]:
    import slicer

    representation = module.widgetRepresentation()
    representation.enter()
    yield representation.self()
    slicer.app.moduleManager().unload("ContrastiveSeg")
    representation.exit()
    module.forget()


@contextlib.contextmanager
def _panel_of_application() -> Iterator[Any]:
    """A panel of its own: the application's one lives as long as that."""
    import slicer

    import ContrastiveSeg

    former = getattr(slicer.modules, "ContrastiveSegWidget", None)
    widget = ContrastiveSeg.ContrastiveSegWidget()
    slicer.modules.ContrastiveSegWidget = widget  # so that a reload cleans up this one
    widget.enter()
    yield widget
    again = slicer.modules.ContrastiveSegWidget
    if again is not widget:
        again.cleanup()
    widget.exit()
    widget.cleanup()
    slicer.modules.ContrastiveSegWidget = former
    widget.parent.hide()
    widget.parent.deleteLater()


@pytest.fixture
def a_volume_to_paint(a_panel: Any, a_volume_node: Any, a_segmentation_node: Any) -> tuple[Any, Any]:
    """A volume and a segmentation with the one empty segment 'Ball', chosen in the panel."""
    a_panel.enter()
    return a_volume_node, a_segmentation_node


@pytest.fixture
def a_painted_scene(a_panel: Any, a_volume_node: Any, a_segmentation_node: Any) -> tuple[Any, Any]:
    """A volume with three painted slices of the segment 'Ball'; the panel has found both nodes."""
    from scene_parts import ball, only_slices, paint

    painted = only_slices(ball((12, 30, 40)), 0, [3, 6, 8])
    paint(a_segmentation_node, "Ball", painted, a_volume_node)
    a_panel.enter()
    return a_volume_node, a_segmentation_node


@pytest.fixture(scope="session")
def a_learnt_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has learnt the phantom's two organs, made by the command line."""
    from patients_parts import make_run

    return make_run(tmp_path_factory.mktemp("learnt"), others=True)


@pytest.fixture
def learnt(a_panel: Any, a_learnt_run: Path) -> Any:
    """The nodes that were learnt, chosen in the panel; its section Other patients is unfolded."""
    from patients_parts import learnt_nodes, section_of

    nodes = learnt_nodes(a_learnt_run)
    a_panel.enter()
    section = section_of(a_panel)
    section.logic.settings = {"device": "cpu", "threads": 1}
    a_panel.ui.patientsCollapsibleButton.collapsed = False
    section.update()
    return nodes
