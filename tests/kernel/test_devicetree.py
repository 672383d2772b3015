"""The device tree's parser, against an independent one: real machines, generated trees, damaged ones, every reading."""

from __future__ import annotations

import dataclasses
import functools
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neokernel import lang
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.kernel import devicetree, inventory
from tests.kernel import devicetree_fuzz, devicetree_report
from tests.kernel import fuzz_devicetree as fuzzing
from tests.kernel.devicetree_model import Expected, Model, Node, expected, facts, read, registers, write
from tests.kernel.devicetree_samples import MACHINES, blob_of, board, cells, edges, extreme, texts, tiny
from tests.support import machine


@functools.cache
def compiled() -> fuzzing.Fuzzer:
    """The parser compiled for the host, once."""
    return fuzzing.Fuzzer()


def reported(blob: bytes) -> Expected:
    """What the parser says under CPython."""
    report = devicetree_report.Report()
    devicetree_report.report_blob(lang.byte_view(blob), report)
    return Expected(**{each.name: int(getattr(report, each.name)) for each in dataclasses.fields(Expected)})


def problem_of(blob: bytes) -> Any:
    """What is wrong with the blob."""
    tree = devicetree.Tree()
    wrong = devicetree.open_blocks(tree, lang.byte_view(blob))
    return wrong or inventory.take_inventory(tree, inventory.Inventory(), lang.u64(0))


# --- real ones --------------------------------------------------------------------------------------------------------


@pytest.mark.qemu
@pytest.mark.parametrize("name", MACHINES)
def test_real_machines(name: str) -> None:
    blob = blob_of(name)
    packed = write(read(blob))
    fuzzer = compiled()
    fuzzer.memory.start(packed, 0)
    fuzzer.examine()
    said = fuzzer.memory.report()
    assert said == expected(blob) == expected(packed)
    assert said.registers >= 2
    if name in ("small", "spike"):  # the others take CPython long
        assert reported(blob) == said


# --- what is rejected -------------------------------------------------------------------------------------------------

_HEADER = [
    (0, 0xD00D_FEEC, "MAGIC", 0),
    (4, 39, "TRUNCATED", 4),
    (4, 1 << 20, "TRUNCATED", 4),
    (8, 36, "BLOCK", 8),
    (8, 58, "BLOCK", 8),
    (8, 0xFFFF_FFFC, "BLOCK", 8),
    (36, 0xFFFF_FFFC, "BLOCK", 8),
    (12, 0xFFFF_FFFF, "BLOCK", 12),
    (32, 0xFFFF_FFFF, "BLOCK", 12),
    (16, 44, "BLOCK", 16),
    (20, 16, "VERSION", 20),
    (24, 18, "VERSION", 20),
    (36, 8, "TRUNCATED", 64),
    (32, 3, "NAME", 64),
]


@pytest.mark.parametrize(("place", "word", "problem", "offset"), _HEADER)
def test_wrong_headers(place: int, word: int, problem: str, offset: int) -> None:
    blob = bytearray(write(tiny()))
    assert struct.unpack_from(">I", blob, 8) == (56,)
    struct.pack_into(">I", blob, place, word)
    wrong = problem_of(bytes(blob))
    assert wrong is not None
    if (problem, offset) == ("NAME", 64):
        offset = int(wrong.offset)  # the first property whose name is cut off
    assert (wrong.problem.name, int(wrong.offset)) == (problem, offset)
    assert (wrong.problem.value, int(wrong.offset)) == (expected(bytes(blob)).problem, expected(bytes(blob)).offset)


BEGIN, END_NODE, NOP, END = cells(1) + bytes(4), cells(2), cells(4), cells(9)
VALUE = cells(3, 0, 0)

_STRUCTURES = {
    b"": ("TRUNCATED", 0),
    END: ("NESTING", 0),
    END_NODE: ("NESTING", 0),
    VALUE: ("NESTING", 0),
    BEGIN: ("TRUNCATED", 8),
    BEGIN + END: ("NESTING", 8),
    BEGIN + END_NODE: ("TRUNCATED", 12),
    BEGIN + END_NODE + BEGIN + END_NODE + END: ("NESTING", 12),
    BEGIN + BEGIN + END_NODE + VALUE + END_NODE + END: ("NESTING", 20),
    BEGIN + END_NODE + END_NODE + END: ("NESTING", 12),
    BEGIN + cells(5) + END_NODE + END: ("TOKEN", 8),
    BEGIN + cells(3, 0, 99) + END_NODE + END: ("NAME", 8),
    BEGIN + cells(3, 9, 0) + END_NODE + END: ("TRUNCATED", 8),
    BEGIN + cells(3, 0xFFFF_FFFF, 0) + END_NODE + END: ("TRUNCATED", 8),
    BEGIN + cells(3, 0): ("TRUNCATED", 8),
    cells(1) + b"x" * 128 + bytes(4) + END_NODE + END: ("NAME", 0),
    cells(1) + b"xxxx": ("NAME", 0),
    BEGIN * 17 + END_NODE * 17 + END: ("DEPTH", 128),
    NOP * 100: ("TRUNCATED", 400),
    BEGIN + END_NODE + b"\0\0": ("TRUNCATED", 12),
}

_ACCEPTED = [
    NOP + BEGIN + NOP + VALUE + NOP + BEGIN + END_NODE + NOP + END_NODE + NOP + END + b"whatever",
    BEGIN * 16 + END_NODE * 16 + END,
    cells(1) + b"x" * 127 + bytes(1) + END_NODE + END,
]


def _with_structure(structure: bytes) -> bytes:
    blob = write(Model(Node(b"", [(b"n", b"")])))
    words = list(struct.unpack_from(">10I", blob))
    words[1], words[2], words[9] = len(blob) + 8 + len(structure), (len(blob) + 7) // 8 * 8, len(structure)
    return (
        (struct.pack(">10I", *words) + blob[40:]).ljust(words[2], b"\0").ljust(words[2], b"\0") + structure + bytes(8)
    )


@pytest.mark.parametrize("structure", _STRUCTURES, ids=lambda structure: structure.hex(" ", 4)[:40])
def test_wrong_structures(structure: bytes) -> None:
    problem, offset = _STRUCTURES[structure]
    blob = _with_structure(structure)
    wrong = problem_of(blob)
    assert wrong is not None
    start = struct.unpack_from(">I", blob, 8)[0]
    assert (wrong.problem.name, int(wrong.offset) - start) == (problem, offset)
    assert reported(blob) == expected(blob)


@pytest.mark.parametrize("structure", _ACCEPTED, ids=lambda structure: structure.hex(" ", 4)[:40])
def test_strange_structures_that_are_right(structure: bytes) -> None:
    blob = _with_structure(structure)
    assert problem_of(blob) is None
    assert reported(blob) == expected(blob)


@pytest.mark.parametrize("slack", range(1, 4))
def test_names_may_begin_at_any_address(slack: int) -> None:
    blob = write(tiny(), slack=slack)
    assert struct.unpack_from(">I", blob, 12)[0] % 4 == slack
    assert problem_of(blob) is None
    assert reported(blob) == expected(blob)


@pytest.mark.parametrize("entries", [[(1, 2)] * 100, [(1, (1 << 64) - 1)], [((1 << 64) - 1, 2)]])
def test_reservations(entries: list[tuple[int, int]]) -> None:
    blob = write(Model(Node(b""), entries))
    assert reported(blob) == expected(blob)
    wraps = any(sum(entry) >= 1 << 64 for entry in entries)
    assert (expected(blob).problem == devicetree.Problem.RESERVATIONS.value) == wraps
    endless = struct.pack(">10I", *struct.unpack_from(">10I", blob)) + b"\1" * (len(blob) - 40)
    assert reported(endless).problem == devicetree.Problem.RESERVATIONS.value


def test_no_blob_at_all() -> None:
    for length in (0, 1, 39):
        wrong = problem_of(write(tiny())[:length])
        assert wrong == devicetree.Invalid(devicetree.Problem.TRUNCATED, lang.usize(0))


# --- generated trees --------------------------------------------------------------------------------------------------

_CELLS = st.sampled_from([b"", cells(0), cells(1), cells(2), cells(3), cells(1 << 31), b"\1", cells(1, 1)])
_WORDS = st.lists(st.sampled_from([0, 1, 2, 3, 64, 0x1000, 0xFFFF_FFFF]), max_size=12).map(lambda words: cells(*words))
_TEXT = st.sampled_from(["okay", "ok", "disabled", "memory", "cpu", "simple-bus", "/a/b", "/", "x:9", "x"]).map(texts)
_VALUES = st.one_of(_CELLS, _WORDS, _TEXT, st.binary(max_size=9))
_CELL_KEYS = ["#address-cells", "#size-cells", "#interrupt-cells", "reg", "ranges", "phandle", "timebase-frequency"]
_LINE_KEYS = ["interrupts", "interrupts-extended", "interrupt-parent"]
_CHOSEN_KEYS = ["bootargs", "stdout-path", "linux,initrd-start", "linux,initrd-end", "x"]
_TEXT_KEYS = ["status", "device_type", "compatible", "riscv,isa", "mmu-type", "no-map"]
_KEYS = _CELL_KEYS + _LINE_KEYS + _CHOSEN_KEYS + _TEXT_KEYS
_PROPERTIES = st.lists(st.tuples(st.sampled_from([key.encode() for key in _KEYS]), _VALUES), max_size=8)
_NAMES = st.sampled_from([b"a", b"b", b"", b"chosen", b"aliases", b"reserved-memory", b"cpus", b"soc@0", b"x" * 127])


def _node(children: st.SearchStrategy[list[Node]]) -> st.SearchStrategy[Node]:
    def adopt(name: bytes, properties: list[tuple[bytes, bytes]], below: list[Node]) -> Node:
        made = Node(name, properties, below)
        for child in below:
            child.parent = made
        return made

    return st.builds(adopt, _NAMES, _PROPERTIES, children)


_TREES = st.recursive(_node(st.just([])), lambda inner: _node(st.lists(inner, max_size=3)), max_leaves=8)
_NUMBER = st.integers(0, (1 << 63) - 1)
_MODELS = st.builds(Model, _TREES, st.lists(st.tuples(_NUMBER, _NUMBER.map(lambda n: n + 1)), max_size=3))


@settings(max_examples=200)
@given(_MODELS, st.integers(0, 2), st.integers(0, 40), st.integers(0, 8))
def test_generated_trees(model: Model, nops: int, slack: int, tail: int) -> None:
    blob = write(model, nops=nops, slack=slack, tail=tail)
    assert read(blob) == model
    fuzzer = compiled()
    fuzzer.memory.start(blob, 0)
    fuzzer.examine()
    assert fuzzer.memory.report() == expected(blob)


@settings(max_examples=200)
@given(_MODELS, st.integers(1, 1 << 63))
def test_damaged_trees(model: Model, seed: int) -> None:
    fuzzer = compiled()
    fuzzer.memory.start(write(model), seed)
    fuzzer.batch(1)
    assert fuzzer.memory.report() == expected(fuzzer.memory.outcome())


@settings(max_examples=30)
@given(_MODELS)
def test_generated_trees_under_cpython(model: Model) -> None:
    blob = write(model)
    assert reported(blob) == expected(blob)


def test_the_model_knows_the_facts() -> None:
    """What `test_a_board` says, of the model: comparing two readers proves nothing if neither reads."""
    model = board()
    by_name = {each.name: each for each in read(write(model)).root.everything()}
    assert read(write(model)) == model
    assert registers(by_name[b"serial@100"]) == [(0x1_1000_0100, 0x100)]
    assert facts(model).memory == [(0x8000_0000, 0x1000_0000), (0x2_0000_0000, 0x1000)]
    assert facts(model).reserved == [(0x8000_0000, 0x20_0000)]
    assert facts(model).plic == (0x1_0C00_0000, 0x60_0000)
    assert expected(write(model)).registers == 4


# --- every reading ----------------------------------------------------------------------------------------------------


def _fuzz(blob: bytes, seed: int) -> Any:
    fuzz = devicetree_fuzz.Fuzz(seed=lang.u64(seed), original_length=lang.usize(len(blob)))
    for place, byte in enumerate(blob):
        fuzz.original[place] = lang.u8(byte)
    return fuzz


def _said(fuzz: Any) -> Expected:
    return Expected(**{each.name: int(getattr(fuzz.report, each.name)) for each in dataclasses.fields(Expected)})


@pytest.mark.qemu
def test_every_reading_says_the_same() -> None:
    blobs = [write(tiny()), write(tiny(), nops=1, slack=8), write(board()), write(extreme()), write(edges())]
    starts = [(blobs[seed % 5], seed) for seed in range(1, 41)]
    program, of = fuzzing.analyse()
    symbol = f"{fuzzing.MODULE}.once"
    areas = []
    for blob, seed in starts:
        memory = fuzzing.Memory(of)
        memory.start(blob, seed)
        areas.append(bytes(memory.bytes))
    outcomes = machine.run_functions(program, [symbol] * len(areas), len(areas[0]), areas)
    fuzzer = compiled()
    accepted = 0
    for (blob, seed), outcome in zip(starts, outcomes, strict=True):
        assert (outcome.failed, outcome.trap) == (None, None)
        there = fuzzing.Memory(of)
        there.bytes[:] = outcome.output[: len(there.bytes)]
        fuzzer.memory.start(blob, seed)
        accepted += fuzzer.batch(1)
        here = _fuzz(blob, seed)
        here.round()
        assert there.report() == fuzzer.memory.report() == _said(here) == expected(there.outcome())
        assert there.outcome() == fuzzer.memory.outcome()
    assert 0 < accepted < len(starts)


def test_fuzzing() -> None:
    """A short campaign; `python -m tests.kernel.fuzz_devicetree` does long ones."""
    tally = fuzzing.campaign(compiled(), 50_000, seed=1, batch=512, real=False)
    assert tally.rounds == 50_000
    assert 1000 < tally.accepted < 49_000


_MISTAKES = {
    "a property without its head": ("elif size - body >= 8 and", "elif size - body >= 4 and"),
    "a value past the end": ("<= size - body - 8:", "<= size - body:"),
    "a name outside": ("    if offset > len(data):\n        return None\n", ""),
    "a deep tree": ("if reader.depth >= MAXIMUM_DEPTH:", "if reader.depth >= MAXIMUM_DEPTH + 1:"),
    "a block past the end": ("size <= total - start and", "size <= total and"),
    "reservations without end": ("if total - end < RESERVATION_SIZE:", "if total - end < 8:"),
    "properties behind children": ("            if not fresh:\n", "            if False:\n"),
    "names of any length": ("if length == MAXIMUM_NAME:", "if length == MAXIMUM_NAME + 1:"),
    "padding": ("(end + 3) & ~usize(3)", "(end + 4) & ~usize(3)"),
    "a window that is too small": (" and size <= length - (address - base)", ""),
    "an address that wraps": ("return None if target > LAST - (address - base) else target", "return target"),
    "a region that wraps": ("        if address > LAST - size:\n            return False\n", ""),
    "numbers of three cells": ("if cells > MAXIMUM_CELLS or more > MAXIMUM_CELLS or", "if"),
    "a status that isn't inherited": ("around and (says", "(says"),
    "registers of no size": ("and found.size != 0", ""),
    "a controller that isn't there": (
        "            if self.translate(0, inventory.plic):\n",
        "            if self.translate(0, inventory.plic) or True:\n",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("mistake", _MISTAKES)
def test_the_fuzzer_finds_mistakes(mistake: str) -> None:
    old, new = _MISTAKES[mistake]
    names = ("devicetree", "inventory")
    sources = {name: (PACKAGE_ROOT / f"neokernel/kernel/{name}.py").read_text() for name in names}
    assert sum(source.count(old) for source in sources.values()) == 1
    fuzzer = fuzzing.Fuzzer({f"neokernel.kernel.{name}": text.replace(old, new) for name, text in sources.items()})
    with pytest.raises(fuzzing.Found):
        fuzzing.campaign(fuzzer, 2_000_000, seed=1, batch=8, real=False)
