"""NK042x: coroutines."""

from __future__ import annotations

from neokernel.compiler.codes.code import Code

_STEP = "async def step() -> None:\n    await pause()\n\n"

CODES: dict[str, Code] = {
    "NK0420": Code(
        "a coroutine that nobody runs",
        "A call of an `async def` runs nothing by itself: it says what is to be run, and with what. Somebody must run "
        "it: the coroutine that awaits it, or a function that it is handed to, whose parameter is a `Coroutine[…]`. It "
        "can't be kept in a variable, because its frame has to lie somewhere: in who awaits it, in the function that "
        "runs it, or in `Tasks`.",
        f"from neokernel.lang import pause\n\n{_STEP}async def twice() -> None:\n    step()\n    await step()\n",
        f"from neokernel.lang import pause\n\n{_STEP}async def twice() -> None:\n    await step()\n    await step()\n",
    ),
    "NK0421": Code(
        "a coroutine that is kept",
        "`Coroutine[T]` is the type of a parameter: the function runs what it is handed, and whatever has not ended "
        "when the function does is cancelled. A field or variable for coroutines would need room for frames of any "
        "size. What is to outlive the function is started in a field `Tasks`, which has room for frames of one "
        "`async def`.",
        "from neokernel.lang import Coroutine, struct\n\n@struct\nclass Server:\n    background: Coroutine[None]\n",
        f"from neokernel.lang import Tasks, pause, struct, tasks\n\n{_STEP}"
        "@struct\nclass Server:\n    background: Tasks = tasks(step, 1)\n",
    ),
    "NK0422": Code(
        "no coroutine",
        "`await` wants a call of an `async def` (or `pause()`, or a parameter `Coroutine[…]`); `resume`, `cancel` and "
        "`result_of` want such a parameter, or an element of `Tasks`. Other functions end without waiting: they are "
        "called as they are.",
        "from neokernel.lang import u32\n\ndef double(n: u32) -> u32:\n    return n * 2\n\n"
        "async def work(n: u32) -> u32:\n    return await double(n)\n",
        "from neokernel.lang import u32\n\ndef double(n: u32) -> u32:\n    return n * 2\n\n"
        "async def work(n: u32) -> u32:\n    return double(n)\n",
    ),
    "NK0423": Code(
        "frames of another coroutine",
        "`tasks(f, n)` makes room for `n` frames of the `async def` called `f`, whose size is known when the program "
        "is built. So `f` isn't generic, gives no result (nobody would take it), and calls of nothing else are "
        "started there.",
        f"from neokernel.lang import Tasks, pause, start, struct, tasks\n\n{_STEP}"
        "async def other() -> None:\n    await step()\n\n"
        "@struct\nclass Server:\n    steps: Tasks = tasks(step, 2)\n\n"
        "def begin(server: Server) -> None:\n    start(server.steps[0], other())\n",
        f"from neokernel.lang import Tasks, pause, start, struct, tasks\n\n{_STEP}"
        "@struct\nclass Server:\n    steps: Tasks = tasks(step, 2)\n\n"
        "def begin(server: Server) -> None:\n    start(server.steps[0], step())\n",
    ),
    "NK0424": Code(
        "contracts of a coroutine",
        "While a coroutine waits, others run, and may change everything that a contract speaks of. So an `async def` "
        "has no contracts and no ghost code. The functions that it calls have theirs.",
        "from neokernel.lang import pause, requires, u32\n\n"
        "async def wait(n: u32) -> u32:\n    requires(n != 0)\n    await pause()\n    return 100 // n\n",
        "from neokernel.lang import pause, requires, u32\n\n"
        "def share(n: u32) -> u32:\n    requires(n != 0)\n    return 100 // n\n\n"
        "async def wait(n: u32) -> u32:\n    await pause()\n    return share(n)\n",
    ),
    "NK0425": Code(
        "an `__aexit__` that waits",
        "`__aexit__` runs at the end of an `async with`, and also when the coroutine is cancelled inside. Who cancels "
        "it doesn't wait, so it can't either. What has to be waited for is awaited at the end of the block.",
        "from neokernel.lang import pause, struct\n\n@struct\nclass Lock:\n    held: bool = False\n\n"
        "    async def __aenter__(self) -> None:\n        self.held = True\n\n"
        "    async def __aexit__(self, *_: object) -> None:\n        await pause()\n        self.held = False\n",
        "from neokernel.lang import pause, struct\n\n@struct\nclass Lock:\n    held: bool = False\n\n"
        "    async def __aenter__(self) -> None:\n        while self.held:\n            await pause()\n"
        "        self.held = True\n\n"
        "    async def __aexit__(self, *_: object) -> None:\n        self.held = False\n",
    ),
}
