"""Declarations of a program that can't be read: assumed to be what the system file grants it, and grants others of it.

A mistake in one program keeps nobody from asking who reaches what: the system file is the list of all authority there
is, and a declaration adds to a line of it only which interface that is. So what a program is granted it is taken to
use, and what others are granted of it, to provide; an interface is called as the side that can be read calls it.

Only for who asks about authority (`nk graph`, `nk cap why`), and who is told so: nothing is built from that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from neokernel.image.systemfile.document import Document
from neokernel.image.systemfile.machine import RESERVED, Service
from neokernel.image.systemfile.matching import TABLES
from neokernel.image.systemfile.model import SystemFile
from neokernel.image.systemfile.needs import INIT, OBJECTS, Need, Role

#: an interface that neither side says, and what is provided without a name
UNKNOWN = "?"


def assume(services: dict[str, Service], unread: set[str], document: Document, model: SystemFile) -> None:
    """Give each service that is unread the declarations that the file's lines would need."""
    lines = {name: dict(granted(model, name)) for name in model.service}
    known = {name: {need.name: need for need in services[name].program.needs} for name in services.keys() - unread}

    def provided_by(peer: str, name: str) -> Need | None:
        """What a service that was read provides by that name, or at all."""
        fitting = [need for need in known.get(peer, {}).values() if need.role is Role.PROVIDES]
        fitting = [need for need in fitting if name in ("", need.name)]
        return fitting[0] if len(fitting) == 1 else None

    def used(service: str, table: str, name: str, written: Any) -> Need:
        place = document.key("service", service, table, name)
        if table != "uses":
            kind = next(kind for kind, way in OBJECTS.items() if way == table)
            return Need(name, Role.USES, kind, place, is_object=True)
        peer, _, wanted = written.partition(".")
        if peer in RESERVED:
            special = {way: kind for kind, way in (OBJECTS | INIT).items()}.get(written, UNKNOWN)
            return Need(name, Role.USES, special, place, is_object=special in OBJECTS)
        found = provided_by(peer, wanted)
        if found is None:
            return Need(name, Role.USES, UNKNOWN, place)
        return replace(found, name=name, role=Role.USES, span=place)

    def provided(service: str) -> Iterator[Need]:
        taken: set[str] = set()
        for client in services:
            for (table, name), written in lines[client].items():
                peer, _, wanted = written.partition(".") if table == "uses" else ("", "", "")
                if peer != service or (wanted or UNKNOWN) in taken:
                    continue
                taken.add(wanted or UNKNOWN)
                need = known.get(client, {}).get(name)
                place = document.value("service", client, table, name)
                if need is None or need.is_object:
                    yield Need(wanted or UNKNOWN, Role.PROVIDES, UNKNOWN, place)
                else:
                    yield replace(need, name=wanted or UNKNOWN, role=Role.PROVIDES, span=place, lend=0)

    for service in unread & services.keys():
        needs = [used(service, *key, written) for key, written in lines[service].items()]
        names = {need.name for need in needs}
        needs += [need for need in provided(service) if need.name not in names]
        services[service].program = replace(services[service].program, needs=tuple(needs))


def granted(model: SystemFile, service: str) -> Iterator[tuple[tuple[str, str], Any]]:
    """The lines of a service: (table, name), and what is written there."""
    for table in TABLES:
        for name, written in getattr(model.service[service], table).items():
            yield (table, name), written
