"""The import hook: target modules are instrumented as they are imported; all others are none of its business.

A target module is one with a top-level `from neokernel.lang import …`. Its code is kept beside the plain one, in files
of another name (`instrumented.py`).
"""

from __future__ import annotations
import __future__

import ast
import importlib.util
import linecache
import re
import sys
import types
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NoReturn

from neokernel.lang import instrumented
from neokernel.lang.failures import StaticError
from neokernel.lang.garbage import uncollected
from neokernel.lang.instrument import LANGUAGE, deep_recursion, instrument
from neokernel.lang.interfaces import Find, Problem, expand

#: what is somewhere in the source of every target module
MARK = LANGUAGE.encode()
#: likewise, with what it must stand in; most host modules that name the language import something inside it
IMPORT = re.compile(rb"\bfrom[\s\\]+" + re.escape(MARK) + rb"[\s\\]+import\b")
#: where programs above the kernel have the type of their `main`'s parameter from
PROCESS = "neokernel.runtime.process"


def is_target_source(source: bytes) -> bool:
    """Does the module declare itself a target, by a top-level `from neokernel.lang import …`?"""
    if IMPORT.search(source) is None:
        return False
    try:
        with deep_recursion():
            return is_target(ast.parse(source))
    except (SyntaxError, ValueError):
        return False


def is_target(tree: ast.Module) -> bool:
    return any(
        isinstance(statement, ast.ImportFrom) and statement.module == LANGUAGE and statement.level == 0
        for statement in tree.body
    )


def compile_target(source: bytes | str, filename: str, module: str, find: Find | None = None) -> CodeType:
    """The code of a target module. Annotations stay text, whether or not the module asks for it.

    `find` gives the trees of other modules, as they were written.
    """
    flags = __future__.annotations.compiler_flag

    def reject(problem: Problem) -> NoReturn:
        line = getattr(problem.node, "lineno", 1)
        raise StaticError(f"{filename}:{line}: {problem.message}: {problem.help}")

    with deep_recursion(), uncollected():
        tree = instrument(expand(ast.parse(source, filename), module, find or as_written, reject))
        code: CodeType = compile(tree, filename, "exec", flags=flags, dont_inherit=True)
    return code


def as_written(module: str) -> ast.Module | None:
    """The tree of a module, which isn't imported for that; None if it can't be had."""
    found = text_of(module)
    return None if found is None else parsed(found[1])


def parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):
        return None


def text_of(module: str) -> tuple[str, str] | None:
    """The file that a module's source is in, and its text as far as it can be read. None: there is no such module."""
    file = file_of(module)
    # Of a module that was made of text, the lines are kept for tracebacks.
    return None if file is None else (file, "".join(linecache.getlines(file)))


def file_of(module: str) -> str | None:
    """The file that a module's source is in, as far as is known; it isn't imported for that."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            return None
        file = None if spec is None else spec.origin
    return file


class TargetLoader(SourceFileLoader):
    """Loads a target module from its source, or what was made of that earlier."""

    kept: CodeType | None = None

    def get_code(self, fullname: str) -> CodeType:
        if self.kept is not None:
            return self.kept
        filename = self.get_filename(fullname)
        source = self.get_data(filename)
        read: dict[str, str] = {}
        missing: set[str] = set()

        def find(module: str) -> ast.Module | None:
            found = text_of(module)
            if found is None:
                missing.add(module)
                return None
            file, text = found
            read[file] = text
            return parsed(text)

        code = compile_target(source, filename, fullname, find)
        if not missing:
            instrumented.keep(filename, fullname, source, read, code)
        return code


def is_host_name(fullname: str) -> bool:
    """Modules that are never targets, whatever they import: the language itself and tests."""
    last = fullname.rpartition(".")[2]
    inside = fullname == LANGUAGE or fullname.startswith(LANGUAGE + ".")
    return inside or last.startswith("test_") or last == "conftest"


class TargetFinder(MetaPathFinder):
    """Stands before the ordinary path finder: asks the finders behind itself, and exchanges the loader of targets."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        behind = sys.meta_path[sys.meta_path.index(self) + 1 :] if self in sys.meta_path else [PathFinder]
        for finder in behind:
            find = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = None if find is None else find(fullname, path, target)
            if spec is not None:
                break
        else:
            return None
        loader = spec.loader
        if type(loader) is SourceFileLoader and not is_host_name(fullname):
            try:
                source = loader.get_data(loader.path)
            except OSError:
                return spec
            if MARK not in source:
                return spec
            kept = instrumented.kept(loader.path, fullname, source)
            if kept is not None or is_target_source(source):
                spec.loader = made = TargetLoader(fullname, loader.path)
                made.kept = kept
                spec.cached = None
        return spec


def install_hook() -> None:
    """Install the hook, once."""
    if any(isinstance(finder, TargetFinder) for finder in sys.meta_path):
        return
    before = next((place for place, finder in enumerate(sys.meta_path) if finder is PathFinder), len(sys.meta_path))
    sys.meta_path.insert(before, TargetFinder())


def refuse_a_late_hook() -> None:
    """Raise ImportError if a target module is the first to import the package: it is being loaded without checks.

    Nothing can be done for that module any more, and running it would quietly mean something else. If it is what Python
    was told to run, end with a sentence.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _IMPORTING:
        frame = frame.f_back
    name, file = frame.f_globals.get("__name__", ""), frame.f_globals.get("__file__")
    if frame.f_code.co_name != "<module>" or file is None or is_host_name(Path(file).stem):
        return
    try:
        source = Path(file).read_bytes()
    except OSError:
        return
    if name == "__main__":
        shown = Path(file).relative_to(Path.cwd()) if Path(file).is_relative_to(Path.cwd()) else file
        if main_takes_process(source):
            raise SystemExit(f"{shown} is a program above the kernel, not for Python: run it with `nk run {shown}`")
        if is_target_source(source):
            raise SystemExit(f"{shown} is a target module: run it with `nk run --host {shown}`, or on the machine")
    elif is_target_source(source):
        raise ImportError(
            f"{name} is a target module, and was imported before neokernel: its arithmetic would be unchecked. Write "
            "`import neokernel` before the import of it; with pytest: `nk test`, or `pytest -p neokernel.lang.hook`"
        )


def main_takes_process(source: bytes) -> bool:
    """Is it a program above the kernel, even if it forgot the import that makes it a target module?"""
    try:
        with deep_recursion():
            body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return False
    imported = any(isinstance(node, ast.ImportFrom) and node.module == PROCESS for node in body)
    mains = [node for node in body if isinstance(node, ast.FunctionDef) and node.name == "main"]
    taken = [argument.annotation for main in mains for argument in main.args.args[:1] if argument.annotation]
    return imported and any(ast.unparse(annotation) == "Process" for annotation in taken)


_IMPORTING = frozenset({"importlib", "_frozen_importlib", "_frozen_importlib_external", "neokernel"})


def load_module(source: str | Path, name: str, filename: str | None = None) -> ModuleType:
    """Load an instrumented module from a file (a `Path`) or from its text, as `name`; it replaces an older one.

    With text, `filename` (default `<name>`) is what positions and tracebacks say; they show the text's lines.
    """
    if isinstance(source, Path):
        text, filename = source.read_text(encoding="utf-8"), filename or str(source)
    else:
        text, filename = source, filename or f"<{name}>"
        linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    module = types.ModuleType(name)
    module.__file__ = filename
    code = compile_target(text, filename, name)
    previous: Any = sys.modules.get(name)
    sys.modules[name] = module
    try:
        exec(code, module.__dict__)  # noqa: S102 - this is what an import does
    except BaseException:
        if previous is None:
            del sys.modules[name]
        else:
            sys.modules[name] = previous
        raise
    return module
