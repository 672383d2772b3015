"""The example that serves files, on the machine: what the guide shows, and what browsers ask for."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from neokernel.compiler.source import PACKAGE_ROOT
from tests.docs import snippets
from tests.http.test_machine import at, curl, running, said, statuses
from tests.support.machine import QEMU
from tests.support.patience import PATIENCE
from tests.support.ports import free_ports

EXAMPLE = PACKAGE_ROOT / "examples" / "11_static"
GUIDE = PACKAGE_ROOT / "docs" / "guide" / "http.md"

pytestmark = [pytest.mark.qemu, pytest.mark.skipif(QEMU is None, reason="needs qemu-system-riscv64")]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    (found,) = free_ports(1)
    with running(EXAMPLE, tmp_path_factory.mktemp("static"), {found: 80}):
        yield found


def test_every_file_comes_as_it_is(port: int) -> None:
    for path in (EXAMPLE / "www").rglob("*.*"):
        name = path.relative_to(EXAMPLE / "www").as_posix()
        assert curl(port, at(port, f"/{name}")).encode("latin-1") == path.read_bytes()
    index = (EXAMPLE / "www" / "about" / "index.html").read_bytes()
    assert curl(port, at(port, "/about/")).encode("latin-1") == index
    for name in ("/nothing", "/style.css/", "/www_files.py"):
        assert statuses(curl(port, "-i", at(port, name)).encode()) == [404], name


def test_a_folder_is_under_its_path_with_a_slash(port: int) -> None:
    told = curl(port, "-i", at(port, "/about?a=%20b"))
    assert statuses(told.encode()) == [308]
    assert "Location: /about/?a=%20b" in told.splitlines()
    index = (EXAMPLE / "www" / "about" / "index.html").read_bytes()
    assert curl(port, "-L", at(port, "/about")).encode("latin-1") == index
    assert "Allow: GET, HEAD, OPTIONS" in curl(port, "-i", "-X", "POST", at(port, "/about"))


def test_who_comes_when_there_is_no_room_is_told(port: int) -> None:
    """Fourteen connections stay; one more is answered, and those that stay go on."""
    request = b"GET /style.css HTTP/1.1\r\nHost: here\r\n\r\n"
    with ExitStack() as stack:
        kept = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)) for _ in range(14)]
        for each in kept:
            each.sendall(request)
            assert each.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as late:
            late.sendall(request)
            told = b"".join(iter(lambda: late.recv(65536), b""))
        assert told.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"\r\nRetry-After: 1\r\n" in told and b"\r\nConnection: close\r\n" in told
        kept[7].sendall(request)
        assert kept[7].recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_browser_that_has_it_isnt_sent_it_again(port: int) -> None:
    first = curl(port, "-i", at(port, "/style.css"))
    (tag,) = (line[6:] for line in first.splitlines() if line.startswith("ETag: "))
    known = curl(port, "-i", "-H", f"If-None-Match: {tag}", at(port, "/style.css"))
    assert statuses(known.encode()) == [304] and known.endswith("\r\n\r\n") and tag in known
    assert statuses(curl(port, "-i", "-H", 'If-Match: "other"', at(port, "/style.css")).encode()) == [412]
    part = curl(port, "-i", "-r", "0-4", "-H", f"If-Range: {tag}", at(port, "/style.css"))
    assert statuses(part.encode()) == [206] and part.endswith("\r\n\r\n:root")
    assert statuses(curl(port, "-i", "-r", "100000-", at(port, "/style.css")).encode()) == [416]
    assert "Allow: GET, HEAD, OPTIONS" in curl(port, "-i", "-X", "POST", at(port, "/style.css"))


def test_the_guides_commands_show_this(port: int) -> None:
    blocks = [block for block in snippets.read(GUIDE).blocks if block.role == "curl"]
    assert blocks
    for block in blocks:
        shown = ""
        for line in block.text.splitlines():
            if line.startswith("$ curl "):
                command = line.removeprefix("$ curl ").replace("127.0.0.1:8080", f"127.0.0.1:{port}")
                printed = curl(port, *shlex.split(command)).replace("\r", "")
                shown += f"{line}\n{printed}" + ("" if printed.endswith("\n") else "\n")
        assert snippets.fits(block.text, shown), shown


def test_pipelined_files(port: int) -> None:
    line = b"GET /style.css HTTP/1.1\r\nHost: x\r\n"
    answers = said(port, (line + b"\r\n") * 9 + line + b"Connection: close\r\n\r\n")
    assert statuses(answers) == [200] * 10
    assert answers.count((EXAMPLE / "www" / Path("style.css")).read_bytes()) == 10
