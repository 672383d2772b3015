"""What services were granted, and on whom one of them stands: all that init tells of the system's description."""

from __future__ import annotations

from neokernel.abi.description import (
    INIT_SHUTDOWN,
    INIT_SYSTEM,
    MAXIMUM_GRANTS,
    MAXIMUM_NAME,
    MAXIMUM_SERVICES,
    GrantKind,
)
from neokernel.abi.rights import GRANT
from neokernel.interfaces.system import GrantInfo, Unknown, Watch
from neokernel.lang import Array, array, struct, text_of, u8, u64
from neokernel.runtime.system import Failure
from neokernel.services.shell.roster import Roster
from neokernel.services.shell.terminal import Terminal

#: goes on below what a capability is: a line of all of it would be wider than a terminal
BELOW = "\n               "


@struct
class Authority:
    terminal: Terminal
    watch: Watch
    roster: Roster
    frequency: u64

    def show_all(self) -> None:
        for index in range(self.roster.services()):
            self.show(index)

    def show(self, index: u64) -> None:
        """A service's capabilities, by the names that its program has for them."""
        terminal = self.terminal
        terminal.write(f"{self.roster.name(index)}\n")
        text: Array[u8] = array(MAXIMUM_NAME)
        for place in range(u64(MAXIMUM_GRANTS)):
            grant = self.watch.grant(index, place, text[:])
            if isinstance(grant, Unknown | Failure):
                break
            terminal.write(f"  {text_of(text[: min(grant.length, len(text))].bytes()):12} ")
            self.describe(grant)
            if grant.kind is GrantKind.PROVIDES:
                self.users(index, place)
            terminal.write("\n")
        self.lent_to(index)

    def describe(self, grant: GrantInfo) -> None:
        terminal, target, size = self.terminal, grant.target, grant.size
        match grant.kind:
            case GrantKind.NONE:
                terminal.write("nothing: it was denied when the system was built")
            case GrantKind.PROVIDES:
                terminal.write("is provided to")
            case GrantKind.USES:
                terminal.write(f"calls {self.roster.name(target)}")
                terminal.write(f".{self.roster.grant(target, size)}")
                if grant.rights & GRANT != 0:
                    terminal.write(", and passes capabilities")
                if not grant.exists:
                    terminal.write(";")
                    terminal.write(BELOW)
                    terminal.write("it is down for good, until it is started")
            case GrantKind.DEVICE:
                terminal.write(f"registers at {target:#x}")
            case GrantKind.INTERRUPT:
                terminal.write(f"interrupt {target}")
            case GrantKind.DMA:
                terminal.write(f"lets a device reach {size} pages of memory")
            case GrantKind.PROCESSOR:
                terminal.write(f"kernel.processor: gives out time, up to priority {target}")
            case GrantKind.POWER:
                terminal.write("kernel.power: switches the machine off")
            case GrantKind.CONSOLE:
                terminal.write("kernel.console: writes there")
            case GrantKind.MEMORY:
                terminal.write(f"memory beyond its own: {size // 1024} KiB")
            case GrantKind.SYSTEM:
                if target == INIT_SYSTEM:
                    terminal.write("init.system: ends, starts and replaces every service,")
                    terminal.write(BELOW)
                    terminal.write("and lends what it has")
                elif target == INIT_SHUTDOWN:
                    terminal.write("init.shutdown: ends all other services")
                else:
                    terminal.write("init.watch: sees what every service does, and what it has")
            case GrantKind.TRACE:
                terminal.write(f"kernel.trace: records what the kernel does, in {size} pages")

    def users(self, provider: u64, place: u64) -> None:
        """Who calls what a service provides."""
        found = False
        for index in range(self.roster.services()):
            if self.calls(index, provider, place):
                self.terminal.write("," if found else "")
                self.terminal.write(f" {self.roster.name(index)}")
                found = True
        if not found:
            self.terminal.write(" nobody")

    def calls(self, index: u64, provider: u64, place: u64) -> bool:
        none: Array[u8] = array(1)
        for own in range(u64(MAXIMUM_GRANTS)):
            grant = self.watch.grant(index, own, none[:0])
            if isinstance(grant, Unknown | Failure):
                return False
            if grant.kind is GrantKind.USES and grant.target == provider and grant.size == place:
                return True
        return False

    def lent_to(self, index: u64) -> None:
        """What it has for a time, of others."""
        number: u64 = 0
        while True:
            lent = self.watch.delegated(number)
            if isinstance(lent, Unknown | Failure):
                return
            number += 1
            if lent.to == index:
                tenths = lent.left * 10 // self.frequency
                self.terminal.write(f"  slot {lent.at:<7} lent for {tenths // 10}.{tenths % 10} s: ")
                self.terminal.write(f"{self.roster.name(lent.service)}")
                self.terminal.write(f".{self.roster.grant(lent.service, lent.place)}\n")

    def stands_on(self, index: u64, place: u64, other: u64) -> bool:
        """Does a service need `other`, to reach what its grant at `place` is? It needs itself."""
        if index == other:
            return True
        none: Array[u8] = array(1)
        first = self.watch.grant(index, place, none[:0])
        if isinstance(first, Unknown | Failure) or first.kind is not GrantKind.USES or first.target >= index:
            return False
        needed: Array[bool] = array(MAXIMUM_SERVICES, False)
        needed[first.target] = True
        # Who is used starts before who uses it, so one pass finds all.
        for used in reversed(range(first.target + 1)):
            if not needed[used]:
                continue
            for own in range(u64(MAXIMUM_GRANTS)):
                grant = self.watch.grant(used, own, none[:0])
                if isinstance(grant, Unknown | Failure):
                    break
                if grant.kind is GrantKind.USES and grant.target < used:
                    needed[grant.target] = True
        return other < MAXIMUM_SERVICES and needed[other]
