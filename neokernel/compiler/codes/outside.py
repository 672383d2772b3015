"""NK08xx unsafe code; NK09xx contracts and ghost code."""

from __future__ import annotations

from neokernel.compiler.codes.code import Code

_COUNTER = "@struct\nclass Counter:\n    value: u32 = 0\n    seen: Ghost[u32] = 0\n\n"

CODES: dict[str, Code] = {
    "NK0801": Code(
        "`unsafe` without a reason",
        "A module that turns numbers into objects, or holds assembly, says at its top why it must: this is what a "
        "reviewer reads first.",
        "from neokernel.lang import unsafe\n\nunsafe()\n",
        'from neokernel.lang import unsafe\n\nunsafe("registers of the timer stand at fixed addresses")\n',
    ),
    "NK0802": Code(
        "unsafe code in a module that isn't marked so",
        'Only modules that call `unsafe("reason")` at their top level can turn an address into an object, take '
        "the address of one, or hold assembly. All other modules can't break memory safety, whatever they do. Ask "
        "a module that has the right for what you need, rather than marking another one.",
        'from neokernel.lang import asm\n\ndef wait() -> None:\n    asm("wfi")\n',
        'from neokernel.lang import asm, unsafe\n\nunsafe("waits for an interrupt")\n\n'
        'def wait() -> None:\n    asm("wfi")\n',
    ),
    "NK0803": Code(
        "assembly that can't be",
        "The template of `asm` is a text constant, in which `{0}`, `{1}` stand for the operands and `{result}` "
        'for the result; operands are integers in registers; options are `result=u64` and `clobbers="memory t0"`. '
        '`inputs="a0 a7"` names the register of each operand, and `results="a0 a1"` gives a tuple of u64: what these '
        "registers hold afterwards. "
        "An f-string may hold constants, such as offsets of fields. A `@naked` function is one `asm(…)` without "
        "operands, since it has no frame.",
        'from neokernel.lang import asm, u64, unsafe\n\nunsafe("reads a counter")\n\n'
        'def cycles() -> u64:\n    return asm("csrr {result}, cycle", result=bool)\n',
        'from neokernel.lang import asm, u64, unsafe\n\nunsafe("reads a counter")\n\n'
        'def cycles() -> u64:\n    return asm("csrr {result}, cycle", result=u64)\n',
    ),
    "NK0901": Code(
        "a contract at the wrong place, or of a wrong form",
        "`requires(condition)` and `ensures(lambda result: condition)` stand at the start of a function, before "
        "anything else (`ensures(lambda: condition)` if it returns nothing; `old(x)` inside is the value at "
        "entry). `loop_invariant(condition)` and `loop_bound(n)` stand at the start of a loop's body. So "
        "everybody finds them, and the prover knows what holds where.",
        "from neokernel.lang import requires, u32\n\ndef half(x: u32) -> u32:\n"
        "    y = x // 2\n    requires(x % 2 == 0)\n    return y\n",
        "from neokernel.lang import requires, u32\n\ndef half(x: u32) -> u32:\n"
        "    requires(x % 2 == 0)\n    return x // 2\n",
    ),
    "NK0903": Code(
        "ghosts in ordinary code",
        "Ghost fields and ghost functions exist for CPython and the prover; images don't have them. So ordinary "
        "code can update them, but nothing that is left in the image may depend on them. Read them in contracts "
        "and ghost code.",
        f"from neokernel.lang import Ghost, struct, u32\n\n{_COUNTER}"
        "def f(counter: Counter) -> u32:\n    return counter.seen\n",
        f"from neokernel.lang import Ghost, requires, struct, u32\n\n{_COUNTER}"
        "def f(counter: Counter) -> u32:\n    requires(counter.seen == 0)\n    return counter.value\n",
    ),
    "NK0904": Code(
        "ghost code that changes something real",
        "Images leave ghost code out, so a program that relies on what it does would behave differently there. "
        "Ghost code may read everything, and change ghost fields, its own variables and objects that it has made "
        "itself.",
        f"from neokernel.lang import Ghost, ghost, struct, u32\n\n{_COUNTER}"
        "@ghost\ndef note(counter: Counter) -> None:\n    counter.value += 1\n",
        f"from neokernel.lang import Ghost, ghost, struct, u32\n\n{_COUNTER}"
        "@ghost\ndef note(counter: Counter) -> None:\n    counter.seen = counter.seen + 1\n",
    ),
    "NK0905": Code(
        "a promise about a parameter that is assigned to",
        "What `ensures` says of a parameter, callers take for what they have given, but CPython computes it at the "
        "end, from what the parameter is then. So a parameter that `ensures` names keeps its value; `old(x)` is what "
        "was given.",
        "from neokernel.lang import ensures, u32\n\ndef clamp(x: u32) -> u32:\n"
        "    ensures(lambda result: result <= x)\n    x = min(x, 10)\n    return x\n",
        "from neokernel.lang import ensures, u32\n\ndef clamp(x: u32) -> u32:\n"
        "    ensures(lambda result: result <= x)\n    return min(x, 10)\n",
    ),
    "NK0906": Code(
        "ghost code that may never end",
        "What a function ensures holds behind its call. Images leave ghost code out: so if a `@ghost` function, or one "
        "that a contract calls, never came to its end, whatever it ensures would be believed, and be wrong. Such a "
        "function and all that it calls have loops over ranges, arrays and spans only, whose rounds are counted; "
        "`break` may leave them.",
        "from neokernel.lang import ensures, ghost, u32\n\n@ghost\ndef is_five(n: u32) -> None:\n"
        "    ensures(lambda: n == 5)\n    while n != 5:\n        pass\n",
        "from neokernel.lang import ensures, ghost, u32\n\n@ghost\ndef rounded(n: u32) -> u32:\n"
        "    ensures(lambda result: result <= n)\n    found: u32 = 0\n    for i in range(n):\n"
        "        if i % 8 == 0:\n            found = i\n    return found\n",
    ),
    "NK0907": Code(
        "an invariant of memory that others may write",
        "An invariant holds whenever no function is at work on the object. What is atomic, or lies in a wire object, "
        "others may write at any time: drivers and devices do, and so does whoever shares the memory. So read it once, "
        "check it, and keep what is to be relied on in a field.",
        "from neokernel.lang import Atomic, invariant, struct, u32\n\n@struct\nclass Ring:\n"
        "    filled: Atomic[u32] = Atomic(0)\n\n    @invariant\n    def fits(self) -> bool:\n"
        "        return self.filled.load() <= 8\n",
        "from neokernel.lang import Atomic, invariant, struct, u32\n\n@struct\nclass Ring:\n"
        "    filled: Atomic[u32] = Atomic(0)\n    seen: u32 = 0\n\n    @invariant\n"
        "    def fits(self) -> bool:\n        return self.seen <= 8\n",
    ),
}
