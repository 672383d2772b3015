"""Linux as a guest of the same QEMU, for benchmarks that want a peer at the same time: a kernel, and one program.

    kernel = from_debian(folder)                        # or a package of that kind from elsewhere
    command = guest(qemu, kernel, source, folder)       # the machine, but for its devices

The kernel is a Debian package for riscv64, out of which come the kernel itself and the modules of virtio's network
device. Nothing else of a distribution is there: the first process is the program that is compared (`source`, C), in an
initramfs that is made here. Nobody is asked to be root.
"""

from __future__ import annotations

import io
import lzma
import os
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

from neokernel.bench.row import BenchError
from neokernel.compiler import toolchain

TARGET = "riscv64-linux-musl"
#: in the order in which they are loaded
MODULES = ("virtio_mmio", "failover", "net_failover", "virtio_net")
MEMORY = "512M"
#: Debian's release that has riscv64, the package that depends on its kernel, and whose signatures count
RELEASE, PACKAGE = "trixie", "linux-image-riscv64"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
#: seconds for what is downloaded: 120 MB
PATIENCE = 600


def guest(qemu: str, package: Path, source: Path, folder: Path, options: Sequence[str] = ()) -> list[str]:
    """The machine's command. What it starts is put into `folder`. `options`: more of the compiler's."""
    kernel, modules = unpacked(package)
    image, initramfs = folder / "linux.image", folder / "linux.initramfs"
    image.write_bytes(kernel)
    initramfs.write_bytes(archive({"init": compiled(source, folder, options)} | modules))
    machine = ["-M", "virt", "-smp", "1", "-m", MEMORY, "-bios", "default", "-display", "none", "-monitor", "none"]
    machine += ["-serial", "stdio", "-no-reboot", "-global", "virtio-mmio.force-legacy=false"]
    return [qemu, *machine, "-kernel", str(image), "-initrd", str(initramfs), "-append", "quiet panic=-1"]


def compiled(source: Path, folder: Path, options: Sequence[str] = ()) -> bytes:
    """A program of one file, linked statically."""
    output = folder / source.stem
    words = [toolchain.zig(), "cc", "-target", TARGET, "-O2", "-static", "-s", *options]
    words += ["-o", str(output), str(source)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{source.name} can't be compiled for Linux:\n{done.stderr.strip()}")
    return output.read_bytes()


# --- the package ------------------------------------------------------------------------------------------------------


def unpacked(package: Path) -> tuple[bytes, dict[str, bytes]]:
    """The kernel of a package, and the modules by the names that the first process looks for."""
    kernel: bytes | None = None
    modules: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(member(package.read_bytes(), "data.tar"))) as files:
            for each in files:
                if kernel is not None and len(modules) == len(MODULES):
                    break
                name = Path(each.name).name
                module = name.partition(".ko")[0]
                found = files.extractfile(each) if each.isfile() else None
                if found is None:
                    continue
                if name.startswith(("vmlinux-", "vmlinuz-")):
                    kernel = found.read()
                elif ".ko" in name and module in MODULES:
                    data = found.read()
                    modules[f"{MODULES.index(module) + 1}.ko"] = lzma.decompress(data) if name.endswith(".xz") else data
    except (OSError, tarfile.TarError, lzma.LZMAError, ValueError) as error:
        raise BenchError(f"{package}: no Debian package of a kernel: {error}") from error
    missing = [name for number, name in enumerate(MODULES, 1) if f"{number}.ko" not in modules]
    if kernel is None or missing:
        raise BenchError(f"{package}: there is no {'kernel' if kernel is None else missing[0] + ' module'} in it")
    return kernel, modules


def member(package: bytes, prefix: str) -> bytes:
    """A file of an `ar` archive (deb(5)), the first one whose name begins so."""
    if not package.startswith(b"!<arch>\n"):
        raise ValueError("it isn't an ar archive")
    place = 8
    while place + 60 <= len(package):
        head = package[place : place + 60]
        name, size = head[:16].decode("ascii", "replace").strip().rstrip("/"), int(head[48:58])
        if place + 60 + size > len(package):
            raise ValueError("it is cut off")
        if name.startswith(prefix):
            return package[place + 60 : place + 60 + size]
        place += 60 + size + size % 2
    raise ValueError(f"it has no {prefix}")


def archive(files: dict[str, bytes]) -> bytes:
    """A cpio archive ("newc") of programs and modules: the kernel's first file system."""
    made = bytearray()
    for number, (name, data) in enumerate([*files.items(), ("TRAILER!!!", b"")], 1):
        mode = stat.S_IFREG | 0o755 if data else 0
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        made += b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        made += bytes(-len(made) % 4) + data
        made += bytes(-len(made) % 4)
    return bytes(made)


# --- from Debian ------------------------------------------------------------------------------------------------------


def from_debian(folder: Path) -> Path:
    """Debian's kernel for riscv64, fetched by apt from where this machine has its packages from.

    Nothing of this machine's own packages changes: apt's lists and the package lie in `folder`.
    """
    apt = shutil.which("apt-get")
    if apt is None or not KEYRING.is_file():
        raise BenchError("Debian's kernel can't be fetched: this isn't Debian; give --linux-kernel a package's path")
    place = folder / "apt"
    for name in ("lists/partial", "cache/archives/partial", "parts"):
        (place / name).mkdir(parents=True, exist_ok=True)
    (place / "sources").write_text(f"deb [arch=riscv64 signed-by={KEYRING}] {mirror(apt)} {RELEASE} main\n")
    own = {
        "Dir::State::lists": place / "lists",
        "Dir::State::status": "/dev/null",
        "Dir::Cache": place / "cache",
        "Dir::Etc::sourcelist": place / "sources",
        "Dir::Etc::sourceparts": place / "parts",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": place / "parts",
        "APT::Architecture": "riscv64",
        "APT::Architectures": "riscv64",
        "APT::Sandbox::User": "",
    }
    options = [word for key, value in own.items() for word in ("-o", f"{key}={value}")]
    told(apt, [*options, "update"], place)
    depends = told("apt-cache", [*options, "depends", "--important", PACKAGE], place)
    names = [line.split()[-1] for line in depends.splitlines() if "linux-image-" in line and "Depends:" in line]
    if not names:
        raise BenchError(f"Debian's {RELEASE} has no {PACKAGE}")
    told(apt, [*options, "download", names[0]], place)
    packages = sorted(place.glob("linux-image-*.deb"), key=os.path.getmtime)
    if not packages:
        raise BenchError(f"apt-get hasn't fetched {names[0]}")
    return packages[-1]


def mirror(apt: str) -> str:
    """Where this machine has Debian's packages from."""
    found = told(apt, ["indextargets", "--format", "$(REPO_URI) $(LABEL)", "Created-By: Packages"], Path())
    for line in found.splitlines():
        place, _, label = line.partition(" ")
        if label == "Debian":
            return place
    raise BenchError("apt-get knows no place that has Debian's packages; give --linux-kernel a package's path")


def told(program: str, words: Sequence[str], folder: Path) -> str:
    try:
        done = subprocess.run(
            [program, *words], cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(f"Debian's kernel can't be fetched: {error}") from error
    if done.returncode:
        raise BenchError(f"Debian's kernel can't be fetched: {done.stderr.strip()[-1000:]}")
    return done.stdout
