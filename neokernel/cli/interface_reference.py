"""The reference of interfaces, out of their sources: what each module of `neokernel/interfaces` defines.

As in the runtime's reference (`runtime_reference.py`), nothing is imported. A contract's version stands beside it: who
reads one in a message of `nk check`, or in a program's ELF file, finds it here.
"""

from __future__ import annotations

import ast
from pathlib import Path

from neokernel.cli.reference import Outline, anchor, link, table
from neokernel.cli.runtime_reference import classes, module
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.lang.interfaces import contracts_of

INTERFACES = PACKAGE_ROOT / "neokernel" / "interfaces"
PAGE = PACKAGE_ROOT / "docs" / "reference" / "interfaces.md"
PREFIX = "neokernel.interfaces."

INTRODUCTION = """\
# Interfaces

What services may be asked, module by module. Written by `nk manual` from the sources in `neokernel/interfaces`; a test
fails when it isn't what they say. [The guide](../guide/interfaces.md) teaches how they are used and made. A contract's
version is a hash of all that client and server must agree on: they understand each other if it is the same.
"""


def manual(folder: Path = INTERFACES) -> str:
    """The page."""
    rows, parts = [], []
    for path in sorted(folder.glob("*.py")):
        if path.stem == "__init__":
            continue
        outline = Outline.of(path.read_text(encoding="utf-8"))
        title = PREFIX + path.stem
        found = contracts_of(ast.parse(path.read_bytes()), title, tree_of)
        versions = [[link(contract.name), f"`{contract.version:016x}`"] for contract in found]
        rows.append([f"[`{path.stem}`](#{anchor(title)})", outline.title, ", ".join(classes(outline))])
        parts += [f"## {title}\n", f"{outline.text}\n", table(["interface", "contract"], versions)]
        parts += module(path.stem, outline)
    return "\n".join([INTRODUCTION, table(["module", "what it is", "classes"], rows), *parts])


def tree_of(name: str) -> ast.Module | None:
    """The tree of a module of the package."""
    path = PACKAGE_ROOT.joinpath(*name.split(".")).with_suffix(".py")
    return ast.parse(path.read_bytes()) if path.is_file() else None
