"""A keeper, who is started again when it has crashed, and two lenders, of whom one has memory to lend."""

from neokernel.abi.boot import PLATFORM
from neokernel.abi.description import FIRST_DECLARED
from neokernel.abi.kinds import Kind
from neokernel.abi.rights import RECEIVE, SEND, WRITE
from neokernel.lang import u64
from neokernel.runtime.child import Child, await_death, end_child
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import Process

PAGES: u64 = 4
OWN_MEMORY: u64 = 4096
LENDER: u64 = 5


def main(process: Process) -> None:
    events, reply = must_get(process.make(Kind.ENDPOINT)), must_get(process.make(Kind.REPLY))
    endpoint = must_get(process.make(Kind.ENDPOINT))
    frames = must_get(process.make(Kind.FRAME, 0, PAGES))
    keeper = start_keeper(process, events, endpoint, frames)
    start_lender(process, events, endpoint, frames, 0)
    _ = must_get(await_death(process, events, reply))
    start_lender(process, events, endpoint, frames, 1)
    death = must_get(await_death(process, events, reply))
    assert death.child == keeper and death.fault is not None
    must(end_child(process, keeper))
    _ = start_keeper(process, events, endpoint, frames)
    process.exit(must_get(await_death(process, events, reply)).status)


def start_keeper(process: Process, events: u64, endpoint: u64, frames: u64) -> u64:
    """Its number."""
    keeper = Child()
    must(keeper.create(process, b"keeper", events))
    assert must_get(keeper.grant(process, endpoint, RECEIVE)) == FIRST_DECLARED
    keeper.own_memory = must_get(keeper.make(process, Kind.MEMORY, OWN_MEMORY))
    must(keeper.borrow(process, LENDER, frames, PAGES))
    must(keeper.start(process, 110))
    return keeper.number


def start_lender(process: Process, events: u64, endpoint: u64, frames: u64, lends: u64) -> None:
    lender = Child()
    must(lender.create(process, b"lender", events))
    assert must_get(lender.grant(process, endpoint, SEND, LENDER if lends != 0 else LENDER + 1)) == FIRST_DECLARED
    must(lender.grant_at(process, PLATFORM, PLATFORM, WRITE))
    lender.arguments[0] = lends
    if lends != 0:
        must(lender.lend(process, FIRST_DECLARED, frames, PAGES))
    must(lender.start(process, 100))
