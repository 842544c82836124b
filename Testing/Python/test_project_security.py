"""No code of the project can be made to run what a file says; card texts are shown as they are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from project_tree import ENGINE, LIBRARY, MODULE, ROOT, called_name, imports_of, python_files

FOLDERS = [MODULE, ROOT / "Benchmarks", ROOT / "Testing" / "Tools"]
PICKLES = {
    *("pickle", "cPickle", "_pickle", "pickletools", "dill", "cloudpickle", "joblib", "shelve", "marshal"),
    *("jsonpickle", "sqlite3", "dbm", "yaml"),
}
SERVERS = {"http.server", "socketserver", "xmlrpc", "asyncio", "ftplib", "telnetlib", "smtplib"}
NEVER = {
    "eval": "runs text",
    "exec": "runs text",
    "builtins.eval": "runs text",
    "builtins.exec": "runs text",
    "os.system": "runs a shell",
    "os.popen": "runs a shell",
    "subprocess.getoutput": "runs a shell",
    "subprocess.getstatusoutput": "runs a shell",
    "shutil.unpack_archive": "unpacks unchecked",
    "tempfile.mktemp": "names a file that others may make",
    "torch.save": "writes pickles",
    "torch.jit.load": "loads programs",
    "torch.package.PackageImporter": "loads programs",
    "torch.hub.load": "downloads programs",
    "urllib.request.urlopen": "knows file: and ftp:",
    "urllib.request.urlretrieve": "knows file: and ftp:",
    "ssl._create_unverified_context": "trusts everybody",
    "numpy.fromregex": "reads by patterns of others",
}
METHODS = {"extractall": "unpacks unchecked", "extract": "unpacks unchecked"}
NETWORK = {
    ENGINE / "weights" / "fetch.py",
    ENGINE / "weights" / "addresses.py",
    LIBRARY / "Samples" / "Download.py",
}
ITS_OWN = {(ENGINE / "export" / "writers.py", "torch.jit.load loads programs")}
"""What was written a moment before is loaded, to compare it; never a file of others."""


def findings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and reason of everything that may not be there."""
    aliases = {"np": "numpy", "sp": "subprocess"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            aliases |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            aliases |= {alias.asname: alias.name for alias in node.names if alias.asname}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            first, dot, rest = called_name(node).partition(".")
            name = aliases.get(first, first) + dot + rest
            if reason := NEVER.get(name):
                yield node.lineno, f"{name} {reason}"
            method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            if reason := METHODS.get(method):
                yield node.lineno, f".{method} {reason}"
            if name in ("torch.load", "torch.serialization.load") and not _said(node, "weights_only", True):
                yield node.lineno, "torch.load without weights_only=True"
            for keyword in node.keywords:
                value = keyword.value
                harmless = isinstance(value, ast.Constant) and not value.value
                if keyword.arg in ("allow_pickle", "shell") and not harmless:
                    yield node.lineno, f"{keyword.arg} is not False"
                if keyword.arg == "verify" and harmless:
                    yield node.lineno, "certificates are not checked"


def _said(call: ast.Call, name: str, value: object) -> bool:
    return any(
        one.arg == name and isinstance(one.value, ast.Constant) and one.value.value is value
        for one in call.keywords
    )


def _paths() -> list[Path]:
    return [path for folder in FOLDERS for path in python_files(folder)]


def test_no_code_runs_what_a_file_says() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {reason}"
        for path in _paths()
        for line, reason in findings(ast.parse(path.read_text("utf-8")))
        if (path, reason) not in ITS_OWN
    ]
    assert not found


def test_nothing_imports_a_pickle_or_a_server() -> None:
    wrong = [
        str(one)
        for path in _paths()
        for one in imports_of(path)
        if one.package in PICKLES or any(one.module == s or one.module.startswith(f"{s}.") for s in SERVERS)
    ]
    assert not wrong


def test_only_the_download_speaks_with_the_network() -> None:
    wrong = [
        str(one)
        for path in python_files(MODULE)
        for one in imports_of(path)
        if one.module.startswith(("urllib.request", "urllib.error", "http.client", "socket", "requests"))
        and path not in NETWORK
    ]
    assert not wrong


@pytest.mark.parametrize(
    "code",
    [
        "import torch\ntorch.load(p)",
        "from torch import load\nload(p, weights_only=False)",
        "import torch as t\nt.load(p, weights_only=flag)",
        "import numpy as np\nnp.load(p, allow_pickle=True)",
        "np.load(p, allow_pickle=flag)",
        "eval('1')",
        "exec(text)",
        "import subprocess\nsubprocess.run('ls', shell=True)",
        "from os import system\nsystem('ls')",
        "archive.extractall(folder)",
        "import shutil\nshutil.unpack_archive(p)",
        "import urllib.request\nurllib.request.urlopen(url)",
        "requests.get(url, verify=False)",
    ],
)
def test_the_scan_finds_what_it_is_for(code: str) -> None:
    assert list(findings(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "import torch\ntorch.load(p, weights_only=True)",
        "network.eval()",
        "np.load(p, allow_pickle=False)",
        "subprocess.run(['ls'], shell=False)",
        "regex.exec(text)",
    ],
)
def test_the_scan_lets_the_harmless_pass(code: str) -> None:
    assert not list(findings(ast.parse(code)))


def test_labels_that_show_changing_text_show_it_as_it_is() -> None:
    """A QLabel makes rich text of what looks like it, unless its format is set."""
    changing = {name for path in python_files(LIBRARY) for name in _labels_set_in(path)}
    wrong = []
    for path in sorted((MODULE / "Resources" / "UI").glob("*.ui")):
        for widget in ElementTree.parse(path).iter("widget"):
            name, kind = widget.get("name", ""), widget.get("class", "")
            formats = [p for p in widget.findall("property") if p.get("name") == "textFormat"]
            plain = any("PlainText" in (p.findtext("enum") or "") for p in formats)
            if kind == "QLabel" and name in changing and not plain:
                wrong.append(f"{path.name}: {name}")
    assert changing and not wrong


def _labels_set_in(path: Path) -> set[str]:
    text = path.read_text("utf-8")
    named = set(re.findall(r"\b(\w+Label)\.(?:text =|setText\()", text))
    if re.search(r"\blabel\.(?:text =|setText\()", text):  # a label that was given another name
        named |= set(re.findall(r"\.(\w+Label)\b", text))
    return named
