"""A server with its sockets, in memory of their own: stacks have no room for many connections.

    places: Places = placed(process, 300)       # executor, sockets and tasks: `runtime/placing.py`
    must(places.executor.begin(process))
    server = begin(process, places.executor, places.sockets[:], slot_of(network), 8192)

What is placed refers only to what is placed, too: so the server, to which tasks refer, lies here.
"""

from __future__ import annotations

from neokernel.abi.boot import OWN_SPACE
from neokernel.abi.kinds import PAGE_SIZE
from neokernel.abi.rights import READ, WRITE
from neokernel.http.limits import USUAL, Limits
from neokernel.http.server import PLAIN, Errors, Server
from neokernel.interfaces.clients.socket import Socket
from neokernel.interfaces.clients.sockets import Net
from neokernel.interfaces.sockets import NoSockets
from neokernel.lang import Embedded, Span, new_at, size_of, u32, u64, unsafe
from neokernel.runtime.executor import Executor
from neokernel.runtime.must import must
from neokernel.runtime.placing import PLACED_ADDRESS
from neokernel.runtime.process import Process
from neokernel.runtime.space import map_new
from neokernel.runtime.system import Failure

unsafe("pages that were mapped for them hold the server and its sockets; all their fields are assigned here")

#: behind all that can be placed
NET_ADDRESS = PLACED_ADDRESS + (1 << 30)
SERVER_ADDRESS = NET_ADDRESS + (size_of(Net) + (PAGE_SIZE - 1)) // PAGE_SIZE * PAGE_SIZE
PAGES: u64 = (SERVER_ADDRESS - NET_ADDRESS + size_of(Server) + (PAGE_SIZE - 1)) // PAGE_SIZE


def begin(
    process: Process,
    executor: Executor,
    sockets: Span[Embedded[Socket]],
    slot: u64,
    each: u32,
    limits: Limits = USUAL,
    clock: u64 = 0,
    errors: Errors = PLAIN,
    fields: bytes = b"",
) -> Server:
    """The server of this process, which has one, with its sockets open. If that can't be, it ends the process.

    `slot`: of `Sockets`; `each`: bytes of a socket's buffers; `clock`: the slot of a `Clock`, 0 if there is none;
    `errors`: how refusals are worded; `fields`: what every answer's head says, as lines with their ends.
    """
    must(map_new(process, OWN_SPACE, process.memory, NET_ADDRESS, READ | WRITE, PAGES))
    net = new_at(Net, NET_ADDRESS)
    net.executor, net.slot, net.sockets, net.each = executor, slot, sockets, each
    net.clear()
    server = new_at(Server, SERVER_ADDRESS)
    server.net, server.frequency, server.limits, server.clock = net, process.frequency, limits, clock
    server.errors, server.fields = errors, fields
    opened = net.open(process)
    if isinstance(opened, Failure):
        must(opened)
    assert opened is not NoSockets.CLIENTS, "the network service has a place for this client"
    assert opened is None, "a socket's buffers are as large as the network service takes them"
    return server
