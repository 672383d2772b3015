"""Device trees to test with: small ones made here, and those of QEMU's machines."""

from __future__ import annotations

import functools
import struct
import subprocess
import tempfile
from pathlib import Path

from tests.kernel.devicetree_model import Model, Node
from tests.support.machine import QEMU
from tests.support.patience import PATIENCE


def cells(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)


def texts(*parts: str) -> bytes:
    return b"".join(part.encode() + b"\0" for part in parts)


def node(name: str, properties: dict[str, bytes] | None = None, *children: Node) -> Node:
    made = Node(name.encode(), [(key.encode(), content) for key, content in (properties or {}).items()], list(children))
    for child in children:
        child.parent = made
    return made


def board() -> Model:
    """A small board: two harts, a bus in a bus with other addresses, one that isn't in use, reserved memory."""

    def hart(number: int, phandle: int, **more: bytes) -> Node:
        controller = {"#interrupt-cells": cells(1), "interrupt-controller": b"", "phandle": cells(phandle)}
        properties = {"device_type": texts("cpu"), "reg": cells(number), "riscv,isa": texts("rv64imac"), **more}
        return node(f"cpu@{number}", properties, node("interrupt-controller", controller))

    harts = {"#address-cells": cells(1), "#size-cells": cells(0), "timebase-frequency": cells(10_000_000)}
    uart = {"compatible": texts("vendor,uart", "ns16550a"), "reg": cells(0x100, 0x100), "interrupts": cells(10, 4)}
    inner = {"#address-cells": cells(1), "ranges": cells(0, 0x1000_0000, 0x1000), "interrupt-parent": cells(4)}
    outer = {"#address-cells": cells(1), "#size-cells": cells(1), "ranges": cells(0, 1, 0, 0x8000_0000)}
    plic = {"compatible": texts("riscv,plic0"), "reg": cells(0xC00_0000, 0x60_0000), "riscv,ndev": cells(31)}
    plic |= {"#interrupt-cells": cells(2), "phandle": cells(4)}
    unused = {"#address-cells": cells(1), "ranges": b"", "status": texts("disabled")}
    memory = {"device_type": texts("memory"), "reg": cells(0, 0x8000_0000, 0, 0x1000_0000, 2, 0, 0, 0x1000)}
    return Model(
        node(
            "",
            {"#address-cells": cells(2), "#size-cells": cells(2), "compatible": texts("vendor,board")},
            node("aliases", {"serial0": texts("/soc@0/bus@10000000/serial@100")}),
            node(
                "chosen",
                {"stdout-path": texts("serial0:115200n8"), "bootargs": texts("quiet")},
            ),
            node("cpus", harts, hart(0, 1, **{"mmu-type": texts("riscv,sv39")}), hart(1, 2, status=texts("disabled"))),
            node("memory@80000000", memory),
            node("reserved-memory", {"#address-cells": cells(2), "#size-cells": cells(2), "ranges": b""},
                 node("firmware@80000000", {"reg": cells(0, 0x8000_0000, 0, 0x20_0000), "no-map": b""})),
            node(
                "soc@0",
                {"compatible": texts("simple-bus"), **outer},
                node("plic@c000000", {"interrupts-extended": cells(1, 11, 1, 9, 2, 11), **plic}),
                node("bus@10000000", inner, node("serial@100", uart), node("far@f000", {"reg": cells(0xF000, 0x100)})),
                node("bus@20000000", unused, node("rtc@2", {"reg": cells(2, 2), "status": texts("okay")})),
                node("rtc@1", {"reg": cells(0x7FFF_FFFF, 2), "status": texts("okay")}),
            ),
        ),
        [(0x8000_0000, 0x20_0000)],
    )  # fmt: skip


def tiny() -> Model:
    """As little as has one of everything that a fuzzer wants to break."""
    controller = node("c", {"phandle": cells(1), "#interrupt-cells": cells(1)})
    device = node("d", {"reg": cells(4, 4), "interrupts": cells(3), "interrupt-parent": cells(1)})
    bus = node("b", {"#address-cells": cells(1), "ranges": cells(0, 0, 64, 16)}, device)
    return Model(node("", {}, controller, bus))


def edges() -> Model:
    """Little but numbers at their limits: windows and registers at the top of memory, lists of odd lengths."""
    top = 0xFFFF_FFFF
    wide = {"#address-cells": cells(2), "#size-cells": cells(2)}
    controller = {"phandle": cells(1), "#interrupt-cells": cells(1), "interrupts-extended": cells(1, 2, 1, 3) + b"\0"}
    controller |= {"compatible": texts("sifive,plic-1.0.0"), "reg": cells(0, 4, 0, 8, 0, 0, 0, 0)}
    window = {"ranges": cells(0, 0, top, 0xFFFF_F000, 0, 0x1000), **wide}
    registers = {"reg": cells(0, 0, 0, 0x800, 0, 0xF00, 0, 0xFF, 0, 0x1000, 0, 0)}
    reserved = {"reg": cells(top, 0, 0, top, top, 1, top, 0)}
    bus = node("b", window, node("d", registers))
    return Model(node("", wide, node("c", controller), bus, node("e", reserved)), [(1, 2)])


def extreme() -> Model:
    """As deep as a tree may be, with a name as long as it may be at its end."""
    made = node("x" * 127, {"p" * 127: b"", "q": cells(0)}, node("y"))
    for _ in range(14):
        made = node("", {}, made)
    assert len(next(each for each in made.everything() if each.name == b"y").path()) == 16
    return Model(made)


MACHINES = {
    "small": "virt -m 128",
    "harts": "virt -smp 4 -m 512M",
    "aplic": "virt,aia=aplic -smp 2 -m 256M",
    "imsic": "virt,aia=aplic-imsic -smp 4 -m 512M",
    "aclint": "virt,aclint=on -smp 2 -m 1G",
    "virtio": "virt -smp 2 -m 512M -device virtio-net-device -device virtio-rng-device -device virtio-keyboard-device",
    "nodes": (
        "virt -smp 4 -m 1G -object memory-backend-ram,id=a,size=512M -object memory-backend-ram,id=b,size=512M "
        "-numa node,memdev=a,cpus=0-1 -numa node,memdev=b,cpus=2-3"
    ),
    "sifive": "sifive_u -smp 5 -m 512M",
    "spike": "spike -smp 2 -m 256M",
}


@functools.cache
def blob_of(machine: str) -> bytes:
    """The blob that QEMU gives to the machine (of `MACHINES`)."""
    assert QEMU is not None
    kind, *options = MACHINES[machine].split()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tree"
        command = [QEMU, "-M", f"{kind},dumpdtb={path}", *options, "-display", "none", "-bios", "none"]
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
        return path.read_bytes()
