"""Parts of a gateway that end, or give way to another version, while clients ask: what they see, and that it goes on.

Every answer is right, or says that it may be asked again; a connection may end. Within moments all is as before.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from neokernel.image import qemu
from tests.gateway.test_machine import JSON, asked, image, infer, is_ready, until_up
from tests.model.digits import held_out
from tests.support.conversation import Conversation
from tests.support.machine import QEMU
from tests.support.nk import nk
from tests.support.patience import PATIENCE, eventually
from tests.support.ports import free_ports

SYSTEM = Path(__file__).parent / "machine" / "replaced.toml"
PROMPT = "nk> \x1b[K\r\x1b[04C"

#: seconds after which a request counts as lost: what was taken just before its service was killed, nobody answers, and
#: QEMU's own network keeps the connection
LOST = 30

pytestmark = [pytest.mark.qemu, pytest.mark.skipif(QEMU is None, reason="needs qemu-system-riscv64")]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Conversation, int]]:
    (port,) = free_ports(1)
    output = tmp_path_factory.mktemp("replaced") / "image.elf"
    built = nk("build", SYSTEM, "-o", output)
    assert built.returncode == 0, built.stderr
    options = [
        *qemu.entropy("virtio-mmio-bus.0"),
        *qemu.network("virtio-mmio-bus.2", {f"tcp/{port}": 8000}),
    ]
    with Conversation(output, *options) as machine:
        machine.expect(PROMPT)
        until_ready(port)
        yield machine, port


def until_ready(port: int) -> None:
    until_up(port)
    eventually(lambda: is_ready(port, "digits"), "the model isn't served")


def said(machine: Conversation, command: str) -> list[str]:
    machine.type(f"{command}\r")
    machine.expect("\r\n")
    return machine.expect(PROMPT).splitlines()[:-1]


def request(number: int) -> dict[str, Any]:
    images, _ = held_out()
    return image(images[number].ravel().tolist())


@pytest.mark.parametrize("command", ["kill gateway", "kill network", "kill card", "kill model", "swap gateway gateway"])
def test_an_end_under_load(machine: tuple[Conversation, int], command: str) -> None:
    shell, port = machine
    until_ready(port)
    wanted = [infer(port, "digits", request(number)) for number in range(4)]
    assert {status for status, _ in wanted} == {200}
    over = threading.Event()
    seen: Counter[Any] = Counter()
    wrong: list[Any] = []

    def ask(number: int) -> None:
        while not over.is_set():
            try:
                body = json.dumps(request(number)).encode()
                found = asked(port, "POST", "/v2/models/digits/infer", body, JSON, LOST)[:2]
            except (OSError, http.client.HTTPException):
                seen["ended"] += 1
                time.sleep(0.1)
                continue
            seen[found[0]] += 1
            if found != wanted[number] and found[0] not in (429, 503, 504):
                wrong.append(found)

    # One client at a time connects: QEMU's own network resets others.
    asking = threading.Thread(target=ask, args=(0,))
    asking.start()
    try:
        eventually(lambda: seen[200] >= 5, "nobody is answered")
        assert not [line for line in said(shell, command) if "can't" in line]
        until_ready(port)
        after = seen[200]
        eventually(lambda: seen[200] >= after + 5, "nobody is answered any more")
    finally:
        over.set()
        asking.join()
    assert not wrong
    # All of its life before is over: places, jobs and calls are free.
    assert [infer(port, "digits", request(number)) for number in range(4)] == wanted


def test_a_gateway_that_begins_behind_a_new_driver(machine: tuple[Conversation, int]) -> None:
    """The network service has opened the card anew since it was called the last time, and takes its capabilities."""
    shell, port = machine
    until_ready(port)
    for command in ("stop model", "stop gateway", "kill card", "start gateway", "start model"):
        if command == "start gateway":
            time.sleep(1)  # by then the network service has seen it, unless the host is very slow: then this tests less
        assert not [line for line in said(shell, command) if "can't" in line], command
    until_ready(port)
    assert infer(port, "digits", request(0))[0] == 200


def test_it_was_replaced(machine: tuple[Conversation, int]) -> None:
    """It hands over, as init asks it to, though the model is waiting for work; and isn't ended instead."""
    shell, port = machine
    until_ready(port)
    assert said(shell, "swap gateway gateway") == []
    until_ready(port)
    assert services(shell)["gateway"][0] == "runs"
    assert json.loads(json.dumps(infer(port, "digits", request(0))[1]))["model_name"] == "digits"


def services(machine: Conversation) -> dict[str, tuple[str, int]]:
    """What each does, and how often it was started."""
    rows = [re.split(r"\s+", line.strip()) for line in said(machine, "ps")[1:]]
    return {row[0]: (row[1], int(row[2])) for row in rows}


def test_clients_that_keep_connections_give_way(machine: tuple[Conversation, int]) -> None:
    """More clients than places, each of which keeps its connection: whoever comes is served, the oldest has ended."""
    _, port = machine
    until_ready(port)
    kept = []
    try:
        for _ in range(36):
            kept.append(seated(port))
        ended = [number for number, each in enumerate(kept) if has_ended(each)]
        assert ended and max(ended) < 30 and asked_on(kept[-1]) == 200, ended
    finally:
        for each in kept:
            each.close()


def seated(port: int) -> http.client.HTTPConnection:
    """A connection that was answered. It is tried until there is a place: all may have asked within half a second."""
    made = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    made.auto_open = 0

    def answered() -> bool:
        made.close()
        made.connect()
        status = asked_on(made)
        assert status in (200, 503)
        return status == 200

    eventually(answered, "there is no place")
    return made


def asked_on(connection: http.client.HTTPConnection) -> int:
    connection.request("GET", "/v2/health/live", headers=JSON)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def has_ended(connection: http.client.HTTPConnection) -> bool:
    try:
        return asked_on(connection) != 200
    except (OSError, http.client.HTTPException):
        return True


def test_clients_that_have_begun_and_are_slow_give_way(machine: tuple[Conversation, int]) -> None:
    """More of them than there are places: who comes waits until one has been slow for long enough, and is answered."""
    _, port = machine
    until_ready(port)
    begun = []
    try:
        for _ in range(30):
            begun.append(seated(port))
            begun[-1].sock.sendall(b"GET /v2")
        other = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        begun.append(other)
        other.request("GET", "/v2")
        answer = other.getresponse()
        assert answer.status == 200 and json.loads(answer.read())["name"] == "neokernel"
    finally:
        for each in begun:
            each.close()
