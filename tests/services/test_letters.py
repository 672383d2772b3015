"""Letters are kept, whoever is ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from neokernel.abi.description import GrantKind, RestartPolicy
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.image.description import Has, Provides, Restart, Service, System, Uses
from neokernel.image.system import build_described
from tests.services.test_init import run

PROGRAMS = {
    "letters": PACKAGE_ROOT / "neokernel" / "services" / "letters" / "main.py",
    "tester": Path(__file__).parent / "letters" / "tester.py",
}
OFTEN = Restart(RestartPolicy.ALWAYS, backoff=10, longest_backoff=20, limit=1000)
SYSTEM = System(
    "letters",
    "qemu-virt",
    (
        Service("letters", "letters", (Provides("box"), Provides("letters")), state=8192, priority=150, restart=OFTEN),
        Service(
            "tester",
            "tester",
            (
                Uses("box", "letters", "box"),
                Uses("letters", "letters", "letters"),
                Has("init", GrantKind.SYSTEM),
                Has("console", GrantKind.CONSOLE),
                Has("power", GrantKind.POWER),
            ),
            priority=100,
            restart=Restart(RestartPolicy.NEVER),
        ),
    ),
)


@pytest.mark.qemu
def test_none_is_lost(tmp_path: Path) -> None:
    image = tmp_path / "letters.elf"
    built = build_described(SYSTEM, PROGRAMS, image)
    assert not built.diagnostics, built.diagnostics[0].message
    done = run(image)
    assert (done.status, done.panics, [line for line in done.lines if not line.startswith("init: ")]) == (
        0, [], ["kept", "none lost"],
    )  # fmt: skip
