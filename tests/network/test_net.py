"""`nk net` and the network's metrics: what an operator sees of a machine's network, with the host's TCP as its peer."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from neokernel.cli.errors import Exit
from tests.cli.support import Nk
from tests.control.conftest import folders, nk, up
from tests.network.pcapng import File, read
from tests.support.patience import PATIENCE, eventually
from tests.support.ports import connected, free_ports

__all__ = ["folders", "nk"]

pytestmark = pytest.mark.qemu

SYSTEM = Path(__file__).parent / "watched" / "system.toml"
WIDTH = 80
#: Wireshark's, if it is there
TSHARK = shutil.which("tshark")
Address = tuple[str, int]


@pytest.fixture(scope="module")
def echo(folders: Path) -> Iterator[Address]:
    """Where a machine that is up has its echo."""
    (port,) = free_ports(1)
    system = folders / "system.toml"
    system.write_text(SYSTEM.read_text().replace("tcp/40001", f"tcp/{port}"))
    with up(system, folders):
        yield ("127.0.0.1", port)


@pytest.fixture(scope="module")
def peer(echo: Address) -> Iterator[socket.socket]:
    """A connection on which the echo has answered."""
    with closing(connected(echo, b"anybody?", b"anybody?")) as made:
        yield made


def one(found: list[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    (match,) = [each for each in found if wanted.items() <= each.items()]
    return match


def test_net_says_what_there_is(peer: socket.socket, nk: Nk) -> None:
    found = nk("net", "--json").json
    card = found["interface"]
    assert (card["up"], card["leased"], card["address"], card["gateway"]) == (True, True, "10.0.2.15/24", "10.0.2.2")
    assert card["frames_in"] > 0 and card["bytes_out"] > card["frames_out"] > 0
    assert found["routes"][1:] == [
        {"to": "10.0.2.0/24", "through": "", "interface": "card"},
        {"to": "0.0.0.0/0", "through": "10.0.2.2", "interface": "card"},
    ]
    sockets = found["sockets"]
    assert one(sockets, state="LISTEN")["local"] == "*:7"
    mine = one(sockets, state="ESTABLISHED")
    assert (mine["owner"], mine["local"], mine["unsent"]) == ("echo", "10.0.2.15:7", 0)
    assert mine["remote"].startswith("10.0.2.2:") and mine["round_trip"] > 0 and mine["window"] > 0
    assert {each["owner"] for each in sockets if each["state"] == "BOUND"} == {"echo", "halfway"}
    assert one(found["neighbours"], address="10.0.2.2")["link"]
    assert found["counters"]["accepted"] >= 1
    client = one(found["clients"], owner="echo")
    assert client["sockets"] == 2 and client["memory"] == 2 * 2 * client["each"]


def test_bytes_are_counted(peer: socket.socket, nk: Nk) -> None:
    before = nk("net", "--json").json["interface"]
    data = bytes(20_000)
    peer.sendall(data)
    came = 0
    while came < len(data):
        came += len(peer.recv(65536))
    after = nk("net", "--json").json["interface"]
    assert all(after[name] - before[name] > len(data) for name in ("bytes_in", "bytes_out"))


def test_what_waits_stands_in_its_queue(echo: Address, peer: socket.socket, nk: Nk) -> None:
    """A peer that doesn't read: what the echo has for it isn't acknowledged, and what it says isn't read any more."""
    with closing(socket.socket()) as made:
        # The host's two ends keep what the echo says until they are full: megabytes, unless segments are small.
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.settimeout(PATIENCE)
        made.connect(echo)
        made.setblocking(False)

        def stands() -> bool:
            with suppress(BlockingIOError):
                while made.send(bytes(65536)):
                    pass
            sockets = nk("net", "--json").json["sockets"]
            return any(each["received"] > 0 and each["unsent"] == each["room"] for each in sockets)

        # Nobody reads, so once it is so it stays so.
        eventually(stands, "it goes on reading")


def test_net_fits_a_terminal(peer: socket.socket, nk: Nk) -> None:
    shown = nk("net")
    assert shown.status == 0, shown.error
    lines = shown.output.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert "\x1b" not in shown.output
    assert any(line.split()[:4] == ["tcp", "ESTAB", "echo", "10.0.2.15:7"] for line in lines)
    assert any(line.startswith("0.0.0.0/0 ") and line.endswith("10.0.2.2") for line in lines)


def test_a_denial_names_the_line_that_is_missing(peer: socket.socket, nk: Nk) -> None:
    """In the log, and in `nk net`."""
    line = 'network.listen = ["tcp/9"]'
    assert one(nk("net", "--json").json["denials"], owner="halfway")["line"] == line
    assert f"[service.halfway] {line}" in nk("net").output
    said = one(nk("logs", "--json").json["records"], source="network")
    assert said["text"] == f"halfway was denied what no line grants: [service.halfway] {line}"
    assert said["level"] == "warning"


def test_metrics_have_the_network(peer: socket.socket, nk: Nk) -> None:
    families = {each.name: each for each in text_string_to_metric_families(nk("metrics").output)}

    def values(name: str) -> dict[tuple[str, ...], float]:
        return {tuple(each.labels.values()): each.value for each in families[f"neokernel_network_{name}"].samples}

    assert values("up") == {(): 1.0}
    assert values("frames")[("in",)] > 0
    assert values("segments")[("out",)] > 0
    assert values("sockets")[("tcp", "listen")] == 1.0
    assert values("client_memory_bytes")[("echo",)] > 0
    assert values("denied") == {("halfway", 'network.listen = ["tcp/9"]'): 1.0}
    assert len(values("dropped")) == 14


# --- nk net capture ---------------------------------------------------------------------------------------------------


@contextmanager
def talking(peer: socket.socket, said: bytes) -> Iterator[list[int]]:
    """Say this again and again, and hear that it comes back as it was; how many bytes have, in all, at the end."""
    done, count = threading.Event(), [0]

    def talk() -> None:
        while not done.is_set():
            peer.sendall(said)
            came = b""
            while len(came) < len(said):
                came += peer.recv(65536)
            assert came == said
            count[0] += len(came)

    talker = threading.Thread(target=talk)
    talker.start()
    try:
        yield count
    finally:
        done.set()
        talker.join()


def captured(nk: Nk, folder: Path, *arguments: str) -> tuple[File, dict[str, Any]]:
    file = folder / "frames.pcapng"
    told = nk("net", "capture", "-o", file, "--json", *arguments)
    assert told.status == 0, told.error
    return read(file.read_bytes()), told.json


def test_frames_are_copied(peer: socket.socket, nk: Nk, tmp_path: Path) -> None:
    with talking(peer, b"a word that is looked for"):
        found, told = captured(nk, tmp_path, "-c", "30", "tcp port 7", "and", "host", "10.0.2.2")
    assert [(each.name, each.link) for each in found.interfaces] == [("card", 1), ("lo", 1)]
    assert (told["frames"], len(found.frames)) == (30, 30)
    assert found.dropped == {0: told["dropped"], 1: 0}
    assert {each.flags for each in found.frames} == {1, 2}, "both ways"
    ports = [sorted((each.data[34:36], each.data[36:38])) for each in found.frames]
    assert all(b"\x00\x07" in pair for pair in ports)
    assert any(b"a word that is looked for" in each.data for each in found.frames if each.flags == 1)
    times = [each.time for each in found.frames]
    assert times == sorted(times)
    said = [record["text"] for record in nk("logs", "--json").json["records"]]
    assert "operator development: has frames of the network copied" in said


@pytest.mark.skipif(TSHARK is None, reason="needs tshark")
def test_wireshark_reads_them_as_they_are(peer: socket.socket, nk: Nk, tmp_path: Path) -> None:
    """Frame by frame as our own reader does, with times and interfaces, and none of them malformed."""
    with talking(peer, b"a word that is looked for"):
        found, _ = captured(nk, tmp_path, "-c", "30")
    fields = ("frame.interface_name", "frame.time_epoch", "frame.len", "frame.packet_flags_direction", "tcp.payload")
    assert TSHARK is not None
    asked = [TSHARK, "-n", "-r", str(tmp_path / "frames.pcapng"), "-T", "fields", "-E", "separator=;", "-e"]
    told = subprocess.run(
        [*asked, "_ws.malformed", *(word for each in fields for word in ("-e", each))],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    shown = [line.split(";") for line in told.splitlines()]
    assert len(shown) == len(found.frames) == 30
    for (malformed, name, time, length, direction, payload), frame in zip(shown, found.frames, strict=True):
        assert malformed == "" and name == found.interfaces[frame.interface].name
        assert round(float(time) * 1_000_000) == frame.time and int(length) == frame.length
        assert int(direction, 0) == frame.flags & 3
        assert bytes.fromhex(payload.replace(":", "")) in frame.data
    assert any(b"a word that is looked for" in bytes.fromhex(row[-1].replace(":", "")) for row in shown)


def test_beginnings_of_frames(peer: socket.socket, nk: Nk, tmp_path: Path) -> None:
    with talking(peer, bytes(1000)):
        found, _ = captured(nk, tmp_path, "-c", "10", "-s", "60", "tcp")
    assert max(len(each.data) for each in found.frames) == 60 < max(each.length for each in found.frames)


def test_a_capture_holds_up_nobody(peer: socket.socket, nk: Nk, tmp_path: Path) -> None:
    """More frames than are read: those that aren't copied are counted, and every byte goes its way."""
    with talking(peer, bytes(range(256)) * 400) as count:
        found, told = captured(nk, tmp_path, "-c", "600")
    assert len(found.frames) == 600
    assert found.dropped[0] == told["dropped"]
    assert count[0] > 0


def test_a_filter_that_says_nothing(peer: socket.socket, nk: Nk, tmp_path: Path) -> None:
    told = nk("net", "capture", "-o", tmp_path / "none", "port", "http")
    assert told.status == Exit.USAGE
    assert "error[NK1607]: 'http' is no port" in told.error
    assert not (tmp_path / "none").exists()
