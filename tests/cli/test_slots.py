"""What stands in slots of the board: QEMU's arguments, and what is said of files that won't do."""

from __future__ import annotations

from pathlib import Path

import pytest

from neokernel.cli.errors import ToolError
from neokernel.cli.slots import plugged

SYSTEM = """\
[system]
name = "slots"
board = "qemu-virt"
[service.log]
program = "./log.py"
[slot.virtio7]
device = "entropy"
[slot.virtio0]
device = "disk"
"""
PROGRAM = "from neokernel.runtime.process import Process\n\ndef main(process: Process) -> None: ...\n"


def system(folder: Path, *lines: str) -> Path:
    (folder / "log.py").write_text(PROGRAM)
    (folder / "system.toml").write_text(SYSTEM + "\n".join(lines) + "\n")
    return folder / "system.toml"


def arguments(path: Path) -> str:
    with plugged(path, as_json=False) as found:
        return " ".join(found)


def test_devices_stand_in_their_slots(tmp_path: Path) -> None:
    said = arguments(system(tmp_path, 'file = "a,b.img"', 'size = "64 KiB"', "read_only = true"))
    assert "virtio-rng-device,bus=virtio-mmio-bus.7" in said
    assert "virtio-blk-device,bus=virtio-mmio-bus.0,drive=disk-virtio-mmio-bus.0" in said
    assert f"file={tmp_path}/a,,b.img,format=raw" in said and "read-only=on,snapshot=off" in said
    assert (tmp_path / "a,b.img").stat().st_size == 65536
    (tmp_path / "a,b.img").write_bytes(b"x" * 65536)
    arguments(tmp_path / "system.toml")
    assert (tmp_path / "a,b.img").read_bytes() == b"x" * 65536, "what is there stays"


def test_a_disk_without_a_file_lasts_as_long_as_the_machine(tmp_path: Path) -> None:
    with plugged(system(tmp_path, 'size = "1 MiB"'), as_json=False) as found:
        drive = next(each for each in found if each.startswith("if=none"))
        file = Path(drive.split("file=")[1].split(",")[0])
        assert file.stat().st_size == 1 << 20
    assert not file.exists()


def test_programs_have_no_slots(tmp_path: Path) -> None:
    system(tmp_path, 'size = "1 MiB"')
    assert arguments(tmp_path / "log.py") == ""


@pytest.mark.parametrize(
    ("size", "lines", "said", "help"),
    [
        (None, [], "disk.img can't be used: No such file or directory", "make it, or write `slot.virtio0.size`"),
        (0, [], "disk.img has 0 bytes", "whole sectors of 512 bytes"),
        (1000, [], "disk.img has 1000 bytes", "whole sectors of 512 bytes"),
        (
            1024,
            ['size = "2 KiB"'],
            "disk.img has 1 KiB, and the system file says 2 KiB",
            "take `slot.virtio0.size` out",
        ),
    ],
)
def test_a_disk_that_wont_do_is_told(tmp_path: Path, size: int | None, lines: list[str], said: str, help: str) -> None:
    path = system(tmp_path, 'file = "disk.img"', *lines)
    if size is not None:
        (tmp_path / "disk.img").write_bytes(bytes(size))
    with pytest.raises(ToolError) as told:
        arguments(path)
    assert told.value.code == "NK1106" and said in str(told.value.message) and help in str(told.value.help)
