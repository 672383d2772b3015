"""Network devices of a running machine: frames in a circle while the driver is killed, and answers to the host."""

from __future__ import annotations

import json
import re
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.drivers.devices import copied
from tests.support.machine import QEMU
from tests.support.nk import nk
from tests.support.patience import LONGEST_RUN
from tests.support.ports import free_ports

#: at most two milliseconds apart, so some come between any two steps of the client
KILLS = 100


@pytest.mark.qemu
@pytest.mark.skipif(QEMU is None, reason="needs qemu-system-riscv64")
def test_frames_survive_their_driver(tmp_path: Path) -> None:
    said = survived(tmp_path, KILLS, LONGEST_RUN)
    assert said["exit"] == 0 and not said["crashes"] and not said["panics"], said
    assert said["answered"], "the machine has answered ARP, and a datagram"
    lines = said["console"].splitlines()[1:]
    assert re.fullmatch("mtu 1500, link True, address 0x[0-9a-f]+", lines[0]), lines
    # What each frame was like was checked there.
    told = re.fullmatch(f"{KILLS} kills, ([0-9]+) outages seen", lines[1])
    assert told and int(told[1]) > 0, lines
    sent, came = map(int, re.findall("[0-9]+", lines[2]))
    assert 1000 <= came <= sent, lines


def survived(folder: Path, kills: int, timeout: int, *, paced: bool = False) -> dict[str, Any]:
    """What `nk run` says of the machine, and whether it has `answered`."""
    circle, echo = free_ports(2)
    file = copied(folder, kills, "network", paced=paced)
    file.write_text(file.read_text().replace("40001", str(circle)).replace("40002", str(echo)))
    found: list[str] = []

    def run() -> None:
        found.append(nk("run", "--json", "--timeout", str(timeout), file, timeout=timeout + 100).stdout)

    machine = threading.Thread(target=run)
    machine.start()
    answers = echoed(machine, ("127.0.0.1", echo))
    machine.join()
    said: dict[str, Any] = json.loads(found[0])
    return said | {"answered": answers}


def echoed(machine: threading.Thread, address: tuple[str, int]) -> bool:
    """Say something until it comes back, and then good-bye until the machine has gone."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.settimeout(0.3)
        said = b""
        while machine.is_alive():
            said = said or heard(made, b"message", address)
            if said:
                heard(made, b"quit, please", address)
        return said.startswith(b"message")


def heard(made: socket.socket, data: bytes, address: tuple[str, int]) -> bytes:
    try:
        made.sendto(data, address)
        return made.recv(2000)
    except OSError:
        # Nobody is there yet, or any more.
        return b""
