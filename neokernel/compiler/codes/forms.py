"""NK01xx: forms of Python that the language has not."""

from __future__ import annotations

from neokernel.compiler.codes.code import Code

CODES: dict[str, Code] = {
    "NK0101": Code(
        "not valid Python",
        "A target module is an ordinary Python 3.11 module, so CPython must accept it first. The message is CPython's "
        "own. A file that isn't UTF-8, or can't be read, is reported the same way.",
        "from neokernel.lang import u32\n\ndef twice(x: u32) -> u32\n    return x * 2\n",
        "from neokernel.lang import u32\n\ndef twice(x: u32) -> u32:\n    return x * 2\n",
    ),
    "NK0102": Code(
        "this can't stand at the top level of a module",
        "Nothing of a module runs when the machine starts: there is no start-up code that could run it, and no mutable "
        "global that it could prepare. A module holds imports, classes, functions, constants, type aliases and "
        "build-time assertions. Put code into a function, and state into a struct that `main` makes and passes on.",
        "from neokernel.lang import u32\n\nfor i in range(3):\n    pass\n",
        "from neokernel.lang import u32\n\ndef wait() -> None:\n    for i in range(3):\n        pass\n",
    ),
    "NK0103": Code(
        "not in the language",
        "The language is the part of Python that compiles to code without an allocator, without exceptions and "
        "without a run-time system. What is missing has a counterpart: failures are values (`T | Error`), "
        "containers come from the runtime and live in memory that you give them, a comprehension is a loop, a "
        "closure is a struct with a method.",
        "from neokernel.lang import u32\n\ndef squares(n: u32) -> None:\n    found = [i * i for i in range(n)]\n",
        "from neokernel.lang import Span, u32, usize\n\n"
        "def squares(found: Span[u32]) -> None:\n"
        "    for i in range(len(found)):\n"
        "        found[i] = u32(i * i)\n",
    ),
    "NK0105": Code(
        "text that UTF-8 can't write",
        "A `str` of the language is UTF-8 in memory. A lone surrogate (U+D800 to U+DFFF) is half of a pair of "
        "UTF-16 and has no UTF-8 form. Write the character itself, or use `bytes`.",
        'from neokernel.lang import u32\n\ndef name() -> str:\n    return "\\ud83d"\n',
        'from neokernel.lang import u32\n\ndef name() -> str:\n    return "\\N{GRINNING FACE}"\n',
    ),
    "NK0106": Code(
        "this part must be plainer",
        "Every call has a number of arguments that is known when the program is built, so there is no `*args` and "
        "no `**kwargs` (but in `__exit__`). And the message of an `assert` is a constant: it is kept on the host, "
        "beside the image, and found again by the address of the trap.",
        "from neokernel.lang import u32\n\ndef total(*values: u32) -> u32:\n    return 0\n",
        "from neokernel.lang import Span, u32\n\n"
        "def total(values: Span[u32]) -> u32:\n"
        "    result: u32 = 0\n    for value in values:\n        result += value\n    return result\n",
    ),
    "NK0107": Code(
        "this isn't a value, or can't be called",
        "Functions, methods, classes and modules are names for the compiler; they don't exist in memory and can't be "
        "passed around. So it is known at each call what is called, how deep the stack gets, and how long it takes. "
        "Choose between functions with `if` or `match`; be generic over a struct with a method to choose by type.",
        "from neokernel.lang import u32\n\ndef one() -> u32:\n    return 1\n\n"
        "def pick() -> u32:\n    function = one\n    return function()\n",
        "from neokernel.lang import u32\n\ndef one() -> u32:\n    return 1\n\n"
        "def two() -> u32:\n    return 2\n\n"
        "def pick(first: bool) -> u32:\n    return one() if first else two()\n",
    ),
    "NK0108": Code(
        "something is computed and thrown away",
        "A statement that is only an expression does nothing, unless it is a call. Mostly an `=` is missing, or the "
        "parentheses of a call.",
        "from neokernel.lang import u32\n\ndef grow(x: u32) -> u32:\n    x + 1\n    return x\n",
        "from neokernel.lang import u32\n\ndef grow(x: u32) -> u32:\n    x = x + 1\n    return x\n",
    ),
    "NK0109": Code(
        "a possible error is thrown away",
        "Failures are values here: a call that may fail returns a union with an enum or a `@value`. If nobody looks at "
        "it, the failure is lost. Test it (`isinstance`, `match`), return it, or write `_ = call()` to say that it "
        "doesn't matter.",
        "from enum import Enum\n\nfrom neokernel.lang import u32\n\n"
        "class Failure(Enum):\n    FULL = 1\n\n"
        "def send(x: u32) -> u32 | Failure:\n    return Failure.FULL if x > 9 else x\n\n"
        "def main() -> None:\n    send(3)\n",
        "from enum import Enum\n\nfrom neokernel.lang import u32\n\n"
        "class Failure(Enum):\n    FULL = 1\n\n"
        "def send(x: u32) -> u32 | Failure:\n    return Failure.FULL if x > 9 else x\n\n"
        "def main() -> None:\n    if isinstance(send(3), Failure):\n        return\n    _ = send(4)\n",
    ),
    "NK0110": Code(
        "this nests too deeply",
        "The compiler follows the nesting of a program with its own stack. Some ten thousand operators in one "
        "expression, or as many blocks in each other, are more than it can follow; only generated code is like "
        "that. Let the generator use a table or a loop, or split the expression and the function.",
    ),
}
