"""Keeps the file lists of ContrastiveSeg/CMakeLists.txt in step with the files.

    python Testing/Tools/cmake_lists.py            # rewrites the lists
    python Testing/Tools/cmake_lists.py --check    # only says whether they are right

Slicer packages only listed files, so a file that is missing in the list is missing in the
installed extension, silently; a listed file that is not there fails the build.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "ContrastiveSeg"
CMAKE = MODULE / "CMakeLists.txt"
NOT_PACKAGED = {"CMakeLists.txt"}


def module_files(module: Path = MODULE) -> list[str]:
    """Files of the module that git tracks or would track, as posix paths relative to it."""
    try:
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "."]
        listed = subprocess.run(command, cwd=module, check=True, capture_output=True).stdout
        names = {name for name in listed.decode().split("\0") if name}
    except (OSError, subprocess.CalledProcessError):
        names = {path.relative_to(module).as_posix() for path in module.rglob("*")}
    return sorted(name for name in names if (module / name).is_file() and _is_ours(name))


def _is_ours(name: str) -> bool:
    parts = name.split("/")
    hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
    return not hidden and not parts[0].endswith(".egg-info") and name not in NOT_PACKAGED


def wanted_lists(files: list[str]) -> dict[str, list[str]]:
    """The lists by their marker: every Python file is a script, everything else a resource."""
    # The module's own script comes first, as in Slicer's template.
    scripts = sorted((f for f in files if f.endswith(".py")), key=lambda f: ("/" in f, f))
    return {"scripts": scripts, "resources": sorted(f for f in files if not f.endswith(".py"))}


def written_lists(text: str) -> dict[str, list[str]]:
    """The lists as they stand in the text of CMakeLists.txt."""
    return {name: _between(text, name)[1].split() for name in ("scripts", "resources")}


def with_lists(text: str, lists: dict[str, list[str]]) -> str:
    """The text of CMakeLists.txt with these lists between the marker comments."""
    for name, entries in lists.items():
        before, _, after = _between(text, name)
        text = before + "".join(f"  {entry}\n" for entry in entries) + after
    return text


def _between(text: str, name: str) -> tuple[str, str, str]:
    begin, end = f"# begin of the {name}\n", f"  # end of the {name}\n"
    before, found, rest = text.partition(begin)
    middle, found_end, after = rest.partition(end)
    if not (found and found_end):
        raise ValueError(f"CMakeLists.txt lacks the comments around the list of {name}.")
    return before + begin, middle, end + after


def main() -> int:
    """Rewrites the lists, or with ``--check`` says what is wrong; returns the exit status."""
    text = CMAKE.read_text(encoding="utf-8")
    wanted = with_lists(text, wanted_lists(module_files()))
    if wanted == text:
        return 0
    if "--check" in sys.argv[1:]:
        print("ContrastiveSeg/CMakeLists.txt does not list the files as they are. Run: make cmake-lists")
        return 1
    CMAKE.write_text(wanted, encoding="utf-8")
    print("ContrastiveSeg/CMakeLists.txt rewritten.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
