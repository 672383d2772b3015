"""The Linux distribution underneath, and what QEMU's packages are called there. `tools/setup.sh` knows the same table,
since it runs where there is no Python yet; a test compares them.
"""

from __future__ import annotations

import platform
import sys

#: system → the command that installs QEMU and its firmware
QEMU_COMMANDS = {
    "Debian 12, Ubuntu": "apt-get install qemu-system-misc opensbi",
    "Debian 13": "apt-get install qemu-system-riscv opensbi",
    "Fedora": "dnf install qemu-system-riscv",
    "Arch": "pacman -S qemu-system-riscv",
    "macOS": "brew install qemu",
}


def facts() -> dict[str, str]:
    """What `/etc/os-release` says; empty where there is none."""
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def this_system() -> str | None:
    """The key of `QEMU_COMMANDS` for this machine. Distributions that build on another one count as that."""
    if sys.platform == "darwin":
        return "macOS"
    known = facts()
    names = {known.get("ID", ""), *known.get("ID_LIKE", "").split()}
    if "debian" in names or "ubuntu" in names:
        # Debian's testing has no version. Derivatives count in their own way, and the older name does in all of them.
        split = known.get("ID") == "debian" and known.get("VERSION_ID", "13").partition(".")[0] not in {"11", "12"}
        return "Debian 13" if split else "Debian 12, Ubuntu"
    return "Fedora" if "fedora" in names else "Arch" if "arch" in names else None


def qemu_advice() -> str:
    """How to get QEMU here, in one line."""
    system = this_system()
    if system is None:
        return "your distribution's package with qemu-system-riscv64; `nk explain NK1101` names some"
    return f"{QEMU_COMMANDS[system]}{'' if system == 'macOS' else ', as root'}"
