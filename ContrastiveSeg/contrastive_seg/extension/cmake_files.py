"""What an extension of 3D Slicer installs, read from its CMake files without CMake.

Understood is what extensions of scripted modules consist of: ``project``, ``set``, ``add_subdirectory``
and ``slicerMacroBuildScriptedModule``. Whatever could make the lists depend on something else (loops,
conditions, compiled modules) is refused, so that nothing is ever left out silently.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from contrastive_seg.errors import ContrastiveSegError

_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<comment>\#[^\n]*)|(?P<open>\()|(?P<close>\))"""
    r"""|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>(?:[^\s()\#"\\]|\\.)+)""",
    re.VERBOSE | re.DOTALL,
)
_PIECE = re.compile(r"\\(?P<escaped>.)|\$\{(?P<variable>\w+)\}|(?P<text>[^\\$]+|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}
_PASSED_OVER = {"cmake_minimum_required", "find_package", "include", "message", "slicer_add_python_unittest"}
_BUILD = "slicermacrobuildscriptedmodule"
_OPTIONS = {"WITH_GENERIC_TESTS", "WITH_SUBDIR", "VERBOSE"}
_KEYWORDS = {"NAME", "SCRIPTS", "RESOURCES"}


@dataclass
class SourceTree:
    """An extension's source.

    Attributes:
        root: Its folder.
        name: Of the extension: that of the CMake project.
        variables: ``EXTENSION_...`` and others that were set at the top.
        modules: Names of the scripted modules.
        files: What is installed, by its place in the folder of scripted modules.
    """

    root: Path
    name: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    modules: list[str] = field(default_factory=list)
    files: dict[str, Path] = field(default_factory=dict)


def read_tree(root: Path) -> SourceTree:
    """Reads the CMake files of an extension.

    Args:
        root: The folder with the top CMakeLists.txt.

    Raises:
        ContrastiveSegError: ``bad-extension``: a file is missing, or something is not understood.
    """
    tree = SourceTree(root)
    _read(root, tree, tree.variables)
    if not tree.name or not tree.modules:
        raise _bad(root / "CMakeLists.txt", "it has no project with a scripted module")
    return tree


def _read(folder: Path, tree: SourceTree, variables: dict[str, str]) -> None:
    path = folder / "CMakeLists.txt"
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _bad(path, f"it cannot be read ({error})") from error
    testing = 0
    for name, raw in _commands(text, path):
        command = name.lower()
        if command in ("if", "endif"):
            if command == "if" and [one for one, _ in raw] != ["BUILD_TESTING"]:
                raise _bad(path, "it has a condition other than if(BUILD_TESTING)")
            testing += 1 if command == "if" else -1
        if testing or command in _PASSED_OVER or command == "endif":
            continue
        arguments = [one for value, quoted in raw for one in _expanded(value, quoted, variables)]
        if command == "project":
            tree.name = tree.name or arguments[0]
        elif command == "set" and arguments:
            variables[arguments[0]] = ";".join(arguments[1:])
        elif command == "add_subdirectory" and len(arguments) == 1:
            _read(folder / arguments[0], tree, dict(variables))
        elif command == _BUILD:
            _add_module(folder, path, arguments, tree)
        else:
            raise _bad(path, f"the command '{name}' is not understood without CMake")


def _add_module(folder: Path, path: Path, arguments: list[str], tree: SourceTree) -> None:
    given: dict[str, list[str]] = {key: [] for key in _KEYWORDS}
    keyword, inside = "", ""
    for one in arguments:
        if one in _KEYWORDS:
            keyword = one
        elif one in _OPTIONS:
            inside = f"{folder.name}/" if one == "WITH_SUBDIR" else inside
            keyword = ""
        elif keyword:
            given[keyword].append(one)
        else:
            raise _bad(path, f"slicerMacroBuildScriptedModule does not know '{one}'")
    if len(given["NAME"]) != 1:
        raise _bad(path, "a scripted module has no name")
    tree.modules += given["NAME"]
    scripts = [one if "py" in Path(one).suffix else f"{one}.py" for one in given["SCRIPTS"]]
    for one in [*scripts, *given["RESOURCES"]]:
        source = folder / one
        if not source.is_file() or ".." in Path(one).parts or Path(one).is_absolute():
            raise _bad(path, f"it lists '{one}', which is no file of the module")
        tree.files[inside + Path(one).as_posix()] = source


def _commands(text: str, path: Path) -> list[tuple[str, list[tuple[str, bool]]]]:
    """Names with their arguments, each with whether it was quoted."""
    found: list[tuple[str, list[tuple[str, bool]]]] = []
    name, depth, place = "", 0, 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise _bad(path, f"'{text[place : place + 20]}' is not understood")
        place = match.end()
        kind = match.lastgroup
        if kind == "open":
            if depth or not name:
                raise _bad(path, "brackets within a command are not understood")
            found.append((name, []))
            depth, name = 1, ""
        elif kind == "close":
            depth -= 1
        elif kind == "plain" and not depth:
            name = match["plain"]
        elif kind in ("plain", "quoted"):
            if not depth:
                raise _bad(path, "a text stands outside of a command")
            found[-1][1].append((match[kind], kind == "quoted"))
    if depth:
        raise _bad(path, "a bracket is not closed")
    return found


def _expanded(value: str, quoted: bool, variables: dict[str, str]) -> list[str]:
    """An argument with its variables; unquoted lists become several arguments, as in CMake."""
    parts = [""]
    for match in _PIECE.finditer(value):
        if match["escaped"]:
            parts[-1] += _ESCAPED.get(match["escaped"], match["escaped"])
            continue
        text = variables.get(match["variable"], "") if match["variable"] else match["text"]
        first, *further = [text] if quoted else text.split(";")
        parts[-1] += first
        parts += further
    return parts if quoted else [one for one in parts if one]


def _bad(path: Path, how: str) -> ContrastiveSegError:
    return ContrastiveSegError(
        "bad-extension",
        f"The extension cannot be packed from '{path}': {how}.",
        "Correct the file, or build the extension with CMake and 3D Slicer's build tree.",
    )
