"""A program that uses `Calls`, rightly and wrongly."""

from __future__ import annotations

from calls import Calls, Level, Missing, Place, Trouble

from neokernel.abi.buffer import MOVE
from neokernel.abi.call import message
from neokernel.abi.kinds import Kind
from neokernel.lang import Array, Order, Setting, Uses, array, f64, i8, setting, slot_of, u8, u32, u64, uses
from neokernel.runtime import interface, system
from neokernel.runtime.must import must, must_get
from neokernel.runtime.objects import Notification
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure
from neokernel.runtime.thread import spawn

calls: Uses[Calls] = uses()
small: Setting[i8] = setting(-3)
name: Setting[str] = setting("nobody")
level: Setting[Level] = setting(Level.HIGH)
key: Setting[bytes] = setting(b"key")
ready: Setting[bool] = setting(True)
rate: Setting[f64] = setting(0.5)

#: of the texts' bytes
SUM: u32 = 1417
FIRST_SUM: u32 = 1569


def main(process: Process) -> None:
    settings(process)
    numbers()
    texts()
    capabilities(process)
    refusals(process)
    threads(process)
    process.console.write("all answered\n")


def thread(process: Process, argument: u64) -> None:
    """Calls like the first one, with a buffer of its own."""
    for _ in range(200):
        assert must_get(calls.write(Level.ODD, "another thread")) == SUM + 7
    assert argument == 77


def threads(process: Process) -> None:
    """Two at once, with messages that take the threads' buffers."""
    finished = must_get(process.make(Kind.NOTIFICATION))
    ticks = process.frequency // 1000
    _ = must_get(spawn(process, 77, 100, ticks, ticks, finished))
    for _ in range(200):
        assert must_get(calls.write(Level.LOW, "the first thread")) == FIRST_SUM
    _ = must_get(system.wait(finished))


def settings(process: Process) -> None:
    """Some have values, some have wrong ones, and some have none."""
    assert small.get(process) == -100 and name.get(process) == "somebody"
    assert level.get(process) is Level.HIGH, "its value is no member's"
    assert key.get(process) == b"key", "its bytes lie outside of the page"
    assert not ready.get(process) and rate.get(process) == 0.5


def numbers() -> None:
    assert must_get(calls.add(0xFFFF_FFFF_FFFF_FFFF, 3)) == 2
    moved = calls.moved(Place(65535, -128, Level.HIGH, False), 7)
    assert not isinstance(moved, Failure | Trouble)
    assert moved == Place(65535, -121, Level.ODD, True)
    wrong = calls.moved(moved, 0)
    assert not isinstance(wrong, Failure | Place) and wrong is Trouble.SIGNED
    assert must_get(calls.halved(-5.0)) == -2.5
    number = calls.many(7, 255, -4_000_000_000, False, Level.ODD, 0)
    assert not isinstance(number, Failure | Trouble | Missing) and number == -4_000_000_007
    missing = calls.many(7, 255, -4, True, Level.HIGH, 0xFFFF_FFFF)
    assert isinstance(missing, Missing) and missing == Missing(0xFFFF_FFFF, 255)
    full = calls.many(7, 255, -4, True, Level.LOW, 0)
    assert isinstance(full, Trouble) and full is Trouble.FULL


def texts() -> None:
    assert must_get(calls.write(Level.ODD, "ab")) == 97 + 98 + 7
    assert must_get(calls.write(Level.LOW, "")) == 0
    long: Array[u8] = array(128, 1)
    assert must_get(calls.join(long.bytes(), 5, b"123456789")) == 128_014
    failure = calls.join(long.bytes(), 5, b"1234567890")
    assert isinstance(failure, Failure) and failure.argument == interface.FIRST_PARAMETER + 2
    read = calls.read(50, long[3:40])
    assert not isinstance(read, Failure | Trouble) and read == 37
    assert long[2] == 1 and long[3] == 50 and long[39] == 86 and long[40] == 1
    nothing = calls.read(0, long[0:0])
    assert isinstance(nothing, Trouble)


def capabilities(process: Process) -> None:
    for _ in range(300):
        mine = must_get(process.make(Kind.NOTIFICATION))
        given = must_get(process.make(Kind.NOTIFICATION))
        must(calls.tell(Notification(mine), Notification(given)))
        assert must_get(system.poll(mine)) == 1
        assert not process.slots().is_taken(given)
        must(process.drop(mine))
        fresh = calls.fresh(True)
        assert isinstance(fresh, Notification)
        assert must_get(system.poll(fresh.slot)) == 1
        must(process.drop(fresh.slot))
        assert calls.fresh(False) is None


def refusals(process: Process) -> None:
    """What no proxy sends."""
    version = must_get(interface.version_of(slot_of(calls)))
    base = version >> 40 << 8
    process.console.write("says: ")
    say(process, "no version", message(base + 256 | 1, 2), 1)
    say(process, "no method", message(base | 200, 2), 1)
    say(process, "too short", message(base | 1, 1), 1)
    say(process, "too long", message(base | 1, 3), 1)
    say(process, "capabilities", message(base | 1, 2, 1), 1)
    say(process, "no member", message(base | 2, 5), 2)
    say(process, "no length", message(base | 5, 4), 200)
    say(process, "another length", message(base | 5, 5), 9)
    process.buffer.words[0] = 0xFF
    say(process, "not UTF-8", message(base | 5, 5), 1)
    made = must_get(process.make(Kind.NOTIFICATION))
    process.buffer.capabilities[1].store(u32(made), Order.RELAXED)
    say(process, "one too few", message(base | 8, 0, 1), 1)
    process.buffer.capabilities[1].store(u32(made) | MOVE, Order.RELAXED)
    say(process, "words, too", message(base | 8, 1, 2), 1)


def say(process: Process, what: str, word: u64, second: u64) -> None:
    process.buffer.capabilities[0].store(u32(slot_of(calls)), Order.RELAXED)
    answer = must_get(system.call(slot_of(calls), word, 0, second, 0, 200))
    failure = interface.refusal(answer)
    process.console.write(f"{what}: {failure.status.name} of argument {failure.argument}\n")
