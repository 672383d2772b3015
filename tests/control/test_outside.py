"""A running machine from outside: a process as a core file, the traceback of every thread, what is left of an end."""

from __future__ import annotations

import io
import json
import re
import shutil
import signal
import struct
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import NoteSegment

from neokernel.cli.debug import CANDIDATES, knows_riscv
from neokernel.cli.errors import Exit, Terminated, ToolError
from neokernel.cli.findable import Findable
from neokernel.cli.run import post_mortem
from neokernel.control.machines import Running, running, taken
from neokernel.image.elf import Image
from neokernel.image.memory import USER_END
from tests.cli.support import Nk, start
from tests.support.patience import PATIENCE, eventually

pytestmark = [pytest.mark.qemu]

SERVICES = {"console", "log", "alerts", "entropy", "ports", "control"}


def machine_that_runs() -> Running:
    (found,), _ = running()
    return found


@pytest.fixture
def here(folders: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the machine was started: images and sources are found from there."""
    monkeypatch.chdir(folders)
    return folders


# --- one process ------------------------------------------------------------------------------------------------------


def test_a_core_file_has_the_processs_memory_and_registers(machine: str, nk: Nk, here: Path) -> None:
    found = nk("dump", "log", "--json").json
    core = ELFFile(io.BytesIO((here / found["core"]).read_bytes()))
    assert (core["e_type"], core["e_machine"], core.elfclass) == ("ET_CORE", "EM_RISCV", 64)
    segments = {int(part["p_vaddr"]): part for part in core.iter_segments("PT_LOAD")}
    program = ELFFile(io.BytesIO(Path(found["program"]).read_bytes()))
    code = next(part for part in program.iter_segments("PT_LOAD") if part["p_flags"] & 1)
    assert segments[code["p_vaddr"]].data().startswith(code.data()), "its code is what was built"
    notes = [part for part in core.iter_segments() if isinstance(part, NoteSegment)]
    (note,) = [note for part in notes for note in part.iter_notes()]
    assert (note["n_name"], note["n_descsz"]) == ("CORE", 376)
    data = bytes.fromhex(note["n_desc"]) if isinstance(note["n_desc"], str) else bytes(note["n_descdata"])
    pc, _, sp = struct.unpack_from("<3Q", data, 112)
    assert code["p_vaddr"] <= pc < code["p_vaddr"] + code["p_memsz"]
    stack = next(part for first, part in segments.items() if first <= sp < first + part["p_memsz"])
    assert stack["p_flags"] & 3 == 2, "the stack can be written, and not executed"
    assert found["threads"] == [struct.unpack_from("<I", data, 32)[0]]
    assert nk("ps").status == 0, "the machine goes on"


def test_gdb_opens_it_with_python_lines(machine: str, nk: Nk, here: Path) -> None:
    gdb = next((path for name in CANDIDATES if (path := shutil.which(name)) and knows_riscv(path)), None)
    if gdb is None:
        pytest.skip("no gdb that knows riscv64; Debian, Ubuntu: apt-get install gdb-multiarch")
    found = nk("dump", "log", "--json").json
    shown = subprocess.run(
        [gdb, "-nx", "-batch", "-ex", "bt", found["program"], str(here / found["core"])],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert "services/log/main.py:" in shown.stdout, shown.stdout + shown.stderr


def test_what_cant_be_dumped(machine: str, nk: Nk, here: Path) -> None:
    wrong = nk("dump", "lgo")
    assert wrong.status == Exit.USAGE
    assert "NK1605" in wrong.error
    assert "did you mean `log`?" in wrong.error
    other = nk("dump", "webserver").error
    assert "there are: alerts, console, control, entropy, init, log, ports; a service that is down has none" in other
    assert "of which program is ir to be shown?" in nk("dump", "ir").error
    assert "'it' is no stage" in nk("dump", "it", "x.py").error


# --- all threads ------------------------------------------------------------------------------------------------------


def test_each_thread_has_a_traceback(machine: str, nk: Nk, here: Path) -> None:
    found = nk("autopsy", "--json").json
    assert {each["service"] for each in found["threads"]} == SERVICES | {"init"}
    for each in found["threads"]:
        functions = [frame["function"] for frame in each["frames"]]
        assert functions[0] in ("main", "thread"), each
        assert int(each["pc"], 16) < USER_END
        assert all(frame["line"] for frame in each["frames"]), "each has its line"
    assert any("has begun a session" in line for line in found["log"])
    shown = nk("autopsy").output
    assert "\nlog, thread " in shown
    assert 'main.py", line ' in shown
    assert "asked = " in shown, "with the source"
    assert "runtime/system.py" not in shown, "what a thread waits for is said in words"


def test_the_kernels_latest_events_are_told_in_words(machine: str, nk: Nk, here: Path) -> None:
    assert nk("trace", "record", "-t", "0.05").status == 0
    _, heading, rest = nk("autopsy").output.partition("events that the kernel recorded until ")
    assert heading, "what was recorded stays in the ring"
    until, *said = rest.splitlines()
    assert re.fullmatch(r"\d+\.\d{3} s, \d+\.\d{3} s before this:", until), "old events aren't called the latest"
    assert all(re.match(r" *\d+\.\d{6}  \S", line) for line in said)
    assert any(re.search(r"  control +calls CALL, capability \d+$", line) for line in said), said
    assert any(re.search(r"  control +sends a message to ports, label 0x", line) for line in said), said
    assert any(re.search(r"  ports +runs$", line) for line in said), said


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_recording_ends_with_who_records(machine: str, nk: Nk, here: Path, how: signal.Signals) -> None:
    def recording() -> bool:
        return bool(nk("autopsy", "--json").json["recording"])

    with start("trace", "record", "-t", 2 * PATIENCE, cwd=here) as recorder:
        eventually(recording, "nothing is recorded")
        assert "\nthe kernel's latest events:\n" in nk("autopsy").output
        recorder.send_signal(how)
        recorder.wait(PATIENCE)
    # Nobody else comes to the line: it isn't the next one's coming that ends it.
    with taken(machine_that_runs().ports["control"]) as ours:
        assert ours
        eventually(lambda: not recording(), "the kernel records, and nobody reads it")


def test_a_machine_that_doesnt_answer_is_seen_too(machine: str, nk: Nk, here: Path) -> None:
    with taken(machine_that_runs().ports["control"]):
        assert nk("ps").status == Exit.UNREACHABLE
        found = nk("autopsy", "--json").json
    assert {each["service"] for each in found["threads"]} == SERVICES | {"init"}, "named like their programs"


def test_what_a_machine_leaves(machine: str, here: Path, tmp_path: Path) -> None:
    """After a panic, and when its time is over; not when it ends well."""
    there = machine_that_runs()
    shutil.copytree(there.image.parent, tmp_path / "build")
    image = Image(tmp_path / "build" / there.image.name)
    left = image.path.with_suffix(".post-mortem.txt")
    place = Findable(memory=there.memory, system=there.system)
    with post_mortem(place, image, as_json=True) as ended:
        assert ended(0) == 0
    assert not left.exists()
    for status in (101, 102, Exit.INTERRUPT):
        with post_mortem(place, image, as_json=True) as ended:
            assert ended(status) == status
        assert "\nconsole, thread " in left.read_text()
        left.unlink()
    with pytest.raises(ToolError), post_mortem(place, image, as_json=True):
        raise ToolError("NK1104", "still running")
    assert "\nconsole, thread " in left.read_text()
    for stop in (Terminated, KeyboardInterrupt):
        left.unlink()
        with pytest.raises(stop), post_mortem(place, image, as_json=True):
            raise stop
        assert "\nconsole, thread " in left.read_text(), "a script has ended what hung"
    nothing = tmp_path / "memory"
    nothing.write_bytes(bytes(1 << 20))
    left.unlink()
    with post_mortem(Findable(memory=nothing), image, as_json=True) as ended:
        ended(101)
    assert not left.exists(), "there was no kernel yet"


# --- a trace ----------------------------------------------------------------------------------------------------------


def test_a_trace_of_a_running_machine_names_services_and_methods(machine: str, nk: Nk, here: Path) -> None:
    made = nk("trace", "record", "-t", "0.2", "--json")
    assert made.status == 0, made.error + made.output
    assert made.json["records"] > 20
    events = json.loads((here / made.json["trace"]).read_text())["traceEvents"]
    tracks = {each["args"]["name"] for each in events if each.get("name") == "thread_name"}
    assert {"control", "ports"} <= tracks
    names = {each["name"] for each in events if each["ph"] == "s"}
    assert names & {"Port.write", "Port.read", "Port.connection", "Recorder.record"}, names
    begun = {each["id"] for each in events if each["ph"] == "s"}
    assert begun == {each["id"] for each in events if each["ph"] == "f"}, "arrows have both ends"
