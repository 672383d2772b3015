"""The boot image: the kernel, and behind it the archive with the system's programs, in one ELF file.

Beside the image lies the table of the kernel's checks, and in `NAME.programs/` each program's own ELF file with its
debug information and its checks. What hasn't changed is compiled once (`notes.py`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from neokernel.compiler import stack, toolchain
from neokernel.compiler.diagnostics import Diagnostic
from neokernel.compiler.llvm import riscv64
from neokernel.compiler.pipeline import State, export, make_objects, run_front_end
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.image.archive import BadArchive, Entry, pack, program_entry, read
from neokernel.image.checks import Sources, text_digest, write_check_table
from neokernel.image.elf import BadImage, Image
from neokernel.image.needs import placed_needs_of
from neokernel.image.notes import Made, note_of, remember, remembered, sources_of
from neokernel.image.program import MEMORY_BELOW, THREAD_START, BuildResult, build_program, programs_of
from neokernel.image.proofs import RECORD, discharge

LINK_SCRIPT = PACKAGE_ROOT / "boards" / "kernel.ld"
#: the kernel begins here, and is entered here; all else they import
ROOTS = ("neokernel.kernel.boot", "neokernel.kernel.fast", "neokernel.kernel.syscall")
#: the machine's own in place of the host's model
SUBSTITUTES = {"neokernel.arch.cpu": "neokernel.arch.riscv64.cpu"}
#: functions that assembly calls
EXPORTS = {
    "neokernel.kernel.boot.boot": "nk_boot",
    "neokernel.kernel.fast.fast_call": "nk_fast_call",
    "neokernel.kernel.fast.fast_reply_receive": "nk_fast_reply_receive",
    "neokernel.kernel.fast.fast_signal": "nk_fast_signal",
    "neokernel.kernel.fast.fast_wait": "nk_fast_wait",
    "neokernel.kernel.syscall.invocation": "nk_invocation",
    "neokernel.kernel.syscall.system_call": "nk_system_call",
    "neokernel.kernel.syscall.trap": "nk_trap_taken",
}
#: modules that only boot uses: they are gone when the first thread runs
BOOT = {f"neokernel.{name}" for name in ("kernel.boot", "kernel.inventory", "kernel.devicetree", "arch.riscv64.boot")}
#: modules of the kernel that are made fast, all others small: what most entries run through
PATHS = ("fast", "fault", "endpoint", "reply")
FAST = frozenset(f"neokernel.kernel.{name}" for name in PATHS) | BOOT
#: what a kernel is made from: a change anywhere here makes another one
SOURCES = ("abi", "arch", "kernel", "runtime", "compiler", "image")
PROVEN = "proven"


def programs_folder(image: Path) -> Path:
    """Where the programs of an image are kept, with their debug information."""
    return image.with_suffix(".programs")


def build_system(
    root: Path, output: Path, *, checks: bool = True, release: bool = True, traced: bool = False
) -> BuildResult:
    """Build the programs at `root` and the kernel below them. `traced`: the root program starts a trace."""
    programs = [(path.stem, path) for path in programs_of(root)]
    return build_image_of(programs, (), output, checks=checks, release=release, traced=traced)


def build_image_of(
    programs: Sequence[tuple[str, Path]],
    files: Sequence[Entry],
    output: Path,
    *,
    checks: bool = True,
    release: bool = True,
    traced: bool = False,
) -> BuildResult:
    """Build programs by their names, the root program first, and the kernel below them; `files` come after them."""
    wanting = [*unmet(programs[0][1])]
    if wanting:
        return BuildResult(output, wanting)
    folder = programs_folder(output)
    folder.mkdir(exist_ok=True)
    entries: list[Entry] = []
    for name, path in programs:
        first = traced and not entries
        built = build_program(path, folder / f"{name}.elf", checks=checks, release=release, traced=first)
        if built.diagnostics:
            return replace(built, image=output)
        entries.append(program_entry(name, built.image, THREAD_START))
    for path in folder.iterdir():
        # Folders are what another build writes in, or left when it was killed.
        if not path.is_dir() and path.name.partition(".")[0] not in {entry.name for entry in entries}:
            path.unlink(missing_ok=True)  # of a program that is no more
    found = kernel_objects(checks=checks)
    if isinstance(found, list):
        return BuildResult(output, found)
    link_image(found.files, pack([*entries, *files]), output)
    write_check_table(output, found.records, kernel_sources())
    return BuildResult(output)


def unmet(root: Path) -> Iterator[Diagnostic]:
    """What the root program declares, and nobody can give it: it has everything there is, and no peers."""
    for need, span in placed_needs_of(root):
        if need.kind != "setting":
            message = f"the root program can't have `{need.name}`: who would give it?"
            help = "make its process by another program's (`Child`), or name it in a system file"
            yield Diagnostic("NK0209", message, span, help)


def link_image(kernel: list[Path], archive: bytes, output: Path) -> None:
    """The kernel's objects and the archive as one image."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "archive.bin").write_bytes(archive)
        section = Path(folder) / "archive.o"
        text = '.section .archive, "a", @progbits\n.balign 4096\n.incbin "archive.bin"\n'
        toolchain.assemble(text, section, riscv64())
        toolchain.link([*kernel, section], output, LINK_SCRIPT.read_text(), "nk_entry")


def archive_of(image: Image) -> list[Entry]:
    """The programs in an image; none if it has no archive."""
    with image.path.open("rb") as stream:
        section = ELFFile(stream).get_section_by_name(".archive")
        data = b"" if section is None else section.data()
    return read(data) if data else []


def root_program(image: Image) -> Image | None:
    """An image's root program with its debug information; None if that isn't there, or is another build's."""
    try:
        return program_of(image, archive_of(image)[0])
    except (OSError, IndexError, BadArchive, ELFError):
        return None


def named_program(image: Image, name: str) -> Image | None:
    """The program of this name in an image's archive; None as above."""
    try:
        entries = archive_of(image)
    except (OSError, BadArchive, ELFError):
        return None
    return next((program_of(image, entry) for entry in entries if entry.name == name and entry.parts), None)


def program_of(image: Image, entry: Entry) -> Image | None:
    """A program of an image's archive with its debug information; None as above."""
    path = programs_folder(image.path) / f"{entry.name}.elf"
    try:
        return Image(path) if program_entry(entry.name, path, THREAD_START) == entry else None
    except (OSError, BadArchive, BadImage, ELFError):
        return None


# --- the kernel's objects ---------------------------------------------------------------------------------------------


def kernel_state(*more: str) -> State:
    """The kernel's program, before the compiler's passes; and `more` modules, which say something about it."""
    return State(PACKAGE_ROOT, [*ROOTS, *MEMORY_BELOW, *more], substitutes=SUBSTITUTES, stack=stack.KERNEL)


def kernel_objects(*, checks: bool = True, proofs: bool = True) -> Made | list[Diagnostic]:
    """The kernel compiled, or what is wrong with it. `proofs`: without the checks that are proven never to fail.

    Its fact PROVEN: if it should be without the checks that are proven, it is.
    """
    note = note_of("kernel", checks, proofs, RECORD)
    known = remembered(note)
    if known is not None:
        return known
    state = run_front_end(kernel_state())
    if state.diagnostics.items:
        return state.diagnostics.sorted()
    assert state.program is not None
    export(state.program, EXPORTS)
    proven = discharge(state.program) if checks and proofs else True
    # Always as a whole: parts of the way in and out are assembly that shares macros, and most of it is never edited.
    small = frozenset(function.module for function in state.program.functions) - FAST
    made, records = make_objects(state.program, checks=checks, release=True, small=small)
    found = Made(made, records, {PROVEN: proven})
    remember(note, found, [*source_files(), RECORD])
    return found


def stale_proofs() -> str:
    """What to say, if a kernel has all its checks because what was proven is of another one; else nothing."""
    found = kernel_objects()
    if isinstance(found, list) or found.facts[PROVEN]:
        return ""
    return (
        "warning: the kernel is built with all its checks, since neokernel/kernel/proofs.json is of another kernel: "
        "`nk prove --record` proves this one"
    )


def source_files() -> Iterator[Path]:
    return sources_of(*SOURCES)


def kernel_sources() -> Sources:
    """What a kernel is made of."""
    files = {path.relative_to(PACKAGE_ROOT).as_posix(): text_digest(path) for path in source_files()}
    return Sources(PACKAGE_ROOT, {file: digest for file, digest in files.items() if digest is not None})
