"""NK0315 to NK0335: attributes, elements, operators, calls and assignments."""

from __future__ import annotations

from neokernel.compiler.codes.code import Code

_POINT = "@struct\nclass Point:\n    x: u32\n\n"
_COLOR = "class Color(Enum):\n    RED = 0\n    BLUE = 1\n\n"

CODES: dict[str, Code] = {
    "NK0315": Code(
        "no such field, method or member",
        "The class declares no member of this name. Fields are declared in the class, with their types; none is added "
        "later. Of a handler: it has a method for each of the interface that it serves, with that name and the same "
        "parameters; what the interface gives `| Failure`, it gives without.",
        f"from neokernel.lang import struct, u32\n\n{_POINT}def f(p: Point) -> u32:\n    return p.y\n",
        f"from neokernel.lang import struct, u32\n\n{_POINT}def f(p: Point) -> u32:\n    return p.x\n",
    ),
    "NK0316": Code(
        "this may be something else",
        "The value is a union: what is asked of it can't be done with every arm. Test it first. After `if x is "
        "None: return`, `assert x is not None`, `isinstance(x, A)` or in a `case`, the compiler knows which arm "
        "it is. What is known of a field ends at the next call or store: copy the field to a variable and test "
        "that.",
        f"from neokernel.lang import struct, u32\n\n{_POINT}def f(p: Point | None) -> u32:\n    return p.x\n",
        f"from neokernel.lang import struct, u32\n\n{_POINT}"
        "def f(p: Point | None) -> u32:\n    if p is None:\n        return 0\n    return p.x\n",
    ),
    "NK0317": Code(
        "the number of an enum",
        "The members of an enum are names, not numbers. Where the number is needed (a register, a protocol), say its "
        "width: `u8(color.value)`. And back, with a check: `Color(number)`.",
        f"from enum import Enum\n\nfrom neokernel.lang import u8\n\n{_COLOR}"
        "def f(color: Color) -> u8:\n    return color.value\n",
        f"from enum import Enum\n\nfrom neokernel.lang import u8\n\n{_COLOR}"
        "def f(color: Color) -> u8:\n    return u8(color.value)\n",
    ),
    "NK0318": Code(
        "an atomic cell, or a memory order",
        "Others change an atomic cell at the same time, so it is touched by the atomic operations only: `load`, "
        "`store`, `exchange`, `compare_exchange`, `fetch_add` and its like. The order is a constant, "
        "`Order.SEQUENTIAL` if it is left out; a load can't release, a store can't acquire.",
        "from neokernel.lang import Atomic, struct, u32\n\n@struct\nclass Counter:\n    value: Atomic[u32]\n\n"
        "def f(counter: Counter) -> None:\n    counter.value += 1\n",
        "from neokernel.lang import Atomic, struct, u32\n\n@struct\nclass Counter:\n    value: Atomic[u32]\n\n"
        "def f(counter: Counter) -> None:\n    counter.value.fetch_add(1)\n",
    ),
    "NK0319": Code(
        "this has no elements",
        "Arrays, spans and views have elements. Text has none: in UTF-8 a character may be several bytes, so "
        "there is no n-th one without counting. `.encode()` gives its bytes.",
        "from neokernel.lang import u8\n\ndef first(name: str) -> u8:\n    return name[0]\n",
        "from neokernel.lang import u8\n\ndef first(name: str) -> u8:\n    return name.encode()[0]\n",
    ),
    "NK0320": Code(
        "negative indices and steps",
        "An index is a `usize`: checked once against the length, with no second meaning for negative numbers. "
        "Count from the end with `len`. A slice is a part in one piece; a loop can step.",
        "from neokernel.lang import Span, u8\n\ndef last(data: Span[u8]) -> u8:\n    return data[-1]\n",
        "from neokernel.lang import Span, u8\n\ndef last(data: Span[u8]) -> u8:\n    return data[len(data) - 1]\n",
    ),
    "NK0321": Code(
        "the index into a tuple",
        "The items of a tuple have different types, so the index must be known when the program is built. Mostly it is "
        "plainer to unpack the tuple. For items of one type, use `tuple[T, ...]` or an `Array`.",
        "from neokernel.lang import u8, usize\n\ndef f(pair: tuple[u8, bool], i: usize) -> u8:\n    return pair[i]\n",
        "from neokernel.lang import u8\n\ndef f(pair: tuple[u8, bool]) -> u8:\n"
        "    number, _ = pair\n    return number\n",
    ),
    "NK0322": Code(
        "an f-string that can't be written",
        "An f-string as a value would need memory for its text, and there is no heap. Handed to a method marked "
        "`@writer`, it is written piece by piece and needs none. Integers, `bool`, `str` and enums can be "
        "written, with the formats that Python has for them; the format itself is a constant. Where the whole is "
        "wanted, as by the log, it is written into an array first, by `Text` of "
        '`neokernel.http.text`: `text.write(f"…")`, then `text.written()`, or `text_of(text.written())` for a `str`.',
        'from neokernel.lang import u32\n\ndef name(n: u32) -> str:\n    return f"item {n}"\n',
        "from neokernel.lang import struct, u32, writer\n\n"
        "@struct\nclass Log:\n    length: u32 = 0\n\n    @writer\n    def write(self, text: str) -> None:\n"
        "        self.length += 1\n\n"
        'def name(log: Log, n: u32) -> None:\n    log.write(f"item {n}")\n',
    ),
    "NK0323": Code(
        "no such operation for this type",
        "Each operator has the types that it means something for: `/` is for floats (integers have `//`), bits are for "
        "integers, `-x` for what has a sign, `and`, `or` and `not` for `bool`. Text and bytes aren't added: that would "
        "need memory.",
        "from neokernel.lang import u32\n\ndef half(x: u32) -> u32:\n    return x / 2\n",
        "from neokernel.lang import u32\n\ndef half(x: u32) -> u32:\n    return x // 2\n",
    ),
    "NK0324": Code(
        "the amount of a shift",
        "A shift moves by an unsigned number of bits, less than the width. (On the machine, the rest of the "
        "amount would be ignored, or undefined.) Constant amounts are checked here, others when the program runs.",
        "from neokernel.lang import u8\n\ndef f(x: u8) -> u8:\n    return x << 8\n",
        "from neokernel.lang import u8, u16\n\ndef f(x: u8) -> u16:\n    return u16(x) << 8\n",
    ),
    "NK0325": Code(
        "this takes another kind of thing",
        "A conversion, or a function of the vocabulary, is given something that it isn't made for: `u8(x)` converts "
        "numbers, `wire_view` takes a `@wire` class, `replace` a `@value`, `retire` an object of a `@struct`, `with` a "
        "struct that has `__enter__` and `__exit__`.",
        f"from neokernel.lang import replace, struct, u32\n\n{_POINT}"
        "def f(p: Point) -> Point:\n    return replace(p, x=1)\n",
        f"from neokernel.lang import struct, u32\n\n{_POINT}def f(p: Point) -> Point:\n    p.x = 1\n    return p\n",
    ),
    "NK0326": Code(
        "arguments that don't fit the parameters",
        "An argument is missing, given twice, or has no parameter. Parameters behind `*` are given by name.",
        "from neokernel.lang import u32\n\ndef add(a: u32, b: u32) -> u32:\n    return a + b\n\n"
        "def f() -> u32:\n    return add(1)\n",
        "from neokernel.lang import u32\n\ndef add(a: u32, b: u32) -> u32:\n    return a + b\n\n"
        "def f() -> u32:\n    return add(1, b=2)\n",
    ),
    "NK0327": Code(
        "a condition that isn't a `bool`",
        "There is no truthiness: `if x` could mean `x != 0`, `x is not None` or `len(x) != 0`, and a reader would "
        "have to know the type. Write which one is meant.",
        "from neokernel.lang import u32\n\ndef f(x: u32) -> bool:\n    if x:\n        return True\n    return False\n",
        "from neokernel.lang import u32\n\ndef f(x: u32) -> bool:\n    if x != 0:\n"
        "        return True\n    return False\n",
    ),
    "NK0328": Code(
        "this can't be compared so",
        "Values, enums, `bytes` and `str` are equal when their content is. Objects of a struct have identity: `a "
        "is b` asks whether they are the same one, and `==` would leave open what is meant. `None` is tested with "
        "`is`. Only numbers have an order.",
        f"from neokernel.lang import struct, u32\n\n{_POINT}def same(a: Point, b: Point) -> bool:\n    return a == b\n",
        f"from neokernel.lang import struct, u32\n\n{_POINT}def same(a: Point, b: Point) -> bool:\n    return a is b\n",
    ),
    "NK0329": Code(
        "a test whose answer is known",
        "The types already say how this test ends, so it hides a mistake: a branch that is never taken, or a "
        "check that was meant for another variable. Leave the test out, or make the type say that there is "
        "something to test (`T | None`).",
        "from neokernel.lang import u32\n\ndef f(x: u32) -> bool:\n    return x is None\n",
        "from neokernel.lang import u32\n\ndef f(x: u32 | None) -> bool:\n    return x is None\n",
    ),
    "NK0330": Code(
        "unpacking into a wrong number of names",
        "A tuple has as many items as its type says, and each gets a name. What isn't needed is called `_`.",
        "from neokernel.lang import u32\n\ndef f(pair: tuple[u32, u32]) -> u32:\n    a, b, c = pair\n    return a\n",
        "from neokernel.lang import u32\n\ndef f(pair: tuple[u32, u32]) -> u32:\n    a, _ = pair\n    return a\n",
    ),
    "NK0331": Code(
        "this can't be changed, or not as a whole",
        "A `@value` and a tuple are copied freely because they never change: make a changed copy with `replace`. "
        "`bytes` and `tuple[T, ...]` are views that only read. An embedded object or an array is part of what "
        "holds it: its fields and elements are assigned, never the whole.",
        "from neokernel.lang import u32, value\n\n@value\nclass Size:\n    width: u32\n\n"
        "def f(size: Size) -> Size:\n    size.width = 3\n    return size\n",
        "from neokernel.lang import replace, u32, value\n\n@value\nclass Size:\n    width: u32\n\n"
        "def f(size: Size) -> Size:\n    return replace(size, width=3)\n",
    ),
    "NK0332": Code(
        "a variable that would only be `None`",
        "The first assignment fixes the type of a variable, and here that is `None`. Say what else it may be.",
        "from neokernel.lang import u32\n\ndef f() -> None:\n    found = None\n",
        "from neokernel.lang import u32\n\ndef f() -> None:\n    found: u32 | None = None\n",
    ),
    "NK0333": Code(
        "a variable with two types",
        "A variable has one type in the whole function: whoever reads its name knows what it is. Use a second name.",
        "from neokernel.lang import u8, u16\n\ndef f() -> None:\n    x: u8 = 1\n    x: u16 = 2\n",
        "from neokernel.lang import u8, u16\n\ndef f() -> None:\n    x: u8 = 1\n    y: u16 = 2\n",
    ),
    "NK0334": Code(
        "a loop over this isn't possible",
        "A `for` loop runs over `range(…)` with a constant step, `reversed(range(…))`, arrays, spans and views, "
        "`enumerate` and `zip` of these. Its number of rounds is fixed when it starts. Other containers are "
        "looped over by their indices.",
        "from neokernel.lang import u32\n\ndef f(n: u32, step: u32) -> None:\n"
        "    for i in range(0, n, step):\n        pass\n",
        "from neokernel.lang import u32\n\ndef f(n: u32, step: u32) -> None:\n"
        "    i: u32 = 0\n    while i < n:\n        i += step\n",
    ),
    "NK0335": Code(
        "this fails whenever it is reached",
        "The constants in the source show that a check always fails here: an index beyond the array's length, an "
        "operation whose result never fits, a division by zero. In functions that are generic in a length the check "
        "is left to run time, for other lengths may be right.",
        "from neokernel.lang import Array, array, u32\n\n"
        "def f() -> None:\n    counts: Array[u32] = array(4)\n    counts[4] = 1\n",
        "from neokernel.lang import Array, array, u32\n\n"
        "def f() -> None:\n    counts: Array[u32] = array(4)\n    counts[3] = 1\n",
    ),
}
