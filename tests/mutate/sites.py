"""Where mistakes can be planted: a mutant is a module's text with one stretch exchanged.

The text is changed where the syntax tree says and nowhere else, so a mutant's diff is what a reader would have got
wrong. Comments, docstrings, annotations, imports and ghost code (contracts, bounds of loops) have no sites: they are no
part of the kernel that runs.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

#: calls that are contracts, or declare something
GHOSTS = frozenset(
    {"requires", "ensures", "loop_bound", "loop_invariant", "unsafe", "assembly", "ghost", "invariant", "assert_never"}
)


@dataclass(frozen=True, order=True)
class Mutant:
    """One mistake. Lines `first` to `last` must be executed for it to show; 0: it is as the module is loaded."""

    file: str
    line: int
    column: int
    operator: str
    variant: str
    #: bytes of the module's text, and what they become
    start: int
    end: int
    text: str
    first: int
    last: int

    @property
    def identity(self) -> str:
        return f"{self.file}:{self.line}:{self.column} {self.operator}: {self.variant}"

    @property
    def module(self) -> str:
        return self.file.removesuffix(".py").replace("/", ".")

    def apply(self, source: str) -> str:
        data = source.encode()
        return (data[: self.start] + self.text.encode() + data[self.end :]).decode()

    def change(self, source: str) -> tuple[list[str], list[str]]:
        """The lines that go, and those that come."""
        before, after = source.encode(), self.apply(source).encode()
        end = self.end + len(after) - len(before)
        return whole_lines(before, self.start, self.end), whole_lines(after, self.start, end)


def whole_lines(text: bytes, start: int, end: int) -> list[str]:
    """The lines that the stretch is in."""
    stop = text.find(b"\n", end)
    return text[text.rfind(b"\n", 0, start) + 1 : stop if stop >= 0 else len(text)].decode().splitlines()


class Text:
    """A module's text, with the place of each node in it."""

    def __init__(self, file: str, source: str) -> None:
        self.file = file
        self.tree = ast.parse(source)
        self.bytes = source.encode()
        self._lines = [0]
        for line in self.bytes.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))

    def start(self, node: ast.expr | ast.stmt) -> int:
        return self._lines[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self._lines[node.end_lineno - 1] + node.end_col_offset

    def between(self, start: int, end: int) -> str:
        return self.bytes[start:end].decode()

    def of(self, node: ast.expr | ast.stmt) -> str:
        return self.between(self.start(node), self.end(node))


class Vocabulary:
    """What the kernel's names mean, as far as mistakes confuse them: enums, fields, rights."""

    def __init__(self, sources: dict[str, str]) -> None:
        """Reads declarations in modules, by file."""
        #: of each enum, its members in order
        self.enums: dict[str, list[str]] = {}
        #: of each field, those of the same class and type, each followed by the next
        self.siblings: dict[str, list[str]] = {}
        #: rights, in order, with their numbers
        self.rights: dict[str, int] = {}
        for file, source in sorted(sources.items()):
            for node in ast.parse(source).body:
                if isinstance(node, ast.ClassDef):
                    self._class(node)
                elif Path(file).name == "rights.py" and isinstance(node, ast.AnnAssign):
                    assert isinstance(node.target, ast.Name) and node.value is not None
                    # `1 << 3`, `DMA | TRACE`: literals, and rights that stand above
                    code = compile(ast.Expression(node.value), file, "eval")
                    self.rights[node.target.id] = eval(code, {"__builtins__": {}}, self.rights)

    def _class(self, node: ast.ClassDef) -> None:
        if any(isinstance(base, ast.Name) and base.id == "Enum" for base in node.bases):
            members = (each.targets[0] for each in node.body if isinstance(each, ast.Assign))
            self.enums[node.name] = [each.id for each in members if isinstance(each, ast.Name)]
            return
        by_type: dict[str, list[str]] = {}
        for each in node.body:
            if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
                by_type.setdefault(ast.unparse(each.annotation), []).append(each.target.id)
        for fields in by_type.values():
            for field, other in zip(fields, fields[1:] + fields[:1], strict=True):
                known = self.siblings.setdefault(field, [])
                if other != field and other not in known:
                    known.append(other)


def next_of(items: list[str], item: str) -> str:
    return items[(items.index(item) + 1) % len(items)]
