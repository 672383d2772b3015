"""NK07xx: classes, their members, their construction."""

from __future__ import annotations

from neokernel.compiler.codes.code import Code

_POINT = "@struct\nclass Point:\n    x: u32\n    y: u32\n\n"

CODES: dict[str, Code] = {
    "NK0701": Code(
        "no such option of a class or decorator",
        "Classes have no keywords (there are no metaclasses), and of the decorators only `@wire` has options: "
        '`endian="big"`, and `registers=True` for device registers, whose fields are each one access.',
        "from neokernel.lang import struct, u32\n\n@struct(frozen=True)\nclass Point:\n    x: u32\n",
        "from neokernel.lang import u32, value\n\n@value\nclass Point:\n    x: u32\n",
    ),
    "NK0702": Code(
        "a class must say what it is",
        "There are three kinds of classes, and they behave differently. A `@struct` has identity: it lives in "
        "memory, and variables refer to it. A `@value` is a small record that is copied and never changes. A "
        "`@wire` class is a layout of memory that others can write: registers, packets, shared pages. (Enums and "
        "protocols derive from `Enum` and `Protocol`.)",
        "from neokernel.lang import u32\n\nclass Point:\n    x: u32\n",
        "from neokernel.lang import struct, u32\n\n@struct\nclass Point:\n    x: u32\n",
    ),
    "NK0703": Code(
        "there are no base classes",
        "Without inheritance, the class of an object is known wherever it is used: a call is a call of one "
        "function, and a struct has one layout. Embed the common part as a field, make a union of the "
        "alternatives, or write a function that is generic over a protocol. Only `Enum`, `Generic[T]` and "
        "`Protocol` can be derived from.",
        "from neokernel.lang import struct, u32\n\n@struct\nclass Device:\n    number: u32 = 0\n\n"
        "@struct\nclass Disk(Device):\n    sectors: u32 = 0\n",
        "from neokernel.lang import Embedded, struct, u32\n\n@struct\nclass Device:\n    number: u32 = 0\n\n"
        "@struct\nclass Disk:\n    device: Embedded[Device] = Device()\n    sectors: u32 = 0\n",
    ),
    "NK0704": Code(
        "no such decorator here",
        "A decorator would be a function that makes functions, and those aren't values. The ones of the vocabulary are "
        "marks for the compiler: `@struct`, `@value` and `@wire` for classes; `@ghost` and `@naked` for functions; "
        "`@invariant`, `@writer` and `@staticmethod` for methods.",
        "from neokernel.lang import u32\n\n@cache\ndef f(x: u32) -> u32:\n    return x\n",
        "from neokernel.lang import u32\n\ndef f(x: u32) -> u32:\n    return x\n",
    ),
    "NK0705": Code(
        "a class holds fields and methods only",
        "There are no attributes of a class itself, since there is no mutable global. A field has a type, `name: "
        "u32 = 0`; a constant belongs at the top level of the module.",
        "from neokernel.lang import struct, u32\n\n@struct\nclass Timer:\n    FREQUENCY = 1000\n    ticks: u32 = 0\n",
        "from neokernel.lang import struct, u32\n\nFREQUENCY = 1000\n\n@struct\nclass Timer:\n    ticks: u32 = 0\n",
    ),
    "NK0706": Code(
        "a method that can't be",
        "The first parameter of a method is `self` (a function without it is marked `@staticmethod`). Of the "
        "methods that Python calls by itself there are `__len__`, `__getitem__`, `__setitem__`, `__contains__`, "
        "`__enter__` and `__exit__`: operators keep their meaning, and construction is done by fields.",
        "from neokernel.lang import u32, value\n\n@value\nclass Size:\n    width: u32\n\n"
        "    def __add__(self, other: u32) -> u32:\n        return self.width + other\n",
        "from neokernel.lang import u32, value\n\n@value\nclass Size:\n    width: u32\n\n"
        "    def plus(self, other: u32) -> u32:\n        return self.width + other\n",
    ),
    "NK0707": Code(
        "an enum that can't be",
        "An enum is a list of names for different integers, each written as a literal between -2**63 and 2**64 - "
        "1. It has no methods; write functions that take it.",
        "from enum import Enum\n\nfrom neokernel.lang import u32\n\nclass Mode(Enum):\n    READ = 1\n    LOAD = 1\n",
        "from enum import Enum\n\nfrom neokernel.lang import u32\n\nclass Mode(Enum):\n    READ = 1\n    LOAD = 2\n",
    ),
    "NK0708": Code(
        "a class that contains itself",
        "A value, or an embedded object, is part of what holds it, so this class would be infinitely large. Refer "
        "to it instead: a field of type `Node | None` is a reference, whatever `@struct` it is to.",
        "from neokernel.lang import Embedded, struct\n\n@struct\nclass Node:\n    next: Embedded[Node]\n",
        "from neokernel.lang import struct, u32\n\n@struct\nclass Node:\n    next: Node | None = None\n",
    ),
    "NK0709": Code(
        "a value that would hold memory",
        "A `@value` is copied whenever it is assigned or passed, so it can't contain what has identity: arrays, "
        "atomic cells, embedded objects. Make it a `@struct`, or hold a reference, a `Span` or a tuple.",
        "from neokernel.lang import Array, array, u8, value\n\n@value\nclass Name:\n    text: Array[u8] = array(8)\n",
        "from neokernel.lang import Array, array, struct, u8\n\n@struct\nclass Name:\n    text: Array[u8] = array(8)\n",
    ),
    "NK0710": Code(
        "a field has no value",
        "An object begins its life complete: every field gets a value from the constructor's arguments, or from its "
        "default. Elements of an array of objects, and objects that are made anew, have their defaults only.",
        f"from neokernel.lang import struct, u32\n\n{_POINT}def f() -> None:\n    p = Point(x=1)\n",
        f"from neokernel.lang import struct, u32\n\n{_POINT}def f() -> None:\n    p = Point(x=1, y=2)\n",
    ),
    "NK0711": Code(
        "a wire class with an impossible layout",
        "A wire class says where each bit is, without padding. Its fields are integers (`u16` in the endianness "
        "of the class, `u16be`, `u16le`), bit fields (`u1` … `u63`, whose runs fill whole bytes, 64 bits at "
        "most), `Array[u8] = array(n)` and `Embedded[OtherWire]`. `at(offset)` places a field; registers are "
        "aligned. References and enums have no place in memory that others write: read a number, then check it.",
        "from neokernel.lang import u3, u4, wire\n\n@wire\nclass Flags:\n    kind: u3\n    level: u4\n",
        "from neokernel.lang import u1, u3, u4, wire\n\n@wire\nclass Flags:\n    kind: u3\n"
        "    level: u4\n    reserved: u1\n",
    ),
    "NK0712": Code(
        "constructor arguments that don't fit the fields",
        "A struct's fields are given by name: with several of one width, positions would be confused. A value's can be "
        "given by position. A wire class is made of zeroes: `W()`, then assign.",
        f"from neokernel.lang import struct, u32\n\n{_POINT}def f() -> None:\n    p = Point(1, 2)\n",
        f"from neokernel.lang import struct, u32\n\n{_POINT}def f() -> None:\n    p = Point(x=1, y=2)\n",
    ),
}
