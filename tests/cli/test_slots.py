"""What stands in slots of the board: QEMU's arguments, and what is said of files that won't do."""

from __future__ import annotations

import socket
from pathlib import Path

import click
import pytest

from neokernel.cli.errors import ToolError
from neokernel.cli.slots import plugged
from neokernel.drivers.virtio.console import PORTS as PORTS_SERVED
from neokernel.image.systemfile.model import MOST_PORTS
from tests.cli.support import Nk
from tests.support.ports import free_ports

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
PROGRAM = """\
from neokernel.lang import u64
from neokernel.runtime.process import Process


def main(process: Process) -> None:
    process.exit(u64(0))
"""


def system(folder: Path, *lines: str) -> Path:
    (folder / "log.py").write_text(PROGRAM)
    (folder / "system.toml").write_text(SYSTEM + "\n".join(lines) + "\n")
    return folder / "system.toml"


def arguments(path: Path, *forwards: tuple[str, int]) -> str:
    with plugged(path, as_json=False, forwards=forwards) as found:
        return " ".join(found)


def free_port() -> int:
    return free_ports(1)[0]


def refused(path: Path, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The system file is wrong, and that is told."""
    with pytest.raises(click.exceptions.Exit):
        arguments(path)
    assert said in capsys.readouterr().err


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


# --- ports ------------------------------------------------------------------------------------------------------------

PORTS = 'ports = { control = "a.sock", other = "b,c.sock" }'


def with_ports(folder: Path, line: str = PORTS) -> Path:
    return system(folder, 'size = "1 MiB"', "[slot.virtio1]", 'device = "ports"', line)


def test_there_can_be_as_many_as_the_driver_serves() -> None:
    assert MOST_PORTS == PORTS_SERVED


def test_ports_are_sockets_which_are_gone_at_the_end(tmp_path: Path) -> None:
    path = with_ports(tmp_path)
    with plugged(path, as_json=False) as found:
        said = " ".join(found)
        assert "virtio-serial-device,bus=virtio-mmio-bus.1,id=ports-virtio-mmio-bus.1,max_ports=3" in said
        assert f"path={tmp_path}/a.sock,server=on,wait=off" in said and f"path={tmp_path}/b,,c.sock" in said
        assert "nr=2,chardev=ports-virtio-mmio-bus.1-other,name=other" in said
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(tmp_path / "a.sock"))
    assert not (tmp_path / "a.sock").exists()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "a.sock"))
    assert "a.sock" in arguments(path), "what a machine has left behind is taken over"


def test_a_socket_that_wont_do_is_told(tmp_path: Path) -> None:
    def told(path: Path) -> ToolError:
        with pytest.raises(ToolError) as found:
            arguments(path)
        assert found.value.code == "NK1107"
        return found.value

    path = with_ports(tmp_path)
    (tmp_path / "a.sock").write_text("mine")
    assert "isn't a socket" in told(path).message
    assert (tmp_path / "a.sock").read_text() == "mine"
    (tmp_path / "a.sock").unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "a.sock"))
        other.listen()
        assert "another machine" in told(path).message
    (tmp_path / "a.sock").unlink()
    assert "107 can be" in told(with_ports(tmp_path, f'ports = {{ control = "{"x" * 110}" }}')).message
    assert "no folder" in told(with_ports(tmp_path, 'ports = { control = "nowhere/a.sock" }')).message


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "the device in `virtio1` has no ports"),
        ('file = "x"', "`file` means nothing of `virtio1`, which isn't a disk"),
        ('ports = { Control = "x" }', "a name is small letters"),
        ('ports = { a = "1", b = "2", c = "3", d = "4", e = "5" }', "4"),
    ],
)
def test_ports_that_are_none_are_errors_of_the_file(
    tmp_path: Path, line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(with_ports(tmp_path, line), said, capsys)


# --- networks ---------------------------------------------------------------------------------------------------------


def with_network(folder: Path, *lines: str) -> Path:
    return system(folder, 'size = "1 MiB"', "[slot.virtio2]", 'device = "network"', *lines)


def test_a_network_is_qemus_or_a_tunnel(tmp_path: Path) -> None:
    port = free_port()
    said = arguments(with_network(tmp_path, f'forward = {{ "tcp/{port}" = 80 }}'))
    assert f"user,id=network-virtio-mmio-bus.2,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:80" in said
    assert "virtio-net-device,bus=virtio-mmio-bus.2,netdev=network-virtio-mmio-bus.2" in said
    assert "restrict=off" in arguments(with_network(tmp_path, "outside = true"))
    said = arguments(with_network(tmp_path, "tunnel = { local = 7001, remote = 7002 }"))
    assert "socket,id=network-virtio-mmio-bus.2,udp=127.0.0.1:7002,localaddr=127.0.0.1:7001" in said


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ["tunnel = { local = 1, remote = 2 }", "outside = true"],
            "`outside` of `virtio2` means nothing beside `tunnel`",
        ),
        (['forward = { "udp/7" = 7 }'], "whose answers QEMU drops without `outside`"),
        (['forward = { "sctp/7" = 7 }'], 'it is "tcp/8080", or "udp/8080"'),
        (["ports = {}"], "`ports` means nothing of `virtio2`, which isn't ports"),
    ],
)
def test_networks_that_are_none_are_errors_of_the_file(
    tmp_path: Path, lines: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(with_network(tmp_path, *lines), said, capsys)


def test_the_hosts_port_may_be_another_one(tmp_path: Path) -> None:
    path = with_network(tmp_path, 'forward = { "tcp/1" = 80, "tcp/2" = 81 }')
    first, second = free_port(), free_port()
    said = arguments(path, (f"tcp/{first}", 80), (f"tcp/{second}", 81))
    assert f"hostfwd=tcp:127.0.0.1:{first}-:80,hostfwd=tcp:127.0.0.1:{second}-:81" in said
    with pytest.raises(ToolError, match=f"--forward tcp/{first}=82: the system file forwards nothing to 82") as caught:
        arguments(path, (f"tcp/{first}", 80), (f"tcp/{second}", 81), (f"tcp/{first}", 82))
    assert caught.value.help == "it has 80, 81"
    with pytest.raises(ToolError, match="--forward is for a system"):
        arguments(tmp_path / "log.py", ("tcp/8000", 80))


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ToolError, match=f"the host's port tcp/{port} is taken") as caught:
            arguments(with_network(tmp_path, f'forward = {{ "tcp/{port}" = 80 }}'))
    assert caught.value.code == "NK1108"
    assert caught.value.help.startswith("stop who has it, or take another one: `--forward tcp/")


@pytest.mark.parametrize("said", ["8001=8000", "tcp/0=1", "tcp/8001=70000", "tcp/8001", "sctp/1=1", "tcp/8001=8000x"])
def test_a_forward_that_is_none_is_told(nk: Nk, said: str) -> None:
    found = nk("run", "--forward", said, "systems/network.toml")
    assert found.status == 2
    assert "isn't two ports, the host's and the machine's: tcp/8001=8000" in found.error
