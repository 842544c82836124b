"""The project's own files, for the tests that look at them."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "ContrastiveSeg"
ENGINE = MODULE / "contrastive_seg"
LIBRARY = MODULE / "ContrastiveSegLib"


def tracked_files() -> list[Path]:
    """Files of the repository that git tracks and that are there; skips where there is no git."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("This copy of the project is no git repository.")
    paths = [ROOT / name for name in listed.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def python_files(folder: Path) -> list[Path]:
    """Python files under a folder, sorted."""
    return sorted(folder.rglob("*.py"))


@dataclass(frozen=True)
class Import:
    """An imported module.

    Attributes:
        path: Importing file.
        line: Where.
        module: Absolute dotted name; of ``from a import b``, ``a.b``.
        at_file_scope: Whether importing the file imports it (not inside a function).
        for_types_only: Whether it stands under ``if TYPE_CHECKING``.
    """

    path: Path
    line: int
    module: str
    at_file_scope: bool
    for_types_only: bool

    @property
    def package(self) -> str:
        """Its first part."""
        return self.module.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line} imports {self.module}"


def imports_of(path: Path) -> list[Import]:
    """Everything a file imports, at any level, also through ``importlib`` with a constant name."""
    tree = ast.parse(path.read_text("utf-8"), str(path))
    return list(_imports(tree, path, at_file_scope=True, for_types=False))


def _imports(node: ast.AST, path: Path, *, at_file_scope: bool, for_types: bool) -> Iterator[Import]:
    for name in _names(node, path):
        yield Import(path, getattr(node, "lineno", 0), name, at_file_scope, for_types)
    inside_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    typed = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
    for child in ast.iter_child_nodes(node):
        yield from _imports(
            child,
            path,
            at_file_scope=at_file_scope and not inside_function,
            for_types=for_types or typed,
        )


def _names(node: ast.AST, path: Path) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            package = path.relative_to(MODULE).with_suffix("").parts[: -node.level]
            base = ".".join([*package, *filter(None, [base])])
        return [f"{base}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and called_name(node).endswith(("import_module", "__import__")):
        first = node.args[0] if node.args else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            return [first.value]
    return []


def called_name(call: ast.Call) -> str:
    """Dotted name of what is called; empty where it is no plain name."""
    parts: list[str] = []
    function: ast.expr = call.func
    while isinstance(function, ast.Attribute):
        parts.append(function.attr)
        function = function.value
    if not isinstance(function, ast.Name):
        return ".".join(reversed(parts))
    return ".".join([function.id, *reversed(parts)])
