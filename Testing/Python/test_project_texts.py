"""No file holds what belongs to one machine."""

from __future__ import annotations

import re

from project_tree import ROOT, tracked_files

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
