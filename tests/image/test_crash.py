"""Crashes of guests made from C: trap, panic record, unwinding, inlined calls, source lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from neokernel.arch.riscv64.panic import PANIC_STATUS
from neokernel.image.crash import Crash, explain_crash
from neokernel.image.elf import BadImage, Image
from neokernel.image.panic import PanicRecord
from tests.image.guests import PROGRAMS, boot, build_guest, line_of

CRASH = (PROGRAMS / "crash.c").read_text()

pytestmark = pytest.mark.qemu


def crash_of(folder: Path, source: str, level: int = 2) -> Crash:
    image = build_guest(folder, source, level=level)
    outcome, _ = boot(image)
    assert outcome.status == PANIC_STATUS
    assert not outcome.timed_out
    (panic,) = outcome.panics
    return explain_crash(Image(image), panic, None)


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_frames_with_inlined_calls_and_lines(tmp_path: Path, level: int) -> None:
    crash = crash_of(tmp_path, CRASH, level)
    assert [frame.function for frame in crash.frames] == ["nk_start", "outer", "middle", "crash"]
    expected = ["the first call", "the call in outer", "the inlined call", "the trap"]
    assert [frame.line for frame in crash.frames] == [line_of(CRASH, text) for text in expected]
    assert crash.name == "Breakpoint"
    assert not crash.cut
    text = crash.text
    assert text.startswith("Traceback (most recent call last):\n")
    assert text.index("in outer") < text.index("in middle") < text.index("in crash")
    assert "    crash(depth + 1); /* the inlined call */\n" in text


def test_running_off_the_stack(tmp_path: Path) -> None:
    crash = crash_of(tmp_path, "#define OVERFLOW\n" + CRASH)
    assert crash.last_line == "StackOverflow: the program needs more than its 32 MiB of stack"
    assert crash.frames[-1].function == "overflow"
    assert crash.cut
    assert "[Previous line repeated" in crash.text
    assert "(frames further out aren't in the panic record)" in crash.text


def test_a_frame_larger_than_the_stack(tmp_path: Path) -> None:
    source = """
    void nk_start(void) {
        volatile char big[900 << 20];
        __asm__ volatile("" :: "r"(big) : "memory");
        big[0] = 1;
        for (;;) {}
    }
    """
    assert crash_of(tmp_path, source).name == "StackOverflow"


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("*(volatile long *)0x40000000 = 1;", "StorePageFault"),
        ("(void)*(volatile long *)0x40000000;", "LoadPageFault"),
        ("*(volatile long *)nk_start = 1;", "StorePageFault"),
        ("*(volatile char *)constant = 1;", "StorePageFault"),
        ("((void (*)(void))data)();", "InstructionPageFault"),
        ("((void (*)(void))constant)();", "InstructionPageFault"),
        ("((void (*)(void))0x40000000)();", "InstructionPageFault"),
        ('__asm__ volatile(".4byte 0");', "IllegalInstruction"),
        ("(void)*(volatile long *)0x80000000;", "LoadPageFault"),
    ],
)
def test_rights_of_memory(tmp_path: Path, statement: str, name: str) -> None:
    """W^X: code can't be written, data and constants can't be executed, the firmware can't be touched."""
    source = f"""
    const int constant[4] = {{1}};
    int data[4] = {{1}};
    void nk_start(void) {{
        {statement}
        *(volatile unsigned *)0x100000 = 0x5555;
        for (;;) {{}}
    }}
    """
    crash = crash_of(tmp_path, source)
    assert crash.name == name
    assert "nk_start" in [frame.function for frame in crash.frames]


def test_status_is_relayed_and_data_is_set_up(tmp_path: Path) -> None:
    source = """
    static unsigned zero[1000];
    static unsigned status = 42;
    void nk_start(void) {
        unsigned sum = status;
        for (int index = 0; index < 1000; index++) sum += ((volatile unsigned *)zero)[index];
        *(volatile unsigned *)0x100000 = (sum << 16) | 0x3333;
        for (;;) {}
    }
    """
    outcome, shown = boot(build_guest(tmp_path, source))
    assert (outcome.status, outcome.panics, shown) == (42, [], b"")


def test_time_limit(tmp_path: Path) -> None:
    outcome, _ = boot(build_guest(tmp_path, "void nk_start(void) { for (;;) {} }"), timeout=2)
    assert outcome.timed_out
    assert outcome.status != 0


def test_garbage_in_the_record_does_no_harm(tmp_path: Path) -> None:
    image = Image(build_guest(tmp_path, CRASH))
    for seed in range(200):
        values = tuple((seed * 0x9E3779B97F4A7C15 * (index + 1)) & ((1 << 64) - 1) for index in range(32))
        pc = image.symbols["crash"] + seed % 64
        panic = PanicRecord(seed % 16, pc, values[3], (0, *values[1:]), {values[2] & ~7: 1, values[5] & ~7: pc})
        assert explain_crash(image, panic, None).text


def test_not_an_image(tmp_path: Path) -> None:
    path = tmp_path / "x.elf"
    for content in (b"", b"\x7fELF", b"\x7fELF" + bytes(100), b"text"):
        path.write_bytes(content)
        with pytest.raises(BadImage):
            Image(path)
    with pytest.raises(BadImage):
        Image(tmp_path / "missing")
