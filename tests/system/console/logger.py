"""Logs without end, whatever is the matter with the console, and says how that went."""

from __future__ import annotations

from neokernel.abi.kinds import Kind
from neokernel.interfaces.console import Console, Keyboard
from neokernel.interfaces.log import Level, Log
from neokernel.interfaces.system import System, Watch
from neokernel.lang import Array, Setting, Uses, array, setting, slot_of, u8, u64, uses
from neokernel.runtime import system
from neokernel.runtime.must import must, must_get
from neokernel.runtime.objects import Console as Screen
from neokernel.runtime.objects import Notification, Power
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

log: Uses[Log] = uses()
console: Uses[Console] = uses()
init: Uses[System] = uses()
watch: Uses[Watch] = uses()
screen: Uses[Screen] = uses()
power: Uses[Power] = uses()
#: is the console a driver, which can be stopped?
driver: Setting[bool] = setting(False)

LINES: u64 = 200


def main(process: Process) -> None:
    never = must_get(process.make(Kind.NOTIFICATION))
    peep(process)
    found = watch.find(b"console")
    assert isinstance(found, u64), "there is such a service"
    write(process, 1)
    # Whoever shows it does so.
    _ = system.wait(never, system.now() + process.frequency // 100)
    if driver.get(process):
        assert init.stop(found) is None, "it runs"
    write(process, LINES)
    if driver.get(process):
        assert init.start(found) is None, "it was stopped"
        _ = system.wait(never, system.now() + process.frequency)
        for _ in range(10):
            assert init.kill(found) is None, "it is back"
            write(process, 10)
            _ = system.wait(never, system.now() + process.frequency // 10)
        write(process, 1)
        _ = system.wait(never, system.now() + process.frequency)
    must(system.power_off(slot_of(power), 0))


def write(process: Process, lines: u64) -> None:
    failed: u64 = 0
    for _ in range(lines):
        if log.write(Level.WARNING, "a text of some length, so that the log is soon full") is not None:
            failed += 1
    process.console.write(f"{lines} lines logged, {failed} failed\n")


def peep(process: Process) -> None:
    """Who may show something tries to hear what is typed."""
    keys: Uses[Keyboard] = uses(slot_of(console))
    into: Array[u8] = array(8)
    read = keys.read(into[:])
    told = keys.notify(Notification(must_get(process.make(Kind.NOTIFICATION))))
    if isinstance(read, Failure) and told is not None:
        process.console.write(f"read: {read.status.name}, notify: {told.status.name}\n")
