"""The part of the panel that says what is installed, and installs what is missing."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
import slicer
import slicer.util
from slicer.i18n import tr as _

from ContrastiveSegLib.Panels.Section import Section
from ContrastiveSegLib.SetUp.Action import Action
from ContrastiveSegLib.SetUp.CheckReport import CheckReport
from ContrastiveSegLib.SetUp.CheckStore import CheckStore
from ContrastiveSegLib.SetUp.Condition import Condition
from ContrastiveSegLib.SetUp.InstallerProcess import InstallerProcess
from ContrastiveSegLib.SetUp.PackageState import PackageState
from ContrastiveSegLib.SetUp.SelfCheck import SelfCheck
from ContrastiveSegLib.SetUp.SetUpAdvice import SetUpAdvice
from ContrastiveSegLib.UserError import UserError

if TYPE_CHECKING:
    from ContrastiveSegLib.Panels.Panel import Panel

_WHEELHOUSE = "ContrastiveSeg/Wheelhouse"
# colours of both the writing and the ground, so that they are read in the light and the dark theme
_ATTENTION = "background: #fff4ce; color: #4d3800; border-radius: 3px; padding: 4px;"
_WARNING = "background: #fdecea; color: #8b0000; border-radius: 3px; padding: 4px;"
_ROW_HEIGHT = 22
_LOG_HEIGHT = 120


class SetUpSection(Section):
    """Hidden behind a small button where everything is fine; open where something has to be done.

    Nothing is installed without being asked for, and nothing here stands still: pip and the test of
    PyTorch run in child processes.
    """

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self._store = CheckStore()
        self._installer: InstallerProcess | None = None
        self._check: SelfCheck | None = None
        self._report: CheckReport | None = None
        self._packages: list[PackageState] = []
        self._advice = SetUpAdvice("", Action.Nothing, isFine=True)
        self._running, self._failure = "", ""
        self._isOpen = self._isNew = False
        self._items: list[Any] = []
        self._makeTable()
        self.ui.installLog.setFixedHeight(_LOG_HEIGHT)
        self.ui.installLog.visible = False
        self.ui.installProgressBar.visible = False
        folder = str(slicer.app.userSettings().value(_WHEELHOUSE) or "")
        if folder:
            self.ui.wheelhouseCheckBox.checked = True
            self.ui.wheelhouseButton.directory = folder
        for sender, signal, receiver in self._connections():
            sender.connect(signal, receiver)

    def _connections(self) -> list[tuple[Any, str, Any]]:
        ui = self.ui
        return [
            (ui.openSetUpButton, "clicked(bool)", self._onOpen),
            (ui.closeSetUpButton, "clicked(bool)", self._onClose),
            (ui.installButton, "clicked(bool)", self._onButton),
            (ui.checkButton, "clicked(bool)", self._onCheck),
            (ui.wheelhouseCheckBox, "toggled(bool)", self._onWheelhouse),
            (ui.wheelhouseButton, "directoryChanged(QString)", self._onWheelhouse),
        ]

    def enter(self) -> None:
        """Looks at the packages; those of another module may have changed them meanwhile."""
        if not self._running:
            self._look()
            if self._report is None and not self.panel.installing.isTesting():
                self._startCheck()
        self.show()

    def close(self) -> None:
        """Ends what runs."""
        for sender, signal, receiver in self._connections():
            sender.disconnect(signal, receiver)
        if self._installer is not None:
            self._installer.stop(wait=True)
        if self._check is not None:
            self._check.stop(wait=True)

    def showMissing(self) -> None:
        """Opens where a learning could not begin."""
        self._isOpen = True
        self._look()
        self.show()

    def show(self) -> None:
        """Shows what is known."""
        ui, advice = self.ui, self._advice
        opened = self._isOpen or bool(self._running) or bool(self._failure) or not advice.isFine
        ui.setUpCollapsibleButton.visible = opened
        ui.setUpSummaryFrame.visible = not opened
        if opened and ui.setUpCollapsibleButton.collapsed:
            ui.setUpCollapsibleButton.collapsed = False
        device = self._report.deviceWords() if self._report is not None else ""
        summary = _("Learning runs on {device}.").format(device=device) if device else ""
        if advice.isWarning and self._report is not None:
            summary = self._report.problem
        ui.deviceLabel.text = summary
        ui.deviceLabel.styleSheet = _WARNING if advice.isWarning else ""
        isBad = advice.isWarning or bool(self._failure)
        ui.setUpLabel.text = self._failure if self._failure and not self._running else advice.sentence
        ui.setUpLabel.styleSheet = (
            _WARNING if isBad and not self._running else "" if advice.isFine else _ATTENTION
        )
        details = self._report.detailWords() if self._report is not None else ""
        if self._isChecking():
            ready = all(one.isMet for one in self._packages)
            details = (
                _("Trying a small calculation on the device ...")
                if ready
                else _("Looking whether packages can be installed ...")
            )
        ui.deviceDetailsLabel.text = details
        ui.deviceDetailsLabel.visible = bool(details)
        self._showButtons(advice)

    def _showButtons(self, advice: SetUpAdvice) -> None:
        ui = self.ui
        busy = bool(self._running)
        ui.installButton.text, ui.installButton.toolTip = advice.buttonText, advice.buttonTip
        ui.installButton.enabled = advice.action is not Action.Nothing
        ui.installButton.visible = advice.action is not Action.Nothing
        ui.checkButton.enabled = not busy and not self._isChecking()
        ui.checkButton.toolTip = (
            _("Wait until this is finished.")
            if not ui.checkButton.enabled
            else _("Looks at the packages again and tries a small calculation on the device.")
        )
        ui.closeSetUpButton.visible = advice.isFine and not busy
        ui.wheelhouseCheckBox.enabled = not busy
        ui.wheelhouseButton.visible = bool(ui.wheelhouseCheckBox.checked)
        ui.wheelhouseButton.enabled = not busy
        ui.installProgressBar.visible = busy
        ui.installLog.visible = bool(ui.installLog.plainText)

    def _look(self) -> None:
        self._packages = self.panel.installing.packages()
        torch = self._packages[0].installed
        if (
            self._report is not None
            and self._report.code == "missing"
            and all(p.isMet for p in self._packages)
        ):
            self._report = None  # somebody else has installed it meanwhile
        if self._report is None or (self._report.torch and self._report.torch != torch):
            self._report = self._store.read(torch)
        self._advise()
        self._fillTable()

    def _advise(self) -> None:
        self._advice = SetUpAdvice.of(
            self._packages,
            hasExtension=self.panel.installing.hasExtension(),
            report=self._report,
            replaced=self.panel.installing.replaced(),
            running=self._running,
            isTorchLoaded=self.panel.installing.isTorchLoaded(),
            fromFolder=bool(self.ui.wheelhouseCheckBox.checked),
        )

    def _wheelhouse(self) -> Path | None:
        return Path(self.ui.wheelhouseButton.directory) if self.ui.wheelhouseCheckBox.checked else None

    def _onOpen(self, checked: bool = False) -> None:
        self.showMissing()
        if self._report is None:
            self._onCheck()

    def _onClose(self, checked: bool = False) -> None:
        self._isOpen, self._failure = False, ""
        self.ui.installLog.setPlainText("")
        self.show()

    def _onWheelhouse(self, value: Any = None) -> None:
        folder = self._wheelhouse()
        slicer.app.userSettings().setValue(_WHEELHOUSE, str(folder) if folder is not None else "")
        self._failure = ""
        self._advise()
        self.show()

    def _onButton(self, checked: bool = False) -> None:
        action = self._advice.action
        with self.panel.explained():
            try:
                if action is Action.Stop:
                    if self._installer is not None:
                        self._installer.stop()
                elif action is Action.Restart:
                    self._restart()
                elif action is Action.OpenExtensions:
                    self._openExtensions()
                else:
                    self._install()
            except UserError as error:
                self._failure = str(error)
                self.show()

    @staticmethod
    def _openExtensions() -> None:
        slicer.app.openExtensionsManagerDialog()

    @staticmethod
    def _restart() -> None:
        if slicer.util.confirmOkCancelDisplay(
            _("Restart 3D Slicer now? What is not saved in the scene is lost."), _("Restart 3D Slicer")
        ):
            slicer.util.restart()

    def _install(self) -> None:
        """Asks, then starts the installation.

        Raises:
            UserError: It cannot begin.
        """
        steps = self.panel.installing.steps(self._wheelhouse(), self._report)
        if self.panel.learning.machine.state.isBusy:
            raise UserError(_("A learning is going on."), _("Press Stop first."))
        if self.panel.installing.isTesting():  # a test never changes the application's packages
            raise UserError(self._advice.sentence)
        if not steps:
            raise UserError(
                _("Nothing is missing that could be installed."),
                _("Restart 3D Slicer and press 'Check again'."),
            )
        if not self._agreed():
            return
        if self._check is not None:
            self._check.stop()  # it has files open that may be replaced, and its answer would be old
        self.panel.learning.worker.quit()  # it has files in use that may be replaced
        self._failure = ""
        self.ui.installLog.setPlainText("")
        self._installer = InstallerProcess(self.panel.installing.python())
        self._installer.stepped.connect(self._onStep)
        self._installer.progressed.connect(self._onProgress)
        self._installer.line.connect(self._onLine)
        self._installer.ended.connect(self._onInstalled)
        self.panel.installing.isInstalling = True
        self._installer.start(steps)

    def _agreed(self) -> bool:
        torch, *others = self._packages
        names = [one.title for one in others if not one.isMet]
        fromFolder = self._wheelhouse() is not None
        words = []
        if not torch.isMet or (self._report is not None and self._report.needsTorchAgain):
            names = [torch.title, *names]
            if not fromFolder:
                words.append(
                    _("PyTorch is large: 0.3 GB are downloaded, or about 3 GB with an NVIDIA graphics card.")
                )
        source = _("from the folder you chose") if fromFolder else _("from the internet")
        text = _("Install {names} {source} into this 3D Slicer?").format(
            names=", ".join(names) or _("the packages"), source=source
        )
        words.append(_("You can go on working meanwhile; no image leaves this computer."))
        return bool(
            slicer.util.confirmOkCancelDisplay("\n\n".join([text, *words]), _("Install Python packages"))
        )

    def _onStep(self, title: str, number: int, count: int) -> None:
        self._running = f"{title} ({number}/{count})" if count > 1 else title
        self.ui.installLog.appendPlainText(f"--- {title}")
        self.ui.installProgressBar.setRange(0, 0)
        self.ui.installProgressBar.setFormat("%p %")
        self._advise()
        self.show()

    def _onProgress(self, done: int, total: int) -> None:
        if total > 0:
            self.ui.installProgressBar.setRange(0, 1000)
            self.ui.installProgressBar.setValue(round(1000 * min(done / total, 1.0)))
            self.ui.installProgressBar.setFormat(f"{done / 1e6:.0f} / {total / 1e6:.0f} MB")

    def _onLine(self, line: str) -> None:
        self.ui.installLog.appendPlainText(line)

    def _onInstalled(self, failure: UserError | None) -> None:
        self._running, self.panel.installing.isInstalling = "", False
        self._failure = str(failure) if failure is not None else ""
        if failure is not None:
            logging.warning("ContrastiveSeg: %s", failure)
        self._report = None
        self._store.forget()
        self._look()
        if failure is None and all(one.isMet for one in self._packages):
            self._isNew = True
            self._startCheck()
        self.show()

    def _onCheck(self, checked: bool = False) -> None:
        with self.panel.explained():
            self._failure = ""
            self._look()
            self._startCheck()
            self.show()

    def _startCheck(self) -> None:
        if self._isChecking():
            return
        self._check = SelfCheck(self.panel.installing.python())
        self._check.finished.connect(self._onChecked)
        self._check.start()

    def _isChecking(self) -> bool:
        return self._check is not None and self._check.isRunning

    def _onChecked(self, report: CheckReport) -> None:
        self._report = report
        if report.works:
            self._store.write(report)
        self._advise()
        if self._isNew and self._advice.isFine and not self._advice.isWarning:
            self.panel.say(self._advice.sentence)
            self._isOpen = False
        self._isNew = False
        self.show()

    def _makeTable(self) -> None:
        table = self.ui.packageTable
        table.setColumnCount(4)
        table.setHorizontalHeaderLabels([_("Package"), _("Installed"), _("Needed"), _("State")])
        header = table.horizontalHeader()
        for column in (0, 2, 3):
            header.setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(1, qt.QHeaderView.Stretch)  # in a narrow panel a long build is cut
        header.setFixedHeight(_ROW_HEIGHT)
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        table.setWordWrap(False)

    def _fillTable(self) -> None:
        table = self.ui.packageTable
        table.setRowCount(len(self._packages))
        self._items = []
        dark = table.palette.color(qt.QPalette.Base).lightness() < 128
        red = qt.QBrush(qt.QColor("#ff8a80" if dark else "#b71c1c"))
        for row, one in enumerate(self._packages):
            for column, text in enumerate([one.title, one.installed or "–", one.needed, one.words]):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(one.problem or f"{one.name} {one.installed} ({one.requirement})")
                if column == 3 and one.condition is not Condition.UpToDate:
                    item.setForeground(red)
                self._items.append(item)
                table.setItem(row, column, item)
        table.setFixedHeight(_ROW_HEIGHT * (len(self._packages) + 1) + 4)
