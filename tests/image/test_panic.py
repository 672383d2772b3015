"""The console's stream: records are found however it is cut, and nothing else is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from neokernel.image.panic import (
    CRASH,
    CRASH_END,
    LONGEST_RECORD,
    MOST_FIRMWARE,
    PANIC,
    PANIC_END,
    START,
    ConsoleFilter,
    PanicRecord,
    partial_length,
)


def record(cause: int = 3) -> bytes:
    registers = " ".join(f"{number:016x}" for number in range(1, 32))
    return (
        f"scause {cause:016x}\nsepc {0x82200000:016x}\nstval {0:016x}\nregisters {registers}\n"
        f"stack {0x1000:016x} {7:016x} {8:016x}\n"
    ).encode()


def test_a_record_is_read() -> None:
    panic = PanicRecord.parse(record())
    assert panic is not None
    assert (panic.cause, panic.pc, panic.value) == (3, 0x82200000, 0)
    assert panic.registers == tuple(range(32))
    assert panic.memory == {0x1000: 7, 0x1008: 8}


def test_the_firmware_is_left_out_whenever_it_speaks() -> None:
    stream = b"\nOpenSBI v1.5.1\nwords\n" + START + b"one\n\nOpenSBI v1.5.1\nwords\n" + START + b"two\n"
    for size in (1, 7, len(stream)):
        console = ConsoleFilter(after_start=True)
        shown = b"".join(console.feed(stream[at : at + size]) for at in range(0, len(stream), size))
        assert shown + console.finish() == b"one\n\ntwo\n"
    console = ConsoleFilter(after_start=True)
    shown = console.feed(START + b"OpenSBI v" + b"x" * MOST_FIRMWARE)
    assert shown == b"OpenSBI v" + b"x" * MOST_FIRMWARE, "a program said so: it isn't held back for ever"


def test_a_program_that_speaks_as_the_firmware_hides_nothing() -> None:
    stream = START + b"nk> OpenSBI v1\nOpenSBI v2\n" + PANIC + record() + PANIC_END + b"three\n"
    for size in (1, 7, len(stream)):
        console = ConsoleFilter(after_start=True)
        shown = b"".join(console.feed(stream[at : at + size]) for at in range(0, len(stream), size))
        assert (shown, len(console.panics), console.started) == (b"nk> OpenSBI v1\nOpenSBI v2\nthree\n", 1, True)
    console = ConsoleFilter(after_start=True)
    assert console.feed(START + b"nk> OpenSBI v") + console.feed(b"x") == b"nk> OpenSBI vx", (
        "only the begin of a line is"
    )
    console = ConsoleFilter(after_start=True, resets=False)
    assert console.feed(START + b"one\nOpenSBI v") + console.feed(b"x") == b"one\nOpenSBI vx", "it can't reset"


def test_what_is_no_record_gives_none() -> None:
    assert PanicRecord.parse(b"") is None
    assert PanicRecord.parse(b"scause zz\n") is None
    assert PanicRecord.parse(record().replace(b"sepc", b"pc")) is None
    assert PanicRecord.parse(record().replace(b"registers", b"registers 00")) is None


@given(st.lists(st.integers(1, 200), max_size=30))
def test_the_stream_may_be_cut_anywhere(cuts: list[int]) -> None:
    stream = (
        b"OpenSBI\n" + START + b"one\n" + PANIC + record() + PANIC_END + b"two \x1e\n" + PANIC + record(5) + PANIC_END
    )
    console = ConsoleFilter(after_start=True)
    shown, position = b"", 0
    for cut in cuts:
        shown += console.feed(stream[position : position + cut])
        position += cut
    shown += console.feed(stream[position:]) + console.finish()
    assert shown == b"one\ntwo \x1e\n"
    assert [panic.cause for panic in console.panics] == [3, 5]


@given(st.binary(max_size=300).filter(lambda data: PANIC not in data and START not in data))
def test_anything_else_is_shown_as_it_came(data: bytes) -> None:
    console = ConsoleFilter(after_start=False)
    assert console.feed(data) + console.finish() == data
    assert console.panics == []


@given(st.binary(max_size=300).filter(lambda data: START not in data))
def test_a_false_record_is_shown(data: bytes) -> None:
    stream = PANIC + data.replace(PANIC_END, b"") + b"\n" + PANIC_END
    console = ConsoleFilter(after_start=False)
    assert console.feed(stream) + console.finish() == stream


def test_text_that_was_cut_off_is_shown_at_the_end() -> None:
    console = ConsoleFilter(after_start=False)
    assert console.feed(b"a" + PANIC + b"scause 0") == b"a"
    assert console.finish() == PANIC + b"scause 0"


def test_a_record_without_end_does_not_eat_the_console() -> None:
    console = ConsoleFilter(after_start=False)
    shown = console.feed(PANIC) + console.feed(b"x" * (LONGEST_RECORD + 1))
    assert len(shown) > LONGEST_RECORD
    assert console.panics == []


def test_without_a_start_the_firmware_is_shown_at_the_end() -> None:
    console = ConsoleFilter(after_start=True)
    assert console.feed(b"no kernel\n") == b""
    assert console.finish() == b"no kernel\n"
    assert not console.started


def test_partial_markers() -> None:
    assert partial_length(b"abc\x1enk", PANIC) == 3
    assert partial_length(b"abc", PANIC) == 0


def crash(program: str) -> bytes:
    return CRASH + b"program " + program.encode() + b"\nzeroes " + b"%016x %016x\n" % (0x1000, 4) + record() + CRASH_END


def test_what_init_tells_of_a_process_is_shown_in_its_place() -> None:
    console = ConsoleFilter(after_start=False, tell=lambda record: f"<{record.program} at {record.pc:#x}>\n")
    assert console.feed(b"one\n" + crash("net") + b"two\n" + PANIC + record() + PANIC_END) == (
        b"one\n<net at 0x82200000>\ntwo\n"
    )
    assert [told.program for told in console.crashes] == ["net"]
    assert console.crashes[0].memory == {0x1000: 7, 0x1008: 8, 0x1010: 0, 0x1018: 0}
    assert len(console.panics) == 1


def test_a_false_record_of_a_process_is_shown() -> None:
    console = ConsoleFilter(after_start=False)
    false = CRASH + b"zeroes 0000000000000000 ffffffffffffffff\n" + record() + CRASH_END
    assert console.feed(false) + console.finish() == false
