"""The longest path of small functions in assembly, whose answers are counted by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from neokernel.bounds.code import Code
from neokernel.bounds.flow import Arguments, Case, Count, Fact, Unclear
from neokernel.bounds.longest import Common, From, Loop, Search, To
from neokernel.compiler import toolchain
from neokernel.compiler.llvm import riscv64

A0, A3 = 10, 13
Make = Callable[[str], Code]

SCRIPT = """SECTIONS {
    . = 0x80000000;
    .text : { *(.text) }
    .rodata : ALIGN(4096) { *(.rodata) }
}"""


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Functions as they are linked: each line `NAME:` without a dot begins one."""

    def made(text: str) -> Code:
        lines, last = [".text", ".globl _start", ".globl nk_panic"], ""
        for line in [*text.splitlines(), "end:"]:
            name = line.removesuffix(":")
            if line.endswith(":") and not line.startswith((".", " ")):
                lines += [f".size {last}, . - {last}"] if last else []
                lines += [f".type {name}, @function"]
                last = name
            lines.append(line)
        lines += ["    ebreak", ".size end, 2", ""]
        toolchain.assemble("\n".join(lines), tmp_path / "code.o", riscv64())
        toolchain.link([tmp_path / "code.o"], tmp_path / "code.elf", SCRIPT, options=["--no-gc-sections"])
        return Code(tmp_path / "code.elf")

    return made


def search(code: Code, case: Case | None = None, rounds: int | None = None) -> Search:
    def bound_of(header: int, body: frozenset[int], arguments: Arguments) -> Loop | None:
        return None if rounds is None else Loop(rounds, "stated", "here")

    return Search(code, case or Case(code.address("_start")), bound_of, Common(frozenset()))


def longest(code: Code, rounds: int | None = None, to: To = To.OUT, case: Case | None = None) -> int:
    ways = search(code, case, rounds).summary(code.address("_start"))
    return max(way.length for (_, _, end, _), way in ways.items() if end is to)


def test_the_longer_branch_counts(make: Make) -> None:
    code = make("_start:\n    beqz a0, 1f\n    nop\n    nop\n    nop\n1:  sret")
    assert longest(code) == 5


def test_a_way_that_ends_in_a_failed_check_or_a_panic_does_not_count(make: Make) -> None:
    code = make("""_start:
    beqz a0, 1f
    beqz a1, 2f
    sret
1:  nop
    nop
    ebreak
2:  nop
    nop
    tail nk_panic
nk_panic:
    j nk_panic""")
    assert longest(code) == 3


def test_a_loop_counts_as_often_as_its_bound_says(make: Make) -> None:
    code = make("_start:\n    li a0, 9\n1:  addi a0, a0, -1\n    nop\n    bnez a0, 1b\n    sret")
    assert longest(code, rounds=8) == 1 + 8 * 3 + 3 + 1


def test_loops_in_loops_multiply(make: Make) -> None:
    code = make(
        "_start:\n1:  nop\n2:  addi a1, a1, -1\n    bnez a1, 2b\n    addi a0, a0, -1\n    bnez a0, 1b\n    sret"
    )
    one = 1 + 10 * 2 + 2 + 2
    assert longest(code, rounds=10) == 10 * one + one + 1


def test_a_loop_without_a_bound_is_told(make: Make) -> None:
    code = make("_start:\n1:  addi a0, a0, -1\n    bnez a0, 1b\n    sret")
    found = search(code)
    loops = [loop for one in found.everything(code.address("_start"), ()) for loop in one.loops]
    assert [(loop.header, loop.bound) for loop in loops] == [(code.address("_start"), None)]


def test_a_cycle_with_two_ways_in_is_refused(make: Make) -> None:
    code = make("_start:\n    beqz a0, 2f\n1:  addi a1, a1, -1\n2:  nop\n    bnez a1, 1b\n    sret")
    with pytest.raises(Unclear, match=r"_start, 0x8000000[24]: a loop with two ways in"):
        longest(code, rounds=1)


def test_calls_and_calls_in_place_of_a_return_count(make: Make) -> None:
    code = make("""_start:
    call first
    sret
first:
    nop
    j second
second:
    nop
    nop
    ret""")
    assert longest(code) == 2 + 2 + 3


def test_a_function_that_calls_itself_is_refused(make: Make) -> None:
    code = make("_start:\n    call first\n    sret\nfirst:\n    call second\n    ret\nsecond:\n    call first\n    ret")
    with pytest.raises(Unclear, match="calls itself"):
        longest(code)


def test_a_jump_to_anywhere_is_refused(make: Make) -> None:
    code = make("_start:\n    jr a0")
    with pytest.raises(Unclear, match=r"_start, 0x80000000 \(jalr\): it isn't known where this jumps to"):
        longest(code)


TABLE = """_start:
    mv a0, a3
    call pick
    sret
pick:
    li a1, 3
    bgeu a0, a1, 9f
    slli a0, a0, 3
    la a1, 8f
    add a0, a0, a1
    ld a0, 0(a0)
    jr a0
1:  ret
2:  nop
    ret
3:  nop
    nop
    nop
9:  ret
.section .rodata
.balign 8
8:  .dword 1b, 2b, 3b
.text"""


def test_a_jump_table_leads_to_each_of_its_targets(make: Make) -> None:
    code = make(TABLE)
    assert longest(code) == 3 + 8 + 4


def test_a_known_index_leads_to_one_target(make: Make) -> None:
    code = make(TABLE)
    lengths = [
        longest(code, case=Case(code.address("_start"), facts={code.address("_start"): Fact(registers={A3: index})}))
        for index in (0, 1, 2, 3)
    ]
    assert lengths == [12, 13, 15, 6]


def test_a_jump_table_without_a_target_is_refused(make: Make) -> None:
    code = make(TABLE.replace(".dword 1b, 2b, 3b", ".dword 0, 0, 0"))
    with pytest.raises(Unclear, match="its jump table doesn't lead into the function"):
        longest(code)


@pytest.mark.parametrize(
    ("test", "result"), [("beqz a0, 1f", "li a0, 0"), ("bnez a0, 1f", "mv a0, s1"), ("beqz a0, 1f", "snez a0, s1")]
)
def test_what_a_function_returned_decides_how_its_caller_goes_on(make: Make, test: str, result: str) -> None:
    """Either the call is long or what follows it is."""
    unlucky = "bnez s1, 2f" if result == "li a0, 0" else "beqz s1, 2f"
    code = make(f"""_start:
    call find
    {test}
    sret
1:  nop
    nop
    nop
    sret
find:
    {unlucky}
    {"li a0, 0" if result == "mv a0, s1" else result}
    ret
2:  nop
    nop
    nop
    nop
    {"li a0, 5" if result == "li a0, 0" else "li a0, 0" if "snez" in result else "li a0, 1"}
    ret""")
    plain = {"li a0, 0": 1 + 7 + 2, "mv a0, s1": 1 + 7 + 1 + 4, "snez a0, s1": 1 + 7 + 1 + 4}
    assert longest(code) == plain[result]


def test_a_result_that_meets_a_loop_behind_the_call_is_not_lost(make: Make) -> None:
    code = make("""_start:
1:  call find
2:  addi a1, a1, -1
    bnez a1, 2b
    nop
    sret
find:
    li a0, 1
    ret""")
    assert longest(code, rounds=4) == 1 + 2 + 4 * 2 + 2 + 2


LOOKING = """_start:
    nop
    nop
1:  nop
    nop
    nop
    csrr a1, sip
    bnez a1, 2f
    addi a0, a0, -1
    bnez a0, 1b
2:  nop
    nop
    sret"""


def test_a_loop_that_looks_at_interrupts_needs_no_bound(make: Make) -> None:
    code = make(LOOKING)
    ways = search(code).summary(code.address("_start"))
    found = {(start, to): way.length for (start, _, to, _), way in ways.items()}
    assert found == {
        (From.ENTRY, To.LOOK): 6,
        (From.LOOK, To.LOOK): 3 + 4,
        (From.LOOK, To.OUT): 3 + 3,
    }


def test_from_a_look_that_finds_an_interrupt(make: Make) -> None:
    code = make(LOOKING)
    case = Case(code.address("_start"), controls={0x144: 0x220}, count=Count.PENDING)
    ways = search(code, case).summary(code.address("_start"))
    assert {(start, to): way.length for (start, _, to, _), way in ways.items()} == {(From.LOOK, To.OUT): 1 + 3}


def test_a_value_on_the_stack_is_followed_unless_somebody_has_its_address(make: Make) -> None:
    text = """_start:
    addi sp, sp, -16
    li a0, 1
    sd a0, 8(sp)
    {given}
    ld a1, 8(sp)
    bnez a1, 1f
    nop
    nop
    nop
1:  sret"""
    assert longest(make(text.format(given="nop"))) == 7
    for given in ("add a2, sp, a3", "mv a2, sp", "addi a2, sp, 8", "sd sp, 0(a2)"):
        assert longest(make(text.format(given=given))) == 10
