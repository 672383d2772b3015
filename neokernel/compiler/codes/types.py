"""NK0301 to NK0314: types, and values that don't have the type that is expected."""

from __future__ import annotations

from neokernel.compiler.codes.code import Code

CODES: dict[str, Code] = {
    "NK0301": Code(
        "not a type",
        "A type is a width (`u8` … `i64`, `usize`, `f32`, `f64`), `bool`, `str`, `bytes`, `None`, a class, a "
        "union `A | B`, `tuple[…]`, `Array[T]`, `Span[T]` or `Handle[T]`. Python's `int` and `float` have no "
        "width, so no size in memory and no overflow; `list` and `dict` would need an allocator.",
        "from neokernel.lang import u32\n\ndef f(x: int) -> None:\n    pass\n",
        "from neokernel.lang import u32\n\ndef f(x: u32) -> None:\n    pass\n",
    ),
    "NK0302": Code(
        "type arguments are missing, or too many",
        "Generic code is compiled once for each set of types, so every use must say what its type variables stand "
        "for: by the types of arguments, by the type that is expected, or in brackets.",
        "from typing import Generic, TypeVar\n\nfrom neokernel.lang import u32, value\n\n"
        'T = TypeVar("T")\n\n@value\nclass Box(Generic[T]):\n    item: T\n\n'
        "def f(box: Box) -> None:\n    pass\n",
        "from typing import Generic, TypeVar\n\nfrom neokernel.lang import u32, value\n\n"
        'T = TypeVar("T")\n\n@value\nclass Box(Generic[T]):\n    item: T\n\n'
        "def f(box: Box[u32]) -> u32:\n    return box.item\n",
    ),
    "NK0303": Code(
        "a protocol stands only for parameters",
        "There is no table of methods that is looked up at run time: a call is always to one known function. So "
        "no variable or field has a protocol as its type. As the type of a parameter, a protocol makes the "
        "function generic: it is compiled once for each struct that it is called with.",
        "from typing import Protocol\n\nfrom neokernel.lang import struct, u32\n\n"
        "class Readable(Protocol):\n    def read(self) -> u32: ...\n\n"
        "@struct\nclass Reader:\n    source: Readable\n",
        "from typing import Protocol\n\nfrom neokernel.lang import struct, u32\n\n"
        "class Readable(Protocol):\n    def read(self) -> u32: ...\n\n"
        "def twice(source: Readable) -> u32:\n    return source.read() + source.read()\n",
    ),
    "NK0304": Code(
        "a union whose arms can't be told apart",
        "CPython tells the arms of a union apart with `isinstance`, and every integer is an `int` there: `u8 | "
        "u16` would be told apart in the image and not under CPython. So a union has at most one integer type, "
        "one float type, one view and one tuple. Wrap one of the two in a `@value`, which also gives it a name.",
        "from neokernel.lang import u8, u16\n\ndef f(x: u8 | u16) -> None:\n    pass\n",
        "from neokernel.lang import u8, u16, value\n\n"
        "@value\nclass Wide:\n    number: u16\n\ndef f(x: u8 | Wide) -> None:\n    pass\n",
    ),
    "NK0305": Code(
        "this says how a field is stored",
        "`Embedded[S]`, `Atomic[u32]` and `Ghost[T]` say how a field of a struct (or an element of an array) is "
        "stored. A variable holds a value, or a reference: its type is what stands inside of the brackets. To "
        "pass an atomic cell on, pass the struct that holds it.",
        "from neokernel.lang import Embedded, struct, u32\n\n"
        "@struct\nclass Queue:\n    length: u32 = 0\n\ndef f(queue: Embedded[Queue]) -> None:\n    pass\n",
        "from neokernel.lang import struct, u32\n\n"
        "@struct\nclass Queue:\n    length: u32 = 0\n\ndef f(queue: Queue) -> None:\n    pass\n",
    ),
    "NK0306": Code(
        "this can't be embedded, atomic or an element",
        "Objects of a struct are embedded; numbers and values stand in a field by themselves. A machine has atomic "
        "operations for integers of 8 to 64 bits. The elements of an array all have one size, so an array of arrays is "
        "one array of rows × columns elements.",
        "from neokernel.lang import Embedded, struct, u32\n\n@struct\nclass S:\n    count: Embedded[u32]\n",
        "from neokernel.lang import struct, u32\n\n@struct\nclass S:\n    count: u32\n",
    ),
    "NK0307": Code(
        "the length isn't known here",
        "The length of an `Array` belongs to its type, like the fields of a struct: it decides the size of what "
        "holds it. It is said where the array is made: `slots: Array[u8] = array(64)`. A struct that leaves it "
        "open is given it by its constructor, and can be embedded with it; a field that only refers to elements "
        "is a `Span[T]`.",
        "from neokernel.lang import Array, Embedded, struct, u8\n\n"
        "@struct\nclass Ring:\n    slots: Array[u8]\n\n@struct\nclass Port:\n    input: Embedded[Ring]\n",
        "from neokernel.lang import Array, Embedded, array, struct, u8\n\n"
        "@struct\nclass Ring:\n    slots: Array[u8]\n\n"
        "@struct\nclass Port:\n    input: Embedded[Ring] = Ring(slots=array(64))\n",
    ),
    "NK0308": Code(
        "this is made where it stands",
        "An array, an embedded object or an atomic cell is part of the object that holds it: it is made in its "
        "place and can't be moved there from elsewhere. So its default, and its argument in a constructor, is "
        "itself a constructor call: `S(…)`, `array(n)`, `array_of(a, b)`, `Atomic(0)`.",
        "from neokernel.lang import Embedded, struct, u32\n\n"
        "@struct\nclass Queue:\n    length: u32 = 0\n\n@struct\nclass Port:\n    queue: Embedded[Queue]\n\n"
        "def f(queue: Queue) -> None:\n    port = Port(queue=queue)\n",
        "from neokernel.lang import Embedded, struct, u32\n\n"
        "@struct\nclass Queue:\n    length: u32 = 0\n\n@struct\nclass Port:\n    queue: Embedded[Queue]\n\n"
        "def f() -> None:\n    port = Port(queue=Queue(length=3))\n",
    ),
    "NK0309": Code(
        "an array of what?",
        "`array(n)` makes `n` zeroes, of the element type that its context says: annotate the variable. Some "
        "types have no zero (references, text, enums without a member 0): give what to fill with, `array(n, "
        "fill)`, or make the elements optional.",
        "from neokernel.lang import array, u32\n\ndef f() -> None:\n    items = array(10)\n",
        "from neokernel.lang import Array, array, u32\n\ndef f() -> None:\n    items: Array[u32] = array(10)\n",
    ),
    "NK0310": Code(
        "another type is expected",
        "No value changes its type silently; that is how numbers get cut off and null pointers get used. What is "
        "implicit can't lose anything: a constant takes the width that is expected if it fits, a value becomes an "
        "arm of a union, an array becomes a span. All else is written: `u16(x)` fails if `x` doesn't fit, "
        "`truncate(u16, x)` keeps the low bits, `x.view()` and `x.bytes()` give immutable views, and a union is "
        "tested first.",
        "from neokernel.lang import u8, u32\n\ndef low(x: u32) -> u8:\n    return x\n",
        "from neokernel.lang import truncate, u8, u32\n\ndef low(x: u32) -> u8:\n    return truncate(u8, x)\n",
    ),
    "NK0311": Code(
        "operands of different types",
        "Both sides of an operator have one type, and so has the result: no rule of promotion has to be remembered. "
        "Convert one side, mostly the narrower: `u32(a) + b`.",
        "from neokernel.lang import u8, u32\n\ndef add(a: u8, b: u32) -> u32:\n    return a + b\n",
        "from neokernel.lang import u8, u32\n\ndef add(a: u8, b: u32) -> u32:\n    return u32(a) + b\n",
    ),
    "NK0312": Code(
        "a constant without a width",
        "A number in the source has no width of its own; it takes the one that its context expects. Here nothing "
        "does. Annotate the variable, `x: u32 = 5`, or write the width, `u32(5)`. A width that is guessed would "
        "decide silently when the program overflows.",
        "from neokernel.lang import u32\n\ndef f() -> None:\n    x = 5\n",
        "from neokernel.lang import u32\n\ndef f() -> None:\n    x: u32 = 5\n",
    ),
    "NK0313": Code(
        "a constant that doesn't fit",
        "The number can't be held by the type that is expected here. Take a wider type, or a signed one for negative "
        "numbers. For a bit pattern, `truncate(i8, 0xFF)` reinterprets the low bits.",
        "from neokernel.lang import u8\n\nLIMIT: u8 = 256\n",
        "from neokernel.lang import u16\n\nLIMIT: u16 = 256\n",
    ),
    "NK0314": Code(
        "a constant without a width for a type variable",
        "A generic function takes its types from its arguments, and a bare number has no width to take. CPython, which "
        "runs the same source, couldn't know it either. Write the width: `push(u8(5))`.",
        'from typing import TypeVar\n\nfrom neokernel.lang import u32\n\nT = TypeVar("T")\n\n'
        "def same(x: T) -> T:\n    return x\n\ndef f() -> u32:\n    return same(5)\n",
        'from typing import TypeVar\n\nfrom neokernel.lang import u32\n\nT = TypeVar("T")\n\n'
        "def same(x: T) -> T:\n    return x\n\ndef f() -> u32:\n    return same(u32(5))\n",
    ),
}
