"""The typed IR: what a checked program is, to the LLVM back end, the analyses and the prover.

Structured, so that a symbolic executor can merge at joins and a path length is a walk: a function is a tree of
statements; expressions are flattened into instructions in evaluation order, each defining at most one `Temp`.

Invariants (checked by `verify.py` between passes):
- Every operand is a constant, a temp defined earlier in the same or an enclosing block, never inside a sibling.
- A variable (`Var`) is mutable, has one type, is set before it is read on every path, and is never aliased.
- References have static types; there are no casts and no pointer arithmetic outside unsafe instructions.
- Memory is reached only through field, element and wire instructions: a field is identified by (struct, field
  name), so a memory model may keep one array per field.
- An instruction that can fail carries its `Check`s, in the order in which they are tried. A discharged check is
  left out of images; its instruction may assume that it holds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from neokernel.compiler.types import (
    CoroutineType,
    FrameType,
    Order,
    StructType,
    Type,
    WireType,
)


class Kind(Enum):
    """Ways to fail at run time (design page, section 10)."""

    OVERFLOW = "overflow"
    DIVISION = "division"
    SHIFT = "shift"
    INDEX = "index"
    CONVERSION = "conversion"
    ENUM = "enum"
    ASSERT = "assert"
    UNREACHABLE = "unreachable"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Span:
    """A source range: lines from 1, columns in characters from 0, end exclusive (as `ast` but for characters)."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(slots=True)
class Check:
    """One way an instruction can fail.

    `index` numbers the checks of a function; (function hash, index) is a check's identity.
    """

    index: int
    kind: Kind
    discharged: bool = False
    message: str = ""


# --- operands -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Const:
    """A constant scalar: `int` for integers and enums, `bool`, `float`, or None for NONE and a null reference.

    Also immutable views: `bytes` for `bytes`/`str`, and a tuple of operands (`Const` or `ConstRecord`) for
    `tuple[T, ...]`.

    Equal constants are the same in memory: -0.0 isn't 0.0, though they compare equal.
    """

    type: Type
    value: int | float | bool | bytes | tuple[ConstValue, ...] | None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Const) or self.type != other.type or self.value != other.value:
            return False
        a, b = self.value, other.value
        return not (isinstance(a, float) and isinstance(b, float)) or math.copysign(1, a) == math.copysign(1, b)

    def __hash__(self) -> int:
        return hash((self.type, self.value))


@dataclass(frozen=True, slots=True)
class ConstRecord:
    """A constant value, tuple, or union (then `arm` is the union's arm and `items` has one element)."""

    type: Type
    items: tuple[ConstValue, ...]
    arm: Type | None = None


ConstValue: TypeAlias = Const | ConstRecord


@dataclass(eq=False, slots=True)
class Temp:
    """The result of one instruction."""

    number: int
    type: Type


Operand: TypeAlias = Const | ConstRecord | Temp


@dataclass(eq=False, slots=True)
class Var:
    """A local variable or parameter. `name` as in the source (hidden ones start with a dot)."""

    name: str
    type: Type
    number: int
    span: Span | None = None


# --- instructions -------------------------------------------------------------------------------------------------


@dataclass(eq=False, slots=True)
class Instruction:
    """Base. `result` is None when there is no value. `checks` in order."""

    span: Span
    result: Temp | None
    checks: tuple[Check, ...]


@dataclass(eq=False, slots=True)
class Get(Instruction):
    var: Var


@dataclass(eq=False, slots=True)
class Set(Instruction):
    var: Var
    value: Operand


class Mode(Enum):
    """What arithmetic does with a result that doesn't fit."""

    CHECKED = "checked"
    WRAPPING = "wrapping"
    SATURATING = "saturating"


@dataclass(eq=False, slots=True)
class Unary(Instruction):
    """`neg` (ints by mode, floats), `invert` (ints), `not` (bool), `abs` (ints by mode, floats), `sqrt` (floats),

    `count_leading_zeros count_trailing_zeros count_ones` (int → u32), `byte_swap` (int),
    `float_bits` (f32 → u32, f64 → u64), `float_from_bits` (back).
    """

    op: str
    mode: Mode
    operand: Operand


@dataclass(eq=False, slots=True)
class Binary(Instruction):
    """Ints of one type: `add sub mul shl` by mode; `floordiv mod shr and or xor min max multiply_high
    rotate_left rotate_right`. The right operand of shifts and rotates is any unsigned int. Bools: `and or xor`
    (not short-circuit: those became `If`). Floats: `add sub mul div min max`.

    Checks: `add sub mul` OVERFLOW; `floordiv` DIVISION, and OVERFLOW if signed; `mod` DIVISION; `shl` SHIFT, OVERFLOW
    (checked) or SHIFT (wrapping); `shr` SHIFT.
    """

    op: str
    mode: Mode
    left: Operand
    right: Operand


@dataclass(eq=False, slots=True)
class Compare(Instruction):
    """`eq ne lt le gt ge` on operands of one type: ints, floats, bools, enums; `eq ne` also on references (identity;
    optional ones too), and on values, tuples, bytes and str (structural). Result: bool. For floats `ne` is
    unordered."""

    op: str
    left: Operand
    right: Operand


@dataclass(eq=False, slots=True)
class Convert(Instruction):
    """To `result.type`: int → int (CONVERSION if not a widening), int → float, float → int (CONVERSION), float → float,
    bool → int, enum → int (CONVERSION where needed), int → enum (ENUM). `truncate`: int → int, low bits, never
    fails."""

    operand: Operand
    truncate: bool = False


@dataclass(eq=False, slots=True)
class Select(Instruction):
    """`left` if `condition` else `right`: both already evaluated."""

    condition: Operand
    left: Operand
    right: Operand


@dataclass(eq=False, slots=True)
class MakeRecord(Instruction):
    """A value or tuple (`result.type`) from its fields, in declared order (ghost fields left out)."""

    items: tuple[Operand, ...]


@dataclass(eq=False, slots=True)
class Item(Instruction):
    """Field `index` of a value or tuple. Spans: 1 is the length as u64 (0 isn't accessible)."""

    record: Operand
    index: int


@dataclass(eq=False, slots=True)
class MakeUnion(Instruction):
    """`value`, whose type is one arm of `result.type` (or a union of some of its arms)."""

    value: Operand


@dataclass(eq=False, slots=True)
class IsArm(Instruction):
    """Is the union's value one of `arms`? Result: bool."""

    union: Operand
    arms: tuple[Type, ...]


@dataclass(eq=False, slots=True)
class AsArm(Instruction):
    """The union as `result.type`: one of its arms, or a smaller union. The checker has established that it is."""

    union: Operand


@dataclass(eq=False, slots=True)
class New(Instruction):
    """An object in the function's frame: `result.type` is a reference to a struct, wire class or array.

    Its memory is zeroed if `zero`, else undefined until the following instructions have filled it. A `New` within a
    loop gives the same memory each time round (the checker has made sure that nobody can tell).
    """

    zero: bool


@dataclass(eq=False, slots=True)
class LoadField(Instruction):
    """Field of a struct that isn't inline."""

    base: Operand
    struct: StructType
    field: str


@dataclass(eq=False, slots=True)
class StoreField(Instruction):
    base: Operand
    struct: StructType
    field: str
    value: Operand
    #: initialisation of an object that has just been made (nobody else can see it)
    initial: bool = False


@dataclass(eq=False, slots=True)
class FieldRef(Instruction):
    """Reference to an inline field (embedded struct, wire, array), or to an atomic cell (for an atomic alone)."""

    base: Operand
    struct: StructType
    field: str


@dataclass(eq=False, slots=True)
class LoadElement(Instruction):
    """Element of `base` (reference to an array, span or view). Check: INDEX, discharged in a loop over `base`."""

    base: Operand
    index: Operand


@dataclass(eq=False, slots=True)
class StoreElement(Instruction):
    base: Operand
    index: Operand
    value: Operand


@dataclass(eq=False, slots=True)
class ElementRef(Instruction):
    """Reference to an inline element, or to an atomic cell."""

    base: Operand
    index: Operand


@dataclass(eq=False, slots=True)
class FillArray(Instruction):
    """Set every element of an array (reference) to `value`. For inline elements the front end emits a loop instead."""

    base: Operand
    value: Operand


@dataclass(eq=False, slots=True)
class Copy(Instruction):
    """The elements of `source` (span or view) to `target` (span), which may overlap. Check: INDEX (unequal lengths)."""

    target: Operand
    source: Operand


@dataclass(eq=False, slots=True)
class MakeSpan(Instruction):
    """The whole of an array (reference), or a span as an immutable view, as `result.type`."""

    base: Operand


@dataclass(eq=False, slots=True)
class Slice(Instruction):
    """`base[start:stop]` of a span, view or array reference; `stop` None means the length. Check: INDEX."""

    base: Operand
    start: Operand
    stop: Operand | None


@dataclass(eq=False, slots=True)
class Length(Instruction):
    """Elements in a span or view, as u64. (An array's length is a constant.)"""

    base: Operand


@dataclass(eq=False, slots=True)
class LoadWire(Instruction):
    """One field of a wire object: one volatile read, any value. Enums don't occur."""

    base: Operand
    wire: WireType
    field: str


@dataclass(eq=False, slots=True)
class StoreWire(Instruction):
    """Check CONVERSION when the value is wider than a bit field."""

    base: Operand
    wire: WireType
    field: str
    value: Operand


@dataclass(eq=False, slots=True)
class WireRef(Instruction):
    """Reference to a nested wire object, or span over a byte array (`result.type` tells)."""

    base: Operand
    wire: WireType
    field: str


@dataclass(eq=False, slots=True)
class WireView(Instruction):
    """The first bytes of a `Span[u8]` as a wire object. Check: INDEX when it is too short."""

    span_operand: Operand


@dataclass(eq=False, slots=True)
class Atomic(Instruction):
    """On `cell`, a reference made by FieldRef or ElementRef whose type is `RefType(int type)`.

    `load store exchange compare_exchange add sub and or xor`: the last five give the old value, wrapping;
    `compare_exchange` gives bool, operands (expected, new).
    """

    op: str
    cell: Operand
    operands: tuple[Operand, ...]
    order: Order


@dataclass(eq=False, slots=True)
class Fence(Instruction):
    """`order` None: between memory and devices (`fence iorw, iorw`)."""

    order: Order | None


@dataclass(eq=False, slots=True)
class Call(Instruction):
    function: Function
    arguments: tuple[Operand, ...]


@dataclass(eq=False, slots=True)
class Await(Call):
    """Run the coroutine `function` to its end; whenever it pauses, so does this one. Gone after `split`.

    `cleanup`: what to do when this coroutine is cancelled here.
    """

    cleanup: Block


@dataclass(eq=False, slots=True)
class Pause(Instruction):
    """Return to whoever resumed the coroutine, and go on here when it is resumed again. Gone after `split`."""

    cleanup: Block


@dataclass(eq=False, slots=True)
class Require(Instruction):
    """Fail unless `condition`: the run-time half of `assert`. Exactly one check."""

    condition: Operand


@dataclass(eq=False, slots=True)
class Retire(Instruction):
    """The object's life ends here: builds that watch lives fail at any later access (DEAD), images do nothing.

    No `Check` stands for DEAD: those builds make the tests themselves, for the objects that the program may retire.
    """

    reference: Operand


@dataclass(eq=False, slots=True)
class Renew(Instruction):
    """A new life where `reference` lies, which `result` refers to; stores of its fields follow, as after a `New`."""

    reference: Operand


@dataclass(eq=False, slots=True)
class Alive(Instruction):
    """Here a method of the object is looked up: builds that watch lives fail if it was retired, images do nothing."""

    reference: Operand


@dataclass(eq=False, slots=True)
class Asm(Instruction):
    """Unsafe. `template` in LLVM's syntax is made by the back end from `{0}`, `{1}`, `{result}`.

    `registers` names the register of each input, if they are pinned. `results` names registers that hold a u64 each
    afterwards: the instruction's result is then their tuple.
    """

    template: str
    inputs: tuple[Operand, ...]
    clobbers: tuple[str, ...]
    registers: tuple[str, ...] = ()
    results: tuple[str, ...] = ()


@dataclass(eq=False, slots=True)
class AddressOf(Instruction):
    """Unsafe: the address of an object (reference) or of a span's first element, as u64."""

    reference: Operand


@dataclass(eq=False, slots=True)
class ObjectAt(Instruction):
    """Unsafe: an address as a reference `result.type`, or, with `length`, as a span.

    `new`: nothing lived there, and memory is zero.
    """

    address: Operand
    length: Operand | None = None
    new: bool = False


# --- statements ---------------------------------------------------------------------------------------------------


@dataclass(eq=False, slots=True)
class If:
    """`span` is the condition's."""

    span: Span
    condition: Operand
    then: Block
    otherwise: Block


@dataclass(eq=False, slots=True)
class Switch:
    """On an int or enum, or on a union (then the cases hold arms). At most one case matches; `default` may be
    unreachable
    (an empty list with `exhaustive`)."""

    span: Span
    value: Operand
    cases: list[tuple[tuple[int, ...] | tuple[Type, ...], Block]]
    default: Block
    exhaustive: bool = False


@dataclass(eq=False, slots=True)
class Loop:
    """`while True` over `body`, then `step` (which `continue` runs too): it ends by `Break`.

    `bound`: a ghost block that computes it (see Ghost); None when not stated. `invariants`: conditions that hold in
    each round. Both stand in the body, or in an `If` there that every round but the last goes through, where the
    source's body begins.
    `trip`: for counted loops, the operand that bounds the number of rounds.
    """

    span: Span
    body: Block
    step: Block
    label: int
    bound: Ghost | None = None
    invariants: tuple[Ghost, ...] = ()
    trip: Operand | None = None


@dataclass(eq=False, slots=True)
class Break:
    span: Span
    label: int


@dataclass(eq=False, slots=True)
class Continue:
    span: Span
    label: int


@dataclass(eq=False, slots=True)
class Return:
    span: Span
    value: Operand | None


@dataclass(eq=False, slots=True)
class Fail:
    """`unreachable(...)`: always fails with its check; or, with `check.discharged`, is known never to be reached."""

    span: Span
    check: Check


@dataclass(eq=False, slots=True)
class Ghost:
    """Code for CPython and the prover only: back ends skip it. `value`: what it computes, when it is an expression.

    `result`: in an `ensures`, the variable that holds the function's result.
    """

    span: Span
    block: Block
    value: Operand | None = None
    result: Var | None = None


Statement: TypeAlias = Instruction | If | Switch | Loop | Break | Continue | Return | Fail | Ghost
Block: TypeAlias = list[Statement]


# --- functions ----------------------------------------------------------------------------------------------------


@dataclass(eq=False, slots=True)
class Coroutine:
    """What an `async def` is made into: a frame, and two functions that take a reference to it.

    `value` is the type of a call that nobody has begun to run. `resume` runs to the next pause or to the end, and tells
    whether that is reached; `cancel` runs the `__exit__`s of the place where it waits, innermost first.
    `detached`: there are calls that aren't awaited where they stand, so that time may pass before they begin.
    """

    frame: FrameType
    value: CoroutineType
    resume: Function
    cancel: Function
    detached: bool = False


@dataclass(eq=False, slots=True)
class Function:
    """A monomorphic function.

    `symbol` is the link name: module, class, function and instance arguments, unique in a program.
    `parameters` are also variables of the body. `result` is NONE for procedures, NEVER if it doesn't return.
    `naked` functions hold exactly one Asm. `cold` ones are made small, and never inlined;
    `inline` ones always. `entry` sets what `old(…)` means, before the body. `invariant_of`: it is an `@invariant` of
    that struct.
    """

    name: str
    symbol: str
    module: str
    span: Span
    parameters: list[Var]
    result: Type
    body: Block = field(default_factory=list)
    variables: list[Var] = field(default_factory=list)
    requires: list[Ghost] = field(default_factory=list)
    ensures: list[Ghost] = field(default_factory=list)
    entry: list[Ghost] = field(default_factory=list)
    invariant_of: StructType | None = None
    ghost: bool = False
    naked: bool = False
    exported: bool = False
    cold: bool = False
    inline: bool = False
    checks: int = 0
    temps: int = 0
    section: str = ""
    #: of an `async def`; gone after `split`, as the function itself is
    coroutine: Coroutine | None = None


@dataclass(eq=False, slots=True)
class Program:
    """Everything that is compiled together: functions in a stable order, and top-level assembly."""

    functions: list[Function] = field(default_factory=list)
    assembly: list[str] = field(default_factory=list)
    #: source text by file name, for messages and debug information
    sources: dict[str, str] = field(default_factory=dict)
