"""`nk trace`: rings of records become traces that hold together, and what is no ring is refused."""

from __future__ import annotations

import json
import re
import shutil
import signal
import struct
from collections import defaultdict
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neokernel import lang
from neokernel.abi.boot import OWN_THREAD
from neokernel.abi.call import FAULT_BIT, Call, failure, message
from neokernel.abi.fault import Fault
from neokernel.abi.kinds import PAGE_SIZE, Kind
from neokernel.abi.names import MAXIMUM_NAME
from neokernel.abi.status import Status
from neokernel.abi.trace import Event, Record
from neokernel.cli.errors import Exit
from neokernel.image.perfetto import HARTS, THREADS, chrome_trace
from neokernel.image.ring import BadDump, find_names, find_ring, pack_dump, read_ring
from neokernel.image.standstill import NOT_TOLD, activities
from tests.cli.support import EXAMPLES, Nk, start
from tests.support.patience import LONGEST_RUN, PATIENCE, long_enough

FREQUENCY = 10_000_000
RECORD_SIZE = lang.size_of(Record)
CLIENT, SERVER = 3, 4

#: time, thread, event, a, b, on hart 0
Row = tuple[int, int, Event, int, int]


def dump(rows: list[Row], *, capacity: int = 128) -> bytearray:
    """A ring as the kernel writes it: record n at index n modulo the capacity."""
    memory = bytearray(PAGE_SIZE + capacity * RECORD_SIZE)
    struct.pack_into("<QQQ", memory, 0, len(rows), capacity, FREQUENCY)
    for number, (time, thread, event, a, b) in list(enumerate(rows))[-capacity:]:
        place = PAGE_SIZE + number % capacity * RECORD_SIZE
        # Of a call, number and capability are in one word, and the message word is in the other.
        a, b = (a | b << 32, 0) if event is Event.SYSCALL else (a, b)
        struct.pack_into("<QIBBHQQ", memory, place, time, thread, event.value, 0, 0, a, b)
    return memory


def name(thread: int, text: bytes, length: int | None = None) -> bytes:
    return struct.pack("<16sII24s", b"\x01nk-thread-name\0", thread, len(text) if length is None else length, text)


def events(rows: list[Row], names: dict[int, str] | None = None) -> list[dict[str, Any]]:
    ring, _, _ = find_ring(bytes(dump(rows, capacity=1024)))
    trace = chrome_trace(ring, names or {})
    hold_together(trace)
    made: list[dict[str, Any]] = trace["traceEvents"]
    return made


def hold_together(trace: dict[str, Any]) -> None:
    """What the format asks for: fields, slices that nest and end, arrows with both ends, times in order."""
    trace = json.loads(json.dumps(trace, allow_nan=False))
    stacks: dict[tuple[int, int], list[str]] = defaultdict(list)
    flows: dict[int, list[str]] = defaultdict(list)
    titled = {(event["pid"], event.get("tid")) for event in trace["traceEvents"] if event["ph"] == "M"}
    before = 0.0
    for event in trace["traceEvents"]:
        if event["ph"] == "M":
            assert event["args"]
            continue
        track = event["pid"], event["tid"]
        assert track in titled
        assert event["ts"] >= before
        before = event["ts"]
        if event["ph"] == "B":
            stacks[track].append(event["name"])
        elif event["ph"] == "E":
            opened = stacks[track].pop()
            assert event.get("name", opened) == opened
        elif event["ph"] == "i":
            assert event["name"]
            assert event["s"] == "t"
        else:
            assert event["ph"] in ("s", "f")
            assert stacks[track], "an arrow hangs on a slice"
            assert event.get("bp") == ("e" if event["ph"] == "f" else None)
            flows[event["id"]].append(f"{event['ph']} {event['name']} {event['cat']}")
    assert not any(stacks.values())
    for ends in flows.values():
        assert [end[0] for end in ends] == ["s", "f"]
        assert ends[0][1:] == ends[1][1:]


def slices(made: list[dict[str, Any]], group: int, track: int) -> list[tuple[str, float, float]]:
    """(name, beginning, end) in µs, in the order in which they begin."""
    found: list[tuple[str, float, float]] = []
    stack: list[int] = []
    for event in made:
        if (event["pid"], event.get("tid")) == (group, track) and event["ph"] in "BE":
            if event["ph"] == "B":
                stack.append(len(found))
                found.append((event["name"], event["ts"], -1))
            else:
                index = stack.pop()
                found[index] = (*found[index][:2], event["ts"])
    return found


#: a client calls a server, which replies; times in ticks of 100 ns
ROUND_TRIP: list[Row] = [
    (100, SERVER, Event.SWITCH, 0, 1),
    (110, SERVER, Event.SYSCALL, Call.RECEIVE.value, 5),
    (120, CLIENT, Event.SWITCH, SERVER, 2),
    (200, CLIENT, Event.SYSCALL, Call.CALL.value, 9),
    (210, CLIENT, Event.SEND, SERVER, int(message(7, 2))),
    (220, SERVER, Event.SWITCH, CLIENT, 2),
    (300, SERVER, Event.SYSCALL, Call.REPLY_RECEIVE.value, 5),
    (310, SERVER, Event.REPLY, CLIENT, int(failure(Status.OUT_OF_RANGE, 2))),
    (320, CLIENT, Event.SWITCH, SERVER, 2),
    (400, 0, Event.SWITCH, CLIENT, 0),
]


def test_a_round_trip() -> None:
    made = events(ROUND_TRIP, {CLIENT: "client", SERVER: "server"})
    assert slices(made, HARTS, 0) == [
        ("server", 10, 12),
        ("client", 12, 22),
        ("server", 22, 32),
        ("client", 32, 40),
    ]
    assert slices(made, THREADS, CLIENT) == [("running", 12, 20), ("CALL", 20, 32), ("running", 32, 40)]
    assert slices(made, THREADS, SERVER) == [
        ("running", 10, 11),
        ("RECEIVE", 11, 22),
        ("running", 22, 30),
        ("REPLY_RECEIVE", 30, 40),
    ]
    arrows = [(event["ph"], event["name"], event["tid"], event["ts"]) for event in made if event["ph"] in "sf"]
    assert arrows == [
        ("s", "message", CLIENT, 21),
        ("f", "message", SERVER, 22),
        ("s", "reply", SERVER, 31),
        ("f", "reply", CLIENT, 32),
    ]
    sent = [event["args"] for event in made if event["ph"] == "i"]
    assert sent[0] == {"to": "server", "label": 7, "words": 2, "capabilities": 0}
    assert sent[1]["status"] == "OUT_OF_RANGE"
    titles = {event["args"]["name"] for event in made if event["ph"] == "M" and event["name"] == "thread_name"}
    assert titles == {"hart 0", "client", "server"}


def test_a_call_that_does_not_wait_ends_with_its_last_record() -> None:
    made = events(
        [
            (10, 3, Event.SWITCH, 0, 1),
            (20, 3, Event.SYSCALL, Call.CALL.value, 1),
            (25, 3, Event.DERIVE, Kind.FRAME.value, 9),
            (30, 3, Event.SYSCALL, Call.SIGNAL.value, 2),
            (31, 3, Event.SIGNAL, 4, 0),
            (31, 3, Event.READY, 8, 60),
            (50, 3, Event.INTERRUPT, 10, 0),
            (60, 0, Event.SWITCH, 3, 0),
        ]
    )
    assert slices(made, THREADS, 3) == [("running", 1, 6), ("CALL", 2, 2.5), ("SIGNAL", 3, 3.1)]
    instants = [(event["pid"], event["tid"], event["name"]) for event in made if event["ph"] == "i"]
    assert instants == [
        (THREADS, 3, "derive FRAME"),
        (THREADS, 3, "signal"),
        (THREADS, 8, "ready"),
        (HARTS, 0, "interrupt 10"),
    ]


def test_faults_and_unknown_numbers() -> None:
    made = events(
        [
            (10, 3, Event.FAULT, Fault.PAGE.value, 0x1000),
            (10, 3, Event.FAULT, Fault.BREAKPOINT.value, 0x11008),
            (11, 3, Event.FAULT, 99, 0),
            (12, 3, Event.SYSCALL, 77, 0),
            (13, 3, Event.DELETE, Kind.THREAD.value, 1),
        ]
    )
    assert [(event["name"], event["args"]) for event in made if event["ph"] == "i"] == [
        ("fault PAGE", {"kind": "PAGE", "address": "0x1000"}),
        ("fault BREAKPOINT", {"kind": "BREAKPOINT", "pc": "0x11008"}),
        ("fault 99", {"kind": "99", "pc": "0x0"}),
        ("delete THREAD", {"kind": "THREAD", "object ended": True}),
    ]
    assert slices(made, THREADS, 3) == [("running", 1, 1.3), ("77", 1.2, 1.3)]


def test_a_message_to_who_never_runs_again_has_no_arrow() -> None:
    made = events([(1, 3, Event.SYSCALL, 2, 0), (2, 3, Event.SEND, 4, 0)])
    assert [event["name"] for event in made if event["ph"] in "sfi"] == ["message"]


def test_without_switches_entries_tell_who_runs() -> None:
    made = events([(1, 3, Event.SYSCALL, 7, 0), (5, 4, Event.SYSCALL, 7, 0), (9, 3, Event.INTERRUPT, 1, 0)])
    assert [row[0] for row in slices(made, HARTS, 0)] == ["thread 3", "thread 4", "thread 3"]


def test_an_overwritten_ring_has_its_latest_records() -> None:
    rows: list[Row] = [(number, 3, Event.READY, number, 0) for number in range(1000)]
    ring = read_ring(bytes(dump(rows)), 0)
    # The oldest of the 128 may have been half overwritten when the machine was stopped.
    assert ring.lost == 1000 - 127
    assert [entry.a for entry in ring.entries] == list(range(873, 1000))
    assert [entry.number for entry in ring.entries] == list(range(873, 1000))


@pytest.mark.parametrize("written", [1, 127])
def test_a_ring_that_is_not_full_has_all(written: int) -> None:
    rows: list[Row] = [(number, 3, Event.READY, number, 0) for number in range(written)]
    ring = read_ring(bytes(dump(rows)), 0)
    assert (ring.lost, len(ring.entries)) == (0, written)


@given(st.data())
def test_any_records_make_a_trace_that_holds_together(data: st.DataObject) -> None:
    small = st.integers(0, 5)
    rows: list[Row] = []
    time = 0
    for _ in range(data.draw(st.integers(1, 60))):
        time += data.draw(st.integers(0, 2))
        rows.append((time, data.draw(small), data.draw(st.sampled_from(Event)), data.draw(small), data.draw(small)))
    memory = dump(rows, capacity=data.draw(st.sampled_from([128, 256])))
    for number in range(len(rows)):
        memory[PAGE_SIZE + number * RECORD_SIZE + lang.offset_of(Record, "hart")] = data.draw(st.integers(0, 2))
    hold_together(chrome_trace(read_ring(bytes(memory), 0), {}))


# --- finding ----------------------------------------------------------------------------------------------------------


def test_the_ring_that_was_written_last_is_found_in_memory() -> None:
    other = bytes(dump([(50, 3, Event.READY, 1, 0)]))
    latest = bytes(dump([(90, 3, Event.READY, 2, 0)]))
    stale = bytes(dump([(70, 3, Event.READY, 3, 0)]))
    broken = bytes(dump([(99, 3, Event.READY, 3, 0)])).replace(b"\x09", b"\xff")
    memory = bytes([7]) * PAGE_SIZE * 3 + other + broken + latest + b"\0" * PAGE_SIZE + stale
    ring, offset, size = find_ring(memory)
    assert [entry.a for entry in ring.entries] == [2]
    assert memory[offset : offset + size] == latest


def test_names_are_found_anywhere_and_false_ones_passed_over() -> None:
    memory = b"".join(
        [
            b"xyz" + name(3, "sérver".encode()),
            name(4, b"too long", length=MAXIMUM_NAME + 1),
            name(5, b"\x1b[2Jclear"),
            name(6, b"", length=0),
            name(0, b"idle"),
            name(7, b"\xff\xfe"),
            name(8, b"cut off")[:-1],
        ]
    )
    assert find_names(memory) == {3: "sérver"}


def test_a_dump_of_memory_keeps_ring_and_names() -> None:
    memory = b"\1" * PAGE_SIZE + name(3, b"three").ljust(PAGE_SIZE, b"\0") + bytes(dump(ROUND_TRIP))
    packed = pack_dump(memory)
    assert find_ring(packed)[0] == find_ring(memory)[0]
    assert find_names(packed) == {3: "three"}


# --- hostile dumps ----------------------------------------------------------------------------------------------------


def refused(memory: bytes) -> str:
    with pytest.raises(BadDump) as caught:
        find_ring(memory)
    return str(caught.value)


def test_dumps_that_are_none() -> None:
    good = bytes(dump(ROUND_TRIP))
    assert refused(b"") == "no event ring in these 0 bytes: nothing was traced, or they are something else"
    assert "no event ring" in refused(b"hello")
    assert "no event ring" in refused(bytes(1 << 20))
    assert refused(good[:-1]) == "cut off: a ring of 128 records has 8,192 bytes, and there are 8,191"
    assert refused(bytes(dump([]))) == "the ring is empty: nothing happened while it recorded"
    huge = bytearray(good)
    huge[8:16] = (1 << 62).to_bytes(8, "little")
    assert "cut off" in refused(bytes(huge))
    assert "record 1 is no record: its time 5 is before" in refused(
        bytes(dump([(9, 3, Event.READY, 0, 0), (5, 3, Event.READY, 0, 0)]))
    )
    wrong = bytearray(good)
    wrong[PAGE_SIZE + lang.offset_of(Record, "event")] = 200
    assert refused(bytes(wrong)) == "record 0 is no record: there is no event 200"
    endless = bytearray(good)
    endless[0:8] = b"\xff" * 8
    assert "record" in refused(bytes(endless))


@given(st.binary(max_size=64), st.integers(0, 8191), st.integers(0, 8192))
def test_damaged_dumps_are_read_or_refused(junk: bytes, at: int, length: int) -> None:
    memory = bytes(dump(ROUND_TRIP))
    memory = (memory[:at] + junk + memory[at + len(junk) :])[:length]
    try:
        ring, _, _ = find_ring(memory)
    except BadDump:
        return
    hold_together(chrome_trace(ring, find_names(memory)))


# --- the command ------------------------------------------------------------------------------------------------------


def test_from_a_dump(nk: Nk, tmp_path: Path) -> None:
    (tmp_path / "ring").write_bytes(bytes(dump(ROUND_TRIP)) + name(CLIENT, b"client"))
    result = nk("trace", "--from", "ring", "-o", "trace.json", "--json")
    assert result.status == 0
    assert {key: result.json[key] for key in ("trace", "records", "lost", "exit")} == {
        "trace": "trace.json",
        "records": len(ROUND_TRIP),
        "lost": 0,
        "exit": 0,
    }
    trace = json.loads((tmp_path / "trace.json").read_text())
    hold_together(trace)
    assert '"name": "client"' in (tmp_path / "trace.json").read_text()
    assert nk("trace", "--from", "ring").status == 0
    assert (tmp_path / "build/ring.trace.json").is_file()


def test_what_is_no_dump(nk: Nk, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    (tmp_path / "empty").write_bytes(b"")
    for source in ("text", "empty", "missing", "."):
        result = nk("trace", "--from", source)
        assert (result.status, result.output) == (Exit.USAGE, "")
        assert result.error.startswith("error[NK1008]: ")


def test_a_program_without_a_kernel(nk: Nk) -> None:
    result = nk("trace", EXAMPLES / "01_hello")
    assert result.status == Exit.USAGE
    assert "there is no kernel to be traced" in result.error


#: the main thread calls its other one three times
SYSTEM = '''"""A client and a server."""

from neokernel.abi.call import message
from neokernel.abi.kinds import Kind
from neokernel.lang import u64
from neokernel.runtime import system
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure
from neokernel.runtime.thread import spawn
from neokernel.runtime.tracing import Names


def made(index: u64 | Failure) -> u64:
    assert not isinstance(index, Failure)
    return index


def main(process: Process) -> None:
    endpoint = made(process.make(Kind.ENDPOINT))
    server = made(spawn(process, endpoint, 120, 1000, 1000))
    names = Names()
    assert names.add(server, "server") is None
    for number in range(u64(1), u64(4)):
        answer = system.call(endpoint, message(number, 1), number)
        assert not isinstance(answer, Failure) and answer.w0 == number + 1
    process.console.write("done")


def thread(process: Process, argument: u64) -> None:
    reply = made(process.make(Kind.REPLY))
    request = system.receive(argument, reply)
    while not isinstance(request, Failure):
        request = system.reply_receive(argument, reply, message(0, 1), request.w0 + 1)
'''


@pytest.mark.qemu
def test_a_system(nk: Nk, tmp_path: Path) -> None:
    (tmp_path / "conversation.py").write_text(SYSTEM)
    result = nk("trace", "conversation.py", "--timeout", LONGEST_RUN, "--dump", "ring", "--json")
    assert result.status == 0, (result.output, result.error)
    assert "done" in result.json["console"]
    assert (result.json["trace"], result.json["timed_out"]) == ("build/conversation.trace.json", False)
    assert result.json["threads"]["server"].startswith("in REPLY_RECEIVE on capability ")
    trace = json.loads((tmp_path / result.json["trace"]).read_text())
    hold_together(trace)
    made = trace["traceEvents"]
    tracks = {event["args"]["name"]: event["tid"] for event in made if event.get("name") == "thread_name"}
    assert {"hart 0", "main", "server"} <= tracks.keys()
    calls = [name for name, _, _ in slices(made, THREADS, tracks["server"]) if name != "running"]
    # what an interrupt holds up is entered again, and recorded again
    assert [name for name, _ in groupby(calls)][-2:] == ["RECEIVE", "REPLY_RECEIVE"]
    assert calls.count("REPLY_RECEIVE") >= 3
    labels = [
        event["args"]["label"]
        for event in made
        if event["ph"] == "i" and event["name"] == "message" and event["tid"] == tracks["main"]
    ]
    assert labels[-3:] == [1, 2, 3]
    arrows = [(event["ph"], event["name"], event["tid"]) for event in made if event["ph"] in "sf"]
    there, back = ("message", tracks["main"], tracks["server"]), ("reply", tracks["server"], tracks["main"])
    assert arrows == [
        (end, name, track) for name, *ends in [there, back] * 3 for end, track in zip("sf", ends, strict=True)
    ]

    again = nk("trace", "--from", "ring", "-o", "again.json", "--json")
    assert again.status == 0
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / result.json["trace"]).read_bytes()


@pytest.mark.qemu
def test_a_system_that_stands_still(nk: Nk, tmp_path: Path) -> None:
    """The limit ends both commands alike, and the trace says who waits and who has failed where."""
    shutil.copytree(EXAMPLES / "03_ping_pong", tmp_path / "still")
    pong = tmp_path / "still/pong.py"
    alone = "_ = system.unbind(OWN_THREAD, Binding.HANDLER)"
    text = pong.read_text().replace("asked.w0 * asked.w0", "asked.w0 // (asked.w0 - asked.w0)")
    text = text.replace("    asked = system.receive", f"    {alone}\n    asked = system.receive")
    imported = "from neokernel.abi.boot import OWN_THREAD\nfrom neokernel.abi.operations import Binding\n"
    pong.write_text(text.replace("from neokernel.lang", f"{imported}from neokernel.lang"))
    result = long_enough(
        lambda seconds: nk("trace", "still", "--timeout", seconds), lambda result: "fault BREAKPOINT" in result.error
    )
    assert result.status == Exit.TIMEOUT
    said = result.error.splitlines()
    place = said.index("when it was stopped:")
    assert re.fullmatch(r"  main: in CALL on capability \d+", said[place + 1])
    assert re.fullmatch(r"  thread \d+: in RECEIVE on capability \d+", said[place + 2]), "who would hear of faults"
    fault = re.fullmatch(
        r"  thread \d+: fault BREAKPOINT at pc (\w+)(, and nobody has heard of it: .*)", said[place + 3]
    )
    assert fault is not None and fault[2] == NOT_TOLD
    assert re.fullmatch(r"error\[NK1104\]: still running after \d+ s; stopped", said[place + 4])
    assert "nk where build/still.traced.elf PC" in said[place + 5]
    assert (tmp_path / "build/still.trace.json").is_file()
    assert "DivisionByZero" in nk("where", "build/still.traced.elf", fault[1]).output
    ran = nk("run", "still", "--timeout", 1)  # however far it has come by then
    assert ran.status == Exit.TIMEOUT
    assert "nk trace --timeout" in ran.error


@pytest.mark.qemu
def test_an_interrupt_says_where_each_thread_stands(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "from neokernel.lang import u8\nfrom neokernel.runtime.process import Process\n\n\n"
        "def main(process: Process) -> None:\n    process.console.write('on\\n')\n    while True:\n        pass\n"
    )
    with start("trace", program, "-o", tmp_path / "it.json", cwd=tmp_path) as process:
        assert process.stdout is not None
        while process.stdout.readline() != b"on\n":
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=PATIENCE)
        assert process.returncode == Exit.INTERRUPT
    said = error.decode().splitlines()
    assert said[-3:] == [
        "when it was stopped:",
        "  main: runs",
        "`nk where build/program.traced.elf PC` says which line a pc is",
    ]
    assert (tmp_path / "it.json").is_file()


def test_what_threads_were_doing_at_the_end() -> None:
    call, receive = Call.CALL.value, Call.RECEIVE.value
    own, page, told = OWN_THREAD, Fault.PAGE.value, FAULT_BIT | 1
    rows: list[Row] = [
        (1, 5, Event.SWITCH, 0, 0),
        (2, 5, Event.SYSCALL, receive, 9),
        (3, 6, Event.SWITCH, 5, 0),
        (4, 6, Event.SYSCALL, Call.SIGNAL.value, 9),
        (5, 6, Event.FAULT, page, 0x4000),
        (6, 6, Event.SEND, 5, told),
        (7, 7, Event.SWITCH, 6, 0),
        (8, 7, Event.FAULT, page, 0x5000),
        (9, 8, Event.SWITCH, 7, 0),
        (10, 8, Event.SYSCALL, call, own),
        (11, 10, Event.SWITCH, 8, 0),
        (12, 11, Event.SWITCH, 10, 0),
    ]
    ring, _, _ = find_ring(bytes(dump(rows)))
    assert activities(ring) == {
        5: "in RECEIVE on capability 9",
        6: "fault PAGE at address 0x4000",
        7: f"fault PAGE at address 0x5000{NOT_TOLD}",
        8: "has stopped itself",
        10: "ready, or out of time",
        11: "runs",
    }
    resumed, _, _ = find_ring(bytes(dump([*rows, (13, 7, Event.SWITCH, 11, 0), (14, 0, Event.SWITCH, 7, 0)])))
    assert activities(resumed)[7] == "ready, or out of time", "somebody resumed it"


def test_wrong_usage(nk: Nk, tmp_path: Path) -> None:
    (tmp_path / "ring").write_bytes(bytes(dump(ROUND_TRIP)))
    for arguments in ([], ["main.py", "--from", "ring"]):
        result = nk("trace", *arguments)
        assert result.status == Exit.USAGE
        assert "name a program or an image, or a dump" in result.error
    assert "error[NK1005]" in nk("trace", "--from", "ring", "-o", "nowhere/trace.json").error
