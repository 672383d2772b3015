"""The kernel's benchmark reads its programs' reports, refuses what isn't one, and measures the same twice."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from neokernel.bench import kernel, registry
from neokernel.bench.kernel import ALL, BUILDS, NONE, PEERS, PROGRAMS, SHIPPED, SIZES, Line
from neokernel.bench.row import BenchError


def test_reports_are_read_among_other_output() -> None:
    console = "OpenSBI v1.5\nnk-start 1\n= poll 181\r\nsomething = else\n= signal_to_waiter 491\n"
    assert kernel.read_reports(console) == {"poll": 181, "signal_to_waiter": 491}


@pytest.mark.parametrize("line", ["= poll", "= poll -3", "= poll 1 2", "= poll 0x10"])
def test_a_broken_report_is_an_error(line: str) -> None:
    with pytest.raises(BenchError, match="not a report"):
        kernel.read_reports(f"= signal 3\n{line}\n")


def test_a_report_that_comes_twice_is_an_error() -> None:
    with pytest.raises(BenchError, match="not a report"):
        kernel.read_reports("= poll 3\n= poll 3\n")


def test_a_program_that_gives_up_is_an_error() -> None:
    with pytest.raises(BenchError, match="gave up: create: OUT_OF_MEMORY of 0"):
        kernel.read_reports("= poll 3\n! create: OUT_OF_MEMORY of 0\n")


def test_rows_stand_beside_the_best_peer() -> None:
    lines = {"round_trip": Line("round trip", 250), "revoke_child": Line("revoke")}
    reports = {
        SHIPPED: {"round_trip": 246, "revoke_child": 139},
        ALL: {"round_trip": 251, "revoke_child": 140},
        NONE: {"round_trip": 245, "revoke_child": 138},
    }
    first, second = kernel.rows_of(lines, reports)
    assert (first.item, first.ours, first.peer, first.theirs) == ("round trip", 246, "seL4", 541)
    assert first.ratio == pytest.approx(246 / 541)
    assert first.builds == {"all checks": 251, "no checks": 245}
    assert first.budget == 250 and not first.over, "what ships counts, not what it is with all checks"
    assert (second.item, second.peer, second.theirs, second.ratio, second.budget) == ("revoke", "", None, None, None)


def test_a_missing_report_is_an_error() -> None:
    with pytest.raises(BenchError, match="nothing reported 'poll'"):
        kernel.rows_of({"poll": Line("poll")}, {SHIPPED: {"poll": 1}, ALL: {"poll": 1}, NONE: {}})


def test_every_peer_has_a_line() -> None:
    shown = {name for program in PROGRAMS.values() for name in program.lines} | SIZES.keys()
    assert PEERS.keys() <= shown


def test_builds_are_columns_of_the_table() -> None:
    reports = {
        SHIPPED: {"ring": 1752, "poll": 185, "copy": 250},
        ALL: {"ring": 1760, "poll": 190, "copy": 255},
        NONE: {"ring": 1752, "poll": 115, "copy": 249},
    }
    lines = {"ring": Line("ring", scale=100), "poll": Line("poll", 120), "copy": Line("copy", 250)}
    rows = kernel.rows_of(lines, reports)

    def shown(width: int) -> list[list[str]]:
        text = io.StringIO()
        Console(file=text, width=width).print(registry.table("kernel: instructions", rows, width))
        found = [line.split() for line in text.getvalue().splitlines()]
        return [line for line in found if line and line[0] in ("ring", "poll", "copy", "Budgets")]

    assert shown(80) == [
        ["ring", "17.52", "17.60", "17.52"],
        ["poll", "185", "190", "115", ">", "120", "305", "seL4"],
        ["copy", "250", "255", "249", "250", "872", "seL4"],
        ["Budgets", "bind", "what", "ships:", "1", "over", "(>)."],
    ]
    assert shown(120)[1] == ["poll", "185", "190", "115", ">", "120", "305", "0.607", "seL4"]
    assert json.loads(registry.as_json(rows))[1] == {
        "item": "poll",
        "unit": "instructions",
        "ours": 185.0,
        "peer": "seL4",
        "theirs": 305,
        "ratio": 185 / 305,
        "budget": 120,
        "builds": {"all checks": 190.0, "no checks": 115.0},
    }


def test_most_rows_take_one_line_at_80_columns_and_none_is_cut() -> None:
    lines = {name: line for program in PROGRAMS.values() for name, line in program.lines.items()} | SIZES
    reports = {name: line.budget or 999 for name, line in lines.items()} | {"lines_after_boot": 4_344}
    rows = kernel.rows_of(lines, dict.fromkeys(BUILDS, reports))
    text = io.StringIO()
    Console(file=text, width=80).print(registry.table("kernel: instructions", rows, 80))
    printed = text.getvalue()
    assert "…" not in printed
    assert all(f" {peer}" in printed for peer in ("seL4", "Linux", "xv6"))
    assert len(printed.splitlines()) < 1.4 * len(lines)


def test_lines_are_told_apart_by_what_is_left_after_boot(tmp_path: Path) -> None:
    from neokernel.image import kernel as system
    from neokernel.image import sizes

    objects = system.kernel_objects(checks=False)
    assert not isinstance(objects, list), objects
    system.link_image(objects.files, b"", tmp_path / "kernel.elf")
    boots = sizes.boot_only(tmp_path / "kernel.elf", {})
    assert {"neokernel/kernel/boot.py", "neokernel/kernel/devicetree.py"} <= boots, "the second is inlined into others"
    assert not boots & {"neokernel/kernel/objects.py", "neokernel/kernel/syscall.py", "neokernel/kernel/slot.py"}
    used = {"neokernel/kernel/syscall.py": ["neokernel/kernel/devicetree.py", "neokernel/kernel/slot.py"]}
    assert boots - sizes.boot_only(tmp_path / "kernel.elf", used) == {"neokernel/kernel/devicetree.py"}
    early = {"neokernel/kernel/boot.py": ["neokernel/kernel/devicetree.py"]}
    assert sizes.boot_only(tmp_path / "kernel.elf", early) == boots


def test_unknown_item_is_an_error() -> None:
    with pytest.raises(BenchError, match="no item nothing; there are ipc"):
        kernel.run(["nothing"])


@pytest.mark.qemu
def test_two_programs_are_measured(tmp_path: Path) -> None:
    """`measure` has run each image twice, and compared. The bounds only catch what no longer is what it was."""
    rows = {row.item: row.ours for row in kernel.run(["signals", "rings"], keep=tmp_path)}
    assert 20 < rows["cheapest system call (poll)"] < 305
    assert rows["signal, nobody waiting"] < rows["signal, to the waiter running"] < 611
    assert 2 < rows["ring, per message, 64 at a time"] < rows["ring, per message, one by one"]


@pytest.mark.qemu
def test_the_parts_of_a_round_trip_are_all_of_it(tmp_path: Path) -> None:
    """The counter in user mode and the host's trace agree."""
    rows = {row.item: {SHIPPED: row.ours, **row.builds} for row in kernel.run(["ipc", "breakdown"], keep=tmp_path)}
    for half, title in (("call", "call, client to"), ("reply", "reply + receive")):
        whole = next(counts for item, counts in rows.items() if item.startswith(title))
        parts = [counts for item, counts in rows.items() if item.startswith(f"{half}: ")]
        assert len(parts) == len(kernel.PARTS)
        for build in BUILDS:
            assert sum(part[build] for part in parts) == whole[build]


@pytest.mark.qemu
def test_a_run_that_fails_is_an_error(tmp_path: Path) -> None:
    image = tmp_path / "nothing.elf"
    image.write_bytes(b"")
    with pytest.raises(BenchError, match=r"nothing\.elf"):
        kernel.run_image(image)
