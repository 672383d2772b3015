"""What the operator's threads share."""

from neokernel.abi.boot import OWN_SPACE
from neokernel.abi.rights import READ, WRITE
from neokernel.lang import Atomic, object_at, struct, u64, unsafe
from neokernel.runtime.must import must
from neokernel.runtime.process import Process
from neokernel.runtime.space import map_new

unsafe("a page of its own")

PAGE = 0x10_0000_0000


@struct
class Shared:
    """Of the clients: calls that were answered, that ended with PEER_DIED, and that failed otherwise."""

    stop: Atomic[u64] = Atomic(0)
    running: Atomic[u64] = Atomic(0)
    answered: Atomic[u64] = Atomic(0)
    died: Atomic[u64] = Atomic(0)
    failed: Atomic[u64] = Atomic(0)


def make_shared(process: Process) -> None:
    must(map_new(process, OWN_SPACE, process.memory, PAGE, READ | WRITE, 1))


def shared() -> Shared:
    return object_at(Shared, PAGE)
