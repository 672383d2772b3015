"""Coroutines as users meet them: tracebacks name their lines, `nk size` shows their frames."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.support import Nk
from tests.cli.test_run import MACHINES

PROGRAM = '''"""A program with coroutines."""

from __future__ import annotations

from neokernel.arch.riscv64.bare import Machine
from neokernel.lang import Array, Tasks, array, pause, resume, start, struct, tasks, u8, u32, usize


async def line(room: Room, n: u32) -> None:
    buffer: Array[u8] = array(100)
    for i in range(n):
        buffer[usize(i)] = 1
        await pause()
        room.sum += u32(buffer[usize(i)]) // (3 - i)


async def client(room: Room, n: u32) -> None:
    await line(room, n)


@struct
class Room:
    sum: u32 = 0
    clients: Tasks = tasks(client, 3)


def main(machine: Machine) -> None:
    room = Room()
    start(room.clients[1], client(room, 9))
    while not resume(room.clients[1]):
        machine.console.write("paused\\n")
'''


@pytest.mark.parametrize("machine", MACHINES)
def test_a_traceback_goes_through_what_is_awaited(nk: Nk, tmp_path: Path, machine: tuple[str, ...]) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    result = nk("run", *machine, tmp_path / "program.py")
    assert result.output == "paused\n" * 4
    *lines, last = result.error[result.error.index("Traceback") :].splitlines()
    shown = [line.strip() for line in lines[1:] if not line.lstrip().startswith(("^", "~"))]
    assert shown == [
        'File "program.py", line 30, in main',
        "while not resume(room.clients[1]):",
        'File "program.py", line 18, in client',
        "await line(room, n)",
        'File "program.py", line 14, in line',
        "room.sum += u32(buffer[usize(i)]) // (3 - i)",
    ]
    assert last.startswith("DivisionByZero: ")


def test_sizes_of_frames(nk: Nk, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    # The buffer; the room and the bound of the loop; the number that it is given, its index twice; the state.
    line = 100 + 8 + 4 * 4 + 2
    found = nk("size", "--json", tmp_path / "program.py").json["frames"]
    assert line <= found["program.line"] <= line + 16
    assert found["program.line"] + 8 + 4 + 2 <= found["program.client"] <= found["program.line"] + 24
    shown = nk("size", tmp_path / "program.py").output.splitlines()
    assert shown[-2:] == [f"{found[name]:>10,}  {name}" for name in ("program.client", "program.line")]
