"""Writing one node's code: LLVM's IR, as text, by loops over fixed counts and vectors of fixed lengths.

A vector here is a group of elements computed side by side: LLVM makes vector instructions of it where the machine has
them, and as many scalar ones elsewhere. So there is one way to write an operation, and `Machine.lanes` says how wide.

Invariants:
- A `Code` is one function, which gets pointers alone, all to memory that doesn't overlap with what it writes.
- It calls nothing but LLVM's intrinsics, and of these only such as become instructions on every target.
- Integers wrap; floats are IEEE 754's, except that a product may be added without being rounded first (`fma`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from neokernel.abi.model import MOST_MEMORY
from neokernel.model.graph import Array, ElementType, TensorType
from neokernel.model.problem import UNSUPPORTED, ModelError

F32, F64, I16, I32, I64, BOOL = (
    ElementType.FLOAT32,
    ElementType.FLOAT64,
    ElementType.INT16,
    ElementType.INT32,
    ElementType.INT64,
    ElementType.BOOL,
)
#: constants, tensors and work space begin at multiples of it
ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class Machine:
    """What code is shaped for. `lanes`: elements of 32 bits that are computed side by side.

    `accumulators`: groups of so many that fit into registers, beside what is loaded to be added to them.
    `integers_as_floats`: products of small integers are computed by floats, which is as exact (`sums.py`): there are
    more registers for these, and one instruction does what takes integers two.
    `unrolled`: groups that are multiplied and added in one round of a loop, at most, unless a row of a window has more.
    Longer loops retire a few instructions less and take more time: they don't fit into what cores, and QEMU's
    translations, keep of their code (`docs/reference/benchmarks-models.md`).
    """

    name: str
    lanes: int
    accumulators: int
    unrolled: int
    integers_as_floats: bool = False


@dataclass(frozen=True, slots=True)
class Value:
    """Something computed: `lanes` elements. A constant has its number."""

    text: str
    element: ElementType
    lanes: int = 1
    number: float | int | None = None

    @property
    def type(self) -> str:
        return type_text(self.element, self.lanes)


class Operand:
    """A tensor as code gets it: where it lies, and its elements if they are known.

    A constant gets a place among the model's constants when somebody asks where it lies: who lays it out in another
    way doesn't.
    """

    def __init__(self, code: Code, type_: TensorType, pointer: str = "", constant: Array | None = None) -> None:
        self.type = type_
        self.constant = constant
        self._code = code
        self._pointer = pointer

    @property
    def pointer(self) -> str:
        if self._pointer:
            return self._pointer
        assert self.constant is not None
        return self._code.constant(self.constant)

    def shaped(self, shape: tuple[int, ...]) -> Operand:
        """The same elements in another shape."""
        return Operand(self._code, TensorType(self.type.element, shape), self._pointer, self.constant)


#: a place in memory counted in elements: known, or computed (an I64)
Index: TypeAlias = "int | Value"

_NAMES = {1: "i1", 8: "i8", 16: "i16", 32: "i32", 64: "i64"}
_FLOAT_NAMES = {4: "float", 8: "double"}


def scalar_text(element: ElementType) -> str:
    if element.is_float:
        return _FLOAT_NAMES[element.size]
    return "i1" if element is BOOL else _NAMES[8 * element.size]


def type_text(element: ElementType, lanes: int) -> str:
    return scalar_text(element) if lanes == 1 else f"<{lanes} x {scalar_text(element)}>"


def literal(element: ElementType, number: float) -> str:
    """A number as LLVM writes it. Floats by their bits: nothing is lost in decimals. Integers are within their limits:
    LLVM would cut them off."""
    if element.is_float:
        exact = float(np.float32(number)) if element is F32 else float(number)
        return f"0x{struct.unpack('<Q', struct.pack('<d', exact))[0]:016X}"
    if element is BOOL:
        return "true" if number else "false"
    least, greatest = element.limits
    assert number == int(number) and least <= number <= greatest, f"{number} as {element}"
    return str(int(number))


@dataclass
class Constants:
    """The constants of a model: one piece of memory; equal ones once."""

    data: bytearray = field(default_factory=bytearray)
    _known: dict[bytes, int] = field(default_factory=dict)

    def place(self, array: Array) -> int:
        """The offset of the array's bytes, in row-major order."""
        content = np.ascontiguousarray(array).tobytes()
        known = self._known.get(content)
        if known is None:
            if len(self.data) + len(content) > MOST_MEMORY:
                raise ModelError(UNSUPPORTED, f"more than {MOST_MEMORY} bytes of constants", "make the model smaller")
            self.data += bytes(-len(self.data) % ALIGNMENT)
            known = self._known[content] = len(self.data)
            self.data += content
        return known


class Code:
    """The function of one node."""

    def __init__(self, machine: Machine, constants: Constants) -> None:
        self.machine = machine
        self.lines: list[str] = []
        #: what comes before them: where constants and work space lie, for all that follows
        self.places: list[str] = []
        self.intrinsics: set[str] = set()
        #: bytes of memory that is the node's while it runs
        self.work_size = 0
        self._constants = constants
        self._names = 0
        self._block = "entry"

    # --- values -------------------------------------------------------------------------------------------------------

    def name(self) -> str:
        self._names += 1
        return f"%v{self._names}"

    def line(self, text: str) -> None:
        self.lines.append("  " + text)

    def made(self, text: str, element: ElementType, lanes: int) -> Value:
        name = self.name()
        self.line(f"{name} = {text}")
        return Value(name, element, lanes)

    def number(self, element: ElementType, number: float, lanes: int = 1) -> Value:
        text = literal(element, number)
        return Value(text if lanes == 1 else f"splat ({scalar_text(element)} {text})", element, lanes, number)

    def splat(self, value: Value, lanes: int) -> Value:
        """A scalar in all lanes."""
        if value.lanes == lanes:
            return value
        assert value.lanes == 1
        if value.number is not None:
            return self.number(value.element, value.number, lanes)
        one = type_text(value.element, lanes)
        first = self.name()
        self.line(f"{first} = insertelement {one} poison, {value.type} {value.text}, i64 0")
        text = f"shufflevector {one} {first}, {one} poison, <{lanes} x i32> zeroinitializer"
        return self.made(text, value.element, lanes)

    def lane(self, value: Value, index: int) -> Value:
        if value.lanes == 1:
            return value
        return self.made(f"extractelement {value.type} {value.text}, i64 {index}", value.element, 1)

    # --- arithmetic ---------------------------------------------------------------------------------------------------

    def binary(self, instruction: str, a: Value, b: Value) -> Value:
        lanes = max(a.lanes, b.lanes)
        a, b = self.splat(a, lanes), self.splat(b, lanes)
        assert a.element is b.element, f"{instruction} of {a.element} and {b.element}"
        return self.made(f"{instruction} {a.type} {a.text}, {b.text}", a.element, lanes)

    def add(self, a: Value, b: Value) -> Value:
        return self.binary("fadd" if a.element.is_float else "add", a, b)

    def subtract(self, a: Value, b: Value) -> Value:
        return self.binary("fsub" if a.element.is_float else "sub", a, b)

    def multiply(self, a: Value, b: Value) -> Value:
        return self.binary("fmul" if a.element.is_float else "mul", a, b)

    def divide(self, a: Value, b: Value) -> Value:
        """Integers are divided as in C; a division by 0 gives 0, and -2⁶³ / -1 the dividend, on all machines."""
        if a.element.is_float:
            return self.binary("fdiv", a, b)
        lanes = max(a.lanes, b.lanes)
        a, b = self.splat(a, lanes), self.splat(b, lanes)
        zero, one = self.number(a.element, 0, lanes), self.number(a.element, 1, lanes)
        by_zero = self.compare("eq", b, zero)
        divisor = self.select(by_zero, one, b)
        if not a.element.is_signed:
            return self.select(by_zero, zero, self.binary("udiv", a, divisor))
        # The one quotient that overflows is that of the least number and -1: a negation, which wraps.
        minus = self.compare("eq", b, self.number(a.element, -1, lanes))
        quotient = self.binary("sdiv", a, self.select(minus, one, divisor))
        negated = self.subtract(zero, a)
        return self.select(by_zero, zero, self.select(minus, negated, quotient))

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """A × b + c; floats in one instruction where the machine has one."""
        if not a.element.is_float:
            return self.add(self.multiply(a, b), c)
        return self.intrinsic("fmuladd", a, b, c)

    def minimum(self, a: Value, b: Value) -> Value:
        """The smaller one. Of a number and a NaN, the number (IEEE 754, minimumNumber): one instruction on RISC-V."""
        return self.intrinsic("minimumnum" if a.element.is_float else self._signed(a, "min"), a, b)

    def maximum(self, a: Value, b: Value) -> Value:
        return self.intrinsic("maximumnum" if a.element.is_float else self._signed(a, "max"), a, b)

    @staticmethod
    def _signed(value: Value, name: str) -> str:
        return ("s" if value.element.is_signed else "u") + name

    def intrinsic(self, name: str, *operands: Value) -> Value:
        """One of LLVM's functions whose result is of the type of all operands."""
        lanes = max(operand.lanes for operand in operands)
        operands = tuple(self.splat(operand, lanes) for operand in operands)
        first = operands[0]
        full = f"@llvm.{name}.{_mangled(first.element, lanes)}"
        self.intrinsics.add(f"declare {first.type} {full}({', '.join([first.type] * len(operands))})")
        given = ", ".join(f"{operand.type} {operand.text}" for operand in operands)
        return self.made(f"call {first.type} {full}({given})", first.element, lanes)

    def negate(self, value: Value) -> Value:
        if value.element.is_float:
            return self.made(f"fneg {value.type} {value.text}", value.element, value.lanes)
        return self.subtract(self.number(value.element, 0, value.lanes), value)

    def absolute(self, value: Value) -> Value:
        if value.element.is_float:
            return self.intrinsic("fabs", value)
        return self.maximum(value, self.negate(value)) if value.element.is_signed else value

    def compare(self, relation: str, a: Value, b: Value) -> Value:
        """`relation`: eq, ne, lt, le, gt, ge. No float is in relation to a NaN, but that it is `ne`."""
        lanes = max(a.lanes, b.lanes)
        a, b = self.splat(a, lanes), self.splat(b, lanes)
        if a.element.is_float:
            text = f"fcmp {'une' if relation == 'ne' else 'o' + relation}"
        elif relation in ("eq", "ne"):
            text = f"icmp {relation}"
        else:
            text = f"icmp {'s' if a.element.is_signed else 'u'}{relation}"
        return self.made(f"{text} {a.type} {a.text}, {b.text}", BOOL, lanes)

    def select(self, condition: Value, a: Value, b: Value) -> Value:
        lanes = max(condition.lanes, a.lanes, b.lanes)
        condition, a, b = (self.splat(each, lanes) for each in (condition, a, b))
        text = f"select {condition.type} {condition.text}, {a.type} {a.text}, {b.type} {b.text}"
        return self.made(text, a.element, lanes)

    def convert(self, value: Value, to: ElementType) -> Value:
        """As C does it; of floats beyond an integer's range, its nearest one, and 0 of a NaN; to bool: isn't it 0?"""
        source = value.element
        if source is to:
            return value
        if to is BOOL:
            return self.compare("ne", value, self.number(source, 0, value.lanes))
        if source.is_float and not to.is_float:
            name = f"@llvm.fpto{'s' if to.is_signed else 'u'}i.sat"
            full = f"{name}.{_mangled(to, value.lanes)}.{_mangled(source, value.lanes)}"
            self.intrinsics.add(f"declare {type_text(to, value.lanes)} {full}({value.type})")
            return self.made(f"call {type_text(to, value.lanes)} {full}({value.type} {value.text})", to, value.lanes)
        if to.is_float and not source.is_float:
            instruction = "sitofp" if source.is_signed else "uitofp"
        elif to.is_float:
            instruction = "fpext" if to.size > source.size else "fptrunc"
        elif scalar_text(to) == scalar_text(source):
            return Value(value.text, to, value.lanes, value.number)
        elif source is BOOL or to.size > source.size:
            instruction = "sext" if source.is_signed else "zext"
        else:
            instruction = "trunc"
        return self.made(f"{instruction} {value.type} {value.text} to {type_text(to, value.lanes)}", to, value.lanes)

    def bits(self, value: Value, to: ElementType) -> Value:
        """The same bits as another type of that size."""
        return self.made(f"bitcast {value.type} {value.text} to {type_text(to, value.lanes)}", to, value.lanes)

    def across(self, value: Value, combine: Callable[[Value, Value], Value]) -> Value:
        """All lanes in one, by halves: the order is the same on all machines with as many lanes."""
        while value.lanes > 1:
            half = (value.lanes + 1) // 2
            low = self._lanes(value, 0, half)
            high = self._lanes(value, half, value.lanes)
            if high.lanes == low.lanes:
                value = combine(low, high)
                continue
            # An odd number: the middle one waits for the next round.
            both = combine(self._lanes(low, 0, half - 1), high)
            value = combine(self.across(both, combine), self.lane(low, half - 1))
        return value

    def _lanes(self, value: Value, begin: int, end: int) -> Value:
        if end - begin == 1:
            return self.lane(value, begin)
        if (begin, end) == (0, value.lanes):
            return value
        chosen = ", ".join(f"i32 {index}" for index in range(begin, end))
        text = f"shufflevector {value.type} {value.text}, {value.type} poison, <{end - begin} x i32> <{chosen}>"
        return self.made(text, value.element, end - begin)

    def interleaved(self, a: Value, b: Value, count: int) -> Value:
        """The first lane of `a`, that of `b`, the second ones, and so on: `count` of them."""
        if count == 1:
            return self.lane(a, 0)
        pair = type_text(a.element, 2)
        if a.lanes == 1:
            first = self.name()
            self.line(f"{first} = insertelement {pair} poison, {a.type} {a.text}, i64 0")
            return self.made(f"insertelement {pair} {first}, {b.type} {b.text}, i64 1", a.element, 2)
        chosen = ", ".join(f"i32 {index // 2 + index % 2 * a.lanes}" for index in range(count))
        text = f"shufflevector {a.type} {a.text}, {b.type} {b.text}, <{count} x i32> <{chosen}>"
        return self.made(text, a.element, count)

    # --- places -------------------------------------------------------------------------------------------------------

    def index(self, *terms: tuple[Index, int], start: Index = 0) -> Index:
        """`start` and each term's index times its stride, added up."""
        known = start if isinstance(start, int) else 0
        computed = None if isinstance(start, int) else start
        for index, stride in terms:
            if isinstance(index, int):
                known += index * stride
                continue
            if stride == 0:
                continue
            step = index if stride == 1 else self._index("mul", index, stride)
            computed = step if computed is None else self._index("add", computed, step)
        if computed is None:
            return known
        return self._index("add", computed, known) if known else computed

    def _index(self, instruction: str, a: Value, b: int | Value) -> Value:
        return self.made(f"{instruction} nsw i64 {a.text}, {b if isinstance(b, int) else b.text}", I64, 1)

    def address(self, pointer: str, element: ElementType, index: Index) -> str:
        if index == 0:
            return pointer
        name = self.name()
        stored = "i8" if element is BOOL else scalar_text(element)
        offset = index if isinstance(index, int) else index.text
        self.line(f"{name} = getelementptr inbounds {stored}, ptr {pointer}, i64 {offset}")
        return name

    def load(self, pointer: str, element: ElementType, index: Index = 0, lanes: int = 1) -> Value:
        """`lanes` elements one after the other, from the one at `index` on."""
        stored = ElementType.UINT8 if element is BOOL else element
        place = self.address(pointer, element, index)
        value = self.made(f"load {type_text(stored, lanes)}, ptr {place}, align {element.size}", stored, lanes)
        return self.convert(value, BOOL) if element is BOOL else value

    def store(self, value: Value, pointer: str, index: Index = 0) -> None:
        element = value.element
        if element is BOOL:
            value = self.convert(value, ElementType.UINT8)
        place = self.address(pointer, element, index)
        self.line(f"store {value.type} {value.text}, ptr {place}, align {element.size}")

    def constant(self, array: Array) -> str:
        """A pointer to the array, in the model's constants."""
        return self._place("%constants", self._constants.place(array))

    def work(self, element: ElementType, count: int) -> str:
        """A pointer to memory of the node's own, whose contents nobody knows at first."""
        begin = -(-self.work_size // ALIGNMENT) * ALIGNMENT
        self.work_size = begin + count * element.size
        return self._place("%work", begin)

    def _place(self, base: str, offset: int) -> str:
        name = self.name()
        self.places.append(f"  {name} = getelementptr inbounds i8, ptr {base}, i64 {offset}")
        return name

    def text(self) -> str:
        """The function's body."""
        return "\n".join(["entry:", *self.places, *self.lines, "  ret void"])

    # --- loops --------------------------------------------------------------------------------------------------------

    @contextmanager
    def loop(self, count: int, step: int = 1) -> Iterator[Index]:
        """The body once for 0, `step`, … below `count`, a multiple of `step`. A loop of one round is none."""
        rounds = count // step
        assert rounds > 0, "a loop without a round"
        if rounds == 1:
            yield 0
            return
        place, index, before_block, head = self._begin_loop()
        yield index
        self._end_loop(place, index, before_block, head, rounds * step, step, [])

    def reduce(
        self,
        count: int,
        initial: Sequence[Value],
        body: Callable[[Index, list[Value]], list[Value]],
        step: int = 1,
    ) -> list[Value]:
        """Values that each round of a loop makes anew out of the round's before: those after the last."""
        rounds = count // step
        values = list(initial)
        if rounds <= 1:
            return body(0, values) if rounds else values
        place, index, before_block, head = self._begin_loop()
        carried = [Value(self.name(), value.element, value.lanes) for value in values]
        after = body(index, carried)
        phis = list(zip(carried, values, after, strict=True))
        self._end_loop(place, index, before_block, head, rounds * step, step, phis)
        return after

    def _begin_loop(self) -> tuple[int, Value, str, str]:
        before_block = self._block
        head = f"L{self.name()[2:]}"
        self.line(f"br label %{head}")
        self.lines.append(f"{head}:")
        self._block = head
        return len(self.lines), Value(self.name(), I64), before_block, head

    def _end_loop(
        self,
        place: int,
        index: Value,
        before_block: str,
        head: str,
        end: int,
        step: int,
        phis: Sequence[tuple[Value, Value, Value]],
    ) -> None:
        following, done = self.name(), self.name()
        last = self._block
        self.line(f"{following} = add nuw nsw i64 {index.text}, {step}")
        self.line(f"{done} = icmp eq i64 {following}, {end}")
        leave = f"L{self.name()[2:]}"
        self.line(f"br i1 {done}, label %{leave}, label %{head}")
        # What goes round is known only now, but stands at the head of the loop.
        heads = [f"  {index.text} = phi i64 [ 0, %{before_block} ], [ {following}, %{last} ]"]
        for carried, first, again in phis:
            heads.append(
                f"  {carried.text} = phi {carried.type} [ {first.text}, %{before_block} ], [ {again.text}, %{last} ]"
            )
        self.lines[place:place] = heads
        self.lines.append(f"{leave}:")
        self._block = leave


def _mangled(element: ElementType, lanes: int) -> str:
    name = f"f{8 * element.size}" if element.is_float else scalar_text(element)
    return name if lanes == 1 else f"v{lanes}{name}"


def pieces(count: int, size: int) -> tuple[int, int]:
    """How much of `count` is in whole pieces of `size`, and how much is left."""
    rest = count % size
    return count - rest, rest


def lanes_for(machine: Machine, element: ElementType, count: int) -> int:
    """How many elements to compute side by side in a row of `count`. Types of 64 bits: half as many."""
    return max(1, min(machine.lanes // max(1, element.size // 4), count))
