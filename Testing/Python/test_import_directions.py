"""The engine never imports the Slicer side, and the application's process never loads torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from project_tree import ENGINE, LIBRARY, MODULE, ROOT, Import, called_name, imports_of, python_files

SCRIPT = MODULE / "ContrastiveSeg.py"
SLICER_PACKAGES = {
    *("slicer", "qt", "ctk", "vtk", "vtkmodules", "mrml", "qMRMLWidgets", "PythonQt", "PySide6"),
    *("ContrastiveSegLib", "ContrastiveSeg"),
}
HEAVY_PACKAGES = {"torch", "monai", "safetensors", "torchvision"}
IN_EVERY_SLICER = {"slicer", "vtk", "qt", "ctk", "numpy"}
NAMES_OF_PACKAGES = {"SimpleITK": "simpleitk", "PIL": "pillow"}


def _all_imports(paths: list[Path]) -> list[Import]:
    return [found for path in paths for found in imports_of(path)]


def _module_name(path: Path) -> str:
    parts = path.relative_to(MODULE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _engine_modules_that_load_torch() -> set[str]:
    """Engine modules whose import brings torch or MONAI, directly or through others."""
    imported: dict[str, set[str]] = {}
    for path in python_files(ENGINE):
        name = _module_name(path)
        found = {i.module for i in imports_of(path) if i.at_file_scope and not i.for_types_only}
        # Importing a.b.c also runs a and a.b.
        parents = {name.rpartition(".")[0]} - {""}
        imported[name] = found | parents
    loading = {n for n, found in imported.items() if any(f.split(".")[0] in HEAVY_PACKAGES for f in found)}
    grown = True
    while grown:
        more = {
            name
            for name, found in imported.items()
            if name not in loading and any(f in loading or f.rpartition(".")[0] in loading for f in found)
        }
        loading |= more
        grown = bool(more)
    return loading


def _slicer_side() -> list[Path]:
    return [SCRIPT, *python_files(LIBRARY)]


def test_the_engine_never_imports_the_application_or_the_slicer_side() -> None:
    wrong = [str(i) for i in _all_imports(python_files(ENGINE)) if i.package in SLICER_PACKAGES]
    assert not wrong


def test_the_slicer_side_never_imports_torch_or_monai() -> None:
    wrong = [str(i) for i in _all_imports(_slicer_side()) if i.package in HEAVY_PACKAGES]
    assert not wrong


def test_the_slicer_side_imports_no_part_of_the_engine_that_loads_torch() -> None:
    loading = _engine_modules_that_load_torch()
    assert "contrastive_seg.finetuning.session" in loading  # or the search itself is broken
    wrong = [
        str(i)
        for i in _all_imports(_slicer_side())
        if i.module in loading or i.module.rpartition(".")[0] in loading
    ]
    assert not wrong


def test_the_modules_script_imports_at_file_scope_only_what_every_slicer_has() -> None:
    allowed = IN_EVERY_SLICER | set(sys.stdlib_module_names)
    wrong = [str(i) for i in imports_of(SCRIPT) if i.at_file_scope and i.package not in allowed]
    assert not wrong


def test_the_slicer_side_imports_only_what_every_slicer_has() -> None:
    allowed = IN_EVERY_SLICER | set(sys.stdlib_module_names) | {"ContrastiveSegLib", "contrastive_seg"}
    allowed |= {"SimpleITK", "scipy"}
    # Looked for when they are needed, and done without where they are missing.
    within_functions = {"psutil", "PyTorchUtils", "SampleData", "packaging", "pip", "pytest"}
    wrong = [
        str(i)
        for i in _all_imports(_slicer_side())
        if i.package not in allowed and (i.at_file_scope or i.package not in within_functions)
    ]
    assert not wrong


def test_what_the_worker_needs_before_it_reads_commands_loads_neither_numpy_nor_torch() -> None:
    program = (
        "import sys, contrastive_seg.worker.__main__\n"
        "print(sorted({'numpy', 'torch', 'monai', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=MODULE, check=True, capture_output=True, encoding="utf-8"
    )
    assert done.stdout.strip() == "[]"


CONVERTER = ENGINE / "weights" / "importers.py"


def test_nothing_reads_a_pickle_or_starts_processes_by_multiprocessing() -> None:
    forbidden = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "multiprocessing"}
    paths = python_files(MODULE) + python_files(ROOT / "Benchmarks")
    wrong = [str(i) for i in _all_imports(paths) if i.package in forbidden]
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or (path == CONVERTER and _reads_tensors_alone(node)):
                continue
            if _reads_pickles(node):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} calls {called_name(node)}")
    assert not wrong


def _reads_tensors_alone(call: ast.Call) -> bool:
    """``torch.load`` that builds nothing but tensors and plain containers."""
    return called_name(call) == "torch.load" and any(
        keyword.arg == "weights_only"
        and isinstance(keyword.value, ast.Constant)
        and keyword.value.value is True
        for keyword in call.keywords
    )


def _reads_pickles(call: ast.Call) -> bool:
    name = called_name(call)
    if name in ("torch.load", "torch.save"):
        return True
    return any(
        keyword.arg == "allow_pickle"
        and not (isinstance(keyword.value, ast.Constant) and not keyword.value.value)
        for keyword in call.keywords
    )


def _requirement_names(lines: list[str]) -> set[str]:
    sys.path.insert(0, str(ROOT / "Testing" / "Tools"))
    from make_environment import normal_name

    return {normal_name(line) for line in lines if line.strip() and not line.startswith("#")}


def test_every_package_that_the_engine_imports_is_asked_for() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    stated = project["dependencies"] + extras["demo"] + extras["export"]
    asked = _requirement_names(stated)
    known = set(sys.stdlib_module_names) | {"contrastive_seg", "__future__"}
    used = {i.package for i in _all_imports(python_files(ENGINE))} - known
    # The demo compares with Slicer's own tools, which slicer-core brings.
    assert {NAMES_OF_PACKAGES.get(name, name.lower()) for name in used} <= asked | {"slicer-core"}


def test_every_package_that_the_worker_imports_is_in_slicer_or_in_its_requirements() -> None:
    requirements = (MODULE / "Resources" / "requirements.txt").read_text("utf-8").splitlines()
    there = _requirement_names(requirements) | {"numpy", "scipy", "simpleitk", "torch"}
    known = set(sys.stdlib_module_names) | {"contrastive_seg", "__future__"}
    of_the_command_line = [ENGINE / "commands", *ENGINE.glob("cli*.py"), *ENGINE.glob("demo*")]
    paths = [
        path
        for path in python_files(ENGINE)
        if not any(path == part or part in path.parents for part in of_the_command_line)
    ]
    # Looked for when a model is exported to ONNX, and their absence is told in a sentence.
    asked_for_then = {"onnx", "onnxruntime"}
    used = {i.package for i in _all_imports(paths)} - known - asked_for_then
    assert {NAMES_OF_PACKAGES.get(name, name.lower()) for name in used} <= there
