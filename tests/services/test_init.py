"""init on the machine: what it makes of descriptions, and what becomes of services whatever happens to them.

The machine's time is that of its instructions, so each run is like every other.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from neokernel import lang
from neokernel.abi.description import DESCRIPTION_NAME, INIT_SHUTDOWN, Escalation, GrantKind, RestartPolicy
from neokernel.abi.kinds import LARGE_SIZE, Kind
from neokernel.abi.status import Status
from neokernel.cli.run import explained
from neokernel.image import qemu
from neokernel.image.archive import Entry
from neokernel.image.description import BadDescription, Has, Provides, Restart, Service, System, Uses, pack
from neokernel.image.elf import Image
from neokernel.image.kernel import build_image_of
from neokernel.image.panic import ConsoleFilter
from neokernel.image.system import INIT, INIT_NAME, build_described
from neokernel.runtime import system as system_calls
from neokernel.runtime.process import Process
from neokernel.runtime.space import Kept
from neokernel.runtime.system import Failure
from neokernel.services.init.build import make_frames
from neokernel.services.init.lifecycle import backoff
from neokernel.services.init.name import Name
from neokernel.sim.loopback import Loopback
from tests.services.init_system import MACHINE, OFTEN, PROGRAMS, replaced, system, typed
from tests.support.machine import QEMU
from tests.support.patience import PATIENCE


@dataclass(frozen=True)
class Run:
    """What a machine did: its exit status, what it showed, and the last lines of the tracebacks of what failed."""

    status: int
    lines: list[str]
    crashes: list[str]
    panics: list[str]


def run(image: Path, timeout: float = PATIENCE) -> Run:
    assert QEMU is not None
    command = [*qemu.command(QEMU, image), *qemu.COUNTED]
    try:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as late:
        pytest.fail(f"it doesn't end: {(late.stdout or b'')[-2000:].decode(errors='replace')}")
    opened = Image(image)
    crashes: list[str] = []
    console = ConsoleFilter(True, lambda record: told(crashes, explained(opened, record, ()).text))
    shown = (console.feed(done.stdout) + console.finish()).decode().replace("\r", "")
    panics = [explained(opened, record, ()).text for record in console.panics]
    return Run(done.returncode, shown.splitlines()[1:], crashes, panics)


def told(crashes: list[str], text: str) -> str:
    crashes.append(text)
    return ""


def build(system: System, image: Path, root: Path = INIT) -> Path:
    names = {service.program for service in system.services} | {"counter", "counter2", "counter3"}
    programs = {name: PROGRAMS[name] for name in names}
    built = build_described(system, programs, image, root=root)
    assert not built.diagnostics, built.diagnostics[0].message
    return image


CRASH = "init: counter has failed: a check failed at …"
SAID = [
    "setting 42; ours: True",
    "bare has 9 capabilities; where it was denied one: 0",
    "its endpoint: kind 1, rights 16",
    "requests: PROVIDES, True",
    "denied: NONE, False",
    "more: PROVIDES, True",
    "counter: USES 0 of 0",
    "another: kind 1, rights 16, told apart: True",
    CRASH,
    "crash: PEER_DIED of argument 0",
    "after it: 5 more",
    "starts: 2",
    *["init: fragile has ended with status 9", "fragile: PEER_DIED of argument 0"] * 2,
    "init: fragile has ended with status 9",
    "init: fragile has failed too often: it is given up",
    "fragile: PEER_DIED of argument 0",
    "nobody: NO_CAPABILITY of argument 0",
    "fragile: GIVEN_UP",
    "start: done",
    "again: 0",
    "stop: done",
    "stop: WRONG_PHASE",
    "stopped: NO_CAPABILITY of argument 0",
    "kill base: done",
    "base RUNS 2, upper RUNS 1",
    "init: base has failed too often: all that use it are started again",
    "kill base: done",
    "base RUNS 3, upper RUNS 2",
    "kill base: done",
    "base RUNS 4, upper RUNS 2",
    "init: base has failed too often: it is given up",
    "kill base: done",
    "base GIVEN_UP 4, upper RUNS 2",
    "watched: 1 start",
    "init: watched is silent, at …",
    "watched: started again",
    "init: lonely talks nonsense, at …",
    "noise: PEER_DIED of argument 0",
    "thread: 0",
    "init: lonely has failed: a check failed at …",
    "and then: 42",
    "lonely: PEER_DIED of argument 0",
    "lonely: CANCELLED of argument 0",
    "stop lonely: done",
    "passive: 1",
    "passive: 2",
    "passive: 3",
    "passive: 3",
    "passive: 1 start, time of its own: True",
    CRASH,
    "crash: PEER_DIED of argument 0",
    "post-mortem of service 0, cause 1, start 2, fault 4",
    "340 words; used True, free True, thread True",
    "counter True, stack 256, messages 5, last label 2",
    "post-mortem 8: OUT_OF_RANGE",
    *["kill clock: done", "later: True, at the same place: True"] * 3,
    "swap clock: REFUSED",
    "delegated: kind 16, rights True",
    "later: kind 0",
    "take back: done",
    "take back: OUT_OF_RANGE",
    "taken back: kind 0",
    "init: bare has console of tester no longer",
    "killed: kind 0, lent: False",
    "init: counter has console of tester no longer",
    "replaced: kind 0, lent: False",
    "init: bare has devices of clock no longer",
    "its space ended: kind 0, lent: False",
    "its server restarted: kind 1, lent: True",
    "no service: OUT_OF_RANGE",
    "runs: WRONG_PHASE",
    "no program: FAILED, NO_PROGRAM of argument 2",
    "no endpoint: REFUSED",
    "old one doesn't: REFUSED",
    CRASH,
    "new one can't: ROLLED_BACK",
    "version 1",
    "too slow: TIMED_OUT",
    "version 1",
    "passive: done",
    "passive: 4, version 2",
    "request 99: True",
    "by watch: WRONG_KIND of argument 1",
    "wild requests that were refused: 950",
    *[CRASH] * 10,
    "True swaps under 64 clients",
    "lost calls: 0, busy: True",
    "kills: 0 bytes and 0 slots lost",
    "True running as before",
    "counted what was answered: True",
    "otherwise failed: 0",
    "130 of 133 services run",
    "fragile: DOWN",
    "base: GIVEN_UP",
    "lonely: DOWN",
]


def line_of(program: str, text: str) -> int:
    """The first line of a program of the tests that has this text."""
    lines = (MACHINE / f"{program}.py").read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


FAILED = f"""\
Traceback (most recent call last):
  File "tests/services/machine/counter.py", line {line_of("counter", "serve(process")}, in main
    serve(process, u64(1))
  File "tests/services/machine/counting.py", line {line_of("counting", "fail(state, asked")}, in serve
    fail(state, asked.w0)
  File "tests/services/machine/counting.py", line {line_of("counting", "u64(u8(number))")}, in fail
    state.count = state.count + u64(u8(number))
                                    ^^^^^^^^^^
ConversionFailed: the value doesn't fit in u8
"""


@pytest.mark.qemu
def test_services_whatever_happens_to_them(tmp_path: Path) -> None:
    ran = run(build(system(kills=100, swaps=100), tmp_path / "system.elf"))
    lines = [
        line.partition(" at 0x")[0] + " at …" if line.startswith("init: ") and " at 0x" in line else line
        for line in ran.lines
    ]
    assert lines == SAID
    assert ran.status == 0
    assert not ran.panics
    assert [text.splitlines()[-1].partition(":")[0] for text in ran.crashes] == [
        *("ConversionFailed", "NoHeartbeat", "Nonsense", "AssertionFailed", "ConversionFailed", "AssertionFailed"),
        *["AssertionFailed"] * 10,
    ]
    assert ran.crashes[0] == FAILED


@pytest.mark.qemu
def test_a_typed_interface_is_served_on_while_versions_change(tmp_path: Path) -> None:
    """And memory that is lent is there for each of them."""
    image = tmp_path / "system.elf"
    programs = {name: PROGRAMS[name] for name in ("adder", "adder2", "asker")}
    built = build_described(typed(clients=64, swaps=30), programs, image)
    assert not built.diagnostics, built.diagnostics[0].message
    ran = run(image)
    assert (ran.status, ran.lines) == (
        0,
        [
            "by another service: OTHER_NEEDS",
            "the sum of what is lent: 55",
            "and in its next life: 55",
            "30 swaps, 30 times the right version answered",
            "0 calls lost, True, True",
        ],
    )


@pytest.mark.qemu
def test_a_service_with_tasks_is_replaced_between_its_answers(tmp_path: Path) -> None:
    """Whatever is half done when its successor comes is answered first; what comes then is the successor's."""
    image = tmp_path / "system.elf"
    programs = {"adder": PROGRAMS["later"], "adder2": PROGRAMS["later2"], "asker": PROGRAMS["asker"]}
    built = build_described(typed(clients=64, swaps=100), programs, image)
    assert not built.diagnostics, built.diagnostics[0].message
    ran = run(image)
    assert (ran.status, ran.lines) == (
        0,
        [
            "by another service: OTHER_NEEDS",
            "the sum of what is lent: 55",
            "and in its next life: 55",
            "100 swaps, 100 times the right version answered",
            "0 calls lost, True, True",
        ],
    )


@pytest.mark.qemu
def test_a_service_whose_tasks_take_too_long_is_not_replaced_and_serves_on(tmp_path: Path) -> None:
    image = tmp_path / "system.elf"
    programs = {"adder": PROGRAMS["later"], "adder2": PROGRAMS["later2"], "patient": PROGRAMS["patient"]}
    built = build_described(typed(clients=0, swaps=0, asker="patient"), programs, image)
    assert not built.diagnostics, built.diagnostics[0].message
    ran = run(image)
    assert (ran.status, ran.lines) == (
        0,
        [
            "TIMED_OUT, in time: True",
            "version 1 has counted 0; it answers 1 more",
            "done: True, in time: True",
            "version 2 has counted 6000; it answers 0 more",
            "answered 6000, failed 0, 6000",
        ],
    )


@pytest.mark.qemu
def test_a_replacement_that_goes_wrong_leaves_a_service_that_serves(tmp_path: Path) -> None:
    """At whatever time it does: when nothing is left to be done, the machine goes on for a while, and ends with 1."""
    image = tmp_path / "system.elf"
    programs = {name: PROGRAMS[name] for name in ("beater", "counter", "counter2", "idle", "mid", "mute", "replacer")}
    built = build_described(replaced(), programs | {"mid2": PROGRAMS["mid"]}, image)
    assert not built.diagnostics, built.diagnostics[0].message
    ran = run(image)
    assert [line for line in ran.lines if not line.startswith("init: ")] == [
        "in time: True, too late: True, all: True",
        *["at once: TIMED_OUT"] * 3,
        *["waits: 0", "never ready: ROLLED_BACK", "soon: True"] * 2,
        "end others: BUSY",
        "asleep: ROLLED_BACK",
        "swap: done",
        "its call: 0",
        "writes: PEER_DIED",
        "fault 1, access 1, in 0x1000",
        "faulty: 0",
        "failed too often: ENDING, GIVEN_UP",
        "stopped: ENDING, DOWN",
        "swap: ROLLED_BACK",
        "handed over: ENDING, RUNS",
        "its call: 0",
        "end others: done",
        "nobody: NO_CAPABILITY",
    ]
    anew = [line for line in ran.lines if line.endswith("preserves nothing: its new version begins anew")]
    assert anew == ["init: mid preserves nothing: its new version begins anew"]
    unready = [line.partition(" in time, at 0x")[0] for line in ran.lines if "process.ready()" in line]
    assert unready == ["init: counter hasn't called process.ready()"]
    assert [text.splitlines()[-1].partition(": ")[0] for text in ran.crashes].count("NotReady") == 1
    assert ran.status == 0


QUITTER = Service(
    "quitter",
    "quitter",
    (Has("console", GrantKind.CONSOLE),),
    (("status", 0),),
    restart=Restart(RestartPolicy.ALWAYS, 100, 1000, 2, 1_000_000, Escalation.HALT),
)


@pytest.mark.qemu
def test_the_machine_is_switched_off_when_a_service_fails_too_often(tmp_path: Path) -> None:
    ran = run(build(System("tests", "qemu-virt", (QUITTER,)), tmp_path / "system.elf"))
    assert (ran.status, ran.lines) == (
        102,
        ["quits"] * 3 + ["init: quitter has failed too often: the machine is switched off"],
    )


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("status", "said"),
    [
        (7, ["init: ender has ended with status 7", "init: ender has ended all others, and then itself"]),
        (0, ["init: ender has ended all others, and nothing more"]),
    ],
)
def test_a_machine_ends_though_who_was_to_end_it_fails(tmp_path: Path, status: int, said: list[str]) -> None:
    """It would run for ever, without a service; and its policy is no reason to start it again, alone."""
    ender = Service(
        "ender",
        "ender",
        (Has("services", GrantKind.SYSTEM, INIT_SHUTDOWN), Has("console", GrantKind.CONSOLE)),
        (("status", status),),
        restart=OFTEN,
    )
    ran = run(build(System("tests", "qemu-virt", (Service("idle", "idle"), ender)), tmp_path / "system.elf"))
    said[-1] += ": the machine is switched off"
    assert (ran.status, ran.lines) == (102, ["all others have ended", *said])


@pytest.mark.qemu
def test_what_cant_be_made_is_told(tmp_path: Path) -> None:
    """A device that the board hasn't, and too little memory: the others run. So is a passive one that isn't ready."""
    missing = Service("missing", "idle", (Has("registers", GrantKind.DEVICE, 0x1234000),))
    small = Service("small", "idle", memory=8192, restart=Restart(limit=1, backoff=0))
    dozer = Service("dozer", "idle", passive=True)
    later = replace(
        QUITTER, restart=replace(QUITTER.restart, backoff=600_000, longest_backoff=600_000, window=10_000_000)
    )
    ran = run(build(System("tests", "qemu-virt", (missing, small, dozer, later)), tmp_path / "system.elf"))
    assert ran.status == 102
    assert "init: missing can't be made: NO_CAPABILITY of argument 2" in ran.lines
    failed = "OUT_OF_MEMORY of argument 0; its `memory` is too small, or the machine's is used up"
    assert ran.lines.count(f"init: small can't be made: {failed}") == 2
    assert "init: small has failed too often: it is given up" in ran.lines
    assert ran.lines.count("quits") == 3
    unready = "init: dozer is passive and keeps time of its own: it hasn't called process.ready()"
    assert ran.lines.count(unready) == 1


def test_what_a_failure_leaves_undone_of_a_region_is_done_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """No frame is made twice: memory isn't given back."""
    made: list[Kind] = []
    room = 3

    def make(view: Any, kind: Kind, _: Any = 0) -> Any:
        if len(made) == room:
            return Failure(Status.OUT_OF_MEMORY, lang.u64(0))
        made.append(kind)
        return view.slot()

    monkeypatch.setattr(Process, "make", make)
    monkeypatch.setattr(system_calls, "move", lambda *_: None)
    region: Any = Kept()
    with Loopback() as machine:
        process = machine.process(Process, range(16, 200))
        failure: Any = make_frames(process, region, lang.u64(4), lang.u64(LARGE_SIZE))
        assert failure.status is Status.OUT_OF_MEMORY and int(region.next) == 2
        room = 100
        for _ in range(2):
            assert make_frames(process, region, lang.u64(4), lang.u64(LARGE_SIZE)) is None
    assert made == [Kind.CAP_TABLE, *[Kind.FRAME] * 4] and int(region.next) == 4


@pytest.mark.qemu
def test_a_crash_of_init_itself_ends_the_machine_with_its_traceback(tmp_path: Path) -> None:
    system = System("tests", "qemu-virt", (QUITTER,))
    ran = run(build(system, tmp_path / "system.elf", MACHINE / "broken_init.py"))
    assert (ran.status, ran.lines) == (101, [])
    assert len(ran.panics) == 1
    assert ran.panics[0].endswith(
        'broken_init.py", line 14, in thread\n    assert argument == 0, "init makes a mistake"\n'
        "AssertionFailed: init makes a mistake\n"
    )


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("description", "said"),
    [
        (None, "init: the boot archive has no description of the system"),
        (b"", "init: the system's description is refused: TRUNCATED, record 0"),
        ("damaged", "init: the system's description is refused: CHECKSUM, record 0"),
    ],
)
def test_a_system_that_isnt_described_isnt_begun(tmp_path: Path, description: bytes | str | None, said: str) -> None:
    image = tmp_path / "system.elf"
    if isinstance(description, str):
        good = bytearray(pack(System("tests", "qemu-virt", (QUITTER,))))
        good[100] ^= 1
        description = bytes(good)
    files = [] if description is None else [Entry(DESCRIPTION_NAME, description)]
    built = build_image_of([(INIT_NAME, INIT)], files, image)
    assert not built.diagnostics
    ran = run(image)
    assert (ran.status, ran.lines) == (103, [said])


@pytest.mark.parametrize(
    ("services", "programs", "said"),
    [
        ((QUITTER,), {}, "service 'quitter': there is no program 'quitter'"),
        ((replace(QUITTER, program="init"),), {"init": INIT}, "a program can't be called 'init'"),
    ],
)
def test_programs_that_are_missing_or_in_the_way(
    tmp_path: Path, services: tuple[Service, ...], programs: dict[str, Path], said: str
) -> None:
    with pytest.raises(BadDescription, match=said):
        build_described(System("tests", "qemu-virt", services), programs, tmp_path / "system.elf")


@pytest.mark.parametrize(
    ("first", "longest", "delays"),
    [
        (10, 50, [10, 20, 40, 50, 50]),
        (0, 50, [0, 0, 0]),
        (50, 50, [50, 50]),
        (1 << 39, 1 << 40, [1 << 39, 1 << 40, 1 << 40]),
    ],
)
def test_the_back_off_doubles_up_to_the_longest(first: int, longest: int, delays: list[int]) -> None:
    found = [int(backoff(lang.u64(first), lang.u64(longest), lang.u64(n))) for n in range(1, len(delays) + 1)]
    assert found == delays
    assert int(backoff(lang.u64(first), lang.u64(longest), lang.u64(1 << 40))) == (longest if first else 0)


@pytest.mark.parametrize("text", [b"", b"a", b"x" * 48, b"y" * 49])
def test_names_are_cut_off_where_there_is_no_room(text: bytes) -> None:
    name = Name()
    name.assign(lang.byte_view(text))
    assert bytes(name.view()) == text[:48]


def test_as_many_services_as_promised_can_be_described() -> None:
    """Each with an endpoint that the next one uses."""
    services = [
        Service(f"s{number}", "x", (Provides("p"), *((Uses("u", f"s{number - 1}", "p"),) if number else ())))
        for number in range(192)
    ]
    assert len(pack(System("tests", "qemu-virt", tuple(services)))) < 65536
