"""What `nk size` says that a service takes once it has started is what it has, to the byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import nk
from tests.cli.support import Nk
from tests.support.patience import LONGEST_RUN

__all__ = ["nk"]

CONTRACT = """
from typing import Protocol

from neokernel.lang import interface, u64
from neokernel.runtime.lend import Lent
from neokernel.runtime.system import Failure


@interface
class Disk(Protocol):
    def size(self, data: Lent) -> u64 | Failure: ...
"""

#: says how much memory it can make objects of, and serves
SERVER = """
from contract import Disk

from neokernel.lang import Provides, Setting, Uses, provides, setting, struct, u64, uses
from neokernel.runtime import system
from neokernel.runtime.lend import Lent
from neokernel.runtime.must import must_get
from neokernel.runtime.objects import Console
from neokernel.runtime.process import Process

disk: Provides[Disk] = provides()
console: Uses[Console] = uses()


@struct
class Handler:
    largest: u64 = 0

    def size(self, data: Lent) -> u64:
        self.largest = max(self.largest, data.length)
        return data.length


def main(process: Process) -> None:
    info = must_get(system.memory_info(process.memory))
    process.console.write(f"server {info.size}\\n")
    handler = Handler()
    _ = disk.serve(process, handler)
"""

CLIENT = """
from contract import Disk

from neokernel.lang import Uses, slot_of, uses
from neokernel.runtime import system
from neokernel.runtime.lend import region
from neokernel.runtime.must import must, must_get
from neokernel.runtime.objects import Console, Power
from neokernel.runtime.process import Process

disk: Uses[Disk] = uses(lend=256 << 10)
console: Uses[Console] = uses()
power: Uses[Power] = uses()


def main(process: Process) -> None:
    info = must_get(system.memory_info(process.memory))
    assert must_get(disk.size(region(slot_of(disk)))) == 256 << 10
    process.console.write(f"client {info.size}\\n")
    must(system.power_off(slot_of(power), 0))
"""

SYSTEM = """
[system]
name = "sizes"
board = "qemu-virt"

[service.server]
program = "./server.py"
uses.console = "kernel.console"
memory = "640 KiB"
capabilities = 1000
preserve = "200 KiB"

[service.client]
program = "./client.py"
uses = { disk = "server.disk", console = "kernel.console", power = "kernel.power" }
"""


@pytest.mark.qemu
def test_a_service_has_what_is_left(nk: Nk, tmp_path: Path) -> None:
    for name, text in (("contract.py", CONTRACT), ("server.py", SERVER), ("client.py", CLIENT)):
        (tmp_path / name).write_text(text)
    (tmp_path / "system.toml").write_text(SYSTEM)
    services = nk("size", "system.toml", "--json").json["services"]
    result = nk("run", "--counted", "--timeout", LONGEST_RUN, "--json")
    said = [line.split() for line in result.json["console"].splitlines()[1:]]
    assert {name: int(size) for name, size in said} == {
        name: services[name]["resident"]["own"] for name in ("server", "client")
    }
    for service in services.values():
        parts = service["resident"]
        assert parts["all"] == sum(parts[part] for part in ("text", "data", "stack", "tables", "objects"))
        assert parts["all"] - parts["text"] + parts["own"] <= service["memory"]
        assert parts["stack"] == 64 << 10
