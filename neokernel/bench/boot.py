"""What it takes `systems/minimal.toml` to start, up to the shell's prompt, and how large its image is.

The system runs as it is, but for a service more (`benches/system/boot/meter.py`), the least urgent of all: it runs when
nobody else has anything to do, so the prompt stands there. What that service costs to make, the difference to a system
with two of them, is taken off.

The first stage is the difference that a signed start makes to the instructions before the kernel's first, so it is
apart from the kernel's figures.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from neokernel.bench.kernel import EXACT, read_reports, run_command
from neokernel.bench.row import BenchError
from neokernel.image import qemu
from neokernel.image.boot import SignedBoot
from neokernel.image.signed import Named, boot_image, enrolment, sign
from neokernel.image.stage import build_stage

ROOT = Path(__file__).parents[2]
SYSTEM = ROOT / "systems" / "minimal.toml"
METER = ROOT / "benches" / "system" / "boot" / "meter.py"

#: what the shell shows, and where the report begins
PROMPT, REPORT = "nk> ", "= started"
#: a service of the system that measures; it and others like it
SERVICE = """
[service.{name}]
program = "{program}"
cpu.priority = 0
config.reports = {reports}
uses = {{ init = "init.watch", console = "kernel.console", power = "kernel.power" }}
"""


def measure(folder: Path) -> dict[str, int]:
    """The reports: `boot`, `image`, `stage`."""
    one, two = (measured(folder, count) for count in (1, 2))
    counts = [started(qemu.command(qemu.PROGRAM, elf), elf) for elf in (one, two)]
    plain, signed = stage(folder, one)
    return {
        "boot": 2 * counts[0]["started"] - counts[1]["started"],
        "image": len(boot_image(built(SYSTEM, folder / "minimal.elf"))),
        "stage": signed["before"] - plain["before"],
    }


def measured(folder: Path, meters: int) -> Path:
    """The image of the system with so many services that measure; the last one says what it has seen."""
    if not METER.is_file():
        raise BenchError(f"{METER.name} is missing: the benchmark needs the project's checkout")
    text = SYSTEM.read_text(encoding="utf-8")
    for number in range(1, meters + 1):
        reports = "true" if number == meters else "false"
        text += SERVICE.format(name=f"meter{number}", program=METER, reports=reports)
    path = folder / f"measured-{meters}.toml"
    path.write_text(text, encoding="utf-8")
    return built(path, path.with_suffix(".elf"))


def built(path: Path, output: Path) -> Path:
    """The image of a system file."""
    from neokernel.image.system import build_described
    from neokernel.image.systemfile.checking import examine
    from neokernel.image.systemfile.describing import describe, programs

    machine, findings = examine(path)
    if machine is None or findings.errors:
        raise BenchError(f"{path.name} isn't accepted: {findings.errors[0].message}")
    found = build_described(describe(machine), programs(machine), output)
    if found.diagnostics:
        raise BenchError(f"{path.name} isn't accepted: {found.diagnostics[0].message}")
    return output


def started(command: list[str], elf: Path) -> dict[str, int]:
    """What a start reports, twice the same."""
    first, second = (run_command([*command, *EXACT], elf.name) for _ in range(2))
    if PROMPT not in first.partition(REPORT)[0]:
        raise BenchError(f"{elf.name} reports before there is a prompt")
    reports = read_reports(first)
    if reports != read_reports(second):
        raise BenchError(f"two runs of {elf.name} differ")
    return reports


def stage(folder: Path, elf: Path) -> tuple[dict[str, int], dict[str, int]]:
    """What a start reports on the same machine without and with the first stage."""
    stage = folder / "stage.elf"
    problems = build_stage(stage).diagnostics
    if problems:
        raise BenchError(f"the first stage isn't accepted: {problems[0].message}")
    files = SignedBoot(elf, stage, folder / "measured.loaded", folder / "measured.enrolment")
    image, key = boot_image(elf), Ed25519PrivateKey.from_private_bytes(bytes(32))
    files.loaded.write_bytes(image + sign(image, key))
    files.enrolment.write_bytes(enrolment([Named("benchmark", key.public_key().public_bytes_raw())]))
    # The same machine, and in one case the kernel in the first stage's place: so the firmware has the same to do.
    plain, signed = (
        started(qemu.signed_command(qemu.PROGRAM, each), elf) for each in (replace(files, stage=elf), files)
    )
    return plain, signed
