"""Real installations with pip into an environment of their own, without any network."""

import os
import socket
import threading
from pathlib import Path

import pytest
import qt
from scene_parts import is_alive, wait_until
from scratch_python import ScratchPython, make_wheel

from ContrastiveSegLib.InstallLogic import InstallLogic
from ContrastiveSegLib.SetUp.Condition import Condition
from ContrastiveSegLib.SetUp.InstallerProcess import InstallerProcess
from ContrastiveSegLib.SetUp.InstallStep import InstallStep
from ContrastiveSegLib.SetUp.SelfCheck import SelfCheck


@pytest.fixture(scope="module")
def a_python(tmp_path_factory):
    return ScratchPython(tmp_path_factory.mktemp("a folder") / "env")


@pytest.fixture(scope="module")
def a_wheelhouse(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheels of mine")
    make_wheel(folder, "torch", "2.5.0")
    make_wheel(folder, "tiny", "1.5", needs="helper>=1")
    make_wheel(folder, "helper", "1.0")
    return folder


@pytest.fixture
def no_network(monkeypatch):
    """Whoever asks the network is refused at once; no packages come from elsewhere."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def install(a_python, tmp_path, no_network):
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("tiny>=1,<2\n", "utf-8")
    return InstallLogic(requirements, paths=[str(a_python.site)], python=a_python.program)


class Watched:
    """Runs steps and keeps what was said."""

    def __init__(self, python, steps):
        self.lines, self.titles, self.ends, self.ticks = [], [], [], 0
        self.process = InstallerProcess(python)
        self.process.line.connect(self.lines.append)
        self.process.stepped.connect(lambda title, number, count: self.titles.append(title))
        self.process.ended.connect(self.ends.append)
        self.timer = qt.QTimer()
        self.timer.connect("timeout()", self._tick)
        self.timer.start(10)
        self.process.start(steps)

    def _tick(self):
        self.ticks += 1

    def wait(self):
        wait_until(lambda: bool(self.ends), 120)
        self.timer.stop()
        return self.ends[0]


def conditions(install):
    return [one.condition for one in install.packages()]


def test_everything_is_installed_from_a_folder_without_a_network(install, a_python, a_wheelhouse):
    assert conditions(install) == [Condition.Missing, Condition.Missing]
    watched = Watched(a_python.program, install.steps(a_wheelhouse))
    assert watched.wait() is None
    assert conditions(install) == [Condition.UpToDate, Condition.UpToDate] and install.missing() == []
    assert [one.split()[0] for one in watched.titles] == ["Installing", "Installing"]
    assert any("Successfully installed" in line and "tiny-1.5" in line for line in watched.lines)
    assert watched.ticks > 20  # the application went on meanwhile
    assert install.steps(a_wheelhouse) == []


@pytest.mark.parametrize("lost", ["METADATA RECORD", "RECORD", "../tiny/__init__.py"])
def test_what_was_broken_off_half_way_is_repaired(install, a_python, a_wheelhouse, lost):
    Watched(a_python.program, install.steps(a_wheelhouse)).wait()
    (described,) = a_python.site.glob("tiny-*.dist-info")
    for name in lost.split():
        (described / name).unlink()
    assert conditions(install) == [Condition.UpToDate, Condition.Broken]
    assert Watched(a_python.program, install.steps(a_wheelhouse)).wait() is None
    assert conditions(install) == [Condition.UpToDate, Condition.UpToDate]
    assert len(list(a_python.site.glob("tiny-*.dist-info"))) == 1


def test_an_installation_killed_before_its_description_was_written_is_taken_up(
    install, a_python, a_wheelhouse
):
    Watched(a_python.program, install.steps(a_wheelhouse)).wait()
    (described,) = a_python.site.glob("tiny-*.dist-info")
    for one in described.iterdir():
        one.unlink()
    described.rmdir()
    (a_python.site / "~iny-1.4.dist-info").mkdir()
    assert conditions(install)[1] is Condition.Missing
    assert Watched(a_python.program, install.steps(a_wheelhouse)).wait() is None
    assert install.missing() == []


def test_a_broken_pytorch_is_replaced_and_the_other_packages_stay(install, a_python, a_wheelhouse):
    Watched(a_python.program, install.steps(a_wheelhouse)).wait()
    (described,) = a_python.site.glob("torch-*.dist-info")
    (described / "RECORD").unlink()
    assert conditions(install) == [Condition.Broken, Condition.UpToDate]
    watched = Watched(a_python.program, install.steps(a_wheelhouse))
    assert watched.wait() is None and install.missing() == []
    assert not any("Installing tiny" in title for title in watched.titles)


@pytest.mark.parametrize("name", ["absent", "asking"])
def test_a_folder_that_lacks_something_is_told_with_its_name(a_python, tmp_path, no_network, name):
    folder = make_wheel(tmp_path / "half", "asking", "1.5", needs="absent>=1").parent
    requirements = _written(tmp_path, f"{name}>=1\n")
    install = InstallLogic(requirements, paths=[str(a_python.site)], python=a_python.program)
    failure = Watched(a_python.program, [install.steps(folder)[-1]]).wait()
    assert "folder of wheels holds no fitting 'absent'" in failure.sentence


def _written(folder: Path, text: str) -> Path:
    path = folder / "others.txt"
    path.write_text(text, "utf-8")
    return path


def test_without_a_network_a_sentence_says_so(a_python, tmp_path, no_network):
    install = InstallLogic(
        _written(tmp_path, "absent>=1\n"), paths=[str(a_python.site)], python=a_python.program
    )
    watched = Watched(a_python.program, [install.steps(None)[-1]])
    failure = watched.wait()
    assert "There is no connection" in failure.sentence and "Install from a folder" in failure.whatToDo


def test_a_proxy_that_asks_for_a_password_is_told(a_python, tmp_path, no_network, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_refuse, args=(server,), daemon=True)
        thread.start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setenv("PIP_INDEX_URL", "https://packages.invalid/simple")
        install = InstallLogic(
            _written(tmp_path, "absent>=1\n"), paths=[str(a_python.site)], python=a_python.program
        )
        failure = Watched(a_python.program, [install.steps(None)[-1]]).wait()
    assert "asks for a name and a password (407)" in failure.sentence


def _refuse(server: socket.socket) -> None:
    while True:
        try:
            connection, _address = server.accept()
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            connection.close()
        except OSError:
            return


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_cannot_be_written_to_is_told(install, a_python, a_wheelhouse, monkeypatch):
    monkeypatch.setenv("PYTHONNOUSERSITE", "1")
    a_python.site.chmod(0o555)
    try:
        steps = [InstallStep("Installing", ("-m", "pip", "install", "--no-index", "--find-links",
                                            str(a_wheelhouse), "--force-reinstall", "helper"))]  # fmt: skip
        failure = Watched(a_python.program, steps).wait()
    finally:
        a_python.site.chmod(0o755)
    assert "cannot be written to" in failure.sentence


def test_stop_ends_the_installation_and_all_it_has_started(a_python):
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(100)"
    watched = Watched(a_python.program, [InstallStep("Sleeping", ("-c", code))])
    wait_until(lambda: bool(watched.lines), 30)
    watched.process.stop()
    assert "stopped" in watched.wait().sentence
    wait_until(lambda: not is_alive(int(watched.lines[0])), 10)


def test_a_python_that_cannot_be_started_is_told():
    failure = Watched("/no/such/python", [InstallStep("Installing", ("-V",))]).wait()
    assert "'Installing' failed" in failure.sentence


def checked(python):
    reports = []
    check = SelfCheck(python)
    check.finished.connect(reports.append)
    check.start()
    wait_until(lambda: bool(reports), 180)
    return reports[0]


def test_the_test_says_what_the_device_is_and_that_it_works(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    report = checked(InstallLogic().python())
    assert report.code in ("", "cpu-build", "gpu-not-usable") and report.works
    assert report.kind in ("cpu", "mps") and report.milliseconds is not None and report.torch
    assert report.writable in (True, False) and report.free > 0 and Path(report.folder).is_dir()


def test_a_test_that_is_stopped_gives_no_answer():
    reports = []
    check = SelfCheck(InstallLogic().python())
    check.finished.connect(reports.append)
    check.start()
    check.stop()
    wait_until(lambda: not check.isRunning, 30)
    assert reports == []


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise OSError('libc10.so: cannot open shared object file')", "torch-broken"),
        ("raise ImportError('numpy.core.multiarray failed to import')", "torch-broken"),
        ("import os; os.abort()", "died"),
    ],
)
def test_a_pytorch_that_cannot_be_loaded_is_found_without_harm(a_python, no_network, code, said):
    (a_python.site / "numpy.py").write_text("__version__ = '2.0'\n", "utf-8")
    (a_python.site / "torch").mkdir(exist_ok=True)
    (a_python.site / "torch" / "__init__.py").write_text(code, "utf-8")
    try:
        report = checked(a_python.program)
    finally:
        (a_python.site / "numpy.py").unlink()
    assert report.code == said and report.needsTorchAgain and not report.works
    assert report.problem.endswith(".") and report.whatToDo.startswith("Press Repair")
