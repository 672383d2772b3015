"""What keeps a program's sockets going: a task that takes news, and begins anew when the network service has.

group.spawn(executor, attend(net))
"""

from __future__ import annotations

from neokernel.interfaces.clients.socket import NOBODY, Request
from neokernel.interfaces.clients.sockets import LISTENERS, REQUESTS, Net
from neokernel.interfaces.sockets import End, Refusal, Sockets
from neokernel.lang import Uses, pause, u32, uses, usize
from neokernel.runtime.process import current
from neokernel.runtime.system import Failure

#: times a second that the service is asked whether it is the one that was opened
LOOKS = 4


async def attend(net: Net) -> None:
    """Take what the service tells, for as long as the program lives."""
    while True:
        net.executor.signalled &= ~net.signal
        more = net.take()
        net.flush()
        if net.executor.now >= net.look_at:
            look(net)
        if more or not net.may_sleep():
            await net.executor.turn()
        else:
            net.executor.watch(net.signal)
            net.executor.until(net.look_at)
            await pause()


def look(net: Net) -> None:
    """Is the service the one that was opened? If not, all was lost, and listeners listen again."""
    process = current()
    net.look_at = net.executor.now + process.frequency // LOOKS
    network: Uses[Sockets] = uses(net.slot)
    session = network.session()
    if not isinstance(session, Failure) and session == net.session and session != 0:
        listen_again(net)
        return
    lose_all(net)
    opened = net.open(process) is None
    for tag in range(REQUESTS):
        request = net.requests[tag]
        # An order that its task hasn't posted yet goes to the new service, as any other one.
        if request.taken and request.asked and not request.done:
            listener = request.listener
            again = listener != NOBODY and not request.abandoned
            if not opened or not again or not net.ask_listen(tag, net.listeners[usize(listener)]):
                refuse(net, request)


def lose_all(net: Net) -> None:
    """The service knows nothing of what was open: programs are told, and nobody else."""
    for index in range(len(net.sockets)):
        socket = net.sockets[index]
        socket.dirty, socket.moved, socket.number = False, False, 0
        if socket.closing or socket.datagrams:
            net.free(socket)
        elif socket.serial != 0:
            # What has come and wasn't read is lost, too: the next one to use the buffers may be there at once.
            socket.end, socket.arrived = End.RESET, socket.read
            net.wake_all(socket)
    net.first_dirty = NOBODY
    for listening in net.listeners:
        listening.number, listening.first, listening.stopping = 0, NOBODY, 0
    net.stops = 0
    for tag in range(REQUESTS):
        if net.requests[tag].listener != NOBODY:
            net.requests[tag].number = 0


def refuse(net: Net, request: Request) -> None:
    """The service has gone, and with it what was asked."""
    request.done, request.why, request.pair, request.number = True, Refusal.NO_ROUTE, 0, 0
    waiter = request.waiter
    request.waiter = None
    if waiter is not None:
        net.executor.wake(waiter)
    elif request.listener != NOBODY or request.abandoned:
        request.taken = False


def listen_again(net: Net) -> None:
    """Ask for the listeners that the service doesn't know."""
    for index in range(LISTENERS):
        listening = net.listeners[index]
        if listening.generation % 2 == 0 or listening.number != 0 or is_asked(net, u32(index)):
            continue
        for tag in range(REQUESTS):
            request = net.requests[tag]
            if not request.taken:
                request.begin()
                request.listener = u32(index)
                if not net.ask_listen(tag, listening):
                    request.taken = False
                break


def is_asked(net: Net, listener: u32) -> bool:
    found = False
    for request in net.requests:
        found = found or (request.taken and request.listener == listener)
    return found
