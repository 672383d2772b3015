"""The Linux that benchmarks have as a peer: its package is read, its first file system made, without starting it."""

from __future__ import annotations

import io
import lzma
import tarfile
from pathlib import Path

import pytest

from neokernel.bench import linux, registry
from neokernel.bench.row import BenchError


def package(files: dict[str, bytes]) -> bytes:
    """One such as Debian's: an `ar` archive, in it a tar of files."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:xz") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    whole = b"!<arch>\n"
    for name, data in (("debian-binary", b"2.0\n!"), ("data.tar.xz", made.getvalue())):
        whole += b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (name.encode(), 0, 0, 0, b"100644", len(data))
        whole += data + b"\n" * (len(data) % 2)
    return whole


def kernel(**left_out: bool) -> dict[str, bytes]:
    files = {f"usr/lib/modules/6/{name}.ko.xz": lzma.compress(name.encode()) for name in linux.MODULES}
    files["boot/vmlinux-6"] = b"the kernel"
    return {name: data for name, data in files.items() if not any(part in name for part in left_out)}


def test_a_package_is_read(tmp_path: Path) -> None:
    path = tmp_path / "kernel.deb"
    path.write_bytes(package(kernel()))
    image, modules = linux.unpacked(path)
    assert image == b"the kernel"
    assert modules == {f"{number}.ko": name.encode() for number, name in enumerate(linux.MODULES, 1)}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"text", "it isn't an ar archive"),
        (b"!<arch>\n", "it has no data.tar"),
        (package(kernel(vmlinux=True)), "there is no kernel in it"),
        (package(kernel(net_failover=True)), "there is no net_failover module in it"),
        (package(kernel())[:-40], "it is cut off"),
    ],
)
def test_what_isnt_one_is_an_error(tmp_path: Path, data: bytes, why: str) -> None:
    path = tmp_path / "kernel.deb"
    path.write_bytes(data)
    with pytest.raises(BenchError, match=why):
        linux.unpacked(path)


def test_nothing_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="No such file"):
        linux.unpacked(tmp_path / "missing.deb")


def test_the_first_file_system_is_cpio() -> None:
    """Its names and bytes come back by the format's own fields; each part begins at a multiple of four."""
    files = {"init": b"program", "1.ko": bytes(5)}
    made, place, found = linux.archive(files), 0, dict[str, bytes]()
    while True:
        assert place % 4 == 0 and made[place : place + 6] == b"070701"
        fields = [int(made[place + 6 + 8 * field : place + 14 + 8 * field], 16) for field in range(13)]
        size, name_size = fields[6], fields[11]
        name = made[place + 110 : place + 110 + name_size - 1].decode()
        if name == "TRAILER!!!":
            break
        assert fields[1] & 0o777 == 0o755
        begin = -(-(place + 110 + name_size) // 4) * 4
        found[name] = made[begin : begin + size]
        place = -(-(begin + size) // 4) * 4
    assert found == files


def test_a_benchmark_without_linux_says_so() -> None:
    with pytest.raises(BenchError, match="kernel starts no Linux: --linux-kernel is for gateway, network"):
        registry.run("kernel", linux_kernel="debian")
