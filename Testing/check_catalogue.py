"""Checks an extension as Slicer's catalogue and its reviewers do, without network or Slicer.

    python Testing/check_catalogue.py [FOLDER]

FOLDER is the root of the extension's repository; this project's if it is not given. Each problem is
printed as one sentence; the exit status is 1 where there is any.
"""

from __future__ import annotations

import ast
import json
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "ContrastiveSeg"))

from contrastive_seg.errors import ContrastiveSegError  # noqa: E402
from contrastive_seg.extension.cmake_files import SourceTree, read_tree  # noqa: E402

MOST_BYTES = 100_000_000
SCHEMA = "/slicer-extension-catalog-entry-schema-v1.0.1.json#"
FIELDS: dict[str, type | tuple[type, ...]] = {
    "$schema": str,
    "category": str,
    "scm_url": str,
    "scm_revision": str,
    "scm_type": str,
    "build_dependencies": list,
    "build_subdirectory": str,
    "enabled": bool,
    "tier": int,
}
REQUIRED = ("$schema", "category", "scm_url")
IN_EVERY_SLICER = {"slicer", "vtk", "SimpleITK", "numpy", "scipy", "qt", "ctk"}
GUI = {"slicer", "qt", "ctk"}
"""Who imports these runs in the application's own process."""
COMMON_NAMES = {"lib", "utils", "testing", "tests", "test", "resources", "common", "core", "src", "logic"}
ICON_SIZE = (128, 128)
_LEFT_OUT = {".git", "__pycache__", ".venv", "build", "dist"}
_SAID = ("HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS")
_LINES = (
    "find_package(Slicer REQUIRED)",
    "include(${Slicer_USE_FILE})",
    "## NEXT_MODULE",
    "include(${Slicer_EXTENSION_GENERATE_CONFIG})",
    "include(${Slicer_EXTENSION_CPACK})",
)


def problems(root: Path) -> list[str]:
    """What the catalogue would not take, one sentence each; empty where all is well."""
    try:
        tree = read_tree(root)
    except ContrastiveSegError as error:
        return [str(error)]
    checks = (_size, _documents, _top_file, _entry, _addresses, _lists, _icons, _scripts, _packages)
    return [sentence for check in checks for sentence in check(tree)]


def files_of(root: Path) -> list[Path]:
    """The files of a checkout: those that git tracks or would track, else all."""
    try:
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        top = ["git", "rev-parse", "--show-toplevel"]
        found = subprocess.run(
            top, cwd=root, check=True, capture_output=True, encoding="utf-8"
        ).stdout.strip()
        if Path(found) != root.resolve():
            raise OSError("the folder lies within another repository")
        listed = subprocess.run(command, cwd=root, check=True, capture_output=True).stdout.decode()
        paths = [root / name for name in sorted(set(listed.split("\0"))) if name]
    except (OSError, subprocess.CalledProcessError):
        paths = sorted(root.rglob("*"))
    return [one for one in paths if one.is_file() and not _LEFT_OUT & set(one.relative_to(root).parts)]


def _size(tree: SourceTree) -> Iterator[str]:
    total = sum(path.stat().st_size for path in files_of(tree.root))
    if total > MOST_BYTES:
        yield f"The checkout has {total / 1e6:.0f} MB; the catalogue takes {MOST_BYTES / 1e6:.0f} MB at most."


def _documents(tree: SourceTree) -> Iterator[str]:
    if not any((tree.root / name).is_file() for name in ("LICENSE", "LICENSE.txt", "LICENSE.md")):
        yield "There is no LICENSE at the root."
    readme = tree.root / "README.md"
    if not readme.is_file():
        yield "There is no README.md at the root."
        return
    text = readme.read_text("utf-8")
    if not re.search(r"!\[[^\]]*\]\([^)]+\)|<img ", text):
        yield "README.md has no picture."
    for name in tree.modules:
        if name not in text:
            yield f"README.md does not name the module {name}."
    wanted = {
        r"\bcit(e|ation|ing)\b": "how to cite the extension",
        r"^\s*1\. |\btutorial\b|\bstep": "step by step how to use it",
        r"\bsample data\b|\bdata\b": "where data to try it comes from",
    }
    for pattern, what in wanted.items():
        if not re.search(pattern, text, re.IGNORECASE | re.MULTILINE):
            yield f"README.md does not say {what}."


def _top_file(tree: SourceTree) -> Iterator[str]:
    text = (tree.root / "CMakeLists.txt").read_text("utf-8")
    yield from (f"CMakeLists.txt lacks '{line}'." for line in _LINES if line not in text)
    for name in _SAID:
        if not tree.variables.get(f"EXTENSION_{name}", "").strip():
            yield f"CMakeLists.txt does not set EXTENSION_{name}."
    about = tree.variables.get("EXTENSION_DESCRIPTION", "")
    if len(about) < 40:
        yield "EXTENSION_DESCRIPTION is too short to tell a stranger what the extension does."
    if re.search(r"</?[a-z]+\b[^>]*>|\*\*|^#|\]\(", about) or "\n" in about:
        yield "EXTENSION_DESCRIPTION is not plain text in one line."
    if ";" in about:
        yield "EXTENSION_DESCRIPTION has a semicolon, where CMake cuts it."


def _entry(tree: SourceTree) -> Iterator[str]:
    path = tree.root / f"{tree.name}.json"
    try:
        entry = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        yield f"The catalogue entry {path.name} cannot be read ({error})."
        return
    if not isinstance(entry, dict):
        yield f"{path.name} is no JSON object."
        return
    yield from (f"{path.name} lacks '{key}'." for key in REQUIRED if key not in entry)
    for key, value in entry.items():
        wrong = key in FIELDS and (
            not isinstance(value, FIELDS[key]) or type(value) is bool is not FIELDS[key]
        )
        if key not in FIELDS:
            yield f"{path.name} has the field '{key}', which schema 1.0.1 does not know."
        elif wrong:
            yield f"'{key}' in {path.name} has the wrong type."
    yield from _entry_values(tree, path.name, entry)


def _entry_values(tree: SourceTree, name: str, entry: dict[str, Any]) -> Iterator[str]:
    if not str(entry.get("$schema", SCHEMA)).endswith(SCHEMA):
        yield f"'$schema' in {name} is not version 1.0.1."
    if entry.get("tier", 1) not in (1, 2, 3, 4, 5):
        yield f"'tier' in {name} must be 1 to 5."
    if entry.get("scm_type", "git") not in ("git", "local"):
        yield f"'scm_type' in {name} must be git."
    url = str(entry.get("scm_url", ""))
    if not re.match(r"^https://\S+$", url):
        yield f"'scm_url' in {name} is not an https address."
    if not url.rstrip("/").rsplit("/", 1)[-1].startswith("Slicer"):
        yield f"The repository in {name} must have a name that begins with Slicer."
    said = tree.variables.get("EXTENSION_DEPENDS", "NA").replace(";", " ").split()
    if [one for one in said if one != "NA"] != entry.get("build_dependencies", []):
        yield f"'build_dependencies' in {name} are not what EXTENSION_DEPENDS says."


def _addresses(tree: SourceTree) -> Iterator[str]:
    icons = tree.variables.get("EXTENSION_ICONURL", "").split()
    if len(icons) > 1:
        yield "EXTENSION_ICONURL is more than one address."
    shots = tree.variables.get("EXTENSION_SCREENSHOTURLS", "").split()
    for address, endings in [(one, "png") for one in icons] + [(one, "png|jpg|jpeg") for one in shots]:
        if not re.match(rf"^https://[^\s?#]+\.({endings})$", address):
            yield f"'{address}' is not the https address of a picture ({endings.replace('|', ', ')})."
            continue
        if re.match(r"^https://github\.com/[^/]+/[^/]+/blob/", address):
            yield f"'{address}' is a page about the picture, not the picture; use raw.githubusercontent.com."
        inside = re.match(r"^https://raw\.githubusercontent\.com/[^/]+/[^/]+/[^/]+/(.+)$", address)
        if inside and not (tree.root / inside[1]).is_file():
            yield f"'{address}' names {inside[1]}, which is not in the repository."


def _lists(tree: SourceTree) -> Iterator[str]:
    """Slicer packages only listed files: one that is not listed is missing in the installed extension."""
    listed = {path.resolve() for path in tree.files.values()}
    folders = {source.parents[len(Path(path).parts) - 1] for path, source in tree.files.items()}
    for path in files_of(tree.root):
        inside = any(folder in path.parents for folder in folders)
        if inside and path.name != "CMakeLists.txt" and path.resolve() not in listed:
            yield f"{path.relative_to(tree.root).as_posix()} is not listed in CMakeLists.txt."


def _icons(tree: SourceTree) -> Iterator[str]:
    found = [path for path in tree.files.values() if path.parent.name == "Icons" and path.suffix == ".png"]
    inside = re.search(r"/main/(\S+\.png)$", tree.variables.get("EXTENSION_ICONURL", ""))
    if inside and (tree.root / inside[1]).is_file():
        found.append(tree.root / inside[1])
    for name in tree.modules:
        if f"Resources/Icons/{name}.png" not in tree.files:
            yield f"The module {name} has no icon Resources/Icons/{name}.png."
    for path in found:
        head = path.read_bytes()[:26]
        right = head[:8] == b"\x89PNG\r\n\x1a\n" and struct.unpack(">IIBB", head[16:26]) == (*ICON_SIZE, 8, 6)
        if not right:
            yield f"{path.relative_to(tree.root).as_posix()} is not a PNG of 128 x 128 pixels in RGBA."


def _scripts(tree: SourceTree) -> Iterator[str]:
    own = {Path(path).parts[0].removesuffix(".py") for path in tree.files if path.endswith(".py")}
    allowed = IN_EVERY_SLICER | set(sys.stdlib_module_names) | own
    for path, source in tree.files.items():
        if not path.endswith(".py"):
            continue
        try:
            body = ast.parse(source.read_text("utf-8"), path).body
        except (SyntaxError, ValueError) as error:
            yield f"{path} is not Python ({error})."
            continue
        imported = {name for node in body for name in _imported(node)}
        is_module = path in {f"{name}.py" for name in tree.modules}
        if is_module or imported & GUI:
            yield from (f"{path} imports {name} at file scope." for name in sorted(imported - allowed))
        if is_module:
            yield from (
                f"{path}, line {node.lineno}: something is executed at file scope."
                for node in body
                if not _is_definition(node)
            )


def _imported(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Import):
        return [one.name.partition(".")[0] for one in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [(node.module or "").partition(".")[0]]
    return []


def _is_definition(node: ast.stmt) -> bool:
    """Whether a statement only says what there is: imports, classes, functions, constants, texts."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return not any(isinstance(one, ast.Call) for one in ast.walk(node))
    return isinstance(node, ast.Import | ast.ImportFrom | ast.ClassDef | ast.FunctionDef)


def _packages(tree: SourceTree) -> Iterator[str]:
    """All modules of all extensions share one folder of names, and PyTorch comes by its own extension."""
    for name in sorted({Path(path).parts[0].removesuffix(".py") for path in tree.files}):
        if name.lower() in COMMON_NAMES - {"resources"}:
            yield f"'{name}' is too common a name for a package: other extensions may have it, too."
    for path, source in tree.files.items():
        if Path(path).name == "requirements.txt":
            for line in source.read_text("utf-8").splitlines():
                named = re.match(r"^\s*([\w.-]+)", line)
                if named and named[1].lower() in ("torch", "torchvision", "torchaudio"):
                    yield f"{path} asks for {named[1]}, which must come by the PyTorch extension."
                if "==" in line.partition("#")[0]:
                    yield f"{path} pins a version ('{line.strip()}'), which breaks other extensions."
        elif path.endswith(".py") and re.search(
            r"pip_install\(\s*[\"']torch\b", source.read_text("utf-8", "replace")
        ):
            yield f"{path} installs torch directly, which must come by the PyTorch extension."


def main() -> int:
    """Prints the problems; returns the exit status."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT
    found = problems(root.resolve())
    for sentence in found:
        print(sentence)
    if not found:
        print(f"The catalogue's checks find nothing wrong with {root.resolve().name}.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
