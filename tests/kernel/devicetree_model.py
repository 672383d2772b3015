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
#: ranges of a kind that an inventory holds
RANGES = 64
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
        """Of several with the same name, the last counts."""
        return next((content for key, content in reversed(self.properties) if key == name), None)

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


def enabled(node: Node) -> bool:
    return all(at.get(b"status") is None or {b"okay", b"ok"} & set(at.texts(b"status")) for at in node.path())


Pairs = list[tuple[int, int]]


@dataclass
class Facts:
    """An inventory, as numbers. `lost`: how many ranges of each kind don't fit."""

    memory: Pairs = field(default_factory=list)
    reserved: Pairs = field(default_factory=list)
    devices: Pairs = field(default_factory=list)
    lost: tuple[int, int, int] = (0, 0, 0)
    plic: tuple[int, int] = (0, 0)
    lines: int = 0
    targets: bytes = b""
    present: bool = False
    controller: int = 0
    isa: bytes = b""
    mmu: bytes = b""
    frequency: int = 0


def facts(model: Model, hart: int = 0) -> Facts:
    """What the kernel must find on a machine that boots on `hart`, by asking each node."""
    found = Facts()
    for node in list(model.root.everything())[1:]:
        assert node.parent is not None
        kinds, around = node.texts(b"device_type"), node.parent.texts(b"device_type")
        models = set(node.texts(b"compatible"))
        seen = [each for each in registers(node) if each is not None and each[1]]
        if b"cpu" in around:
            if node.number(b"phandle") and enabled(node.parent) and node.parent.number(b"reg") == hart:
                found.controller = node.number(b"phandle") or 0
        elif b"cpu" in kinds:
            if enabled(node) and node.number(b"reg") == hart:
                timebase = node.number(b"timebase-frequency") or node.parent.number(b"timebase-frequency")
                found.present, found.frequency = True, timebase or 0
                found.isa, found.mmu = node.text(b"riscv,isa"), node.text(b"mmu-type")
        elif len(node.path()) == 3 and node.parent.name == b"reserved-memory":
            found.reserved += seen
        elif not enabled(node):
            pass
        elif b"memory" in kinds:
            found.memory += seen
        elif models & {b"riscv,plic0", b"sifive,plic-1.0.0"}:
            first = registers(node)[:1]
            if first and first[0] is not None:
                found.plic, found.lines = first[0], node.number(b"riscv,ndev") or 0
                found.targets = node.get(b"interrupts-extended") or b""
        elif not models & {b"riscv,clint0", b"sifive,clint0"}:
            found.devices += seen
    lists = (found.memory, found.reserved, found.devices)
    memory, reserved, devices = (max(0, len(pairs) - RANGES) for pairs in lists)
    found.lost = (memory, reserved, devices)
    for pairs in lists:
        del pairs[RANGES:]
    return found


def context(found: Facts) -> int | None:
    """The first of the PLIC's contexts that interrupts the hart in S-mode: interrupt 9 of its own controller."""
    entries = [found.targets[start : start + 8] for start in range(0, len(found.targets) - 7, 8)]
    wanted = [number for number, entry in enumerate(entries) if struct.unpack(">II", entry) == (found.controller, 9)]
    return wanted[0] if wanted else None


@dataclass
class Expected:
    """What a report must hold (see `devicetree_report.Report`)."""

    digest: int = 0
    problem: int = 0
    offset: int = 0
    registers: int = 0
    targets: int = 0

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
    found = facts(model)
    for entry in model.reservations:
        out.note(*entry)
    for pairs, lost in zip((found.memory, found.reserved, found.devices), found.lost, strict=True):
        out.registers += len(pairs)
        out.note(len(pairs), lost, *(number for pair in pairs for number in pair))
    out.targets = len(found.targets)
    wanted = context(found)
    out.note(*found.plic, found.lines, found.targets, int(found.present), found.controller, found.isa, found.mmu)
    extensions = found.isa.split(b"_")
    out.note(found.frequency, ABSENT if wanted is None else wanted, int(b"sstc" in extensions))
    out.note(int(b"v" in extensions[0][4:]))
    return out
