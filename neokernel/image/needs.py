"""What a program needs: the declarations of its source, and the section of its ELF file that says the same.

The section `.neokernel.needs` is never loaded; it is JSON:

    {"format": 1, "needs": [{"kind": "uses", "name": "log", "type": "Log", "module": "neokernel.interfaces.log",
                             "version": "6f1c…", "grants": true}, …]}

and, behind the needs, the room that it has for tasks, if it has any:

    "tasks": [{"function": "answer", "count": 64, "frame": 312}]

`"state": true` if it asks for the memory that outlives it (`process.state()`), and `"main": "shop.main"`, the symbol of
its `main`, which nobody but the machine's way in calls.

Needs stand in the order of declaration: need i that isn't a setting is the capability in slot FIRST_DECLARED + i,
setting j the j-th setting. `version` is a contract's, 16 hexadecimal digits; kernel objects have none. `grants`: its
calls carry capabilities, so the client's copy of the endpoint needs GRANT. `lend`: bytes that the client lends the
server. `optional`: a system file may leave it out. A setting has its `default`, and `members` if it is an Enum.
`frame`: bytes of one task's frame.

Invariant: what `needs_in` reads of a program that was built is what `needs_of` reads of its source; bytes that are no
such section raise `BadNeeds`, nothing else.
"""

from __future__ import annotations

import ast
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from neokernel.compiler.diagnostics import span_of
from neokernel.compiler.ir import Span
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.image.elf import Image
from neokernel.lang.interfaces import Problem, contracts_of, declarations_of
from neokernel.lang.interfaces.model import Capability

SECTION = ".neokernel.needs"
FORMAT = 1
KINDS = ("uses", "provides", "setting")


class BadNeeds(Exception):
    """The file isn't a program that says what it needs; the text says why."""


@dataclass(frozen=True, slots=True)
class Need:
    """A declaration."""

    kind: Literal["uses", "provides", "setting"]
    name: str
    #: the interface's name, that of the class of kernel objects, or the setting's type
    type: str
    #: where that is defined; '' if it is the language's
    module: str = ""
    #: of the contract; 0 of kernel objects and settings
    version: int = 0
    #: do the contract's calls carry capabilities?
    grants: bool = False
    #: bytes of memory that the client lends the server, whole pages
    lend: int = 0
    #: of a setting; of an Enum's member its number, of `bytes` their hexadecimal digits
    default: int | float | bool | str | None = None
    members: tuple[tuple[str, int], ...] = ()
    #: may a system file leave it out?
    optional: bool = False

    def __str__(self) -> str:
        """As `nk check` lists it."""
        if self.kind == "setting":
            member = next((name for name, number in self.members if number == self.default), None)
            return (
                f"setting {self.name}: {self.type} = {self.default!r}"
                if member is None
                else (f"setting {self.name}: {self.type} = {self.type}.{member}")
            )
        contract = f", contract {self.version:016x}" if self.version else ""
        lent = f", {self.lend} bytes lent" if self.lend else ""
        optional = ", optional" if self.optional else ""
        return f"{self.kind} {self.name}: {self.type}{contract}{lent}{optional}"

    def as_json(self) -> dict[str, Any]:
        """As the section has it."""
        item = {key: value for key, value in asdict(self).items() if value not in (0, "", ()) or key == "default"}
        if self.version:
            item["version"] = f"{self.version:016x}"
        if self.kind != "setting":
            del item["default"]
        return item


@dataclass(frozen=True, slots=True)
class Tasks:
    """`tasks(function, count)`: room for so many coroutines, of `frame` bytes each."""

    function: str
    count: int
    frame: int

    @property
    def size(self) -> int:
        return self.count * self.frame


@dataclass(frozen=True, slots=True)
class Habits:
    """What a program does in anything that its threads may call. The section has those that are so, by their names."""

    #: it asks for the memory that outlives it
    state: bool = False
    #: it says that it is ready to serve
    ready: bool = False


NO_HABITS = Habits()


# --- of the source ----------------------------------------------------------------------------------------------------


def needs_of(path: Path) -> list[Need]:
    """What the program in the file declares, in order. What is wrong with a declaration is the compiler's to say."""
    return [need for need, _ in placed_needs_of(path)]


def placed_needs_of(path: Path) -> list[tuple[Need, Span]]:
    """The same, with the place of each in the source."""
    tree = parsed(path)
    if tree is None:
        return []
    find = finder(path, tree)
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    file = path.relative_to(PACKAGE_ROOT).as_posix() if path.is_relative_to(PACKAGE_ROOT) else path.name
    made: list[tuple[Need, Span]] = []
    for item in declarations_of(tree, path.stem, find):
        default = item.default if item.kind == "setting" else None
        grants = bool(item.version) and carries_capabilities(item.type, item.module, find)
        need = Need(
            item.kind,
            item.name,
            item.type,
            item.module,
            item.version,
            grants,
            item.lend,
            default,
            item.members,
            item.optional,
        )
        made.append((need, span_of(file, lines, item.node)))
    return made


def finder(path: Path, tree: ast.Module) -> Callable[[str], ast.Module | None]:
    """What finds the modules that the program in the file names."""
    trees: dict[str, ast.Module | None] = {path.stem: tree}

    def find(module: str) -> ast.Module | None:
        if module not in trees:
            base = PACKAGE_ROOT if module.split(".", maxsplit=1)[0] == "neokernel" else path.parent
            file = base.joinpath(*module.split("."))
            trees[module] = parsed(file.with_suffix(".py")) or parsed(file / "__init__.py")
        return trees[module]

    return find


def methods_of(path: Path) -> dict[int, str]:
    """The methods of the contracts that the program in the file speaks, as "Log.write", by labels of their requests."""
    tree = parsed(path)
    if tree is None:
        return {}
    find = finder(path, tree)
    found: dict[int, str] = {}
    for item in declarations_of(tree, path.stem, find):
        there = find(item.module) if item.version else None
        try:
            contracts = contracts_of(there, item.module, find) if there is not None else []
        except Problem:  # another interface of that module is wrong
            continue
        for contract in contracts:
            base = contract.version >> 40 << 8
            for number, method in enumerate(contract.methods, 1):
                found[base | number] = f"{contract.name}.{method.name}"
    return found


def carries_capabilities(name: str, module: str, find: Callable[[str], ast.Module | None]) -> bool:
    tree = find(module)
    try:
        contracts = contracts_of(tree, module, find) if tree is not None else []
    except Problem:  # another interface of that module is wrong
        return False
    methods = [method for contract in contracts if contract.name == name for method in contract.methods]
    return any(method.of(Capability) for method in methods)


def parsed(path: Path) -> ast.Module | None:
    """A file's tree, which nobody changes, once for each state of the file; None if there is no such Python."""
    try:
        state = path.stat()
    except (OSError, ValueError):
        return None
    return _parsed(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=256)
def _parsed(path: Path, *_: int) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is odd about it is the compiler's to say
            return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


# --- of the file ------------------------------------------------------------------------------------------------------


def packed(needs: list[Need], tasks: Sequence[Tasks] = (), *, habits: Habits = NO_HABITS, main: str = "") -> bytes:
    """The section's content."""
    whole: dict[str, object] = {"format": FORMAT, "needs": [need.as_json() for need in needs]}
    if main:
        whole["main"] = main
    if tasks:
        whole["tasks"] = [asdict(each) for each in tasks]
    whole |= {name: True for name, has in asdict(habits).items() if has}
    return json.dumps(whole, separators=(",", ":"), sort_keys=True).encode()


def section_of(needs: list[Need], tasks: Sequence[Tasks] = (), *, habits: Habits = NO_HABITS, main: str = "") -> str:
    """The section, as assembly that goes into the program."""
    data = packed(needs, tasks, habits=habits, main=main)
    rows = [", ".join(map(str, data[first : first + 32])) for first in range(0, len(data), 32)]
    return f'.pushsection {SECTION},"",@progbits\n' + "".join(f".byte {row}\n" for row in rows) + ".popsection\n"


def needs_in(elf: Path) -> list[Need]:
    """What the section of a program's ELF file says."""
    return unpacked(section_in(elf), str(elf))


def tasks_in(elf: Path) -> list[Tasks]:
    """The room for tasks that the section tells of."""
    return unpacked_tasks(section_in(elf), str(elf))


def habits_in(elf: Path) -> Habits:
    """What the section says that the program does."""
    whole = opened(section_in(elf), str(elf))
    return Habits(**{each.name: whole.get(each.name) is True for each in fields(Habits)})


def main_in(image: Image) -> str | None:
    """The symbol of the program's `main`; None of an image that is no program above the kernel."""
    data = image.section(SECTION)
    try:
        main = None if data is None else opened(data, str(image.path)).get("main")
    except BadNeeds:
        return None
    return main if isinstance(main, str) else None


def section_in(elf: Path) -> bytes:
    """The section's content, as the file has it."""
    try:
        with elf.open("rb") as stream:
            section = ELFFile(stream).get_section_by_name(SECTION)
            data = None if section is None else section.data()
    except OSError as error:
        raise BadNeeds(f"{elf} can't be read: {error.strerror}") from error
    except ELFError as error:
        raise BadNeeds(f"{elf} is no ELF file: {error}") from error
    if data is None:
        raise BadNeeds(f"{elf} has no section {SECTION}: it wasn't built as a program above the kernel")
    return bytes(data)


def unpacked(data: bytes, shown: str) -> list[Need]:
    """`packed`, backwards. `shown`: what the bytes are called in messages."""
    return [_need(item, shown) for item in opened(data, shown)["needs"]]


def unpacked_tasks(data: bytes, shown: str) -> list[Tasks]:
    """The same of the tasks."""
    found = opened(data, shown).get("tasks", [])
    kinds = {"function": str, "count": int, "frame": int}
    if not isinstance(found, list):
        raise BadNeeds(f"{shown}: {SECTION} has tasks that are no list")
    for item in found:
        if not isinstance(item, dict) or {key: type(value) for key, value in item.items()} != kinds:
            raise BadNeeds(f"{shown}: {SECTION} has tasks with a field of a wrong type")
    return [Tasks(**item) for item in found]


def opened(data: bytes, shown: str) -> dict[str, Any]:
    """The section's content as an object with a list of needs."""
    try:
        whole = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadNeeds(f"{shown}: {SECTION} is no JSON: {error}") from error
    if not isinstance(whole, dict) or whole.get("format") != FORMAT or not isinstance(whole.get("needs"), list):
        raise BadNeeds(f"{shown}: {SECTION} is not of format {FORMAT}: build the program anew")
    return whole


def _need(item: Any, shown: str) -> Need:
    if not isinstance(item, dict) or item.get("kind") not in KINDS:
        raise BadNeeds(f"{shown}: {SECTION} has an entry of no known kind")
    texts = {key: item.get(key, "") for key in ("name", "type", "module", "version")}
    members = item.get("members", [])
    pairs = isinstance(members, list) and all(
        isinstance(pair, list) and [type(part) for part in pair] == [str, int] for pair in members
    )
    default, lend = item.get("default"), item.get("lend")
    if not all(isinstance(text, str) for text in texts.values()) or not pairs or isinstance(default, list | dict):
        raise BadNeeds(f"{shown}: {SECTION} has an entry with a field of a wrong type")
    try:
        version = int(texts["version"] or "0", 16)
    except ValueError as error:
        raise BadNeeds(f"{shown}: {SECTION} has a version that is no number") from error
    return Need(
        item["kind"], texts["name"], texts["type"], texts["module"], version, item.get("grants") is True,
        lend if type(lend) is int else 0, default,
        tuple((name, number) for name, number in members), item.get("optional") is True,
    )  # fmt: skip
