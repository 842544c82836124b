"""What the set-up says, and which button it offers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slicer.i18n import tr as _

from ContrastiveSegLib.SetUp.Action import Action
from ContrastiveSegLib.SetUp.CheckReport import CPU_BUILD, CheckReport
from ContrastiveSegLib.SetUp.Condition import Condition
from ContrastiveSegLib.SetUp.PackageState import PackageState
from ContrastiveSegLib.Words import Words

_GIGABYTES_FOR_TORCH, _GIGABYTES_FOR_OTHERS = 6.0, 0.5


@dataclass(frozen=True)
class SetUpAdvice:
    """One state of the set-up.

    Attributes:
        sentence: What is the matter and what to do.
        action: What the button does.
        isFine: Nothing has to be done; the section can be hidden.
        isWarning: The sentence is shown in red.
    """

    sentence: str
    action: Action
    isFine: bool = False
    isWarning: bool = False

    @property
    def buttonText(self) -> str:
        """The button's text."""
        return {
            Action.Nothing: _("Install"),
            Action.Install: _("Install"),
            Action.Update: _("Update"),
            Action.InstallGpuBuild: _("Install the GPU build"),
            Action.Repair: _("Repair"),
            Action.Stop: _("Stop"),
            Action.Restart: _("Restart 3D Slicer"),
            Action.OpenExtensions: _("Open the Extensions Manager"),
        }[self.action]

    @property
    def buttonTip(self) -> str:
        """What the button does, or why it does nothing."""
        return {
            Action.Nothing: _("Nothing has to be installed."),
            Action.Update: _("Asks, then installs the versions that are needed."),
            Action.Install: _("Asks, then installs what is missing into this 3D Slicer."),
            Action.InstallGpuBuild: _("Asks, then replaces PyTorch by the build for the graphics card."),
            Action.Repair: _("Asks, then installs again what does not work."),
            Action.Stop: _("Ends the installation. It can be taken up again."),
            Action.Restart: _("Asks, then closes 3D Slicer and opens it again. Save the scene before."),
            Action.OpenExtensions: _("Shows the extensions; look for PyTorch."),
        }[self.action]

    @classmethod
    def of(
        cls,
        packages: Sequence[PackageState],
        *,
        hasExtension: bool,
        report: CheckReport | None = None,
        replaced: Sequence[str] = (),
        running: str = "",
        isTorchLoaded: bool = False,
        fromFolder: bool = False,
    ) -> SetUpAdvice:
        """The advice for what was found; the first reason that holds counts.

        Args:
            packages: All packages, PyTorch first.
            hasExtension: Whether the PyTorch extension is there.
            report: What the test in the child process found; None where it was not run.
            replaced: Packages that were replaced under the running application.
            running: What is being installed; empty where nothing is.
            isTorchLoaded: Whether the application itself has loaded PyTorch.
            fromFolder: Whether everything is installed from a folder of wheels.
        """
        if running:
            return cls(_("{what}. You can go on working meanwhile.").format(what=running), Action.Stop)
        if replaced:
            names = Words.listed([PackageState.titleOf(one) for one in replaced], most=4)
            return cls(
                _("{names} was replaced while 3D Slicer was using it. Restart 3D Slicer now.").format(
                    names=names
                ),
                Action.Restart,
                isWarning=True,
            )
        torch = packages[0]
        isTorchDue = not torch.isMet or (report is not None and report.needsTorchAgain)
        if isTorchDue and not hasExtension and not fromFolder:
            return cls(
                _(
                    "The extension PyTorch is missing. Install it with the Extensions Manager and restart "
                    "3D Slicer, or tick 'Install from a folder'."
                ),
                Action.OpenExtensions,
                isWarning=True,
            )
        if isTorchDue and isTorchLoaded and torch.condition is not Condition.Missing:
            return cls(
                _(
                    "PyTorch has to be replaced, but another module is using it. Restart 3D Slicer and come "
                    "here before you open that module."
                ),
                Action.Restart,
                isWarning=True,
            )
        return cls._ofPackages(packages, report) or cls._ofReport(report)

    @classmethod
    def _ofPackages(cls, packages: Sequence[PackageState], report: CheckReport | None) -> SetUpAdvice | None:
        due = [one for one in packages if not one.isMet]
        if not due:
            return None
        cannot = cls._whyNotInstall(
            report, _GIGABYTES_FOR_TORCH if due[0].name == "torch" else _GIGABYTES_FOR_OTHERS
        )
        broken = [one for one in due if one.condition is Condition.Broken]
        missing = [one.title for one in due if one.condition is Condition.Missing]
        unfit = [one for one in due if one.condition in (Condition.TooOld, Condition.TooNew)]
        words = []
        for one in broken:
            words.append(_("{name} is broken: {problem}").format(name=one.title, problem=one.problem))
        for one in unfit:
            words.append(
                _("{name} {version} is {condition}; needed is {needed}.").format(
                    name=one.title, version=one.installed, condition=one.words, needed=one.needed
                )
            )
        if missing:
            words.append(
                _("Before the first use, Python packages must be installed: {names}.").format(
                    names=", ".join(missing)
                )
            )
        if cannot:
            words.append(cannot)
        if cannot:
            action = Action.Nothing
        else:
            action = Action.Repair if broken else Action.Update if unfit and not missing else Action.Install
        return cls(" ".join(words), action, isWarning=bool(broken or cannot))

    @classmethod
    def _ofReport(cls, report: CheckReport | None) -> SetUpAdvice:
        if report is None or not report.code:
            device = report.deviceWords() if report is not None else ""
            words = _("Everything is installed.")
            if device:
                words += " " + _("Learning runs on {device}.").format(device=device)
            return cls(words, Action.Nothing, isFine=True)
        sentence = f"{report.problem} {report.whatToDo}".strip()
        if report.code == CPU_BUILD:
            return cls(sentence, Action.InstallGpuBuild, isFine=True, isWarning=True)
        if report.code in ("gpu-not-usable", "wrong-numbers"):
            return cls(sentence, Action.Nothing, isFine=report.isSlow, isWarning=True)
        if report.brokenPackage == "numpy":
            return cls(sentence, Action.Restart, isWarning=True)
        return cls(sentence, Action.Repair, isWarning=True)

    @staticmethod
    def _whyNotInstall(report: CheckReport | None, needed: float) -> str:
        """What would make the installation fail, found before it begins; empty for nothing."""
        if report is None:
            return ""
        if not report.writable:
            return _(
                "But the folder '{folder}' cannot be written to: install 3D Slicer into a folder of your "
                "own, or have an administrator install."
            ).format(folder=report.folder)
        if report.free is not None and report.free < needed:
            return _("But the disk has only {free:.1f} GB free; make room for {needed:.0f} GB first.").format(
                free=report.free, needed=max(needed, 1.0)
            )
        return ""
