"""Descriptions: what is made is read back, on the host and by init; what is damaged is refused, in every reading."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from neokernel import lang
from neokernel.abi import description as layout
from neokernel.abi.description import Escalation, GrantKind, RestartPolicy
from neokernel.cli.main import guarded
from neokernel.compiler import jit
from neokernel.compiler.pipeline import State, run_front_end
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.image import description as host
from neokernel.image.description import (
    BadDescription,
    Has,
    Program,
    Provides,
    Restart,
    Service,
    System,
    Uses,
    pack,
    read,
)
from neokernel.lang.sequences import BYTE, window
from neokernel.lang.wire import wire_over
from neokernel.services.init import description as target
from neokernel.services.init.description import Problem
from tests.services import description_walk

MODULE = "tests.services.description_walk"
REFUSED = int(description_walk.REFUSED)

LOG = Service(
    "log", "logger", (Provides("lines", 7), Has("console", GrantKind.CONSOLE)), (("level", 3), ("prefix", b"> "))
)
NET = Service(
    "net",
    "network",
    (
        Uses("log", "log", "lines", 7, lend=8192),
        Provides("sockets", 9),
        Has("registers", GrantKind.DEVICE, 0x1000_1000),
        Has("line", GrantKind.INTERRUPT, 8),
        Has("pins", GrantKind.DMA, size=64),
        Has("room", GrantKind.MEMORY, size=1 << 20),
        Has("denied", GrantKind.NONE, size=4096),
    ),
    (("address", -1),),
    memory=1 << 20,
    priority=200,
    budget=500,
    period=1000,
    restart=Restart(RestartPolicy.ALWAYS, 10, 1000, 3, 1_000_000, Escalation.RESTART_DEPENDANTS),
    state=8192,
    heartbeat=100_000,
)
SHELL = Service("shell", "shell", (Uses("log", "log", "lines", 7), Uses("net", "net", "sockets", 9)), passive=True)
SYSTEM = System("demo", "qemu-virt", (LOG, NET, SHELL), (Program("logger", 77), Program("shell")))


def view(data: bytes) -> Any:
    """The bytes as a Span."""
    span: Any = lang.Span
    return window(span, bytearray(data), 0, len(data), BYTE)


def seen(data: bytes) -> int:
    """What init's reader says under CPython."""
    return int(description_walk.walk(view(data)))


@functools.cache
def compiled() -> Callable[[bytes], int]:
    """init's reader, compiled for the host with all checks."""
    state = run_front_end(State(PACKAGE_ROOT, [MODULE]))
    assert state.program is not None
    assert not state.diagnostics.items, state.diagnostics.sorted()
    library = jit.Library(state.program, (f"{MODULE}.walk",), poison=True, keep=True)
    return lambda data: int(library.call(f"{MODULE}.walk", data))


def problem(data: bytes) -> tuple[Problem, int] | None:
    refusal: Any = target.check(target.Description(memory=view(data)))
    return None if refusal is None else (refusal.problem, int(refusal.place))


def changed(change: Callable[[Any], None], system: System = SYSTEM) -> bytes:
    """A description with something changed in its bytes, and the checksum right again."""
    memory = bytearray(pack(system))
    change(memory)
    return host.sealed(memory)


# --- what is made is read ---------------------------------------------------------------------------------------------


def test_what_is_made_is_read_back() -> None:
    net = replace(NET, settings=(("address", (1 << 64) - 1),))
    assert read(pack(SYSTEM)) == replace(SYSTEM, services=(LOG, net, SHELL))
    assert pack(SYSTEM) == pack(read(pack(SYSTEM))), "the same system, the same bytes"


def test_init_accepts_it_and_reads_the_same() -> None:
    data = pack(SYSTEM)
    assert problem(data) is None
    description = target.Description(memory=view(data))
    assert target.check(description) is None
    names = [bytes(description.text(description.service(lang.u64(i)).name)) for i in range(3)]
    assert names == [b"log", b"net", b"shell"]
    grant = description.grant(lang.u64(10))
    assert bytes(description.text(grant.name)) == b"net"
    provided = description.grant(grant.target)
    assert bytes(description.text(provided.name)) == b"sockets"
    setting = description.setting(lang.u64(1))
    assert bytes(description.text(setting.text)) == b"> "
    assert seen(data) == compiled()(data) < REFUSED


def test_the_checksum_is_the_same_on_both_sides() -> None:
    data = bytes(range(256)) * 4
    assert host.checksum(data) == layout.checksum(lang.byte_view(data[layout.CHECKED_FROM :]))


def test_who_is_used_comes_first() -> None:
    backwards = System("demo", "qemu-virt", (SHELL, NET, LOG))
    assert [service.name for service in read(pack(backwards)).services] == ["log", "net", "shell"]


# --- what can't be described ------------------------------------------------------------------------------------------

OTHER = Service("other", "other", (Provides("o"), Uses("b", "back", "b")))
BACK = Service("back", "back", (Provides("b"), Uses("o", "other", "o")))


@pytest.mark.parametrize(
    ("services", "said"),
    [
        ((), "the system's number of services is 0; it must be from 1 to 192"),
        (
            tuple(Service(f"s{n}", "x", tuple(Provides(f"p{m}") for m in range(64))) for n in range(48)),
            "what init's table needs for all services and grants, in slots, is 4800; it must be from 0 to 4096",
        ),
        ((LOG, LOG), "a service called 'log' is there twice"),
        ((OTHER, BACK), "services use each other in a circle: other → back → other"),
        ((SHELL,), "service 'shell': grant 'log': nobody provides log.lines"),
        ((replace(LOG, name="two words"),), "service 'two words': 'two words' is no name"),
        ((replace(LOG, memory=5000),), "service 'log': 5000 bytes of memory are no whole pages of 4096"),
        ((replace(LOG, priority=255),), "service 'log': priority is 255; it must be from 0 to 254"),
        ((replace(LOG, period=10, budget=11),), "service 'log': budget is 11; it must be from 1 to 10"),
        ((replace(LOG, capabilities=33),), "service 'log': 33 capabilities; with its grants it needs 34"),
        ((replace(LOG, grants=(Provides("x"), Provides("x"))),), "service 'log': a grant called 'x' is there twice"),
        ((replace(LOG, grants=(Uses("x", "log", "lines"),)),), "service 'log': grant 'x': a service can't use itself"),
        (
            (LOG, replace(SHELL, grants=(Uses("log", "log", "lines", 8),))),
            "service 'shell': grant 'log': log.lines has the contract 0000000000000007, and this was made for",
        ),
        ((LOG, replace(SHELL, grants=(Uses("log", "log", "lines", 7, lend=5000),))), "5000 bytes that it lends are no"),
        (
            (LOG, replace(SHELL, grants=tuple(Uses(name, "log", "lines", 7, lend=4096) for name in "ab"))),
            "service 'shell': a region that it lends to 'log' is there twice",
        ),
        ((replace(LOG, settings=(("x", 1 << 64),)),), "service 'log': setting 'x' is 18446744073709551616"),
        ((replace(LOG, settings=(("x", b"." * 2049),)),), "service 'log': its settings' texts have 2049 bytes"),
        ((replace(LOG, grants=(Has("x", GrantKind.DMA),)),), "service 'log': grant 'x': size is 0"),
        ((replace(LOG, grants=(Has("x", GrantKind.NONE, size=100),)),), "'x': 100 bytes that it lends are no whole"),
        ((replace(LOG, grants=(Has("x", GrantKind.USES),)),), "service 'log': grant 'x': endpoints are described by"),
    ],
)
def test_what_cant_be_described_is_told(services: tuple[Service, ...], said: str) -> None:
    with pytest.raises(BadDescription) as told:
        pack(System("demo", "qemu-virt", services))
    assert said in str(told.value)


# --- what init refuses ------------------------------------------------------------------------------------------------


def record(memory: bytearray, kind: Any, index: int) -> Any:
    """A record of a description's bytes."""
    start = 0
    kinds = ((layout.Header, 1), (layout.Service, 3), (layout.Grant, 11), (layout.Setting, 3), (layout.Program, 2))
    for other, count in kinds:
        if other is kind:
            return wire_over(kind, memory, start + index * int(lang.size_of(kind)))
        start += count * int(lang.size_of(other))
    raise AssertionError(kind)


def put(kind: Any, index: int, path: str, number: int) -> Callable[[bytearray], None]:
    def change(memory: bytearray) -> None:
        target = record(memory, kind, index)
        *names, last = path.split(".")
        for name in names:
            target = getattr(target, name)
        setattr(target, last, number)

    return change


H, S, G, C = layout.Header, layout.Service, layout.Grant, layout.Setting


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (put(H, 0, "magic", 1), (Problem.MAGIC, 0)),
        (put(H, 0, "version", 2), (Problem.VERSION, 2)),
        (put(H, 0, "size", 1 << 31), (Problem.TRUNCATED, 1 << 31)),
        (put(H, 0, "service_count", 0), (Problem.COUNTS, 0)),
        (put(H, 0, "service_count", 193), (Problem.COUNTS, 0)),
        (put(H, 0, "grant_count", 1 << 31), (Problem.COUNTS, 0)),
        (put(H, 0, "grant_count", 4000), (Problem.COUNTS, 1024 + 4096)),
        (put(H, 0, "grant_count", 12), (Problem.SIZE, len(pack(SYSTEM)))),
        (put(H, 0, "board.length", 0), (Problem.NAME, 0)),
        (put(S, 1, "name.length", 49), (Problem.NAME, 1)),
        (put(S, 1, "name.offset", 0xFFFF_FFFF), (Problem.NAME, 1)),
        (put(S, 0, "program.length", 0), (Problem.NAME, 0)),
        (put(S, 2, "memory", 4097), (Problem.MEMORY, 2)),
        (put(S, 2, "memory", 0), (Problem.MEMORY, 2)),
        (put(S, 2, "state", 1 << 40), (Problem.MEMORY, 2)),
        (put(S, 2, "capabilities", 0), (Problem.CAPABILITIES, 2)),
        (put(S, 1, "budget", 1001), (Problem.TIME, 1)),
        (put(S, 1, "budget", 0), (Problem.TIME, 1)),
        (put(S, 1, "period", 1 << 63), (Problem.TIME, 1)),
        (put(S, 1, "backoff", 1001), (Problem.TIME, 1)),
        (put(S, 1, "priority", 255), (Problem.TIME, 1)),
        (put(S, 1, "longest_backoff", 1 << 63), (Problem.TIME, 1)),
        (put(S, 1, "window", 1 << 63), (Problem.TIME, 1)),
        (put(S, 1, "heartbeat", 1 << 63), (Problem.TIME, 1)),
        (put(S, 1, "policy", 3), (Problem.POLICY, 1)),
        (put(S, 1, "escalation", 255), (Problem.POLICY, 1)),
        (put(S, 1, "passive", 2), (Problem.POLICY, 1)),
        (put(S, 1, "grant_first", 3), (Problem.RANGE, 1)),
        (put(S, 1, "grant_count", 0xFFFF_FFFF), (Problem.RANGE, 1)),
        (put(S, 2, "grant_count", 1), (Problem.RANGE, 3)),
        (put(S, 1, "setting_first", 0), (Problem.RANGE, 1)),
        (put(S, 1, "setting_count", 65), (Problem.RANGE, 1)),
        (put(G, 3, "name.length", 0), (Problem.NAME, 3)),
        (put(G, 3, "owner", 2), (Problem.OWNER, 3)),
        (put(G, 3, "kind", 12), (Problem.KIND, 3)),
        (put(G, 3, "rights", 0xFFFF), (Problem.RIGHTS, 3)),
        (put(G, 2, "target", 11), (Problem.TARGET, 2)),
        (put(G, 2, "target", 1), (Problem.TARGET, 2)),
        (put(G, 2, "target", 3), (Problem.TARGET, 2)),
        (put(G, 2, "interface", 8), (Problem.CONTRACT, 2)),
        (put(G, 2, "size", 8191), (Problem.MEMORY, 2)),
        (put(G, 2, "size", 1 << 20), (Problem.MEMORY, 2)),
        (put(G, 6, "size", 0), (Problem.TARGET, 6)),
        (put(G, 8, "size", 1), (Problem.MEMORY, 8)),
        (put(G, 8, "size", 1 << 27), (Problem.MEMORY, 8)),
        (put(G, 7, "size", 4095), (Problem.MEMORY, 7)),
        (put(C, 1, "name.offset", 1 << 20), (Problem.NAME, 1)),
        (put(C, 2, "owner", 0), (Problem.OWNER, 2)),
        (put(C, 2, "kind", 2), (Problem.KIND, 2)),
        (put(C, 1, "text.length", 0xFFFF_FFFF), (Problem.TEXT, 1)),
        (put(H, 0, "program_count", 257), (Problem.COUNTS, 257)),
        (put(layout.Program, 1, "name.length", 0), (Problem.NAME, 1)),
    ],
)
def test_init_refuses_it_and_says_why(change: Callable[[bytearray], None], found: tuple[Problem, int]) -> None:
    data = changed(change)
    assert problem(data) == found
    number, place = found
    assert compiled()(data) == REFUSED | int(number.value) << 48 | min(place, (1 << 48) - 1)


def test_who_is_used_must_come_first() -> None:
    """init starts services in the description's order, and ends them in the opposite one."""

    def backwards(memory: bytearray) -> None:
        """The log uses what the network provides."""
        for path, number in (("kind", GrantKind.USES.value), ("target", 3), ("interface", 9)):
            put(G, 1, path, number)(memory)

    data = changed(backwards)
    assert problem(data) == (Problem.TARGET, 1)
    assert compiled()(data) == REFUSED | int(Problem.TARGET.value) << 48 | 1


def test_every_problem_has_a_case() -> None:
    marks: Any = test_init_refuses_it_and_says_why.pytestmark  # type: ignore[attr-defined]
    shown = {found[0] for _, found in marks[0].args[1]}
    assert set(Problem) - shown == {Problem.CHECKSUM}


def test_every_bit_counts() -> None:
    """Whichever bit is wrong, it is refused: of names and numbers, too."""
    good = pack(SYSTEM)
    walk = compiled()
    for bit in range(len(good) * 8):
        data = bytearray(good)
        data[bit // 8] ^= 1 << bit % 8
        assert walk(bytes(data)) >= REFUSED, f"bit {bit}"
    assert problem(good[:-1] + b"?") == (Problem.CHECKSUM, 0)


@pytest.mark.parametrize("length", range(0, len(pack(SYSTEM)), 7))
def test_one_that_is_cut_off_is_refused(length: int) -> None:
    found = problem(pack(SYSTEM)[:length])
    assert found is not None
    assert found[0] is Problem.TRUNCATED
    with pytest.raises(BadDescription):
        read(pack(SYSTEM)[:length])


def damaged(numbers: random.Random, good: bytes) -> bytes:
    """A few bytes or words changed, the checksum right again."""
    memory = bytearray(good)
    for _ in range(numbers.choice((1, 1, 2, 3, 8))):
        place = numbers.randrange(len(memory))
        if numbers.random() < 0.5:
            memory[place] = numbers.choice((0, 1, 0x7F, 0x80, 0xFF, numbers.randrange(256)))
        else:
            word = numbers.choice((0, 1, len(memory), 0x7FFF_FFFF, 0xFFFF_FFFF, numbers.getrandbits(32)))
            place = min(place & ~3, len(memory) - 4)
            memory[place : place + 4] = word.to_bytes(4, "little")
    return host.sealed(memory) if numbers.random() < 0.95 else bytes(memory)


def campaign(count: int, seed: int) -> tuple[int, int]:
    """So many damaged descriptions through init's reader: how many it accepted and refused. It never fails a check."""
    numbers, walk, good = random.Random(seed), compiled(), pack(SYSTEM)
    accepted = sum(walk(damaged(numbers, good)) < REFUSED for _ in range(count))
    return accepted, count - accepted


def test_damaged_ones_never_fail_a_check() -> None:
    accepted, refused = campaign(5000, 1)
    assert accepted > 100, "what makes sense is accepted"
    assert refused > 1000


def test_damaged_ones_under_cpython() -> None:
    numbers, good = random.Random(2), pack(SYSTEM)
    for _ in range(60):
        data = damaged(numbers, good)
        assert seen(data) == compiled()(data), data.hex()


@pytest.mark.parametrize("module", ["abi/description", "services/init/description"])
def test_no_check_fails_whatever_the_bytes_are(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is proven."""
    path = PACKAGE_ROOT / Path("neokernel", module).with_suffix(".py")
    assert guarded(["prove", str(path)]) == 0, capsys.readouterr().err
