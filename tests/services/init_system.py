"""The described system that the tests of init run: every kind of service, and many that do nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from neokernel.abi.description import INIT_SHUTDOWN, INIT_WATCH, Escalation, GrantKind, RestartPolicy
from neokernel.image.description import Grant, Has, Provides, Restart, Service, System, Uses
from neokernel.image.needs import needs_of

MACHINE = Path(__file__).parent / "machine"
#: what is a program there
PROGRAMS = {
    name: MACHINE / f"{name}.py"
    for name in (
        "adder",
        "adder2",
        "asker",
        "bare",
        "beater",
        "counter",
        "counter2",
        "clock",
        "counter3",
        "ender",
        "idle",
        "later",
        "later2",
        "mid",
        "mute",
        "patient",
        "quitter",
        "replacer",
        "tester",
        "tracer",
    )
}
#: so that there are more than 128 services
IDLE = 122

OFTEN = Restart(backoff=50, longest_backoff=50, limit=1 << 31)
STATE = 4096


def counting(name: str, **more: Any) -> Service:
    usual: dict[str, Any] = {"grants": (Provides("requests"),), "restart": OFTEN}
    return Service(name, "counter", settings=(("level", 42),), **(usual | more))


def restart(limit: int, escalation: Escalation) -> Restart:
    return Restart(backoff=50, longest_backoff=100, limit=limit, window=1_000_000, escalation=escalation)


def system(kills: int, swaps: int, idle: int = IDLE, tell: bool = False) -> System:
    """`kills` and `swaps`: how many of them. `tell`: how long services took to be back, a line each."""
    services = (
        counting("counter", state=STATE),
        counting("fragile", state=STATE, restart=restart(2, Escalation.GIVE_UP)),
        counting("base", state=STATE, restart=restart(1, Escalation.RESTART_DEPENDANTS)),
        Service(
            "upper", "counter", (Provides("requests"), Uses("base", "base", "requests")), state=STATE, restart=OFTEN
        ),
        counting(
            "lonely",
            grants=(Provides("requests"), Has("processor", GrantKind.PROCESSOR, target=99)),
            state=STATE,
        ),
        Service("watched", "beater", (Provides("requests"),), heartbeat=5000, priority=150, restart=OFTEN),
        counting("passive", state=STATE, passive=True),
        Service("bare", "bare", (Provides("requests"), Has("denied", GrantKind.NONE), Provides("more")), restart=OFTEN),
        Service(
            "clock",
            "clock",
            (
                Provides("requests"),
                Has("registers", GrantKind.DEVICE, 0x10_1000),
                Has("line", GrantKind.INTERRUPT, 11),
                Has("devices", GrantKind.DMA, size=4),
                Has("room", GrantKind.MEMORY, size=16384),
            ),
            restart=OFTEN,
        ),
        Service("tracer", "tracer", (Has("ring", GrantKind.TRACE, size=16),), restart=OFTEN),
        *(Service(f"idle{number}", "idle", restart=OFTEN) for number in range(idle)),
        Service(
            "tester",
            "tester",
            (
                Has("init", GrantKind.SYSTEM),
                *(
                    Uses(name, name, "requests")
                    for name in ("counter", "fragile", "lonely", "watched", "passive", "bare", "clock")
                ),
                Has("console", GrantKind.CONSOLE),
                Has("power", GrantKind.POWER),
                Has("processor", GrantKind.PROCESSOR, target=200),
                Uses("more", "bare", "more"),
                Has("watch", GrantKind.SYSTEM, INIT_WATCH),
            ),
            (("kills", kills), ("swaps", swaps), ("text", "in words"), ("tell", tell)),
            memory=8 << 20,
            capabilities=4096,
            priority=120,
            restart=Restart(RestartPolicy.NEVER),
        ),
    )
    return System("tests", "qemu-virt", services)


def replaced() -> System:
    """Services whose replacement goes wrong."""
    grants: tuple[Grant, ...] = (
        Has("init", GrantKind.SYSTEM),
        Has("watch", GrantKind.SYSTEM, INIT_WATCH),
        *(Uses(name, name, "requests") for name in ("counter", "watched", "mid")),
        Has("console", GrantKind.CONSOLE),
        Has("power", GrantKind.POWER),
        Has("processor", GrantKind.PROCESSOR, target=200),
        Has("devices", GrantKind.DMA, size=4),
        Has("shutdown", GrantKind.SYSTEM, INIT_SHUTDOWN),
    )
    services = (
        counting("counter", state=STATE),
        Service(
            "watched",
            "beater",
            (Provides("requests"),),
            state=STATE,
            heartbeat=5000,
            priority=150,
            restart=restart(1, Escalation.HALT),
        ),
        Service("mid", "mid", (Provides("requests"), Uses("counter", "counter", "requests"))),
        counting("base", state=STATE, restart=restart(0, Escalation.RESTART_DEPENDANTS)),
        Service(
            "holder",
            "mid",
            (Provides("requests"), Uses("base", "base", "requests")),
            restart=restart(0, Escalation.GIVE_UP),
        ),
        Service("idle", "idle", (Uses("holder", "holder", "requests"),)),
        Service(
            "replacer",
            "replacer",
            grants,
            memory=8 << 20,
            capabilities=512,
            priority=120,
            restart=Restart(RestartPolicy.NEVER),
        ),
    )
    return System("replaced", "qemu-virt", services)


def typed(clients: int, swaps: int, asker: str = "asker") -> System:
    """A typed interface: so many clients, and so many times what serves it is replaced."""
    (declared,) = [need for need in needs_of(PROGRAMS["asker"]) if need.name == "sums"]
    grants: tuple[Grant, ...] = (
        Uses("sums", "adder", "sums", declared.version, lend=declared.lend),
        Has("init", GrantKind.SYSTEM),
        Has("watch", GrantKind.SYSTEM, INIT_WATCH),
        Has("console", GrantKind.CONSOLE),
        Has("power", GrantKind.POWER),
        Has("processor", GrantKind.PROCESSOR, target=200),
    )
    settings = (("clients", clients), ("swaps", swaps)) if asker == "asker" else ()
    return System(
        "typed",
        "qemu-virt",
        (
            Service("adder", "adder", (Provides("sums", declared.version),), state=STATE),
            Service("asker", asker, grants, settings, memory=8 << 20, capabilities=4096, priority=120),
        ),
    )
