"""No file holds what belongs to one machine, and what users read can be translated."""

from __future__ import annotations

import ast
import re

from project_tree import MODULE, ROOT, tracked_files

# Written in parts, so that this file does not hold them itself.
PLACES = ["/" + name + "/" for name in ("work", "tmp", "root", "home", "Users")]
HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("download", "pytorch", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("anaconda", "org"),
        ("deb", "debian", "org"),
        ("archive", "ubuntu", "com"),
    )
]
# A path begins after a space, a quote or the like: not within a URL or a relative path.
_PLACE = re.compile(r"(?:^|[\s\"'`=(\[<:])(" + "|".join(map(re.escape, PLACES)) + ")", re.MULTILINE)
_HOST = re.compile("|".join(map(re.escape, HOSTS)))


def test_no_file_holds_a_path_of_a_machine_or_the_host_of_a_registry() -> None:
    found = []
    for path in tracked_files():
        content = path.read_bytes()
        if b"\0" in content:
            continue
        text = content.decode("utf-8")
        for pattern in (_PLACE, _HOST):
            for match in pattern.finditer(text):
                line = text.count("\n", 0, match.start()) + 1
                found.append(f"{path.relative_to(ROOT)}:{line}: {match[0].strip()}")
    assert not found


def test_the_search_finds_what_it_is_for() -> None:
    assert _PLACE.search(f"open('{PLACES[1]}x.npy')")
    assert not _PLACE.search(f"https://example.com{PLACES[0]}x")
    assert _HOST.search(f"https://{HOSTS[0]}/simple")


def test_no_python_file_is_longer_than_400_lines() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines())
        for path in tracked_files()
        if path.suffix == ".py"
    }
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}


def _is_translated(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_"


def test_slicers_tool_finds_all_texts_that_are_to_be_translated() -> None:
    """It reads ``_("...")`` with the text as it is, and nothing within the braces of a formatted string."""
    wrong = []
    for path in [MODULE / "ContrastiveSeg.py", *sorted((MODULE / "ContrastiveSegLib").rglob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            hidden = isinstance(node, ast.JoinedStr) and any(map(_is_translated, ast.walk(node)))
            if _is_translated(node):
                hidden = [type(getattr(one, "value", None)) for one in node.args] != [str]
            if hidden:
                wrong.append(f"{path.name}:{node.lineno}")
    assert wrong == []
