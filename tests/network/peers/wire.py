"""A network of our own on this host: a namespace that nothing else is in, and taps, by which its Linux speaks Ethernet.

    with own_network():
        tap = Tap("tap0", "10.0.2.2")       # what the host's TCP says from that address is read here

Sockets that the calling thread, and threads and processes that it starts, make meanwhile are in that network. It takes
root: of the machine, or of a user namespace (`unshare -Ur`).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: <sched.h>
CLONE_NEWNET = 0x40000000
#: <linux/if_tun.h>, <linux/sockios.h>, <net/if.h>
TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK = 0x8913, 0x8914, 0x8916, 0x891C
IFF_UP = 1
SYSCTL = Path("/proc/sys/net")


class NoNetworkError(Exception):
    """This host lets us have no network of our own: says why."""


@contextmanager
def own_network() -> Iterator[None]:
    """In it, ports aren't used up: those of connections that are over are used again at once, and there are more."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open() as before:
        if libc.unshare(CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            help = "; root may have one" if number == errno.EPERM else ""
            raise NoNetworkError(f"no network namespace: {os.strerror(number)}{help}")
        try:
            _set_up("lo")
            # Frames wait in sockets between the relay and QEMU.
            (SYSCTL / "unix" / "max_dgram_qlen").write_text("1024")
            (SYSCTL / "ipv4" / "ip_local_port_range").write_text("10000 65000")
            (SYSCTL / "ipv4" / "tcp_tw_reuse").write_text("1")
            yield
        finally:
            if libc.setns(before.fileno(), CLONE_NEWNET) != 0:
                raise NoNetworkError(f"no way back to the network before: {os.strerror(ctypes.get_errno())}")


def why_not() -> str | None:
    """Why there can be none, if so."""
    try:
        with own_network():
            Tap("probe", "192.0.2.1").close()
    except (NoNetworkError, OSError) as error:
        return f"needs a network namespace and a tap, which root has: {error}"
    return None


class Tap:
    """A tap device with an address, and whoever reads and writes its `file` as its link's other end.

    `offloads`: for QEMU alone, which then makes and takes frames with checksums to be filled in, behind a header.
    """

    def __init__(self, name: str, address: str, *, offloads: bool = False) -> None:
        try:
            self.file = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise NoNetworkError(f"no tap: {error}") from error
        flags = IFF_TAP | IFF_NO_PI | (IFF_VNET_HDR if offloads else 0)
        fcntl.ioctl(self.file, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            for request, value in ((SIOCSIFADDR, address), (SIOCSIFNETMASK, "255.255.255.0")):
                place = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(value))
                fcntl.ioctl(any_socket, request, struct.pack("16s16s8x", name.encode(), place))
        _set_up(name)
        # Neighbour discovery and the like would only be noise.
        ipv6 = SYSCTL / "ipv6" / "conf" / name / "disable_ipv6"
        if ipv6.exists():
            ipv6.write_text("1")

    def close(self) -> None:
        os.close(self.file)


def _set_up(name: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        found = fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sH22x", name.encode(), 0))
        flags = struct.unpack_from("H", found, 16)[0]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH22x", name.encode(), flags | IFF_UP))
