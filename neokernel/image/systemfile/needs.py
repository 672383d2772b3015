"""What a program declares in its source: whom it uses, what it provides, which settings it has.

    log: Uses[Log] = uses()
    echo: Provides[Echo] = provides()
    level: Setting[u8] = setting(3)

`neokernel/image/needs.py` reads them, on syntax alone; here they are in the terms of a system file. Nothing is
compiled, and what is wrong with a program is another matter, which `nk check` tells, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from neokernel.compiler.ir import Span
from neokernel.image.needs import Need as Declared
from neokernel.image.needs import placed_needs_of
from neokernel.lang.interfaces.declare import OBJECTS as OBJECTS_MODULE


class Role(Enum):
    """The class that a declaration's annotation names."""

    USES = "Uses"
    PROVIDES = "Provides"
    SETTING = "Setting"


#: what is no interface but the kernel's: the class's name in OBJECTS_MODULE → how a system file grants it
OBJECTS = {
    "Device": "devices",
    "Interrupt": "interrupts",
    "Dma": "dma",
    "Memory": "pools",
    "Processor": "kernel.processor",
    "Power": "kernel.power",
    "Console": "kernel.console",
    "Trace": "kernel.trace",
}
#: the interfaces of init, which is no service: by their full names
INIT = {
    "neokernel.interfaces.system.System": "init.system",
    "neokernel.interfaces.system.Watch": "init.watch",
    "neokernel.interfaces.system.Shutdown": "init.shutdown",
}

#: integer types of settings: least and greatest value
WIDTHS = {f"u{bits}": (0, (1 << bits) - 1) for bits in (8, 16, 32, 64)} | {"usize": (0, (1 << 64) - 1)}
WIDTHS |= {f"i{bits}": (-(1 << bits - 1), (1 << bits - 1) - 1) for bits in (8, 16, 32, 64)}
TEXTS, FLOATS = ("str", "bytes"), ("f32", "f64")


@dataclass(frozen=True)
class Need:
    """A declaration. `type` is the full name of an interface (`neokernel.interfaces.log.Log`), else a plain one."""

    name: str
    role: Role
    type: str
    span: Span
    #: of an interface: its contract's version; 0 if the interface is wrong
    version: int = 0
    #: do its calls carry capabilities?
    grants: bool = False
    #: bytes that the client lends the server
    lend: int = 0
    #: of a setting: an enum's as a number, bytes as hexadecimal text
    default: bool | int | float | str = 0
    #: of a setting that is an enum's
    members: tuple[tuple[str, int], ...] = ()
    #: is it the kernel's?
    is_object: bool = False
    #: may a system file leave it out?
    optional: bool = False

    @property
    def short(self) -> str:
        """The type's name, as the program writes it."""
        return self.type.rpartition(".")[2]

    @property
    def special(self) -> str | None:
        """What a system file grants for it that no service provides: "kernel.power", "init.watch"."""
        return OBJECTS.get(self.type) if self.is_object else INIT.get(self.type)

    @property
    def contract(self) -> object:
        """What must be the same on both sides."""
        return self.version or self.type

    def __str__(self) -> str:
        """As the program says it."""
        return f"{self.name}: {self.role.value}[{self.short}]"


def needs_of(program: Path) -> list[Need]:
    """What the program in this file declares, in order. One that can't be read declares nothing."""
    return [need_of(found, replace(span, file=shown(program))) for found, span in placed_needs_of(program)]


def need_of(found: Declared, span: Span) -> Need:
    role = {"uses": Role.USES, "provides": Role.PROVIDES, "setting": Role.SETTING}[found.kind]
    is_object = found.module == OBJECTS_MODULE
    whole = role is not Role.SETTING and not is_object
    return Need(
        found.name,
        role,
        f"{found.module}.{found.type}" if whole else found.type,
        span,
        found.version,
        found.grants,
        found.lend,
        0 if found.default is None else found.default,
        found.members,
        is_object,
        found.optional,
    )


def shown(path: Path) -> str:
    """A path as the user would write it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
