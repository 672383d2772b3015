"""NK072x: interfaces between processes, and what programs declare."""

from __future__ import annotations

from neokernel.compiler.codes.code import Code

_IMPORTS = (
    "from typing import Annotated, Protocol\n\n"
    "from neokernel.lang import Posts, Setting, Span, Uses, interface, setting, u8, u32, up_to, uses\n"
    "from neokernel.runtime.process import Process\nfrom neokernel.runtime.system import Failure\n\n"
)
_LOG = _IMPORTS + "@interface\nclass Log(Protocol):\n"
_POST = "def post(log: Posts[Log]) -> None:\n    pass\n"
_MAIN = "def main(process: Process) -> None:\n    pass\n"

CODES: dict[str, Code] = {
    "NK0720": Code(
        "an interface of a wrong form",
        "An interface is a class with `@interface` above it and `Protocol` as its only base, and with 1 to 255 "
        "methods: the contract between a client and a server. The compiler makes of it what marshals calls and "
        "what takes them apart; type checkers see a protocol, which a server's class fulfils by having the "
        "methods.",
        _IMPORTS + "@interface\nclass Log:\n    def clear(self) -> None | Failure: ...\n",
        _LOG + "    def clear(self) -> None | Failure: ...\n",
    ),
    "NK0721": Code(
        "a method of an interface, of a wrong form",
        "A method of an interface says what is sent and what comes back: `self`, parameters with types, a result, "
        "and `...` for a body. What it does is the server's. It has no defaults and no decorators, as there is one "
        "message for one method.",
        _LOG + "    def clear(self, all: bool = True) -> None | Failure: ...\n",
        _LOG + "    def clear(self, all: bool) -> None | Failure: ...\n",
    ),
    "NK0722": Code(
        "a parameter that can't cross into another process",
        "A process shares no memory with another one, so references can't be sent. What can: integers, floats, "
        "`bool`, Enums, `@value`s of such; capabilities (interfaces, and the classes of "
        "`neokernel.runtime.objects`), copied, or given away as `Given[C]`; and bytes, with a bound that both "
        "sides know: `Annotated[bytes, up_to(200)]`, `Annotated[str, up_to(200)]`, and `Annotated[Span[u8], "
        "up_to(200)]` for what the server fills.",
        _LOG + "    def write(self, text: bytes) -> None | Failure: ...\n",
        _LOG + "    def write(self, text: Annotated[bytes, up_to(200)]) -> None | Failure: ...\n",
    ),
    "NK0723": Code(
        "a result that can't cross from another process, or can't say that it didn't",
        "A call into another process can fail, whatever the server does: it may have ended, or time may be over. "
        "So every method's result has `Failure` among its arms, and callers test for it. The other arms are "
        "numbers, `bool`, Enums, `@value`s, capabilities and None: Enums and `@value`s beside others are the "
        "interface's own errors.",
        _LOG + "    def size(self) -> u32: ...\n",
        _LOG + "    def size(self) -> u32 | Failure: ...\n",
    ),
    "NK0724": Code(
        "more than a message holds",
        "A message has four words in registers and 508 in the thread's buffer, and at most four capabilities. "
        "Bounds count in full: a method must be possible with all that it allows. What is larger goes through "
        "memory that both processes have mapped.",
        _LOG + "    def write(self, text: Annotated[bytes, up_to(8192)]) -> None | Failure: ...\n",
        _LOG + "    def write(self, text: Annotated[bytes, up_to(4000)]) -> None | Failure: ...\n",
    ),
    "NK0725": Code(
        "a declaration that isn't one, or at the wrong place",
        "A program says at its top level what it uses, provides, and can be set: `name: Uses[I] = uses()`, `name: "
        "Provides[I] = provides()`, `name: Setting[T] = setting(default)`. So all its authority stands in one "
        "place, and the build holds it against the system. Libraries declare nothing: they are passed what they "
        "use. In a function `name: Uses[I] = uses(slot)` is a view of a capability that came some other way.",
        _LOG + "    def clear(self) -> None | Failure: ...\n\nlog: Uses[Log] = uses()\n",
        _LOG + "    def clear(self) -> None | Failure: ...\n\nlog: Uses[Log] = uses()\n\n" + _MAIN,
    ),
    "NK0726": Code(
        "something that can't be used or provided",
        "`Uses[…]` names an interface, or a class of `neokernel.runtime.objects`, which are kernel objects; "
        "`Provides[…]` names an interface.",
        _IMPORTS + "line: Uses[u32] = uses()\n\n" + _MAIN,
        _IMPORTS + "from neokernel.runtime.objects import Interrupt\n\nline: Uses[Interrupt] = uses()\n\n" + _MAIN,
    ),
    "NK0727": Code(
        "a setting of a wrong form",
        "A setting is an integer, a float, a `bool`, an Enum, a `str` or `bytes`, with a default that the build "
        "can read: a literal, a constant of the module, a member of the Enum. The system file gives it another "
        "value; `name.get(process)` reads it.",
        _IMPORTS + "level: Setting[u8] = setting(256)\n\n" + _MAIN,
        _IMPORTS + "level: Setting[u8] = setting(255)\n\n" + _MAIN,
    ),
    "NK0728": Code(
        "an interface whose messages can't be posted",
        "A message that is posted into a ring has no answer, and one slot: seven numbers, or parts of memory that is "
        "lent. So all methods of the interface give `None | Failure`, the latter if there is no room, and take no "
        "bytes and no capabilities. What comes back is posted, too, by an interface for that direction.",
        _LOG + "    def size(self) -> u32 | Failure: ...\n\n" + _POST,
        _LOG + "    def size(self, asked: u32) -> None | Failure: ...\n\n" + _POST,
    ),
}
