"""Imports that a program has forgotten: where a name that it doesn't define may be had from.

Invariant: what is offered can be imported as it is written.
"""

from __future__ import annotations

import ast
import difflib
import functools
import re

from neokernel.compiler.source import PACKAGE_ROOT, Module
from neokernel.compiler.vocabulary import BIT_FIELDS, VOCABULARY

#: where names of the package are looked for
_OFFERING = ("abi/*.py", "runtime/*.py", "interfaces/*.py", "arch/riscv64/bare.py")
_DEFINED = re.compile(r"^(?:(class|(?:async )?def) )?((?(1)[A-Za-z]|[A-Z])\w*)(?(1)|(?:: \w+)? = )", re.MULTILINE)
#: the module of system calls is imported as a whole: many other things are called like one of its functions
_CALLS = "system"
_CALLS_MODULE = "neokernel.runtime.system"
#: a name that more modules define is a common word
_MOST_MODULES = 4
_PACKAGE = "neokernel."


def unimported(module: Module, name: str) -> str:
    """The import that is missing: of what the vocabulary, the program's own modules or the package have."""
    if name in VOCABULARY and name not in BIT_FIELDS:
        return f"write `from neokernel.lang import {name}`"
    for source in module.imports:
        own = not source.name.startswith(_PACKAGE)
        if (own or (name not in _offered() and source.name != _CALLS_MODULE)) and any(
            _defines(node, name) for node in source.tree.body
        ):
            return f"write `from {source.name} import {name}`"
    return _written(name) or _beside(module, name)


def nearly(name: str) -> str:
    """The import of what the name may be a misspelling of."""
    known = [each for each in (*sorted(VOCABULARY - BIT_FIELDS), *_offered()) if each[0] == name[0]]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    if not close:
        return ""
    help = f"write `from neokernel.lang import {close[0]}`" if close[0] in VOCABULARY else _written(close[0])
    return f"did you mean `{close[0]}`? {help[:1].upper()}{help[1:]}" if help else ""


def _written(name: str) -> str:
    modules = _offered().get(name, [])
    if not 0 < len(modules) <= _MOST_MODULES:
        return ""
    return "write " + ", or ".join(f"`from {module} import {name}`" for module in modules)


@functools.cache
def _offered() -> dict[str, list[str]]:
    """By the names that programs import from the package: the modules that define each."""
    found: dict[str, list[str]] = {_CALLS: ["neokernel.runtime"]}
    for pattern in _OFFERING:
        for path in sorted((PACKAGE_ROOT / "neokernel").glob(pattern)):
            module = ".".join(path.relative_to(PACKAGE_ROOT).with_suffix("").parts)
            names = {
                match[2]
                for match in _DEFINED.finditer(path.read_text(encoding="utf-8"))
                if match[1] in (None, "class") or path.stem != _CALLS
            }
            for name in names:
                found.setdefault(name, []).append(module)
    return found


def _beside(module: Module, name: str) -> str:
    """The import from a module of the program that this one doesn't import at all."""
    for path in [] if module.name.startswith(_PACKAGE) else sorted(module.path.parent.glob("*.py")):
        if path.stem != module.name and path.stem.isidentifier():
            text = path.read_text(encoding="utf-8", errors="replace")
            if any(match[2] == name for match in _DEFINED.finditer(text)) and "neokernel.lang" in text:
                return f"write `from {path.stem} import {name}`"
    return ""


def _defines(node: ast.stmt, name: str) -> bool:
    if getattr(node, "name", None) == name:
        return True
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)
