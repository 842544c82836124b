"""What is missing, and which commands install it."""

import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from ContrastiveSegLib.InstallLogic import TORCH, InstallLogic
from ContrastiveSegLib.SetUp.CheckReport import CheckReport
from ContrastiveSegLib.UserError import UserError

MODULE = Path(sys.modules[InstallLogic.__module__].__file__).parents[1]


@pytest.fixture
def requirements(tmp_path):
    def write(text, **arguments):
        path = tmp_path / "requirements.txt"
        path.write_text(text, "utf-8")
        return InstallLogic(path, **arguments)

    return write


def commands(steps):
    return [" ".join(step.arguments) for step in steps]


def test_the_extensions_own_requirements_are_met_here():
    assert InstallLogic().missing() == [] and InstallLogic().sentence() == ""


def test_what_is_asked_for_has_a_floor_and_a_ceiling_and_no_fixed_version():
    for one in InstallLogic().packages():
        assert one.floor and one.ceiling and "==" not in one.requirement


def test_the_floors_are_those_of_the_engine():
    project = MODULE.parent / "pyproject.toml"
    if not project.is_file():
        pytest.skip("only in the repository")
    stated = tomllib.loads(project.read_text("utf-8"))["project"]["dependencies"]
    for one in InstallLogic().packages():
        assert f"{one.name}>={one.floor}" in stated


def test_what_is_not_installed_or_too_old_is_listed(requirements):
    install = requirements("# a comment\nnumpy>=1.0\n\nnumpy >= 99.1\nno-such-package-here>=1\n")
    assert install.missing() == ["numpy >= 99.1", "no-such-package-here>=1"]
    assert "NumPy, no-such-package-here" in install.sentence()


def test_pytorch_is_named_first(requirements):
    install = requirements("no-such-package-here\n")
    install.hasTorch = lambda: False
    assert install.missing() == [TORCH, "no-such-package-here"]
    assert "PyTorch, no-such-package-here" in install.sentence()


def test_pytorch_comes_as_the_pytorch_extension_asks_for_it(requirements, tmp_path, monkeypatch):
    asked = []

    def arguments(backend, torch, torchvision):
        asked.append((backend, torch, torchvision))
        return ["install", f"torch{torch}", "torchvision", "--pytorch-computation-backend=cu130"]

    logic = SimpleNamespace(_getPipInstallArguments=arguments)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", SimpleNamespace(PyTorchUtilsLogic=logic))
    install = requirements("tiny>=1\n", paths=[str(tmp_path)])
    helper, torch, others = commands(install.steps(None))
    assert asked == [(None, ">=2.4,<3", None)]
    assert helper.startswith("-m pip install") and "light-the-torch>=0.5" in helper
    assert torch.startswith("-m light_the_torch install") and "torchvision" in torch
    assert torch.endswith("--pytorch-computation-backend=cu130") and "torch>=2.4,<3" in torch
    assert others.startswith("-m pip install") and others.endswith("tiny>=1")
    assert all("--only-binary :all:" in one and "--no-input" in one for one in (helper, torch, others))


def test_from_a_folder_nothing_asks_the_network(requirements, tmp_path):
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "tiny-1.0-py3-none-any.whl").touch()
    install = requirements("tiny>=1\n", paths=[str(tmp_path)])
    for command in commands(install.steps(tmp_path / "wheels")):
        assert f"--no-index --find-links {tmp_path / 'wheels'}" in command and "light" not in command


def test_a_folder_without_wheels_is_refused_with_a_sentence(requirements, tmp_path):
    with pytest.raises(UserError, match=r"holds no wheels.*Docs/installation.md"):
        requirements("tiny>=1\n").steps(tmp_path)


def test_the_installed_pytorch_is_not_replaced_by_another_package(requirements):
    (step,) = requirements("no-such-package-here>=1\n").steps(None)
    assert any(one.startswith("torch==") for one in step.arguments)


@pytest.mark.parametrize("code", ["cpu-build", "build-does-not-fit", "died", "torch-broken"])
def test_the_wrong_build_of_pytorch_is_removed_first(requirements, code):
    steps = commands(requirements("numpy>=1\n").steps(None, CheckReport(code=code)))
    assert steps[0].endswith("Leftovers.py torch torchvision")
    assert steps[1].startswith("-m pip uninstall --yes") and steps[1].endswith("torch torchvision")
    assert steps[-1].startswith("-m light_the_torch install")


def test_a_package_that_cannot_be_loaded_is_installed_again(requirements):
    steps = commands(requirements("numpy>=1\n").steps(None, CheckReport(code="numpy-broken")))
    assert steps[0].endswith("Leftovers.py numpy")
    assert "--force-reinstall --no-deps" in steps[1] and len(steps) == 3


def test_nothing_is_done_where_nothing_is_missing(requirements):
    assert requirements("numpy>=1\n").steps(None, CheckReport(device="CPU")) == []


def test_while_the_application_installs_something_nothing_is_started(requirements, monkeypatch):
    monkeypatch.setitem(sys.modules, "slicer.packaging", SimpleNamespace(isPipInstallInProgress=lambda: True))
    with pytest.raises(UserError, match="Another module is installing"):
        requirements("tiny>=1\n").steps(None)
