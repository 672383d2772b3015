"""The device tree once more, for the host: an independent reader and writer of blobs, and what the parser must say.

Written from the specification, in another way than the kernel's: blobs become Python objects first, with recursion,
dictionaries and exceptions, and questions are asked of those. `digest_of` is the contract with
`tests/kernel/devicetree_report.py`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

ABSENT = (1 << 64) - 1
ENTRIES = 32
_PRIME = 0x9E37_79B9_7F4A_7C15

NONE, TRUNCATED, MAGIC, VERSION, BLOCK, RESERVATIONS, TOKEN, NAME, DEPTH, NESTING = range(10)


class Rejected(Exception):
    """The blob isn't a tree."""

    def __init__(self, problem: int, offset: int) -> None:
        super().__init__(f"problem {problem} at {offset}")
        self.problem = problem
        self.offset = offset


@dataclass
class Node:
    """A node. `properties` in order, with duplicates; `parent` is None for the root."""

    name: bytes
    properties: list[tuple[bytes, bytes]] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)
    parent: Node | None = field(default=None, repr=False, compare=False)

    def get(self, name: bytes) -> bytes | None:
        return next((content for key, content in self.properties if key == name), None)

    def path(self) -> list[Node]:
        """From the root to here."""
        return [*(self.parent.path() if self.parent else []), self]

    def everything(self) -> Iterator[Node]:
        yield self
        for child in self.children:
            yield from child.everything()

    def cells(self, name: bytes, default: int) -> int | None:
        """None: more than two, or unreadable."""
        content = self.get(name)
        if not content:
            return default
        count = int.from_bytes(content, "big") if len(content) == 4 else 3
        return count if count <= 2 else None

    def number(self, name: bytes) -> int | None:
        content = self.get(name)
        return int.from_bytes(content, "big") if content is not None and len(content) in (4, 8) else None

    def texts(self, name: bytes) -> list[bytes]:
        """The terminated texts of a string list."""
        return (self.get(name) or b"").split(b"\0")[:-1]

    def text(self, name: bytes) -> bytes:
        return (self.get(name) or b"").split(b"\0")[0]


@dataclass
class Model:
    """A whole tree."""

    root: Node
    reservations: list[tuple[int, int]] = field(default_factory=list)


# --- reading ----------------------------------------------------------------------------------------------------------


def read(blob: bytes) -> Model:
    """Raises Rejected."""
    if len(blob) < 40:
        raise Rejected(TRUNCATED, 0)
    magic, total, structs, strings, reserved, version, compatible, _, strings_size, structs_size = struct.unpack_from(
        ">10I", blob
    )
    if magic != 0xD00DFEED:
        raise Rejected(MAGIC, 0)
    if not 40 <= total <= len(blob):
        raise Rejected(TRUNCATED, 4)
    if version < 17 or compatible > 17:
        raise Rejected(VERSION, 20)
    for place, start, size, alignment in (
        (8, structs, structs_size, 4),
        (12, strings, strings_size, 1),
        (16, reserved, 16, 8),
    ):
        if start < 40 or start + size > total or start % alignment:
            raise Rejected(BLOCK, place)
    entries = []
    while True:
        if reserved + 16 > total:
            raise Rejected(RESERVATIONS, reserved)
        entry = struct.unpack_from(">QQ", blob, reserved)
        if entry == (0, 0):
            break
        if sum(entry) > ABSENT:
            raise Rejected(RESERVATIONS, reserved)
        entries.append(entry)
        reserved += 16
    return Model(
        _Reader(blob[: structs + structs_size], blob[strings : strings + strings_size], structs).tree(), entries
    )


class _Reader:
    """Recursive descent through the structure block."""

    def __init__(self, data: bytes, strings: bytes, place: int) -> None:
        self.data, self.strings, self.place = data, strings, place

    def peek(self) -> int:
        while True:
            if self.place + 4 > len(self.data):
                raise Rejected(TRUNCATED, min(self.place, len(self.data)))
            kind: int = struct.unpack_from(">I", self.data, self.place)[0]
            if kind not in (1, 2, 3, 4, 9):
                raise Rejected(TOKEN, self.place)
            if kind != 4:
                return kind
            self.place += 4

    def text(self, data: bytes, start: int) -> bytes:
        end = data.find(b"\0", start, start + 128)
        if start > len(data) or end < 0:
            raise Rejected(NAME, self.place)
        return data[start:end]

    def name(self) -> tuple[bytes, int]:
        name = self.text(self.data, self.place + 4)
        return name, (self.place + 4 + len(name) + 4) // 4 * 4

    def property(self) -> tuple[bytes, bytes, int]:
        if self.place + 12 > len(self.data):
            raise Rejected(TRUNCATED, self.place)
        length, name = struct.unpack_from(">II", self.data, self.place + 4)
        end = self.place + 12 + length
        if end > len(self.data):
            raise Rejected(TRUNCATED, self.place)
        return self.text(self.strings, name), self.data[self.place + 12 : end], (end + 3) // 4 * 4

    def tree(self) -> Node:
        kind = self.peek()
        if kind in (1, 3):
            found = self.name() if kind == 1 else self.property()  # what is wrong inside is said first
            del found
        if kind != 1:
            raise Rejected(NESTING, self.place)
        root = self.node(None, 1)
        kind = self.peek()
        if kind in (1, 3):
            self.name() if kind == 1 else self.property()
        if kind != 9:
            raise Rejected(NESTING, self.place)
        return root

    def node(self, parent: Node | None, depth: int) -> Node:
        name, after = self.name()
        if depth > 16:
            raise Rejected(DEPTH, self.place)
        self.place = after
        node = Node(name, parent=parent)
        while (kind := self.peek()) != 2:
            if kind == 1:
                node.children.append(self.node(node, depth + 1))
                continue
            if kind == 9:
                raise Rejected(NESTING, self.place)
            key, content, after = self.property()
            if node.children:
                raise Rejected(NESTING, self.place)
            node.properties.append((key, content))
            self.place = after
        self.place += 4
        return node


# --- writing ----------------------------------------------------------------------------------------------------------


def write(model: Model, *, nops: int = 0, slack: int = 0, tail: int = 0) -> bytes:
    """A blob. `nops`: put this many before every token; `slack`: bytes between the blocks; `tail`: behind FDT_END."""
    strings = bytearray()
    places: dict[bytes, int] = {}
    structs = bytearray()

    def token(kind: int) -> None:
        structs.extend(struct.pack(">I", 4) * nops + struct.pack(">I", kind))

    def pad() -> None:
        structs.extend(bytes(-len(structs) % 4))

    def put(node: Node) -> None:
        token(1)
        structs.extend(node.name + b"\0")
        pad()
        for name, content in node.properties:
            if name not in places:
                places[name] = len(strings)
                strings.extend(name + b"\0")
            token(3)
            structs.extend(struct.pack(">II", len(content), places[name]) + content)
            pad()
        for child in node.children:
            put(child)
        token(2)

    put(model.root)
    token(9)
    structs.extend(bytes(tail // 4 * 4))
    reserved = b"".join(struct.pack(">QQ", *entry) for entry in [*model.reservations, (0, 0)])
    gap = slack // 8 * 8
    at_reserved = 40 + gap
    at_structs = at_reserved + len(reserved) + gap
    at_strings = at_structs + len(structs) + slack
    total = at_strings + len(strings) + slack
    header = struct.pack(
        ">10I", 0xD00DFEED, total, at_structs, at_strings, at_reserved, 17, 16, 0, len(strings), len(structs)
    )
    blob = bytearray(total)
    for place, part in ((0, header), (at_reserved, reserved), (at_structs, structs), (at_strings, strings)):
        blob[place : place + len(part)] = part
    return bytes(blob)


# --- meanings ---------------------------------------------------------------------------------------------------------


def registers(node: Node) -> list[tuple[int, int] | None]:
    """The entries of `reg` as the processor sees them; None: it doesn't."""
    bus = node.parent
    if bus is None:
        return []
    return [_translated(bus, *entry) for entry in _table(node.get(b"reg") or b"", _widths(bus))]


def _widths(bus: Node) -> list[int] | None:
    widths = [bus.cells(b"#address-cells", 2), bus.cells(b"#size-cells", 1)]
    return [width for width in widths if width is not None] if None not in widths else None


def _table(content: bytes, widths: list[int] | None) -> list[list[int]]:
    """Rows of numbers of the given numbers of cells."""
    if not widths or not sum(widths):
        return []
    rows = []
    step = 4 * sum(widths)
    for start in range(0, len(content) - step + 1, step):
        row, place = [], start
        for width in widths:
            row.append(int.from_bytes(content[place : place + 4 * width], "big"))
            place += 4 * width
        rows.append(row)
    return rows


def _translated(bus: Node, address: int, size: int) -> tuple[int, int] | None:
    while bus.parent is not None:
        ranges = bus.get(b"ranges")
        if ranges is None:
            return None
        if ranges:
            inner, outer = _widths(bus), bus.parent.cells(b"#address-cells", 2)
            if inner is None or outer is None:
                return None
            for base, target, length in _table(ranges, [inner[0], outer, inner[1]]):
                if base <= address and address + size <= base + length:
                    address += target - base
                    break
            else:
                return None
            if address > ABSENT:
                return None
        bus = bus.parent
    return (address, size) if address + size <= ABSENT else None


def interrupts(model: Model, node: Node, limit: int = ENTRIES) -> list[tuple[int, bytes]]:
    """Controller's phandle and specifier of the node's first interrupts."""
    known: dict[int, Node] = {}
    for other in model.root.everything():
        known.setdefault(other.number(b"phandle") or 0, other)
    known.pop(0, None)
    extended = node.get(b"interrupts-extended")
    listed = extended or node.get(b"interrupts") or b""
    parent = 0 if extended else _interrupt_parent(node)
    found: list[tuple[int, bytes]] = []
    while len(found) < limit:
        if extended:
            parent, listed = int.from_bytes(listed[:4], "big") if len(listed) >= 4 else 0, listed[4:]
        cells = known[parent].cells(b"#interrupt-cells", 0) if parent in known else 0
        if not cells or len(listed) < 4 * cells:
            break
        found.append((parent, listed[: 4 * cells]))
        listed = listed[4 * cells :]
    return found


def _interrupt_parent(node: Node) -> int:
    at: Node | None = node
    while at is not None:
        named = at.number(b"interrupt-parent")
        if named is not None:
            return named
        at = at.parent
        if at is not None and at.get(b"#interrupt-cells") is not None:
            return at.number(b"phandle") or 0
    return 0


def processor(node: Node) -> tuple[Node, int, int] | None:
    """The cpu that the node is or is part of, its hart, its timer's frequency."""
    for at in node.path()[1:]:
        if b"cpu" in at.texts(b"device_type"):
            assert at.parent is not None
            hart, timebase = at.number(b"reg"), at.number(b"timebase-frequency")
            timebase = at.parent.number(b"timebase-frequency") if timebase is None else timebase
            return None if hart is None or timebase is None else (at, hart, timebase)
    return None


def enabled(node: Node) -> bool:
    return all(at.get(b"status") is None or {b"okay", b"ok"} & set(at.texts(b"status")) for at in node.path())


def chosen(model: Model) -> tuple[bytes, bytes, tuple[int, int]]:
    """bootargs, the console's path, the initial RAM disk. Of nodes with the same name the last counts."""
    by_name = {child.name: child for child in model.root.children}
    node = by_name.get(b"chosen")
    if node is None:
        return b"", b"", (0, 0)
    console = node.text(b"stdout-path").split(b":")[0]
    if console and not console.startswith(b"/"):
        console = by_name[b"aliases"].text(console) if b"aliases" in by_name else b""
    start, end = node.number(b"linux,initrd-start"), node.number(b"linux,initrd-end")
    there = start is not None and end is not None and start <= end
    return node.text(b"bootargs"), console, ((start or 0, (end or 0) - (start or 0)) if there else (0, 0))


@dataclass
class Expected:
    """What a report must hold (see `devicetree_report.Report`)."""

    digest: int = 0
    problem: int = 0
    offset: int = 0
    nodes: int = 0
    registers: int = 0
    interrupts: int = 0

    def note(self, *values: int | bytes) -> None:
        for each in values:
            for number in (each,) if isinstance(each, int) else (len(each), *each):
                self.digest = ((self.digest * _PRIME + number) & ABSENT) ^ (self.digest >> 29)


def expected(blob: bytes) -> Expected:
    """What the parser must say about a blob."""
    out = Expected()
    try:
        model = read(blob)
    except Rejected as why:
        out.problem, out.offset = why.problem, why.offset
        return out
    out.problem = ABSENT
    for entry in model.reservations:
        out.note(*entry)
    arguments, console, initrd = chosen(model)
    out.note(arguments, console, *initrd)
    for node in model.root.everything():
        out.nodes += 1
        _expect_node(model, node, console, out)
    return out


def _expect_node(model: Model, node: Node, console: bytes, out: Expected) -> None:
    path = node.path()
    full = b"/" if node.parent is None else b"".join(b"/" + at.name for at in path[1:])
    out.note(int(full == console), len(path), node.name, node.number(b"phandle") or 0, int(enabled(node)))
    out.note(int(b"simple-bus" in node.texts(b"compatible")), int(b"memory" in node.texts(b"device_type")))
    out.note(int(len(path) == 3 and path[1].name == b"reserved-memory"))
    cpu = processor(node)
    if cpu is None:
        out.note(ABSENT)
    else:
        at, hart, timebase = cpu
        out.note(hart, int(at is node), timebase, at.text(b"riscv,isa"), at.text(b"mmu-type"))
    entries = registers(node)
    out.note(len(entries))
    for entry in entries[:ENTRIES]:
        out.registers += entry is not None
        out.note(*(entry or (ABSENT,)))
    for controller, specifier in interrupts(model, node):
        out.interrupts += 1
        out.note(controller, specifier)
