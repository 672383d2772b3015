"""Who may import whom: the layout of DESIGN's section 6, held against every file."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "neokernel"

#: package → the packages of neokernel that it may import; itself is understood
ALLOWED = {
    "lang": set[str](),
    "abi": {"lang"},
    "arch": {"lang", "abi"},
    "crypto": {"lang"},
    "stage": {"lang", "arch", "crypto", "kernel"},
    "kernel": {"lang", "abi", "arch"},
    "runtime": {"lang", "abi"},
    "interfaces": {"lang", "abi", "runtime"},
    "http": {"lang", "abi", "interfaces", "runtime"},
    "json": {"lang", "runtime"},
    "png": {"lang"},
    "drivers": {"lang", "abi", "interfaces", "runtime"},
    "services": {"lang", "abi", "crypto", "http", "interfaces", "json", "png", "runtime", "stage"},
    "compiler": {"lang"},
    "prover": {"lang", "compiler"},
    "spec": {"lang", "abi", "arch", "kernel", "prover"},
    "sim": {"lang", "abi", "arch", "runtime"},
    "image": {"lang", "abi", "stage", "compiler", "interfaces", "kernel", "model", "patience", "runtime"},
    "model": {"lang", "abi", "stage", "compiler"},
    "control": {"lang", "abi", "image", "interfaces", "patience", "runtime", "services", "sim"},
    "bounds": {"lang", "abi", "kernel", "compiler", "image"},
    "bench": {"lang", "abi", "compiler", "image", "model", "sim", "control", "demo", "patience"},
    "demo": {"lang", "image", "control", "patience"},
    "cli": {"lang", "abi", "arch", "compiler", "prover", "spec", "bounds", "sim", "image", "bench"}
    | {"control", "demo", "interfaces", "early", "model", "patience"},
}

FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE)


def imported_packages(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("neokernel.")}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_the_layout(path: Path) -> None:
    package = path.relative_to(PACKAGE).parts[0]
    assert imported_packages(path) - {package} <= ALLOWED[package]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_open_with_their_purpose(path: Path) -> None:
    text = path.read_text()
    assert not text.strip() or ast.get_docstring(ast.parse(text))
