"""`nk bench kernel`: instructions of the kernel's work, as it ships, with all checks, with none, beside other kernels'.

Programs in `benches/kernel` run on a kernel in QEMU, count by `rdinstret`, and report lines `= NAME COUNT`. The
programs are the same on each build of the kernel; only its own checks differ. What ships is without those that are
proven: budgets bind it, and it is compared with the peers.

Under `-icount shift=0` the counts are exact: each image runs twice, and both runs must report the same.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from neokernel.bench.row import BenchError, Progress, Row
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.patience import patient

if TYPE_CHECKING:
    from neokernel.image.elf import Image

SOURCES = Path(__file__).parents[2] / "benches" / "kernel"
TIMEOUT = 120.0
UNIT = "instructions"
#: builds of the kernel, and which checks each has
SHIPPED, ALL, NONE = "as shipped", "all checks", "no checks"
BUILDS = {
    SHIPPED: {"checks": True, "proofs": True},
    ALL: {"checks": True, "proofs": False},
    NONE: {"checks": False},
}
#: of QEMU's machine, and what its firmware keeps
MEMORY, FIRMWARE = 128 << 20, 2 << 20

#: What other kernels need, by line: measured 2026-11-20 on QEMU 10.0.2 (`-machine virt -cpu rv64 -smp 1`, OpenSBI 1.5),
#: in instructions executed. seL4 16.0.0-dev (1326364bc), release, fast path on, one core, -O2, threads in two address
#: spaces, no floating point, and its MCS configuration; Linux of Debian trixie, riscv64 6.12.107; xv6-riscv f5b93ef.
PEERS: dict[str, dict[str, int]] = {
    "call": {"seL4": 250, "seL4 MCS": 277},
    "reply": {"seL4": 290, "seL4 MCS": 359},
    # Linux: eventfd, its fastest; futex 15,990, pipe 16,708, unix socket 22,561
    "round_trip": {"seL4": 541, "seL4 MCS": 636, "Linux": 13_849, "xv6": 95_761},
    "round_trip_words": {"seL4": 565},
    "round_trip_slow": {"seL4": 1_645, "seL4 MCS": 3_490},
    "poll": {"seL4": 305, "Linux": 338, "xv6": 1_126},
    "yield_and_back": {"seL4": 847, "Linux": 4_291},
    "signal": {"seL4": 431},
    "signal_to_waiter": {"seL4": 611, "seL4 MCS": 1_214},
    "interrupt_to_driver": {"seL4": 395},
    "interrupt_and_resume": {"seL4": 981},
    "acknowledge": {"seL4": 497},
    # Linux: a handler of SIGSEGV; below, the first touch of a page
    "page_fault": {"seL4": 1_406, "Linux": 7_832},
    "page_fault_map": {"Linux": 3_153},
    "undefined_instruction": {"seL4": 1_792, "seL4 MCS": 2_759},
    "retype_frame": {"seL4": 1_015},
    "retype_thread": {"seL4": 1_019},
    "retype_endpoint": {"seL4": 1_024},
    "copy": {"seL4": 872},
    "delete": {"seL4": 846},
    # Linux: mmap, touch and munmap; xv6: sbrk
    "map": {"seL4": 734, "Linux": 19_000, "xv6": 26_429},
    "unmap": {"seL4": 685},
    # Linux: vfork and exec; fork and exec takes 262,528
    "process": {"Linux": 156_482, "xv6": 1_527_514},
    # Linux: from reset to init
    "boot": {"seL4": 485_313, "xv6": 416_000_000, "Linux": 879_000_000},
    "text": {"seL4": 31_206, "xv6": 34_880, "seL4 MCS": 41_466, "Linux": 10_700_000},
    "lines": {"xv6": 4_522, "seL4": 9_349, "seL4 MCS": 11_039},
}


@dataclass(frozen=True)
class Line:
    """A line of the table: a report of a program, what it is called, and what it may cost at most, if that is fixed."""

    title: str
    budget: int | None = None
    unit: str = UNIT
    #: a report's unit in parts of the line's
    scale: int = 1


@dataclass(frozen=True)
class Program:
    """A program, and the lines of its reports by their names. `memory`: of the machine, in MiB."""

    lines: Mapping[str, Line]
    memory: int = MEMORY >> 20


#: The programs by their names, in the order in which they are shown.
PROGRAMS: dict[str, Program] = {
    "ipc": Program(
        {
            "round_trip": Line("round trip, no payload", 250),
            "round_trip_words": Line("round trip, 4 words", 260),
            "call": Line("call, client to server running"),
            "reply": Line("reply + receive, server to client running"),
            "round_trip_active": Line("round trip, server with its own context"),
            "round_trip_slow": Line("round trip off the fast path, 10 words"),
            "message_64_bytes": Line("round trip, request of 64 bytes"),
            "message_4_kib": Line("round trip, request of 4 KiB"),
            "message_capability": Line("round trip, request with a capability"),
        }
    ),
    "signals": Program(
        {
            "poll": Line("cheapest system call (poll)", 120),
            "yield_and_back": Line("yield to another process and back"),
            "signal": Line("signal, nobody waiting"),
            "signal_to_waiter": Line("signal, to the waiter running", 300),
            "wait_to_signaller": Line("wait, to the interrupted signaller running"),
        }
    ),
    "interrupts": Program(
        {
            "interrupt_to_driver": Line("interrupt, to its driver running", 300),
            "interrupt_and_resume": Line("interrupt, driver runs and blocks, resumed"),
            "acknowledge": Line("acknowledge an interrupt"),
        }
    ),
    "faults": Program(
        {
            "page_fault": Line("page fault, pager, resumed", 600),
            "page_fault_map": Line("page fault, pager maps, resumed"),
            "undefined_instruction": Line("undefined instruction, handler, resumed"),
        }
    ),
    "objects": Program(
        {
            "retype_frame": Line("retype a 4 KiB frame", 400),
            "retype_thread": Line("retype a thread", 400),
            "retype_endpoint": Line("retype an endpoint", 400),
            "clear_kib": Line("clear memory, per KiB"),
            "copy": Line("copy a capability", 250),
            "delete": Line("delete a capability"),
            "map": Line("map a page", 350),
            "unmap": Line("unmap a page"),
            "revoke_child": Line("revoke, per capability"),
            "boot": Line("kernel entry to first user instruction", 150_000),
            "idle_memory": Line("memory in use with one process", 512 << 10, "bytes"),
        }
    ),
    "processes": Program({"process": Line("create, run, exit, reap a process", 40_000)}),
    "rings": Program(
        {
            "ring_batch_1": Line("ring, per message, one by one", scale=100),
            "ring_batch_64": Line("ring, per message, 64 at a time", scale=100),
        }
    ),
    "worst": Program(
        {
            "latency_user": Line("longest wait: user mode", 5_000),
            "latency_retype": Line("longest wait: retype of 64 MiB", 5_000),
            "latency_revoke": Line("longest wait: revoke of 100,000", 5_000),
            "latency_table": Line("longest wait: full table ends", 5_000),
            "latency_space": Line("longest wait: address space ends", 5_000),
            "latency_page_tables": Line("longest wait: page tables end", 5_000),
            "latency_chain": Line("longest wait: chain of 64 calls", 5_000),
            "latency_timers": Line("longest wait: 10,000 timers", 5_000),
            "latency_endpoint": Line("longest wait: 100,000 waiters", 5_000),
            "latency_threads": Line("longest wait: 100,000 threads end", 5_000),
        },
        memory=512,
    ),
}

#: What is measured of the kernel's image and sources, not by a program.
SIZES = {
    "text": Line("kernel code, all but boot", 28_000, "bytes"),
    "lines": Line("kernel source, all", None, "lines"),
    "lines_after_boot": Line("kernel source, left after boot", 3_500, "lines"),
    "lines_of_boot": Line("kernel source, only boots it", None, "lines"),
}
SIZE = "size"

BREAKDOWN = "breakdown"
#: a round trip's halves, and the functions in the kernel that they take
HALVES = {"call": "nk_fast_call", "reply": "nk_fast_reply_receive"}
TRAP, LEAVE = "nk_trap", "neokernel.arch.cpu.leave"
FAST_SOURCE = PACKAGE_ROOT / "neokernel" / "kernel" / "fast.py"
#: Parts of a half, in their order.
ENTRY = "ecall, trap entry"
CHECKS = "look-up, checks"
TRANSFER = "queue, reply, donation"
SWITCH = "address space"
SAVE = "save the one"
RESTORE = "restore the other, zero the rest"
#: instructions without a line of source
UNKNOWN = "arguments put in place"
PARTS = (ENTRY, CHECKS, TRANSFER, SWITCH, UNKNOWN, SAVE, RESTORE)
#: `csrw sscratch, …`: from there on `leave` restores
TO_SSCRATCH, TO_SSCRATCH_MASK = 0x14001073, 0xFFF07FFF

#: With these the instruction counter is exact, and every run is the same.
EXACT = ("-icount", "shift=0,sleep=off", "-seed", "1", "-rtc", "base=2025-01-01T00:00:00,clock=vm")


# --- images -----------------------------------------------------------------------------------------------------------


def build_image(name: str, build: str, folder: Path, sources: Path = SOURCES) -> Path:
    """A program on a build of the kernel; the program has its own checks on each."""
    from neokernel.image import kernel
    from neokernel.image.archive import pack, program_entry
    from neokernel.image.program import THREAD_START, build_program

    program = folder / f"{name}.program.elf"
    if not program.is_file():
        built = build_program(source_of(name, sources), program)
        if built.diagnostics:
            raise BenchError(f"{name}.py isn't accepted: {built.diagnostics[0].message}")
    found = kernel.kernel_objects(**BUILDS[build])
    if isinstance(found, list):
        raise BenchError(f"the kernel isn't accepted: {found[0].message}")
    image = folder / f"{name}-{build.replace(' ', '-')}.elf"
    kernel.link_image(found.files, pack([program_entry(name, program, THREAD_START)]), image)
    return image


def source_of(name: str, sources: Path = SOURCES) -> Path:
    path = sources / f"{name}.py"
    if not path.is_file():
        raise BenchError(f"{path.name} is missing: the benchmark needs the project's checkout")
    return path


def command(image: Path, memory: int = MEMORY >> 20) -> list[str]:
    """The run that is measured."""
    qemu = shutil.which("qemu-system-riscv64")
    if qemu is None:
        raise BenchError("qemu-system-riscv64 is missing: `nk doctor` says how to get it")
    options = ["-M", "virt", "-smp", "1", "-m", f"{memory}M", "-bios", "default", "-display", "none"]
    options += ["-monitor", "none", "-serial", "stdio", "-no-reboot", *EXACT]
    return [qemu, *options, "-kernel", str(image)]


def run_image(image: Path, memory: int = MEMORY >> 20, more: Sequence[str] = ()) -> str:
    """The console of a run, which must end by itself."""
    return run_command([*command(image, memory), *more], image.name)


def run_command(arguments: Sequence[str], name: str) -> str:
    """The console of a machine, which must end by itself. `name`: what to call it in messages."""
    try:
        done = subprocess.run(
            arguments, stdin=subprocess.DEVNULL, capture_output=True, timeout=patient(TIMEOUT), check=False
        )
    except subprocess.TimeoutExpired as expired:
        said = (expired.stdout or b"").decode(errors="replace")[-2000:]
        raise BenchError(f"{name}: no end after {patient(TIMEOUT):.0f} s; its console ends with\n{said}") from None
    said = done.stdout.decode(errors="replace")
    if done.returncode:
        detail = said[-2000:] + done.stderr.decode(errors="replace")
        raise BenchError(f"{name} ended with status {done.returncode}:\n{detail}")
    return said


def read_reports(console: str) -> dict[str, int]:
    """The reports in what a program wrote. A complaint, or a report that isn't one, is an error."""
    found: dict[str, int] = {}
    for line in console.splitlines():
        if line.startswith("! "):
            raise BenchError(f"the program gave up: {line[2:]}")
        if line.startswith("= "):
            parts = line.split(" ")
            if len(parts) != 3 or not parts[2].isdecimal() or parts[1] in found:
                raise BenchError(f"not a report: {line!r}")
            found[parts[1]] = int(parts[2])
    return found


def measure(name: str, build: str, folder: Path, sources: Path = SOURCES, memory: int | None = None) -> dict[str, int]:
    """The reports of a program, the same in two runs."""
    image = build_image(name, build, folder, sources)
    return measure_image(name, image, PROGRAMS[name].memory if memory is None else memory)


def measure_image(name: str, image: Path, memory: int = MEMORY >> 20) -> dict[str, int]:
    """The reports of an image, the same in two runs."""
    first, second = (read_reports(run_image(image, memory)) for _ in range(2))
    if first != second:
        differing = sorted(key for key in first.keys() | second.keys() if first.get(key) != second.get(key))
        raise BenchError(f"{name}: two runs differ in {', '.join(differing)}")
    return derived(first)


def derived(reports: dict[str, int]) -> dict[str, int]:
    """Also what follows from the reports."""
    found = dict(reports)
    if "free_memory" in found:
        found["idle_memory"] = MEMORY - FIRMWARE - found["free_memory"]
    return found


def measure_sizes(folder: Path) -> dict[str, dict[str, int]]:
    """The kernel's code and source, by build."""
    from neokernel.compiler import pipeline
    from neokernel.image import kernel, sizes

    state = kernel.kernel_state()
    pipeline.load(state)
    sources = {module.file: module.text for module in state.modules if not module.file.startswith("<")}
    files = {module.name: module.file for module in state.modules}
    imports = {module.file: [one.file for one in module.imports] for module in state.modules}
    counted = ("neokernel/kernel/", "neokernel/arch/")
    lines = {file: sizes.count_lines(text) for file, text in sources.items() if file.startswith(counted)}
    found: dict[str, dict[str, int]] = {}
    for build, checks in BUILDS.items():
        made = kernel.kernel_objects(**checks)
        if isinstance(made, list):
            raise BenchError(f"the kernel isn't accepted: {made[0].message}")
        image = folder / f"kernel-{build.replace(' ', '-')}.elf"
        kernel.link_image(made.files, b"", image)
        text = sum(size.text for size in sizes.measure(image, sources, files).values())
        whole, boot = sum(lines.values()), sum(lines.get(one, 0) for one in sizes.boot_only(image, imports))
        found[build] = {"text": text, "lines": whole, "lines_after_boot": whole - boot, "lines_of_boot": boot}
    return found


# --- where a round trip goes ------------------------------------------------------------------------------------------


def break_down(build: str, folder: Path) -> dict[str, int]:
    """Instructions of each part of a fast call and of a fast reply, out of a trace of both."""
    from neokernel.image.elf import Image

    image = Image(build_image("ipc", build, folder))
    log = folder / "trace.log"
    functions = [function for function in image.functions if function[2] in (TRAP, LEAVE, *HALVES.values())]
    filters = ",".join(f"{start:#x}+{size:#x}" for start, size, _ in functions)
    run_image(image.path, more=["-d", "exec,nochain", "-dfilter", filters, "-D", str(log), *one_by_one()])
    with log.open(errors="replace") as lines:
        executed = [int(line.split("/")[1], 16) for line in lines if line.startswith("Trace ")]
    found: dict[str, int] = {}
    for half, function in HALVES.items():
        parts = parts_of(image, commonest_way(image, executed, function))
        found |= {f"{half}: {part}": parts[part] for part in PARTS}
    return found


def one_by_one() -> list[str]:
    """What lets QEMU write a line for each instruction."""
    from neokernel.image.qemu import PROGRAM, qemu_version

    version = qemu_version(PROGRAM)
    return ["-singlestep"] if version is None or version < (8, 1) else ["-accel", "tcg,one-insn-per-tb=on"]


def commonest_way(image: Image, executed: Sequence[int], function: str) -> list[int]:
    """The instructions from a trap through the function to the return to user mode, as most often executed."""
    trap, start = image.symbols[TRAP], image.symbols[function]
    ways: Counter[tuple[int, ...]] = Counter()
    way: list[int] = []
    for address in [*executed, trap]:
        if address == trap:
            if start in way and image.function_at(way[-1]) == LEAVE:
                ways[tuple(way)] += 1
            way = []
        way.append(address)
    if not ways:
        raise BenchError(f"nothing took the way through {function}")
    return list(ways.most_common(1)[0][0])


def parts_of(image: Image, way: Sequence[int]) -> dict[str, int]:
    """How many of the instructions belong to each part. The `ecall` is one more."""
    counted = dict.fromkeys(PARTS, 0)
    counted[ENTRY] = 1
    part = SAVE
    for address in way:
        function = image.function_at(address)
        if function == TRAP:
            counted[ENTRY] += 1
        elif function == LEAVE:
            if word_at(image.path, address) & TO_SSCRATCH_MASK == TO_SSCRATCH:
                part = RESTORE
            counted[part] += 1
        else:
            counted[part_of_source(image, address)] += 1
    return counted


def word_at(path: Path, address: int) -> int:
    """The four bytes at an address of the image's code."""
    from elftools.elf.elffile import ELFFile

    with path.open("rb") as stream:
        for section in ELFFile(stream).iter_sections():
            offset = address - section["sh_addr"]
            if section["sh_type"] == "SHT_PROGBITS" and 0 <= offset < section["sh_size"]:
                return int.from_bytes(section.data()[offset : offset + 4], "little")
    return 0


def part_of_source(image: Image, address: int) -> str:
    """By the line of fast.py that the instruction is part of: a function's first comment is where writing begins."""
    lines = FAST_SOURCE.read_text().splitlines()
    places = [place for place in image.places(address) if place.file.endswith("fast.py") and place.line > 0]
    if not places:
        return UNKNOWN
    number = places[-1].line
    if "use_translation" in lines[number - 1]:
        return SWITCH
    first = max(index for index in range(number) if lines[index].startswith("def "))
    writes = next(index for index in range(first, len(lines)) if lines[index].lstrip().startswith("# "))
    return TRANSFER if number > writes else CHECKS


# --- rows -------------------------------------------------------------------------------------------------------------


def best_peer(name: str) -> tuple[str, int | None]:
    """Who needs least for this, and how much."""
    peers = PEERS.get(name, {})
    if not peers:
        return "", None
    best = min(peers, key=lambda peer: peers[peer])
    return best, peers[best]


def rows_of(lines: Mapping[str, Line], reports: Mapping[str, Mapping[str, int]]) -> list[Row]:
    """A row for each line, out of reports by build. A line that a program didn't report is an error."""
    rows: list[Row] = []
    for name, line in lines.items():
        if any(name not in reports[build] for build in BUILDS):
            raise BenchError(f"nothing reported {name!r}")
        peer, theirs = best_peer(name)
        ours, *others = (reports[build][name] / line.scale for build in BUILDS)
        ratio = None if theirs is None else ours / theirs
        builds: dict[str, float] = dict(zip((ALL, NONE), others, strict=True))
        rows.append(Row(line.title, line.unit, ours, peer, theirs, ratio, line.budget, builds))
    return rows


def run(only: Sequence[str] | None = None, progress: Progress = lambda _: None, keep: Path | None = None) -> list[Row]:
    """Rows of the programs named in `only`, or of all. `keep`: a folder for the images."""
    known = [*PROGRAMS, SIZE, BREAKDOWN]
    unknown = set(only or ()) - set(known)
    if unknown:
        raise BenchError(f"no item {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) if keep is None else keep.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        rows: list[Row] = []
        for name in only or known:
            progress(name)
            if name == SIZE:
                rows += rows_of(SIZES, measure_sizes(folder))
            elif name == BREAKDOWN:
                parts = {build: break_down(build, folder) for build in BUILDS}
                rows += rows_of({part: Line(part) for part in parts[SHIPPED]}, parts)
            else:
                reports = {build: measure(name, build, folder) for build in BUILDS}
                rows += rows_of(PROGRAMS[name].lines, reports)
        return rows
