"""What is missing, and what is said about it."""

import pytest

from ContrastiveSegLib.InstallLogic import InstallLogic
from ContrastiveSegLib.UserError import UserError


@pytest.fixture
def requirements(tmp_path):
    def write(text):
        path = tmp_path / "requirements.txt"
        path.write_text(text, "utf-8")
        return InstallLogic(path)

    return write


def test_the_extensions_own_requirements_are_met_here():
    assert InstallLogic().missing() == [] and InstallLogic().sentence() == ""


def test_what_is_not_installed_or_too_old_is_listed(requirements):
    install = requirements("# a comment\nnumpy>=1.0\n\nnumpy >= 99.1\nno-such-package-here>=1\n")
    assert install.missing() == ["numpy >= 99.1", "no-such-package-here>=1"]
    assert "numpy, no-such-package-here" in install.sentence()


@pytest.mark.parametrize(("installed", "isMet"), [("1.10.2", True), ("1.9", True), ("1.8.9+cu1", False)])
def test_numbers_of_versions_are_compared_as_numbers(requirements, monkeypatch, installed, isMet):
    from importlib import metadata

    monkeypatch.setattr(metadata, "version", lambda name: installed)
    assert (requirements("some-package>=1.9").missing() == []) is isMet


def test_pytorch_is_named_first(requirements, monkeypatch):
    monkeypatch.setattr(InstallLogic, "hasTorch", staticmethod(lambda: False))
    install = requirements("no-such-package-here\n")
    assert install.missing() == ["torch", "no-such-package-here"]
    assert "PyTorch, no-such-package-here" in install.sentence()


def test_a_test_never_installs_anything(requirements):
    with pytest.raises(UserError, match="no-such-package-here"):
        requirements("no-such-package-here\n").install()


def test_without_the_pytorch_extension_the_way_to_it_is_told(requirements, monkeypatch):
    monkeypatch.setattr(InstallLogic, "hasTorch", staticmethod(lambda: False))
    monkeypatch.setattr(InstallLogic, "isTesting", staticmethod(lambda: False))
    with pytest.raises(UserError, match="Install PyTorch with the Extensions Manager"):
        requirements("numpy>=1\n").install()
