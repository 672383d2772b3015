"""A site of a running machine, and clients on the host: curl, and sockets that say what no program would.

One machine for all tests here, which talk to it over QEMU's own network. It has two sites (`machine/pages.py`): one
waits longer for its clients than any test lasts. The other is for clients that are too slow: it waits three seconds for
a head, a body or a write, and six between requests.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from neokernel.image import qemu
from tests.support.machine import QEMU
from tests.support.nk import nk
from tests.support.patience import PATIENCE, eventually
from tests.support.ports import connected, free_ports

MACHINE = Path(__file__).parent / "machine"
PAGE = bytes(index * 7 % 251 for index in range(4_096))
LARGE = PAGE * 256
CLOSED = b"Connection: close\r\n"

pytestmark = [pytest.mark.qemu, pytest.mark.skipif(QEMU is None, reason="needs qemu-system-riscv64")]


class Ports(NamedTuple):
    """Of the host's. Who connects to an asker has the machine ask the host."""

    site: int
    asker: int
    hasty: int
    hasty_asker: int


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    found = Ports(*free_ports(4))
    with running(
        MACHINE,
        tmp_path_factory.mktemp("machine"),
        {found.site: 80, found.asker: 81, found.hasty: 82, found.hasty_asker: 83},
    ):
        yield found


@pytest.fixture(scope="module")
def port(ports: Ports) -> int:
    return ports.site


@pytest.fixture(scope="module")
def hasty(ports: Ports) -> int:
    """Of the site that doesn't wait long."""
    return ports.hasty


@contextmanager
def running(system: Path, folder: Path, forwarded: dict[int, int]) -> Iterator[None]:
    """The machine of a folder, built in another one. `forwarded`: its ports by the host's, a site's first."""
    built = nk("build", system / "system.toml", "-o", folder / "image.elf")
    assert built.returncode == 0, built.stderr
    assert QEMU is not None
    command = [
        *qemu.command(QEMU, folder / "image.elf"),
        *qemu.entropy("virtio-mmio-bus.0"),
        *qemu.network("virtio-mmio-bus.2", {f"tcp/{here}": there for here, there in forwarded.items()}, outside=True),
    ]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        connected(("127.0.0.1", next(iter(forwarded))), b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.1 ").close()
        yield
    finally:
        process.kill()
        process.wait()


def said(port: int, *pieces: bytes) -> bytes:
    """All that a connection says until it ends, to one that says these pieces."""
    found = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as made:
            for piece in pieces:
                made.sendall(piece)
            while part := made.recv(1 << 16):
                found += part
    except OSError:
        pass
    return found


def statuses(answers: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]


def request(line: str = "GET / HTTP/1.1", *fields: str, last: bool = True) -> bytes:
    return "\r\n".join([line, "Host: x", *fields, *(["Connection: close"] if last else []), "", ""]).encode()


def curl(port: int, *arguments: str) -> str:
    program = shutil.which("curl")
    if program is None:
        pytest.skip("needs curl")
    done = subprocess.run(
        [program, "-sS", "--max-time", str(PATIENCE), *arguments],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode("latin-1")


def at(port: int, path: str) -> str:
    return f"http://127.0.0.1:{port}{path}"


# --- curl -------------------------------------------------------------------------------------------------------------


def test_curl_keeps_a_connection(port: int) -> None:
    shown = curl(port, "-v", "--stderr", "-", at(port, "/"), at(port, "/kilobyte"), at(port, "/nothing"), at(port, "/"))
    assert shown.count("Connected to") == 1 and shown.lower().count("re-using existing") == 3
    assert shown.count("hello\n") == 2 and re.search(r"Date: \w{3}, \d\d \w{3} 20\d\d \d\d:\d\d:\d\d GMT", shown)


def test_curl_uploads(port: int, tmp_path: Path) -> None:
    data = LARGE[:300_000]
    (tmp_path / "data").write_bytes(data)
    expected = f"{len(data)} bytes, sum {sum(data)}\n"
    upload = ["--data-binary", f"@{tmp_path / 'data'}", at(port, "/upload")]
    assert curl(port, *upload) == expected
    assert curl(port, "-H", "Transfer-Encoding: chunked", *upload) == expected
    assert "100 Continue" in (shown := curl(port, "-i", "-H", "Expect: 100-continue", *upload)) and expected in shown
    assert curl(port, "--http1.0", *upload) == expected
    assert curl(port, "-X", "PUT", "-d", "", at(port, "/upload")) == "0 bytes, sum 0\n"


def test_curl_is_told_what_it_may_do(port: int) -> None:
    refused = curl(port, "-i", "-X", "DELETE", at(port, "/upload"))
    assert statuses(refused.encode()) == [405] and "Allow: POST, PUT, OPTIONS\r\n" in refused
    assert "Allow: GET, HEAD, OPTIONS\r\n" in curl(port, "-i", "-X", "OPTIONS", at(port, "/"))
    assert statuses(said(port, request("OPTIONS * HTTP/1.1"))) == [204]
    head = curl(port, "-I", at(port, "/kilobyte"))
    assert "Content-Length: 1024\r\n" in head and head.endswith("\r\n\r\n")


def test_curl_asks_for_parts(port: int) -> None:
    assert hashlib.sha256(curl(port, at(port, "/large")).encode("latin-1")).digest() == hashlib.sha256(LARGE).digest()
    for wanted, part in (("5-99", LARGE[5:100]), ("-7", LARGE[-7:]), ("1048570-", LARGE[1_048_570:])):
        found = curl(port, "-i", "-r", wanted, at(port, "/large"))
        assert statuses(found.encode()) == [206] and found.encode("latin-1").endswith(b"\r\n\r\n" + part)
    assert "Content-Range: bytes */1048576\r\n" in curl(port, "-i", "-r", "1048576-", at(port, "/large"))
    fresh = ["-i", "-o", "/dev/stdout", "-H", 'If-None-Match: "large"', at(port, "/large")]
    assert statuses(curl(port, *fresh).encode()) == [304]


# --- many requests on one connection ----------------------------------------------------------------------------------


def test_requests_in_a_row(port: int) -> None:
    """Pipelining: answers come in order, whatever lies between the pieces."""
    upload = b"POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    data = request(last=False) * 20 + upload + request("GET /nothing HTTP/1.1", last=False) + upload + request()
    for size in (len(data), 7):
        answers = said(port, *[data[place : place + size] for place in range(0, len(data), size)])
        assert statuses(answers) == [200] * 20 + [200, 404, 200, 200]
        assert answers.count(b"3 bytes, sum 294\n") == 2 and answers.endswith(b"hello\n")


def test_a_body_that_nobody_reads_is_read_past(port: int) -> None:
    short = b"POST /hasty HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    assert statuses(said(port, short, request())) == [200, 200]
    # A long one ends the connection, and the answer isn't lost.
    long = b"POST /hasty HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n" + bytes(900_000)
    assert statuses(said(port, long, request())) == [200]
    waits = b"POST /hasty HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    answer = said(port, waits)
    assert statuses(answer) == [200] and CLOSED in answer, "whether the body comes nobody knows"


def test_http_1_0(port: int) -> None:
    once = said(port, b"GET / HTTP/1.0\r\n\r\n")
    assert once.endswith(b"hello\n") and CLOSED in once
    kept = said(port, b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n")
    assert statuses(kept) == [200, 200] and b"Connection: keep-alive\r\n" in kept
    endless = said(port, b"GET /stream?mark=x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert b"chunked" not in endless and endless.endswith(b"line 19 x\n") and CLOSED in endless


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /\r\n\r\n", 400),
        (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1", 400),
        (b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400),
        (b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n", 413),
        (b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", 413),
        (b"POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\n\r\n" + bytes(17), 413),
        (
            b"POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n11\r\n"
            + bytes(17)
            + b"\r\n0\r\n\r\n",
            413,
        ),
        (b"GET /" + b"a" * 5_000, 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 9_000, 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nExpect: nothing\r\n\r\n", 417),
        (b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501),
        (b"GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505),
        (b"GET /split HTTP/1.1\r\nHost: x\r\n\r\n", 500),
    ],
)
def test_what_is_refused(port: int, data: bytes, status: int) -> None:
    """Also when more comes behind it than anybody reads: the answer isn't lost to a reset."""
    for behind in (b"", b"x" * 100_000):
        answer = said(port, data + behind) if status != 431 or not behind else said(port, data)
        assert statuses(answer) == [status] and CLOSED in answer
        assert b"Set-Cookie" not in answer


def test_answers_that_go_wrong(port: int) -> None:
    assert statuses(said(port, request("GET /silent HTTP/1.1", last=False), request())) == [500, 200]
    short = said(port, request("GET /short HTTP/1.1", last=False), request())
    assert b"hello" not in short and not short.endswith(b"\r\n\r\nshort" + bytes(5)), "reset, not ended in order"


# --- time and number --------------------------------------------------------------------------------------------------


def test_slow_senders_are_held_off(hasty: int) -> None:
    """A byte now and then isn't enough, be it of a head or a body."""
    assert statuses(dripped(hasty, b"", request("GET / HTTP/1.1", "X: " + "a" * 400))) == [408]
    upload = b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    assert statuses(dripped(hasty, upload, bytes(1000))) == [408]
    assert said(hasty, b"") == b"", "who says nothing is told nothing, and hung up on"


def dripped(port: int, first: bytes, data: bytes) -> bytes:
    """What is answered to who says something at once, and the rest byte by byte until then."""

    def answer() -> bytes | None:
        with closing(socket.create_connection(("127.0.0.1", port), PATIENCE)) as made:
            made.sendall(first)
            for byte in data:
                made.settimeout(PATIENCE)
                try:
                    made.sendall(bytes([byte]))
                    made.settimeout(0.05)
                    return made.recv(1 << 16)
                except TimeoutError:
                    continue
                except OSError:
                    # On a slow host, the answer, and the end behind it, may have come before this byte was said.
                    return None
        return b"all was taken"

    return eventually(answer, "it is reset without an answer") or b""


def test_slow_readers_are_held_off(hasty: int) -> None:
    """Who takes nothing is reset, and the others are served meanwhile."""
    with closing(socket.socket()) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        before = counters(hasty)["timed_out"]
        made.connect(("127.0.0.1", hasty))
        made.sendall(request("GET /large HTTP/1.1", last=False) * 20)
        eventually(lambda: counters(hasty)["timed_out"] != before, "it is held on to")
        came = 0
        with suppress(ConnectionResetError):
            while part := made.recv(1 << 16):
                came += len(part)
        assert came < 20 * len(LARGE)


def counters(port: int) -> dict[str, int]:
    answer = eventually(lambda: said(port, request("GET /counters HTTP/1.1")), "it doesn't answer")
    body = answer.partition(b"\r\n\r\n")[2].decode()
    return {name: int(number) for name, number in (line.split() for line in body.splitlines())}


def test_sixty_connections_at_once(port: int) -> None:
    """Each keeps its own, in turns; then all places are free again."""
    with ExitStack() as stack:
        made = []
        for _ in range(60):
            # One after the other: QEMU lets one wait for it, not more.
            made.append(stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE)))
            made[-1].sendall(request(last=False))
            assert made[-1].recv(1 << 16).endswith(b"hello\n")
        for turn in range(3):
            for number, each in enumerate(made):
                each.sendall(request(f"GET /stream?mark={turn}.{number} HTTP/1.1", last=False))
            for number, each in enumerate(made):
                came = b""
                while not came.endswith(b"\r\n0\r\n\r\n"):
                    part = each.recv(1 << 16)
                    assert part, f"connection {number} has ended in turn {turn}"
                    came += part
                assert came.count(f"{turn}.{number}\r\n".encode()) == 20 and b"line 19 " in came
    eventually(lambda: counters(port)["living"] == 1, "connections are left")


# --- the client -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "said_of_it"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200 5 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "200 GONE"),
        (b"HTTP/1.0 404 \r\n\r\nuntil the end", "404 13 bytes"),
        (b"HTTP/1.1 201\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", "201 4 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", "200 MALFORMED"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 2 + b"HTTP/1.1 204 No Content\r\n\r\n", "204 0 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n" + bytes(300), "200 300 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 301\r\n\r\n" + bytes(301), "200 TOO_LARGE"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + bytes(301), "200 TOO_LARGE"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 9, "MALFORMED"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "MALFORMED"),
        (b"SSH-2.0-x\r\n", "MALFORMED"),
        (b"HTTP/1.1 20 OK\r\n", "MALFORMED"),
        (b"", "GONE"),
        (None, "TIMED_OUT"),
    ],
)
def test_what_the_client_makes_of_answers(ports: Ports, answer: bytes | None, said_of_it: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        asker = ports.asker if answer is not None else ports.hasty_asker
        with socket.create_connection(("127.0.0.1", asker), PATIENCE) as asking:
            asking.sendall(b"%d\n" % server.getsockname()[1])
            peer, _ = server.accept()
            with peer:
                asked = b""
                while not asked.endswith(b"question"):
                    asked += peer.recv(1 << 16)
                assert asked.startswith(b"POST /path?query HTTP/1.1\r\nHost: host\r\n"), asked
                if answer is not None:
                    peer.sendall(answer)
                    peer.shutdown(socket.SHUT_WR)
                assert asking.makefile().readline() == f"{said_of_it}\n"


def test_the_client_finds_nobody(ports: Ports) -> None:
    (unused,) = free_ports(1)
    assert said(ports.asker, b"%d\n" % unused) == b"GONE\n"
    assert said(ports.asker, b"80\n") == b"REFUSED\n", "no line grants it"
