"""Serves `Echo` and `Store`."""

from __future__ import annotations

from contracts import Echo, Store

from neokernel.abi.kinds import Kind
from neokernel.lang import Provides, provides, struct, u64
from neokernel.runtime import interface, system
from neokernel.runtime.lend import Lent
from neokernel.runtime.must import must_get
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

echo: Provides[Echo] = provides()
store: Provides[Store] = provides()


@struct
class Desk:
    """Handles both."""

    def same(self, number: u64) -> u64:
        return number

    def size(self, data: Lent) -> u64:
        return data.length


def main(process: Process) -> None:
    desk = Desk()
    reply = must_get(process.make(Kind.REPLY))
    asked = system.receive(echo.slot, reply)
    while not isinstance(asked, Failure):
        process.client = asked.badge
        is_echo = interface.provided_of(asked.badge) == 0
        answer = echo.dispatch(desk, asked) if is_echo else store.dispatch(desk, asked)
        asked = interface.next_message(process, echo.slot, reply, answer)
