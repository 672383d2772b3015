"""What init costs: systems of services that count, do nothing, and measure (`benches/system/supervision`)."""

from __future__ import annotations

from pathlib import Path

from neokernel.bench.kernel import measure_image
from neokernel.bench.row import BenchError

SOURCES = Path(__file__).parents[2] / "benches" / "system" / "supervision"
PROGRAMS = ("counter", "idle", "meter")
#: services that do nothing, beside two others: of what is shown, and of a system that tells what one more costs
FEW, MANY = 6, 22


def measure(folder: Path) -> dict[str, int]:
    """The reports of the small system; and what a service more costs at its start."""
    few, many = (measure_image("supervision", build(folder, idle)) for idle in (FEW, MANY))
    return few | {"one_more": (many["boot"] - few["boot"]) // (MANY - FEW)}


def build(folder: Path, idle: int) -> Path:
    from neokernel.abi.description import INIT_WATCH, GrantKind
    from neokernel.image.description import Has, Provides, Restart, Service, System, Uses
    from neokernel.image.system import build_described

    at_once = Restart(backoff=0, longest_backoff=0, limit=1 << 31)
    grants = (
        Has("init", GrantKind.SYSTEM),
        Uses("counter", "counter", "requests"),
        Has("console", GrantKind.CONSOLE),
        Has("power", GrantKind.POWER),
        Has("processor", GrantKind.PROCESSOR, target=200),
        Has("watch", GrantKind.SYSTEM, INIT_WATCH),
    )
    services = (
        Service("counter", "counter", (Provides("requests"),), memory=256 << 10, state=4096, restart=at_once),
        *(Service(f"idle{number}", "idle", memory=256 << 10) for number in range(idle)),
        Service("meter", "meter", grants, memory=512 << 10, priority=60),
    )
    image = folder / f"supervision-{idle}.elf"
    programs = {name: SOURCES / f"{name}.py" for name in PROGRAMS}
    missing = [path.name for path in programs.values() if not path.is_file()]
    if missing:
        raise BenchError(f"{missing[0]} is missing: the benchmark needs the project's checkout")
    built = build_described(System("supervision", "qemu-virt", services), programs, image)
    if built.diagnostics:
        raise BenchError(f"the system isn't accepted: {built.diagnostics[0].message}")
    return image
