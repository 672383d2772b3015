"""A service that says what it has: how many slots of its table hold something, and what is in one of them."""

from neokernel.abi.boot import OWN_TABLE
from neokernel.abi.call import message
from neokernel.abi.description import FIRST_DECLARED
from neokernel.abi.kinds import Kind
from neokernel.lang import u64
from neokernel.runtime import system
from neokernel.runtime.must import must_get
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure


def main(process: Process) -> None:
    reply = must_get(process.make(Kind.REPLY))
    asked = system.receive(FIRST_DECLARED, reply)
    while not isinstance(asked, Failure):
        first = system.inspect(OWN_TABLE, asked.w0)
        kind: u64 = 0 if isinstance(first, Failure) else first.kind
        rights: u64 = 0 if isinstance(first, Failure) else first.rights
        asked = system.reply_receive(FIRST_DECLARED, reply, message(0, 4), taken(), kind, rights, asked.badge)


def taken() -> u64:
    count: u64 = 0
    for index in range(u64(1), u64(64)):
        slot = system.inspect(OWN_TABLE, index)
        if not isinstance(slot, Failure) and slot.kind != 0:
            count += 1
    return count
