"""NK04xx flow, stacks and lives; NK05xx constants; NK06xx `match`."""

from __future__ import annotations

from neokernel.compiler.codes.code import Code

_COLOR = "class Color(Enum):\n    RED = 0\n    BLUE = 1\n\n"
_NODE = "@struct\nclass Node:\n    next: Node | None = None\n\n"

CODES: dict[str, Code] = {
    "NK0401": Code(
        "used before it is assigned",
        "On some way to this place, the variable has no value. As in Python, a name that is assigned anywhere in a "
        "function is local to all of it, even if the module has the same name.",
        "from neokernel.lang import u32\n\ndef f(c: bool) -> u32:\n    if c:\n        x: u32 = 1\n    return x\n",
        "from neokernel.lang import u32\n\ndef f(c: bool) -> u32:\n    x: u32 = 0\n    if c:\n"
        "        x = 1\n    return x\n",
    ),
    "NK0402": Code(
        "the end is reached without a result",
        "A function that promises a result can come to its end without one (and one that is `NoReturn` must not "
        "come to its end at all). Return something on every way. If a way can't be taken, say so: "
        '`unreachable("why")` fails when it is taken all the same, and is an obligation of the prover.',
        "from neokernel.lang import u32\n\ndef f(c: bool) -> u32:\n    if c:\n        return 1\n",
        "from neokernel.lang import u32\n\ndef f(c: bool) -> u32:\n    if c:\n        return 1\n    return 0\n",
    ),
    "NK0403": Code(
        "code that is never reached",
        "Everything before this leaves: by `return`, `break`, `continue`, a loop without end, or a call that doesn't "
        "return. Either this is left over, or what stands before it leaves too early.",
        "from neokernel.lang import u32\n\ndef f(x: u32) -> u32:\n    return x\n    x = x + 1\n",
        "from neokernel.lang import u32\n\ndef f(x: u32) -> u32:\n    x = x + 1\n    return x\n",
    ),
    "NK0404": Code(
        "a `return` that doesn't fit the result",
        "The function says what it returns, and this `return` gives something where nothing is promised, or "
        "nothing where something is. A `NoReturn` function never returns.",
        "from neokernel.lang import u32\n\ndef f(x: u32) -> None:\n    return x\n",
        "from neokernel.lang import u32\n\ndef f(x: u32) -> u32:\n    return x\n",
    ),
    "NK0406": Code(
        "`assert_never` can be reached",
        "`assert_never(x)` says that all that `x` can be has been handled before. Here something is left; the "
        "message says what. Handle it. When an arm is added to the union later, this is the place that reminds "
        "you.",
        f"from enum import Enum\nfrom typing import assert_never\n\nfrom neokernel.lang import u32\n\n{_COLOR}"
        "def f(color: Color) -> u32:\n    match color:\n        case Color.RED:\n            return 1\n"
        "        case _:\n            assert_never(color)\n",
        f"from enum import Enum\nfrom typing import assert_never\n\nfrom neokernel.lang import u32\n\n{_COLOR}"
        "def f(color: Color) -> u32:\n    match color:\n        case Color.RED:\n            return 1\n"
        "        case Color.BLUE:\n            return 2\n        case _:\n            assert_never(color)\n",
    ),
    "NK0410": Code(
        "recursion",
        "A function calls itself, directly or through others. The size of every stack is computed when the "
        "program is built, so that no stack can overflow; recursion would make it depend on the data. Use a loop, "
        "with an array as explicit stack where one is needed: its size is then stated, and its overflow is an "
        "error that you handle.",
        "from neokernel.lang import u64\n\ndef factorial(n: u64) -> u64:\n"
        "    return 1 if n == 0 else n * factorial(n - 1)\n",
        "from neokernel.lang import u64\n\ndef factorial(n: u64) -> u64:\n"
        "    result: u64 = 1\n    for i in range(u64(2), n + 1):\n        result *= i\n    return result\n",
    ),
    "NK0411": Code(
        "a reference that outlives its object",
        "An object that a function makes lives in the frame of that function, and one that is made in a loop "
        "lives for that round. A reference that is returned, or stored in something that lives longer, would "
        "point at memory that is used for something else. Let the caller make the object and pass it in, embed it "
        "in what keeps it, or take it from a pool.",
        f"from neokernel.lang import struct, u32\n\n{_NODE}def make() -> Node:\n    return Node()\n",
        f"from neokernel.lang import struct, u32\n\n{_NODE}"
        "def prepare(node: Node) -> None:\n    node.next = None\n\n"
        "def main() -> None:\n    node = Node()\n    prepare(node)\n",
    ),
    "NK0412": Code(
        "a reference after its object has ended",
        "A call before this place may have retired the object (directly, or in a function that it calls), so its "
        "memory may belong to another object by now. Use it before that call, or keep its handle and ask the pool "
        "again: that gives `None` if it has ended.",
        f"from neokernel.lang import retire, struct, u32\n\n{_NODE}"
        "def f(node: Node) -> Node | None:\n    retire(node)\n    return node.next\n",
        f"from neokernel.lang import retire, struct, u32\n\n{_NODE}"
        "def f(node: Node) -> bool:\n    last = node.next is None\n    retire(node)\n    return last\n",
    ),
    "NK0413": Code(
        "more objects than the stack holds",
        "Objects that a function makes lie in its frame until it returns, on a stack that has 32 MiB on the bare "
        "machine, 64 KiB in each thread of a process, and 16 KiB in the kernel. The build adds up the objects of every "
        "chain of calls, and this one has too many. Use smaller arrays, or let functions that are called one after the "
        "other make their own; a process maps memory for what is large.",
        "from neokernel.lang import Array, array, u8\n\ndef f() -> None:\n    buffer: Array[u8] = array(40_000_000)\n",
        "from neokernel.lang import Array, array, u8\n\ndef f() -> None:\n    buffer: Array[u8] = array(4_000_000)\n",
    ),
    "NK0501": Code(
        "a table, or another constant without a place",
        "`tuple[T, ...]` is a view of consecutive elements in read-only memory: a table. It is a module constant "
        "with a type, written as a tuple or as `tuple(… for x in range(…))`, since a function has nowhere to put "
        "it.",
        "from neokernel.lang import u8, usize\n\ndef f(i: usize) -> u8:\n"
        "    table: tuple[u8, ...] = (1, 2, 3)\n    return table[i]\n",
        "from neokernel.lang import u8, usize\n\nTABLE: tuple[u8, ...] = (1, 2, 3)\n\n"
        "def f(i: usize) -> u8:\n    return TABLE[i]\n",
    ),
    "NK0502": Code(
        "a constant that can't be computed",
        "The build computes constants, with the same checks as the machine: overflow, division by zero, an index "
        "that is out of range, an assertion; and it checks what functions require. Here one of them fails, or the "
        "constant needs itself, or it has more than 4096 bits.",
        "from neokernel.lang import u32\n\nRATE: u32 = 1000 // 0\n",
        "from neokernel.lang import u32\n\nRATE: u32 = 1000 // 8\n",
    ),
    "NK0503": Code(
        "not known when the program is built",
        "A length, a constant and a build-time assertion are computed by the build, which knows no variable of a "
        "running program, has no machine and no memory, and gives up after some million steps. Make an array as "
        "long as it may have to be and use a part of it, or take a `Span[T]`, whose length is a number of the "
        "running program.",
        "from neokernel.lang import Array, array, u8, usize\n\n"
        "def f(n: usize) -> None:\n    buffer: Array[u8] = array(n)\n",
        "from neokernel.lang import Array, Span, array, u8, usize\n\n"
        "def f(n: usize) -> usize:\n    buffer: Array[u8] = array(64)\n    used = buffer[:n]\n    return len(used)\n",
    ),
    "NK0504": Code(
        "a build-time assertion doesn't hold",
        "An `assert` at the top level of a module is checked when the program is built, and costs nothing later. "
        "It keeps facts together that must agree: the size of a struct and a protocol, a table and its length.",
        "from neokernel.lang import size_of, struct, u32\n\n@struct\nclass Header:\n    length: u32\n\n"
        "assert size_of(Header) == 8\n",
        "from neokernel.lang import size_of, struct, u32\n\n@struct\nclass Header:\n    length: u32\n    kind: u32\n\n"
        "assert size_of(Header) == 8\n",
    ),
    "NK0505": Code(
        "a parameter whose default is an object",
        "Python evaluates a default once, when the function is defined: an object there would be shared by all calls, "
        "and keep what one call did for the next. So defaults are constants: numbers, enums, values, text, `None`.",
        "from neokernel.lang import Array, array, u32\n\n"
        "def total(items: Array[u32] = array(3)) -> u32:\n    return items[0]\n",
        "from neokernel.lang import Array, u32\n\n"
        "def total(items: Array[u32], first: u32 = 0) -> u32:\n    return first + items[0]\n",
    ),
    "NK0601": Code(
        "a `match` that doesn't handle everything",
        "A `match` on an enum, a `bool` or a union has a case for all that it can be, so that an arm that is "
        "added later can't be forgotten. A case with a guard doesn't count: the guard may be false. `case _:` "
        "handles the rest.",
        f"from enum import Enum\n\nfrom neokernel.lang import u32\n\n{_COLOR}"
        "def f(color: Color) -> u32:\n    match color:\n        case Color.RED:\n            return 1\n",
        f"from enum import Enum\n\nfrom neokernel.lang import u32\n\n{_COLOR}"
        "def f(color: Color) -> u32:\n    match color:\n        case Color.RED:\n            return 1\n"
        "        case Color.BLUE:\n            return 2\n",
    ),
    "NK0602": Code(
        "a case that is never reached",
        "The cases above it handle all that it would. Cases are tried in order: put the special ones first.",
        "from neokernel.lang import u32\n\ndef f(x: u32) -> u32:\n    match x:\n"
        "        case 1 | 2:\n            return 1\n        case 2:\n            return 2\n"
        "        case _:\n            return 3\n",
        "from neokernel.lang import u32\n\ndef f(x: u32) -> u32:\n    match x:\n        case 1:\n"
        "            return 1\n        case 2:\n            return 2\n        case _:\n"
        "            return 3\n",
    ),
    "NK0603": Code(
        "a pattern that can't be",
        "Patterns are: classes, `A()`, `A(field=p)`, for a `@value` also `A(p, q)`; tuples of the right length; "
        "enum members, integers and other constants; `None`, `True`, `False`; a name, `_`, and alternatives `p | "
        "q` that capture nothing. Mappings, stars and lists are not in the language, as their types aren't.",
        "from neokernel.lang import u32\n\ndef f(x: u32) -> u32:\n    match x:\n"
        "        case [1, 2]:\n            return 1\n        case _:\n            return 3\n",
        "from neokernel.lang import u32\n\ndef f(x: u32) -> u32:\n    match x:\n"
        "        case 1 | 2:\n            return 1\n        case _:\n            return 3\n",
    ),
}
