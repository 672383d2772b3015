"""Puts and takes letters, and has their queue ended in between."""

from neokernel.abi.kinds import Kind
from neokernel.abi.rights import SIGNAL
from neokernel.interfaces.letters import LetterBox, Letters, Nothing, Refusal
from neokernel.interfaces.system import System
from neokernel.lang import Array, Span, Uses, array, u8, u64, uses
from neokernel.runtime import system
from neokernel.runtime.must import must, must_get
from neokernel.runtime.objects import Console, Notification, Power
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

box: Uses[LetterBox] = uses()
letters: Uses[Letters] = uses()
init: Uses[System] = uses()
console: Uses[Console] = uses()
power: Uses[Power] = uses()

ROUNDS: u64 = 12


def main(process: Process) -> None:
    told = listen(process)
    data: Array[u8] = array(1024)
    assert letters.look(data[:]) is Nothing.EMPTY
    first = put(b"first")
    assert must_get(system.poll(told)) != 0
    assert put(b"second") == first + 1
    kill()
    assert letters.take(first + 1) is Nothing.ANOTHER
    expect(data[:], first, b"first")
    kill()
    expect(data[:], first, b"first")
    assert letters.take(first) is None and letters.take(first) is Nothing.ANOTHER
    kill()
    expect(data[:], first + 1, b"second")
    assert letters.take(first + 1) is None
    process.console.write("kept\n")

    told = listen(process)
    for _ in range(ROUNDS):
        count = fill(data[:])
        kill()
        for _letter in range(count):
            found = letters.look(data[:])
            assert not isinstance(found, Nothing | Failure) and found.length == 700 and data[0] == data[699]
            assert letters.take(found.number) is None
        assert letters.look(data[:]) is Nothing.EMPTY
        assert count > 4
    process.console.write("none lost\n")
    must(system.power_off(power.slot, 0))


def listen(process: Process) -> u64:
    """A notification that is signalled when letters come."""
    told = must_get(process.make(Kind.NOTIFICATION))
    must(letters.notify(Notification(must_get(process.derive(told, SIGNAL, 1)))))
    return told


def put(data: bytes) -> u64:
    number = box.put(data)
    assert not isinstance(number, Refusal | Failure)
    return number


def expect(data: Span[u8], number: u64, wanted: bytes) -> None:
    found = letters.look(data)
    assert not isinstance(found, Nothing | Failure)
    assert found.number == number and data[: found.length].bytes() == wanted and found.sender != 0


def fill(data: Span[u8]) -> u64:
    """Letters, until there is no room: how many."""
    count: u64 = 0
    while True:
        for place in range(700):
            data[place] = u8(count % 256)
        if isinstance(box.put(data[:700].bytes()), Refusal):
            return count
        count += 1


def kill() -> None:
    """It comes back: calls wait for it."""
    assert init.kill(0) is None
