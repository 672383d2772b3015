"""Pass 1, load: a program's root file and everything it imports, parsed, in dependency order.

Invariant: after `load`, `Program.modules` is topologically sorted: a module comes after all that it imports. Only
target modules (a top-level `from neokernel.lang import …`) are loaded; everything else that a module imports is
either part of the vocabulary or an error.
"""

from __future__ import annotations

import ast
import hashlib
import keyword
import re
import sys
import warnings
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from neokernel.compiler.diagnostics import Diagnostic, Diagnostics, span_of, suggestion
from neokernel.compiler.ir import Span
from neokernel.compiler.vocabulary import VOCABULARY
from neokernel.lang.interfaces import BROKEN, Problem, expand, is_concerned
from neokernel.lang.trees import walk

PACKAGE_ROOT = Path(__file__).resolve().parents[2]

#: What target modules may import from the standard library.
STANDARD: dict[str, frozenset[str]] = {
    "__future__": frozenset({"annotations"}),
    "enum": frozenset({"Enum"}),
    "typing": frozenset(
        {"TypeVar", "Generic", "Protocol", "Final", "TypeAlias", "assert_never", "NoReturn", "TYPE_CHECKING"}
        | {"Annotated"}
    ),
}
LANG = "neokernel.lang"


@dataclass(eq=False, slots=True)
class Module:
    """One parsed target module. `file` is the name shown to people: relative to where the program was found.

    `tree` has no interfaces and declarations any more: `written` has.
    """

    name: str
    path: Path
    file: str
    text: str
    tree: ast.Module
    lines: list[str]
    written: ast.Module
    imports: list[Module] = field(default_factory=list)

    def span(self, node: ast.AST) -> Span:
        return span_of(self.file, self.lines, node)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


class Loader:
    """Finds and parses modules. `root` is the folder that holds the program's own modules."""

    def __init__(
        self,
        root: Path,
        diagnostics: Diagnostics,
        overlay: dict[str, str] | None = None,
        substitutes: dict[str, str] | None = None,
    ) -> None:
        self.root = root
        self.diagnostics = diagnostics
        #: module name → the module whose file is read in its place; only the file differs, names stay
        self.substitutes = substitutes or {}
        #: module name → source text, in place of files (synthetic modules, tests)
        self.overlay = overlay or {}
        self.modules: dict[str, Module | None] = {}
        self.order: list[Module] = []
        self._loading: list[str] = []

    def load(self, name: str, importer: Module | None = None, node: ast.AST | None = None) -> Module | None:
        """The module called `name` with all that it imports, or None after a diagnostic."""
        if name in self._loading:
            assert importer is not None and node is not None
            cycle = " → ".join([*self._loading[self._loading.index(name) :], name])
            self._report("NK0203", f"import cycle: {cycle}", importer, node, "move what both need into a third module")
            return None
        if name in self.modules:
            return self.modules[name]
        self.modules[name] = None
        if self._misnamed(name, importer, node):
            return None
        found = self._find(name)
        if found is None:
            if importer is not None and node is not None:
                self._report("NK0201", f"no target module `{name}`", importer, node, self._near(name))
            return None
        module = self._parse(name, *found)
        if module is None:
            return None
        if not _is_target(module.tree):
            self._host(module, importer, node)
            return None
        self._loading.append(name)
        self._load_imports(module)
        if is_concerned(module.tree):
            module.tree = expand(module.tree, name, self._as_written, lambda problem: self._problem(problem, module))
            self._load_imports(module)
        self._loading.pop()
        self.modules[name] = module
        self.order.append(module)
        return module

    def _load_imports(self, module: Module) -> None:
        for child in module.tree.body:
            if isinstance(child, ast.ImportFrom) and child.module == BROKEN:
                continue
            for imported in [*_imported(child), *self._submodules(child)]:
                if imported in STANDARD or imported == LANG:
                    continue
                target = self.load(imported, module, child)
                if target is not None and target not in module.imports:
                    module.imports.append(target)

    def _as_written(self, name: str) -> ast.Module | None:
        found = self.modules.get(name)
        return None if found is None else found.written

    def _problem(self, problem: Problem, module: Module) -> None:
        self.diagnostics.add(Diagnostic(problem.code, problem.message, module.span(problem.node), problem.help))

    def _misnamed(self, name: str, importer: Module | None, node: ast.AST | None) -> bool:
        """Is there a file of the program that can't be imported by its name? Reports it."""
        first, last = name.partition(".")[0], name.rpartition(".")[2]
        places = self._places(name) if first != "neokernel" else []
        if not places:
            return False
        if first in sys.stdlib_module_names:
            why, other = "is a module of Python's standard library, which CPython would import in its place", "my_"
        elif keyword.iskeyword(last):
            why, other = "is a keyword, and no name of a module", "my_"
        elif not last.isidentifier() and importer is None:
            why, other = "is no name that a module can be imported by", "module_" if last[:1].isdigit() else ""
        else:
            return False
        wanted = other + re.sub(r"\W", "_", last)
        shown = self.shown(places[0])
        span = importer.span(node) if importer and node else Span(shown, 1, 0, 1, 1)
        self.diagnostics.add(Diagnostic("NK0210", f"`{last}` {why}", span, f"rename the file, to `{wanted}.py` say"))
        return True

    def _submodules(self, node: ast.stmt) -> list[str]:
        """The modules that `from package import module` names."""
        if not isinstance(node, ast.ImportFrom) or node.level or node.module is None:
            return []
        if node.module in STANDARD or node.module == LANG:
            return []
        names = [f"{node.module}.{alias.name}" for alias in node.names]
        return [name for name in names if self._places(name)]

    def _host(self, module: Module, importer: Module | None, node: ast.AST | None) -> None:
        """A module that doesn't say that it belongs to the target; maybe it means to."""
        for child in module.tree.body:
            meant = [name for name in _imported(child) if name.startswith("neokernel.") and not self._places(name)]
            if meant and not (PACKAGE_ROOT.joinpath(*meant[0].split("."))).is_dir():
                self._report("NK0201", f"no target module `{meant[0]}`", module, child, self._near(meant[0]))
                return
        names = ", ".join(_words(module.tree)) or "u64"
        help = f"if it belongs to the target, write `from {LANG} import {names}` at its top level"
        message = f"`{module.name}` is a host module: the compiler doesn't read it"
        self._report("NK0201", message, importer or module, node or module.tree, help)

    def _find(self, name: str) -> tuple[Path, str] | None:
        for path in self._places(name)[:1]:
            if name in self.overlay:
                return path, self.overlay[name]
            text = read_source(path, self.diagnostics, self.shown(path))
            return None if text is None else (path, text)
        return None

    def _places(self, name: str) -> list[Path]:
        """The files that a module's source may be in, best first."""
        if name in self.overlay:
            return [Path(f"<{name}>")]
        parts = self.substitutes.get(name, name).split(".")
        base = PACKAGE_ROOT if parts[0] == "neokernel" else self.root
        candidates = (base.joinpath(*parts).with_suffix(".py"), base.joinpath(*parts, "__init__.py"))
        return [path for path in candidates if path.is_file()]

    def shown(self, path: Path) -> str:
        """How messages and debug information name a file: never absolute, so that builds don't depend on the folder."""
        for base in (PACKAGE_ROOT, self.root):
            if path.is_relative_to(base):
                return path.relative_to(base).as_posix()
        return path.name

    def _parse(self, name: str, path: Path, text: str) -> Module | None:
        file = self.shown(path) if name not in self.overlay else str(path)
        try:
            tree = parsed(text, file)
        except (SyntaxError, ValueError) as failure:
            error = failure if isinstance(failure, SyntaxError) else SyntaxError(str(failure))
            line, column = error.lineno or 1, max((error.offset or 1) - 1, 0)
            end_line = error.end_lineno or line
            end_column = max((error.end_offset or 0) - 1, column + 1 if end_line == line else 1)
            message = f"not valid Python: {error.msg}"
            help = _capture(error.msg, text)
            self.diagnostics.add(Diagnostic("NK0101", message, Span(file, line, column, end_line, end_column), help))
            return None
        except (RecursionError, MemoryError):
            self.diagnostics.add(Diagnostic("NK0110", "an expression nests too deeply", Span(file, 1, 0, 1, 1)))
            return None
        return Module(name, path, file, text, tree, text.split("\n"), tree)

    def _near(self, name: str) -> str:
        base = PACKAGE_ROOT if name.startswith("neokernel.") else self.root
        folder = base.joinpath(*name.split(".")[:-1])
        prefix = name.rpartition(".")[0]
        packages = [path.parent for path in folder.glob("*/__init__.py")] if prefix else []
        found = [*folder.glob("*.py"), *packages]
        names = [f"{prefix}.{path.stem}".lstrip(".") for path in found]
        otherwise = "target modules import `neokernel.lang`, other target modules, and little else"
        return suggestion(name, names) or otherwise

    def _report(self, code: str, message: str, module: Module, node: ast.AST, help: str = "") -> None:
        self.diagnostics.add(Diagnostic(code, message, module.span(node), help))


@lru_cache(maxsize=1024)
def parsed(text: str, file: str) -> ast.Module:
    """The tree of a source text, which is everybody's: nobody changes it. Programs share most of their modules.

    Raises SyntaxError, ValueError, RecursionError, MemoryError.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text, filename=file, feature_version=(3, 11))
        # Some errors show only when CPython compiles: `break` outside a loop, a parameter twice, …
        compile(tree, file, "exec", dont_inherit=True)
    if _FORMATTED.search(text):
        place_fields(tree)
    return tree


#: how an f-string begins; most modules have none
_FORMATTED = re.compile("[fF][rR]?[\"']")


def _capture(message: str, text: str) -> str:
    """Help for `case NAME:` before other cases: whoever writes it means the thing that is called so."""
    matched = re.match(r"name capture '(\w+)'", message)
    if matched is None:
        return ""
    name = matched[1]
    # Only CPython's compiler says so, so it can be parsed.
    body = ast.parse(text).body
    classes = [node.name for node in body if isinstance(node, ast.ClassDef) and name in _targets(node.body)]
    if classes:
        return f"`{name}` captures everything: write `{classes[0]}.{name}`"
    return (
        f"`{name}` captures everything: write `E.{name}` for a member of `E`, `case x if x == {name}:` for a constant"
    )


def _targets(body: list[ast.stmt]) -> list[str]:
    targets = [target for node in body if isinstance(node, ast.Assign) for target in node.targets]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def place_fields(tree: ast.AST) -> None:
    """Give the parts of f-strings the positions that all Pythons agree on: messages and images don't depend on ours.

    A field stands where its expression does, text where the whole f-string does; Python 3.12 began to tell more.
    """
    for node in walk(tree):
        if isinstance(node, ast.JoinedStr):
            for part in node.values:
                if isinstance(part, ast.FormattedValue):
                    ast.copy_location(part, part.value)
                    if part.format_spec is not None:
                        ast.copy_location(part.format_spec, part.value)
                else:
                    ast.copy_location(part, node)


def read_source(path: Path, diagnostics: Diagnostics, shown: str) -> str | None:
    """The text of a source file, its line ends made newlines, or None after a diagnostic."""
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        message = f"not UTF-8: byte {error.start} is {error.object[error.start]:#04x}"
    except OSError as error:
        message = f"can't be read: {error.strerror}"
    diagnostics.add(Diagnostic("NK0101", message, Span(shown, 1, 0, 1, 1)))
    return None


def _is_target(tree: ast.Module) -> bool:
    """Does a module say that it belongs to the target? (One without content, such as a package's, needs no saying.)"""
    if any(isinstance(node, ast.ImportFrom) and node.module == LANG and node.level == 0 for node in tree.body):
        return True
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in tree.body)


def _words(tree: ast.Module) -> list[str]:
    """The words of the language that a module uses without having them from anywhere, ordered as imports are."""
    used, bound = set[str](), set[str]()
    for node in walk(tree):
        match node:
            case ast.Name():
                (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
            case ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                bound.add(name)
            case ast.alias():
                bound.add(node.asname or node.name)
    found = (used - bound) & VOCABULARY
    return sorted(found, key=lambda word: (word[0].islower(), re.sub(r"\d+", lambda digits: digits[0].zfill(3), word)))


def _imported(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
        return [node.module]
    return []
