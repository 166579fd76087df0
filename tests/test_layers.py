"""Imports run downward, and importing blocksim is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import blocksim

ROOT = Path(blocksim.__file__).parent
ORDER = [
    {"errors"},
    {"block"},
    {"node"},
    {"graph"},
    {"diagram"},
    {"plan", "library"},
    {"scan"},
    {"engines", "nn", "draw"},
    {"arguments"},
    {"result"},
    {"simulate", "function"},
    {"analysis"},
    {"predict"},
    {"interop", "files"},
    {"script"},
    {"cli"},
]
RANK = {name: rank for rank, names in enumerate(ORDER) for name in names}
FREE_OF = {
    "block": {"jax", "torch", "matplotlib", "bdsim"},
    "diagram": {"jax", "torch", "matplotlib", "bdsim"},
    "plan": {"jax", "torch", "matplotlib", "bdsim"},
    "library": {"jax", "torch", "matplotlib", "bdsim"},
    "nn": {"jax", "torch", "matplotlib", "bdsim"},
    "draw": {"plan", "engines", "simulate"},
    "engines": {"library", "interop", "simulate"},
}


def imports(path: Path) -> set[str]:
    """What a file imports at run time: blocksim's parts by name, other packages by theirs."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: a relative import"
            parts = node.module.split(".")
            names = [alias.name for alias in node.names] if node.module == "blocksim" else parts[1:2]
            found |= set(names) if parts[0] == "blocksim" else {parts[0]}
        elif isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                found.add(parts[1] if parts[0] == "blocksim" and len(parts) > 1 else parts[0])
    return found


def part_of(path: Path) -> str:
    relative = path.relative_to(ROOT)
    return relative.parts[0].removesuffix(".py")


def test_imports_run_downward():
    wrong = []
    for path in sorted(ROOT.rglob("*.py")):
        part = part_of(path)
        if part in ("__init__", "__main__"):
            continue
        assert part in RANK, f"{path} has no place in the layers"
        for name in imports(path):
            # a Result draws itself: the one import upward, at its use
            above = name in RANK and name != part and RANK[name] >= RANK[part]
            if above or name in FREE_OF.get(part, set()):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_the_scan_sees_imports(tmp_path):
    file = tmp_path / "a.py"
    file.write_text("import numpy.linalg\nfrom blocksim.plan.plan import Plan\ndef f():\n    import jax\n")
    assert imports(file) == {"numpy", "plan", "jax"}


HEAVY = ("jax", "matplotlib", "bdsim", "torch", "scipy", "rich", "networkx")


def test_import_loads_no_heavy_package():
    code = f"import sys, blocksim; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_above_the_library_is_imported_by_models():
    """Models are user scripts: the public names alone."""
    for path in sorted((ROOT.parent / "models").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("blocksim"):
                assert node.module in ("blocksim", "blocksim.library", "blocksim.nn"), path


def test_no_module_reaches_for_anothers_private_names():
    wrong = [
        f"{path.relative_to(ROOT)} imports {alias.name}"
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("blocksim")
        for alias in node.names
        if alias.name.startswith("_")
    ]
    assert wrong == []
