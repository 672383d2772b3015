"""Does what the test says, by lines on port 9, and answers each with a line.

kill card            end a service as if it had crashed
listen 81            may it listen there? It stops at once
hear 24              begin to listen on port 83, and be cancelled sooner or later, so many times
connect 127.0.0.1 5  connect, and say what the peer says first
try 24               begin to connect to who isn't there, and be cancelled sooner or later, so many times
off                  switch the machine off, without an answer
"""

from __future__ import annotations

from neokernel.interfaces.clients.attending import attend
from neokernel.interfaces.clients.socket import Gone, Socket, Stream
from neokernel.interfaces.clients.sockets import Net
from neokernel.interfaces.sockets import End, Refusal, Sockets
from neokernel.interfaces.system import Refused, System, Unknown, Watch
from neokernel.lang import Array, Embedded, Span, Uses, array, slot_of, struct, tasks, u8, u16, u32, u64, uses, usize
from neokernel.runtime import system
from neokernel.runtime.executor import Executor, Group
from neokernel.runtime.must import must
from neokernel.runtime.objects import Power
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure
from neokernel.services.network.configuration import Wrong, place_of

network: Uses[Sockets] = uses(lend=6 << 20)
init: Uses[System] = uses()
watch: Uses[Watch] = uses()
power: Uses[Power] = uses()

SOCKETS = 8
#: 10.0.2.77
NOBODY: u32 = 0x0A00_024D
EACH: u32 = 256 << 10


async def serve(steward: Steward) -> None:
    """One peer after the other."""
    net = steward.net
    line: Array[u8] = array(64)
    listener = await net.listen(9, 4)
    assert not isinstance(listener, Refusal), "it is granted"
    while True:
        stream = await net.accept(listener)
        if isinstance(stream, Gone):
            return
        while True:
            length = await read_line(net, stream, line[:])
            if length == 0:
                break
            await obey(steward, stream, line[:length])
        net.close(stream)


async def read_line(net: Net, stream: Stream, into: Span[u8]) -> usize:
    """A line without its end; 0: there is none."""
    length: usize = 0
    while length < len(into):
        came = await net.receive(stream, into[length : length + 1])
        if isinstance(came, End) or came == 0:
            return 0
        if into[length] == 10:
            break
        length += 1
    return length


async def obey(steward: Steward, stream: Stream, line: Span[u8]) -> None:
    net = steward.net
    space: usize = 0
    while space < len(line) and line[space] != 32:
        space += 1
    rest = line[min(space + 1, len(line)) :]
    match line[0]:
        case 107:
            await say(net, stream, "killed\n" if kill(rest) else "refused\n")
        case 108:
            listener = await net.listen(u16(number_of(rest)), 1)
            if isinstance(listener, Refusal):
                await say(net, stream, name_of(listener))
            else:
                net.stop(listener)
                stopped = await net.accept(listener)
                await say(net, stream, "listening\n" if isinstance(stopped, Gone) else "accepted\n")
        case 99:
            await connect(net, stream, rest)
        case 116:
            for number in range(number_of(rest)):
                await begin_and_stop(steward, u64(number))
            await say(net, stream, "tried\n")
        case 104:
            for number in range(number_of(rest)):
                await hear_and_stop(steward, u64(number))
            await say(net, stream, "heard\n")
        case _:
            must(system.power_off(slot_of(power), 0))


async def attempt(net: Net) -> None:
    """Nobody has that address."""
    _ = await net.connect(NOBODY, 2000)


async def hear(net: Net) -> None:
    """It may be listening before it is cancelled, and stops then."""
    made = await net.listen(83, 1)
    if not isinstance(made, Refusal):
        net.stop(made)


@struct
class Steward:
    net: Net
    #: of `hear`
    hearing: Embedded[Group] = Group(frames=tasks(hear, 1), tasks=array(1))
    #: of `try`
    trying: Embedded[Group] = Group(frames=tasks(attempt, 1), tasks=array(1))


async def begin_and_stop(steward: Steward, number: u64) -> None:
    """Before the order is given, before it is answered, or while the peer is waited for."""
    executor = steward.net.executor
    made = steward.trying.spawn(executor, attempt(steward.net))
    assert made is not None, "the one before was cancelled"
    for _ in range(number % 4):
        await executor.turn()
    if number % 8 >= 4:
        await executor.sleep_until(executor.now + 20_000 * (number % 4))
    _ = steward.trying.cancel(executor, made)


async def hear_and_stop(steward: Steward, number: u64) -> None:
    """Before the order is given, before it is answered, or not at all."""
    executor = steward.net.executor
    made = steward.hearing.spawn(executor, hear(steward.net))
    assert made is not None, "the one before has ended"
    for _ in range(number % 4):
        await executor.turn()
    _ = steward.hearing.cancel(executor, made)


async def connect(net: Net, stream: Stream, rest: Span[u8]) -> None:
    space: usize = 0
    while space < len(rest) and rest[space] != 32:
        space += 1
    place = place_of(rest[:space].bytes())
    assert not isinstance(place, Wrong), "an address"
    data: Array[u8] = array(64)
    made = await net.connect(place.address.number, u16(number_of(rest[space + 1 :])))
    if isinstance(made, Refusal):
        await say(net, stream, name_of(made))
    elif isinstance(made, End):
        await say(net, stream, "REFUSED\n" if made is End.REFUSED else "ended\n")
    else:
        came = await net.receive(made, data[:])
        if not isinstance(came, End):
            _ = await net.send(stream, data[:came].bytes())
        net.close(made)


async def say(net: Net, stream: Stream, text: str) -> None:
    data: Array[u8] = array(32)
    length: usize = 0
    for byte in text.encode():
        data[length] = byte
        length += 1
    _ = await net.send(stream, data[:length].bytes())


def name_of(why: Refusal) -> str:
    match why:
        case Refusal.DENIED:
            return "DENIED\n"
        case Refusal.IN_USE:
            return "IN_USE\n"
        case Refusal.NO_ROUTE:
            return "NO_ROUTE\n"
        case _:
            return "another\n"


def number_of(text: Span[u8]) -> u32:
    number: u32 = 0
    for byte in text:
        number = 10 * number + u32(byte - 48)
    return number


def kill(name: Span[u8]) -> bool:
    """End the service of that name. False: it isn't running now."""
    found = watch.find(name.bytes())
    assert not isinstance(found, Unknown | Failure), "there is a service of that name"
    return not isinstance(init.kill(found), Refused | Failure)


def main(process: Process) -> None:
    executor = Executor()
    must(executor.begin(process))
    places: Array[Embedded[Socket]] = array(SOCKETS)
    net = Net(executor=executor, slot=slot_of(network), sockets=places[:], each=EACH)
    assert net.open(process) is None, "the network service has a place for this client"
    attending = Group(frames=tasks(attend, 1), tasks=array(1))
    serving = Group(frames=tasks(serve, 1), tasks=array(1))
    assert attending.spawn(executor, attend(net)) is not None
    steward = Steward(net=net)
    assert serving.spawn(executor, serve(steward)) is not None
    process.ready()
    while True:
        must(executor.wait())
        attending.run(executor)
        serving.run(executor)
        steward.trying.run(executor)
        steward.hearing.run(executor)
