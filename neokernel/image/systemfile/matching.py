"""What a system file grants a service, held against what its program declares.

Nothing is granted by guessing: a declaration without a line in the system file is an error that shows the line, even
where only one would do, because the file is the list of all authority there is. What a program declares as optional
isn't granted without a line either; that is no error then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from neokernel.abi.kinds import PAGE_SIZE
from neokernel.compiler.diagnostics import suggestion
from neokernel.compiler.ir import Span
from neokernel.image.systemfile import units
from neokernel.image.systemfile.document import Document, Findings, did_you_mean
from neokernel.image.systemfile.machine import RESERVED, Grant, Kind, Machine, Service
from neokernel.image.systemfile.model import Device, SystemFile
from neokernel.image.systemfile.needs import INIT, OBJECTS, Need, Role, shown

#: the tables of a service in which grants stand
TABLES = ("uses", "devices", "interrupts", "dma", "pools")
#: frames that a DmaSpace can pin
MOST_PINNED = 4096


def grant_all(machine: Machine, service: Service, document: Document, model: SystemFile, findings: Findings) -> None:
    """Fill in the service's grants, in the order of its declarations; what doesn't fit is found."""
    Matching(machine, service, document, model, findings).match()


@dataclass
class Matching:
    """Of one service."""

    machine: Machine
    service: Service
    document: Document
    model: SystemFile
    findings: Findings

    def match(self) -> None:
        written = {name: table for table, name in self.written()}
        needs = {need.name: need for need in self.service.program.needs}
        for table, name in self.written():
            self.surplus(table, name, needs)
        for need in self.service.program.used():
            table = table_of(need)
            given = [each for each, name in self.written() if name == need.name]
            if not given:
                self.unmet(need, {name for name in written if name not in needs})
            elif table not in given:
                place = self.document.key("service", self.service.name, given[0], need.name)
                message = f"`{need}` isn't granted by `{given[0]}`"
                self.findings.error("NK2107", message, place, self.line(need), (need.span, "declared here"))
            else:
                grant = self.resolve(need, table)
                if grant is not None:
                    self.service.grants.append(grant)

    def written(self) -> Iterator[tuple[str, str]]:
        """What the system file grants: (table, name)."""
        source = self.model.service[self.service.name]
        for table in TABLES:
            for name in getattr(source, table):
                yield table, name

    def value(self, need: Need) -> str:
        """What is written for a declaration."""
        found: str = getattr(self.model.service[self.service.name], table_of(need))[need.name]
        return found

    def span(self, need: Need) -> Span:
        return self.document.value("service", self.service.name, table_of(need), need.name)

    # --- too much and too little --------------------------------------------------------------------------------------

    def surplus(self, table: str, name: str, needs: dict[str, Need]) -> None:
        """A grant that the program didn't ask for."""
        need = needs.get(name)
        if need is not None and need.role is Role.USES:
            return
        place = self.document.key("service", self.service.name, table, name)
        program = self.service.program.name
        if need is not None:
            what = "is what it provides" if need.role is Role.PROVIDES else "is a setting"
            help = (
                "others use it; here is nothing to write" if need.role is Role.PROVIDES else "write it under `config`"
            )
            message = f"`{name}` can't be granted to `{self.service.name}`: it {what}"
            self.findings.error("NK2102", message, place, help, (need.span, "declared here"))
            return
        open_ = [each.name for each in needs.values() if each.role is Role.USES]
        help = suggestion(name, [each for each in open_ if each not in {known for _, known in self.written()}])
        help = help or self.declaring(table, name)
        message = f"`{self.service.name}` is granted `{name}`, and its program {program} declares no such name"
        self.findings.error("NK2102", message, place, help)

    def declaring(self, table: str, name: str) -> str:
        """What there is to do about a grant that isn't declared."""
        out = "take the line out: what isn't used needn't be granted"
        written = getattr(self.model.service[self.service.name], table)[name]
        type_ = self.granted_type(table, written if isinstance(written, str) else "")
        if type_ is None:
            return out
        file = shown(self.service.program.main)
        return f"if the program is to use it, declare `{name}: Uses[{type_}] = uses()` in {file}; else {out}"

    def granted_type(self, table: str, written: str) -> str | None:
        """The class of what a line grants; None if there is no such thing."""
        if table != "uses":
            return next(type_ for type_, way in OBJECTS.items() if way == table)
        special = {way: type_.rpartition(".")[2] for type_, way in (OBJECTS | INIT).items()}
        peer, dot, wanted = written.partition(".")
        if written in special:
            return special[written]
        other = self.machine.services.get(peer)
        provided = [need.short for need in other.program.provided() if need.name == wanted or not dot] if other else []
        return provided[0] if len(provided) == 1 else None

    def unmet(self, need: Need, spare: set[str]) -> None:
        """A declaration that nothing is granted for."""
        if suggestion(need.name, spare):
            return  # a misspelled grant, and told as that
        if need.optional:
            return
        help = self.line(need)
        message = f"`{self.service.name}` isn't granted `{need}`, which its program declares"
        self.findings.error("NK2101", message, self.service.span, help, (need.span, "declared here"))

    def line(self, need: Need) -> str:
        """What to write for a declaration."""
        table = table_of(need)
        if need.is_object and need.type not in OBJECTS:
            return f"a system file can't grant a {need.type}: who has one passes it on, by a method of an interface"
        if table == "uses" and need.special is not None:
            return f"write {self.entries(table, need, need.special)}"
        if table == "uses":
            who = self.providers(need)
            if not who:
                return f"no service provides {need.short}: add one that does"
            return f"write {self.entries(table, need, *who[:3])}"
        if table in ("dma", "pools"):
            return f"write {self.entries(table, need, '64 KiB')}, or how much it needs"
        devices = self.machine.board.device
        known = sorted(name for name, device in devices.items() if table == "devices" or lines_of(device))
        rest = f", where NAME is one of the board's: {', '.join(known[:8])}" if known else "; the board has none"
        return f"write {self.entries(table, need, 'NAME')}{rest}"

    def entries(self, table: str, need: Need, *texts: str) -> str:
        """Lines, any of which grants what is needed, as they can stand in this file."""
        return self.document.entries(("service", self.service.name, table), need.name, (f'"{each}"' for each in texts))

    def providers(self, need: Need) -> list[str]:
        """Who provides what is needed: "SERVICE.NAME"."""
        return [
            f"{other.name}.{each.name}"
            for other in self.machine.services.values()
            for each in other.program.provided()
            if each.contract == need.contract and other.name != self.service.name
        ]

    # --- what is meant ------------------------------------------------------------------------------------------------

    def resolve(self, need: Need, table: str) -> Grant | None:
        if table == "uses":
            return self.use(need)
        if table == "devices":
            return self.device(need)
        return self.interrupt(need) if table == "interrupts" else self.amount(need, table)

    def use(self, need: Need) -> Grant | None:
        written, span = self.value(need), self.span(need)
        peer, dot, name = written.partition(".")
        if peer in RESERVED:
            if name not in RESERVED[peer]:
                known = [f"{each}.{one}" for each, names in RESERVED.items() for one in names]
                help = did_you_mean(written, known, "there are", "")
                self.findings.error("NK2103", f'there is no "{written}"', span, help)
                return None
            if need.special != written:
                self.misfit(need, f'"{written}" is no {need.short}', span)
                return None
            return Grant(need.name, Kind.SPECIAL, written, need, span)
        if need.is_object:
            self.misfit(need, f'"{written}" is no {need.short}', span)
            return None
        if peer not in self.model.service:
            known = [*self.model.service, *RESERVED]
            help = did_you_mean(peer, known, "services", "")
            self.findings.error("NK2103", f'there is no service "{peer}"', span, help)
            return None
        other = self.machine.services.get(peer)
        return None if other is None else self.endpoint(need, other, name if dot else None, span)

    def endpoint(self, need: Need, other: Service, name: str | None, span: Span) -> Grant | None:
        """What `other` provides: under this name, or as the only one that fits."""
        provided = {each.name: each for each in other.program.provided()}
        fitting = [each for each in provided.values() if each.contract == need.contract]
        if name is None:
            if len(fitting) > 1:
                names = " or ".join(f'"{other.name}.{each.name}"' for each in fitting)
                message = f"`{other.name}` provides {need.short} more than once"
                self.findings.error("NK2105", message, span, f"write {names}")
                return None
            if not fitting:
                message = f"`{other.name}` provides no {need.short}"
                self.findings.error("NK2104", message, span, self.line(need), (need.span, "declared here"))
                return None
            name = fitting[0].name
        if name not in provided:
            known = [each.name for each in fitting] or list(provided)
            help = did_you_mean(name, known, "it provides", "it provides nothing at all")
            self.findings.error("NK2104", f'`{other.name}` provides nothing called "{name}"', span, help)
            return None
        found = provided[name]
        if found.contract != need.contract:
            which = need.type if found.short == need.short else need.short
            message = f"`{other.name}.{name}` isn't the {which} that `{self.service.name}` declares"
            notes = ((need.span, f"declared here: `{need}`"), (found.span, f"and here: `{found}`"))
            self.findings.error("NK2106", message, span, self.line(need), *notes)
            return None
        return Grant(need.name, Kind.ENDPOINT, f"{other.name}.{name}", need, span, peer=other.name, provided=name)

    def misfit(self, need: Need, message: str, span: Span) -> None:
        self.findings.error("NK2107", message, span, self.line(need), (need.span, f"declared here: `{need}`"))

    def device(self, need: Need) -> Grant | None:
        found = self.on_board(self.value(need), self.span(need))
        if found is None:
            return None
        address = self.machine.device(found).address
        return Grant(need.name, Kind.DEVICE, found, need, self.span(need), device=found, number=address)

    def interrupt(self, need: Need) -> Grant | None:
        written, span = self.value(need), self.span(need)
        device, dot, line = written.partition(".")
        found = self.on_board(device, span)
        if found is None:
            return None
        lines = lines_of(self.machine.device(found))
        if not dot and len(lines) == 1:
            (line,) = lines
        if not lines:
            self.findings.error("NK2108", f"`{found}` has no interrupt", span)
        elif not dot and len(lines) > 1:
            names = " or ".join(f'"{found}.{each}"' for each in lines)
            self.findings.error("NK2105", f"`{found}` has several interrupts", span, f"write {names}")
        elif line not in lines:
            known = [f"{found}.{each}" if each else found for each in lines]
            help = did_you_mean(line, known, "it has", "")
            self.findings.error("NK2108", f'`{found}` has no interrupt "{line}"', span, help)
        else:
            target = f"{found}.{line}" if line else found
            return Grant(need.name, Kind.INTERRUPT, target, need, span, device=found, number=lines[line])
        return None

    def on_board(self, name: str, span: Span) -> str | None:
        known = list(self.machine.board.device)
        if name in known:
            return name
        board = self.machine.board.board.name
        help = did_you_mean(name, known, "devices", "it has none at all")
        self.findings.error("NK2108", f'{board} has no device "{name}"', span, help)
        return None

    def amount(self, need: Need, table: str) -> Grant | None:
        size: int = getattr(self.model.service[self.service.name], table)[need.name]
        most = MOST_PINNED * PAGE_SIZE
        shown = f"`{table}.{need.name}`"
        if size % PAGE_SIZE or not size:
            page = units.show_size(PAGE_SIZE)
            message = f"{shown} is {units.show_size(size)}"
            self.findings.error("NK2006", message, self.span(need), f"it is a multiple of {page}, and not nothing")
            return None
        if table == "dma" and size > most:
            message = f"{shown} is {units.show_size(size)}"
            self.findings.error("NK2006", message, self.span(need), f"it is at most {units.show_size(most)}")
            return None
        kind = Kind.DMA if table == "dma" else Kind.POOL
        return Grant(need.name, kind, units.show_size(size), need, self.span(need), number=size)


def table_of(need: Need) -> str:
    """The table of the system file in which a declaration's grant stands."""
    table = OBJECTS.get(need.type, "") if need.is_object else "uses"
    return table if table in TABLES else "uses"


def lines_of(device: Device) -> dict[str, int]:
    """A device's interrupts by their names; the only one has none."""
    return dict(device.interrupts) if device.interrupt is None else {"": device.interrupt}
